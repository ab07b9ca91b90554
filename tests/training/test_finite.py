"""Numbers that are not finite: one bad batch costs its step, many end the run, and none is ever kept."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.training.checkpoints import read_place
from whenabouts.training.devices import Compute
from whenabouts.training.finite import MOST_IN_A_ROW, Skipped, steps_not_taken
from whenabouts.training.loop import Fitted, Measured, Plan, Trainee, fit

CPU = Compute(torch.device("cpu"), torch.float32)
PLAN = Plan(steps=40, learning_rate=0.05, schedule="constant", optimizer="sgd", seed=3, report_every=10,
            checkpoint_every=10)  # fmt: skip
Batch = tuple[Tensor, Tensor]


class Ear(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def small_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def batch_of(step: int) -> Batch:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def measure(model: nn.Module, batch: Batch) -> Measured:
    return Measured(nn.functional.cross_entropy(model(batch[0]), batch[1]))


def broken_at(steps: Collection[int], value: float = float("nan")) -> Callable[[int], Batch]:
    """Batches, of which some have one input that is `value`."""

    def draw(step: int) -> Batch:
        x, y = batch_of(step)
        if step in steps:
            x[3, 2] = value
        return x, y

    return draw


def trained(
    draw: Callable[[int], Batch], plan: Plan = PLAN, *, checkpoint: Path | None = None, ear: Ear | None = None
) -> tuple[nn.Module, Fitted]:
    model = small_net()
    return model, fit(Trainee(model, draw, measure), plan, CPU, checkpoint=checkpoint, progress=ear)


def by_hand(left_out: Collection[int]) -> dict[str, Tensor]:
    """The same training in a few lines, which never sees some of the batches."""
    model = small_net().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for step in range(40):
        if step not in left_out:
            optimizer.zero_grad()
            measure(model, batch_of(step)).loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_batch_costs_its_step_and_nothing_else(value: float) -> None:
    ear = Ear()
    model, fitted = trained(broken_at({12, 13, 31}, value), ear=ear)
    for name, expected in by_hand({12, 13, 31}).items():
        assert torch.equal(model.state_dict()[name], expected), name
    assert [row.get("skipped") for row in fitted.history] == [None, 2.0, None, 1.0]
    assert steps_not_taken(fitted.history) == 3
    told = [line for line in ear.said if line.endswith("this step is not taken.")]
    assert told == [f"The loss is nan at step {step}: this step is not taken." for step in (12, 31)]
    assert any(line.startswith("step 20 of 40, 2 not taken: loss 0.") for line in ear.said)


def test_means_are_those_of_the_steps_that_were_taken() -> None:
    whole, cut = trained(batch_of)[1], trained(broken_at({0}))[1]
    assert cut.history[0]["loss"] != whole.history[0]["loss"]
    assert 0.5 < cut.history[0]["loss"] < 1.0


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_not_finite_is_not_taken(clip_norm: float | None) -> None:
    def steep(model: nn.Module, batch: Batch) -> Measured:
        loss = measure(model, batch).loss
        # The root of 0 is 0, its slope is infinite: a fine loss with a gradient that is none.
        return Measured(loss + (0 * loss).sqrt() if bool(torch.equal(batch[0], batch_of(25)[0])) else loss)

    ear, model = Ear(), small_net()
    fit(Trainee(model, batch_of, steep), dataclasses.replace(PLAN, clip_norm=clip_norm), CPU, progress=ear)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
    assert any(line.startswith("The gradient's norm is nan at step 25, with a loss of 0.") for line in ear.said)
    if clip_norm is None:
        assert all(torch.equal(model.state_dict()[name], one) for name, one in by_hand({25}).items())


def test_steps_of_which_none_was_taken_are_counted_with_their_neighbours() -> None:
    plan = dataclasses.replace(PLAN, steps=42, report_every=2)
    fitted = trained(broken_at({6, 7, 40, 41}), plan)[1]
    assert [row["step"] for row in fitted.history] == [2, 4, 6, *range(10, 41, 2)]
    assert {row["step"]: row["skipped"] for row in fitted.history if "skipped" in row} == {10: 2, 40: 2}


def test_ten_in_a_row_end_the_run() -> None:
    plan = dataclasses.replace(PLAN, steps=200)
    with pytest.raises(InvalidData, match=r"step 29. 10 steps could not be taken, the last 10 in a row. Lower the"):
        trained(broken_at(range(20, 200)), plan)
    nine = range(20, 20 + MOST_IN_A_ROW - 1)
    assert steps_not_taken(trained(broken_at(nine), plan)[1].history) == 9


def test_more_than_a_tenth_of_all_ends_the_run() -> None:
    with pytest.raises(InvalidData, match=r"The loss is nan at step 24. 5 steps could not be taken, the last 1 in a"):
        trained(broken_at(range(0, 40, 6)))


def test_of_few_steps_the_first_bad_one_ends_the_run() -> None:
    with pytest.raises(InvalidData, match=r"at step 8. 1 step could not be taken"):
        trained(broken_at({8}), dataclasses.replace(PLAN, steps=12))


def test_a_resumed_run_remembers_what_was_skipped(tmp_path: Path) -> None:
    path, bad = tmp_path / "run.safetensors", {8, 9, 17}

    def cut(step: int) -> Batch:
        if step == 25:
            raise KeyboardInterrupt
        return broken_at(bad)(step)

    whole, fitted = trained(broken_at(bad))
    plan = dataclasses.replace(PLAN, report_every=15)
    with pytest.raises(KeyboardInterrupt):
        trained(cut, plan, checkpoint=path)
    assert read_place(path).skipped == Skipped(total=3, in_a_row=0, unreported=1)
    resumed, rest = trained(broken_at(bad), plan, checkpoint=path)
    assert rest.resumed_at == 20
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    assert [row.get("skipped") for row in rest.history] == [2.0, 1.0, None]
    assert steps_not_taken(fitted.history) == 3


class Growing(nn.Module):
    """A weight and a statistic; the batch says what becomes of each while the loss stays finite."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("seen", torch.tensor(0.0))


@pytest.mark.parametrize(("slope", "seen", "name"), [(1e30, 0.0, "weight"), (0.0, float("inf"), "seen")])
def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path, slope: float, seen: float, name: str) -> None:
    def push(model: nn.Module, step: int) -> Measured:
        assert isinstance(model, Growing)
        last = step % 20 == 19
        model.seen.fill_(seen if last else 1.0)
        return Measured(model.weight * (slope if last else 1e-3))

    path = tmp_path / "run.safetensors"
    plan = Plan(steps=100, learning_rate=1e10, schedule="constant", optimizer="sgd", momentum=0.0, checkpoint_every=10)
    with pytest.raises(InvalidData, match=rf"1 weights or statistics are not finite after step 20, such as {name}: no"):
        fit(Trainee(Growing(), lambda step: step, push), plan, CPU, checkpoint=path)
    assert read_place(path).step == 10
    with pytest.raises(InvalidData, match="after step 20"):
        fit(Trainee(Growing(), lambda step: step, push), dataclasses.replace(plan, steps=20), CPU)


def test_the_device_is_asked_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def counted(name: str) -> None:
        whole = getattr(torch.Tensor, name)

        def asking(tensor: Tensor, *rest: object) -> object:
            asked[name] += 1
            return whole(tensor, *rest)

        monkeypatch.setattr(torch.Tensor, name, asking)

    def scored(model: nn.Module, batch: Batch) -> Measured:
        loss = measure(model, batch).loss
        return Measured(loss, {"twice": 2 * loss, "half": 0.5})

    for name in ("tolist", "item", "__float__", "__bool__", "__int__"):
        counted(name)
    plan = dataclasses.replace(PLAN, steps=8, accumulate=2, clip_norm=1.0)
    fitted = fit(Trainee(small_net(), batch_of, scored), plan, CPU)
    assert fitted.history[0]["twice"] == pytest.approx(2 * fitted.history[0]["loss"])
    assert asked == {"tolist": 8 + 1}, "once each step, and once for the weights at the end"
