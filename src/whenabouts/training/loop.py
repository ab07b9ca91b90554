"""The loop: draw a batch, measure a loss, take a step, again; interrupted anywhere, it ends at the same weights."""

import collections
import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress, Silent
from whenabouts.training.checkpoints import Place, load_checkpoint, read_place, save_checkpoint
from whenabouts.training.devices import Compute, deterministic
from whenabouts.training.schedules import ScheduleName, rate_factor

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a run goes, whatever it trains. `drops` are the steps at which schedule `step` lowers the rate."""

    steps: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: ScheduleName = "cosine"
    warmup: int = 0
    drops: tuple[int, ...] = ()
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
    """What is trained: a model, the batch of each step, and the measure of a batch.

    `draw(step)` must depend on nothing but `step` and its own seed: it is called in threads, ahead of time, and again
    after an interruption. It must not touch the model's parameters, not even to ask for the size of a part: a step that
    uses them holds torch's lock on them while it waits for the interpreter, which the thread holds while it waits for
    the lock, and both stand still for ever (seen once in some thousand trainings, torch 2.13).
    `measure(model, batch)` runs under autocast on the run's device. `share(name)` is the share of the learning rate
    that the parameter of this name gets; a share of 0 leaves it as it is.
    """

    model: nn.Module
    draw: Callable[[int], Batch]
    measure: Callable[[nn.Module, Batch], Measured]
    share: Callable[[str], float] = field(default=lambda name: 1.0)


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
) -> Fitted:
    """Train `trainee.model` in place for `plan.steps` steps, resuming from `checkpoint` where one lies.

    On the CPU the result is the same bit for bit for one seed and machine, with any number of `loaders` (threads
    that draw batches ahead), interrupted or not. `identity` says what else decides the result, such as a checksum of
    the data: a checkpoint of another plan or identity is started over. A loss that is not finite raises InvalidData.
    """
    progress = progress or Silent()
    torch.manual_seed(plan.seed)
    compute.place_net(trainee.model).train()
    optimizer = make_optimizer(trainee.model, plan, trainee.share)
    place = _resumed(checkpoint, trainee.model, optimizer, f"{plan} {compute} {identity}", progress)
    run = _Run(trainee, plan, compute, optimizer, place, checkpoint)
    with deterministic(compute.device), drawn_ahead(trainee.draw, place.step, plan.steps, loaders) as batches:
        title = f"training on {compute}"
        for step, batch in progress.track(enumerate(batches, place.step), total=plan.steps - place.step, title=title):
            run.step(step, batch, progress)
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


@contextlib.contextmanager
def drawn_ahead(draw: Callable[[int], Batch], first: int, stop: int, loaders: int) -> Iterator[Iterator[Batch]]:
    """Give the batches of steps `first` to `stop`, in order, drawn by `loaders` threads up to two each ahead."""
    # One thread each for torch: teams of threads would only wait for one another, spinning.
    threads = torch.get_num_threads()
    single = functools.partial(torch.set_num_threads, 1)
    pool = ThreadPoolExecutor(max(1, loaders), thread_name_prefix="loader", initializer=single)

    def batches() -> Iterator[Batch]:
        waiting: collections.deque[Future[Batch]] = collections.deque()
        steps = iter(range(first, stop))
        while True:
            for step in itertools.islice(steps, 2 * max(1, loaders) - len(waiting)):
                waiting.append(pool.submit(draw, step))
            if not waiting:
                return
            yield waiting.popleft().result()

    try:
        yield batches()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)


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
    ) -> None:
        self.trainee, self.plan, self.compute, self.optimizer = trainee, plan, compute, optimizer
        self.checkpoint, self.identity = checkpoint, place.plan
        self.history = list(place.history)
        self._sums, self._count = dict(place.sums), place.count

    def step(self, step: int, batch: Batch, progress: Progress) -> None:
        rate = self.plan.learning_rate * self._factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        with self.compute.autocast():
            measured = self.trainee.measure(self.trainee.model, batch)
        self._take(measured, step)
        self._note(measured)
        done = step + 1
        if done % self.plan.report_every == 0 or done == self.plan.steps:
            self._report(done, rate, progress)
        if self.checkpoint and done % self.plan.checkpoint_every == 0:
            place = Place(done, self.identity, tuple(self.history), self._sums, self._count)
            save_checkpoint(self.checkpoint, self.trainee.model, self.optimizer, place)

    def _take(self, measured: Measured, step: int) -> None:
        loss = float(measured.loss.detach())
        if not math.isfinite(loss):
            raise InvalidData(
                f"The loss is {loss} at step {step}. Lower the learning rate ({self.plan.learning_rate}), "
                "or look for broken inputs."
            )
        self.optimizer.zero_grad(set_to_none=True)
        measured.loss.backward()  # type: ignore[no-untyped-call]
        if self.plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trainee.model.parameters(), self.plan.clip_norm)
        self.optimizer.step()

    def _note(self, measured: Measured) -> None:
        for name, value in {"loss": measured.loss.detach(), **measured.scores}.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._count += 1

    def _report(self, done: int, rate: float, progress: Progress) -> None:
        means = {name: total / self._count for name, total in self._sums.items()}
        self.history.append({"step": float(done), "rate": rate, **means})
        shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        progress.say(f"step {done} of {self.plan.steps}: {shown}")
        self._sums, self._count = {}, 0

    def _factor(self, step: int) -> float:
        plan = self.plan
        return rate_factor(step, steps=plan.steps, schedule=plan.schedule, warmup=plan.warmup, drops=plan.drops)


def _resumed(
    checkpoint: Path | None, model: nn.Module, optimizer: torch.optim.Optimizer, plan: str, progress: Progress
) -> Place:
    """Where to begin: at the checkpoint's step if it belongs to this very plan, else at 0."""
    if checkpoint is None or not checkpoint.exists():
        return Place(0, plan)
    if read_place(checkpoint).plan != plan:
        progress.say(f"{checkpoint} belongs to other settings or other data: starting over.")
        return Place(0, plan)
    place = load_checkpoint(checkpoint, model, optimizer)
    progress.say(f"resuming at step {place.step} from {checkpoint}")
    return place
