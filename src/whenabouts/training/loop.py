"""The loop: draw a batch, measure a loss, take a step, again; interrupted anywhere, it ends at the same weights."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from whenabouts.core.progress import Progress, Silent
from whenabouts.training.averaging import GradientMean
from whenabouts.training.checkpoints import Place, resumed, save_checkpoint
from whenabouts.training.devices import Compute, deterministic
from whenabouts.training.finite import Guard, gradient_norm
from whenabouts.training.loading import batch_numbers, drawn_ahead
from whenabouts.training.pace import Pace
from whenabouts.training.processes import ALONE, World
from whenabouts.training.schedules import ScheduleName, rate_factor

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a run goes, whatever it trains. `drops` are the steps at which schedule `step` lowers the rate.

    A step takes the mean gradient over `accumulate` batches.
    """

    steps: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: ScheduleName = "cosine"
    warmup: int = 0
    warmup_from: float = 0.0
    drops: tuple[int, ...] = ()
    halvings: int = 0
    accumulate: int = 1
    clip_norm: float | None = None
    seed: int = 0
    report_every: int = 50
    checkpoint_every: int = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What a batch showed: the loss to lower, and numbers to report, such as an accuracy."""

    loss: Tensor
    scores: Mapping[str, float | Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trainee(Generic[Batch]):
    """What is trained: a model, the batches, and the measure of a batch.

    `draw(number)` must depend on nothing but `number` and its own seed: it is called in threads, ahead of time, and
    again after an interruption. Numbers count the batches of all processes (see `batch_numbers`); alone, without
    accumulation, they are the steps. It must not touch the model's parameters, not even to ask for the size of a part:
    a step that uses them holds torch's lock on them while it waits for the interpreter, which the thread holds while it
    waits for the lock, and both stand still for ever (seen once in some thousand trainings, torch 2.13).
    `measure(model, batch)` runs under autocast on the run's device. `share(name)` is the share of the learning rate
    that the parameter of this name gets; a share of 0 leaves it as it is. A batch has `examples`, such as videos, for
    the speed that is told (0: none is told).
    """

    model: nn.Module
    draw: Callable[[int], Batch]
    measure: Callable[[nn.Module, Batch], Measured]
    share: Callable[[str], float] = field(default=lambda name: 1.0)
    examples: int = 0


class Journal(Protocol):
    """Keeps the numbers of a run for people to look at, beside the history that decides nothing either."""

    def begin(self, step: int) -> None:
        """What follows `step` comes next; what was kept of later steps, by a run that was cut off, holds no more."""
        ...

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """Keep what was seen up to a step: loss, rate, scores, examples a second, share of time spent waiting."""
        ...


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a run went: one row of means (step, loss, rate, scores) per report, and the step at which it resumed.

    A row whose steps were not all taken says under "skipped" how many were not.
    """

    history: tuple[dict[str, float], ...]
    resumed_at: int


def fit(
    trainee: Trainee[Batch],
    plan: Plan,
    compute: Compute,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
    loaders: int = 1,
    progress: Progress | None = None,
    world: World = ALONE,
    journal: Journal | None = None,
) -> Fitted:
    """Train `trainee.model` in place for `plan.steps` steps, resuming from `checkpoint` where one lies.

    On the CPU the result is the same bit for bit for one seed, machine and number of processes, with any number of
    `loaders` (threads that draw batches ahead), interrupted or not. `identity` says what else decides the result, such
    as a checksum of the data: a checkpoint of another plan or identity is started over, one of another number of
    processes refused with ProjectError. A step whose loss or gradient is not finite is not taken, but counted and told;
    too many raise InvalidData, as do weights that are not finite: neither a checkpoint nor a result ever has such.

    The processes of `world` draw batches of their own, take steps with their mean gradient, and keep statistics of
    batch normalisation to themselves; the first one writes the checkpoint, which all must be able to read.
    """
    progress = progress or Silent()
    torch.manual_seed(plan.seed + 1_000_003 * world.rank)
    compute.place_net(trainee.model).train()
    optimizer = make_optimizer(trainee.model, plan, trainee.share)
    where = compute if world.size == 1 else f"{compute.device.type} {compute.dtype}"
    place = resumed(checkpoint, trainee.model, optimizer, f"{plan} {where} {identity}", progress, world)
    if world.size > 1:
        world.agree(f"{place.plan} {place.step} {_digest(trainee.model)}", "settings, data or weights")
    if journal is not None:
        journal.begin(place.step)
    run = _Run(trainee, plan, compute, optimizer, place, checkpoint, world=world, journal=journal)
    numbers = batch_numbers(range(place.step, plan.steps), plan.accumulate, world)
    with deterministic(compute.device), drawn_ahead(trainee.draw, numbers, loaders) as batches:
        title = f"training on {compute}" + (f" in {world.size} processes" if world.size > 1 else "")
        left = range(place.step, plan.steps)
        for step in progress.track(left, total=len(left), title=title):
            run.step(step, batches, progress)
    run.guard.check_weights(plan.steps)
    trainee.model.eval()
    return Fitted(tuple(run.history), place.step)


def make_optimizer(
    model: nn.Module, plan: Plan, share: Callable[[str], float] = lambda name: 1.0
) -> torch.optim.Optimizer:
    """AdamW or SGD with Nesterov's momentum over all parameters that want gradients, in groups of one share each."""
    by_share: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            by_share.setdefault(share(name), []).append(parameter)
    groups = [{"params": parameters, "share": own} for own, parameters in by_share.items()]
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=plan.learning_rate,
        momentum=plan.momentum,
        weight_decay=plan.weight_decay,
        nesterov=plan.momentum > 0,
    )


class _Run(Generic[Batch]):
    """One run under way: what a step needs and what it leaves behind."""

    def __init__(
        self,
        trainee: Trainee[Batch],
        plan: Plan,
        compute: Compute,
        optimizer: torch.optim.Optimizer,
        place: Place,
        checkpoint: Path | None,
        *,
        world: World,
        journal: Journal | None,
    ) -> None:
        self.trainee, self.plan, self.compute, self.optimizer = trainee, plan, compute, optimizer
        self.checkpoint, self.identity = checkpoint, place.plan
        self.history = list(place.history)
        self.world, self.journal = world, journal
        self.guard = Guard(trainee.model, plan.steps, world, place.skipped, plan.learning_rate)
        self._sums, self._count = dict(place.sums), place.count
        self._mean_gradient = GradientMean(trainee.model.parameters(), world)
        self._pace = Pace(trainee.examples * plan.accumulate * world.size)

    def step(self, step: int, batches: Iterator[Batch], progress: Progress) -> None:
        rate = self.plan.learning_rate * self._factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        self.guard.begin()
        shown = [self._measured(batches) for _ in range(self.plan.accumulate)]
        self._take(shown, step, progress)
        self._pace.step()
        done = step + 1
        if done % self.plan.report_every == 0 or done == self.plan.steps:
            self._report(done, rate, progress)
        if self.checkpoint and done % self.plan.checkpoint_every == 0:
            self.guard.check_weights(done)
            place = Place(done, self.identity, tuple(self.history), self._sums, self._count, skipped=self.guard.skipped)
            save_checkpoint(self.checkpoint, self.trainee.model, self.optimizer, place, self.world)

    def _measured(self, batches: Iterator[Batch]) -> dict[str, Tensor]:
        """Add one batch's share of the gradient; loss and scores of the batch, left on the device."""
        with self._pace.waiting():
            batch = next(batches)
        with self.compute.autocast():
            measured = self.trainee.measure(self.trainee.model, batch)
        loss = measured.loss if self.plan.accumulate == 1 else measured.loss / self.plan.accumulate
        loss.backward()  # type: ignore[no-untyped-call]
        seen = {"loss": measured.loss.detach(), **measured.scores}
        return {
            name: torch.as_tensor(value, dtype=torch.float64, device=self.compute.device).detach()
            for name, value in seen.items()
        }

    def _take(self, shown: list[dict[str, Tensor]], step: int, progress: Progress) -> None:
        """Take the step with the mean gradient of all processes, where that and the mean loss are finite."""
        own = torch.stack([sum(one[name] for one in shown) / len(shown) for name in shown[0]])  # type: ignore[misc]
        means = own.clone()
        self.world.average([means])
        self._mean_gradient()
        if self.plan.clip_norm is None:
            norm = gradient_norm(self.trainee.model)
        else:
            norm = nn.utils.clip_grad_norm_(self.trainee.model.parameters(), self.plan.clip_norm)
        # All that is asked of the device in a step, at once: it need not be waited for more than once.
        *values, length, own_loss = torch.cat([means, norm.detach().double().view(1), own[:1]]).tolist()
        told = dict(zip(shown[0], values, strict=True))
        if not self.guard.take(told["loss"], length, own_loss=own_loss, step=step, progress=progress):
            return
        self.optimizer.step()
        for name, value in told.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def _report(self, done: int, rate: float, progress: Progress) -> None:
        if not self._count:  # No step was taken: that is told with the next report, at the end with the one before.
            if done == self.plan.steps and self.history:
                last = self.history[-1]
                self.history[-1] = {**last, "skipped": last.get("skipped", 0.0) + self.guard.reported()}
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        skipped = self.guard.reported()
        more = {"skipped": float(skipped)} if skipped else {}
        self.history.append({"step": float(done), "rate": rate, **means, **more})
        pace = self._pace.told()
        shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        told = f", {pace['examples_per_second']:.1f} a second" if "examples_per_second" in pace else ""
        lost = f", {skipped} not taken" if skipped else ""
        progress.say(
            f"step {done} of {self.plan.steps}{lost}: {shown}, rate {rate:.3g}{told}, "
            f"{100 * pace['waiting_share']:.0f} % waiting for data"
        )
        if self.journal is not None:
            self.journal.note(done, {**means, "learning_rate": rate, **pace, **more})
        self._sums, self._count = {}, 0

    def _factor(self, step: int) -> float:
        plan = self.plan
        return rate_factor(
            step,
            steps=plan.steps,
            schedule=plan.schedule,
            warmup=plan.warmup,
            warmup_from=plan.warmup_from,
            drops=plan.drops,
            halvings=plan.halvings,
        )


def _digest(model: nn.Module) -> str:
    """What the parameters are, to tell whether processes begin alike."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
