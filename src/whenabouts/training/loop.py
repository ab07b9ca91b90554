"""The loop: draw a batch, measure a loss, take a step, again; interrupted anywhere, it ends at the same weights."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.progress import Progress, Silent
from whenabouts.training.averaging import GradientMean
from whenabouts.training.checkpoints import Place, load_checkpoint, read_place, save_checkpoint
from whenabouts.training.devices import Compute, deterministic
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
    """How a run went: one row of means (step, loss, rate, scores) per report, and the step at which it resumed."""

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
    processes refused with ProjectError. A loss that is not finite raises InvalidData.

    The processes of `world` draw batches of their own, take steps with their mean gradient, and keep statistics of
    batch normalisation to themselves; the first one writes the checkpoint, which all must be able to read.
    """
    progress = progress or Silent()
    torch.manual_seed(plan.seed + 1_000_003 * world.rank)
    compute.place_net(trainee.model).train()
    optimizer = make_optimizer(trainee.model, plan, trainee.share)
    where = compute if world.size == 1 else f"{compute.device.type} {compute.dtype}"
    place = _resumed(checkpoint, trainee.model, optimizer, f"{plan} {where} {identity}", progress, world)
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
        self._sums, self._count = dict(place.sums), place.count
        self._mean_gradient = GradientMean(trainee.model.parameters(), world)
        self._pace = Pace(trainee.examples * plan.accumulate * world.size)

    def step(self, step: int, batches: Iterator[Batch], progress: Progress) -> None:
        rate = self.plan.learning_rate * self._factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        self.optimizer.zero_grad(set_to_none=True)
        shown = [self._measured(batches) for _ in range(self.plan.accumulate)]
        self._take(self._averaged(shown), step)
        self._pace.step()
        done = step + 1
        if done % self.plan.report_every == 0 or done == self.plan.steps:
            self._report(done, rate, progress)
        if self.checkpoint and done % self.plan.checkpoint_every == 0:
            place = Place(done, self.identity, tuple(self.history), self._sums, self._count)
            save_checkpoint(self.checkpoint, self.trainee.model, self.optimizer, place, self.world)

    def _measured(self, batches: Iterator[Batch]) -> dict[str, float]:
        """Add one batch's share of the gradient; loss and scores of the batch."""
        with self._pace.waiting():
            batch = next(batches)
        with self.compute.autocast():
            measured = self.trainee.measure(self.trainee.model, batch)
        loss = measured.loss if self.plan.accumulate == 1 else measured.loss / self.plan.accumulate
        loss.backward()  # type: ignore[no-untyped-call]
        return {name: float(value) for name, value in {"loss": measured.loss.detach(), **measured.scores}.items()}

    def _averaged(self, shown: list[dict[str, float]]) -> dict[str, float]:
        """The mean over the batches of a step, in all processes."""
        means = {name: sum(one[name] for one in shown) / len(shown) for name in shown[0]}
        if self.world.size == 1:
            return means
        numbers = torch.tensor(list(means.values()), dtype=torch.float64, device=self.compute.device)
        self.world.average([numbers])
        return dict(zip(means, numbers.tolist(), strict=True))

    def _take(self, means: dict[str, float], step: int) -> None:
        if not math.isfinite(means["loss"]):
            raise InvalidData(
                f"The loss is {means['loss']} at step {step}. Lower the learning rate ({self.plan.learning_rate}), "
                "or look for broken inputs."
            )
        self._mean_gradient()
        if self.plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trainee.model.parameters(), self.plan.clip_norm)
        self.optimizer.step()
        for name, value in means.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def _report(self, done: int, rate: float, progress: Progress) -> None:
        means = {name: total / self._count for name, total in self._sums.items()}
        self.history.append({"step": float(done), "rate": rate, **means})
        pace = self._pace.told()
        shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        told = f", {pace['examples_per_second']:.1f} a second" if "examples_per_second" in pace else ""
        progress.say(
            f"step {done} of {self.plan.steps}: {shown}, rate {rate:.3g}{told}, "
            f"{100 * pace['waiting_share']:.0f} % waiting for data"
        )
        if self.journal is not None:
            self.journal.note(done, {**means, "learning_rate": rate, **pace})
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


def _resumed(
    checkpoint: Path | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: str,
    progress: Progress,
    world: World,
) -> Place:
    """Where to begin: at the checkpoint's step if it belongs to this very plan, else at 0."""
    if checkpoint is None or not checkpoint.exists():
        return Place(0, plan)
    found = read_place(checkpoint)
    if found.processes != world.size:
        raise ProjectError(
            f"{checkpoint} was made by {found.processes} processes at step {found.step}, but now there are "
            f"{world.size}. Start {found.processes} (torchrun --nproc-per-node), or remove the file to begin anew."
        )
    if found.plan != plan:
        progress.say(f"{checkpoint} belongs to other settings or other data: starting over.")
        return Place(0, plan)
    place = load_checkpoint(checkpoint, model, optimizer, world)
    progress.say(f"resuming at step {place.step} from {checkpoint}")
    return place


def _digest(model: nn.Module) -> str:
    """What the parameters are, to tell whether processes begin alike."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
