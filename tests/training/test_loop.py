import dataclasses
import json
import re
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.progress import Silent
from whenabouts.training import checkpoints
from whenabouts.training.checkpoints import read_place
from whenabouts.training.devices import Compute
from whenabouts.training.loading import batch_numbers
from whenabouts.training.loop import Fitted, Measured, Plan, Trainee, fit
from whenabouts.training.processes import ALONE, World

CPU = Compute(torch.device("cpu"), torch.float32)
PLAN = Plan(steps=40, learning_rate=0.05, warmup=5, seed=3, report_every=15, checkpoint_every=10, weight_decay=0.01)


class Stopped(Exception):
    """Stands for a kill in the middle of a run."""


def small_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def batch_of(step: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def measure(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Measured:
    scores = model(batch[0])
    right = (scores.argmax(1) == batch[1]).float().mean()
    return Measured(nn.functional.cross_entropy(scores, batch[1]), {"accuracy": right})


def trained(
    plan: Plan = PLAN, *, checkpoint: Path | None = None, loaders: int = 1, stop_at: int | None = None
) -> tuple[nn.Module, Fitted]:
    def draw(step: int) -> tuple[Tensor, Tensor]:
        if step == stop_at:
            raise Stopped
        return batch_of(step)

    model = small_net()
    return model, fit(Trainee(model, draw, measure), plan, CPU, checkpoint=checkpoint, loaders=loaders)


def assert_same(model: nn.Module, other: nn.Module) -> None:
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("stop_at", [12, 35])
def test_an_interrupted_run_ends_at_the_same_weights(tmp_path: Path, optimizer: str, stop_at: int) -> None:
    plan = Plan(steps=40, learning_rate=0.05, optimizer=optimizer, seed=3, report_every=15, checkpoint_every=10)
    whole, history = trained(plan)
    with pytest.raises(Stopped):
        trained(plan, checkpoint=tmp_path / "run.safetensors", stop_at=stop_at)
    torch.rand(5)
    resumed, rest = trained(plan, checkpoint=tmp_path / "run.safetensors")
    assert rest.resumed_at == stop_at // 10 * 10
    assert_same(whole, resumed)
    assert rest.history == history.history


@pytest.mark.parametrize("loaders", [2, 4])
def test_the_number_of_loaders_changes_nothing(loaders: int) -> None:
    assert_same(trained()[0], trained(loaders=loaders)[0])


def test_it_learns_and_reports() -> None:
    plan = Plan(steps=400, learning_rate=0.02, report_every=100)
    _, fitted = trained(plan)
    assert [row["step"] for row in fitted.history] == [100, 200, 300, 400]
    assert fitted.history[-1]["accuracy"] > 0.68 > fitted.history[0]["accuracy"]
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] - 0.05


def test_a_checkpoint_is_one_safetensors_file_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained(checkpoint=path)
    assert [item.name for item in tmp_path.iterdir()] == ["run.safetensors"]
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert content[8 : 8 + length].strip().startswith(b"{")
    assert b"torch" not in content
    assert not content.startswith((b"PK", b"\x80"))
    with safetensors.safe_open(path, framework="pt") as file:
        kinds = {name.partition(".")[0] for name in file.keys()}  # noqa: SIM118 (not a dict)
    assert kinds == {"model", "optimizer", "random"}
    assert read_place(path).step == 40


def test_a_checkpoint_of_another_plan_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained(checkpoint=path)
    other = Plan(steps=40, learning_rate=0.01, seed=3, checkpoint_every=10)
    model, fitted = trained(other, checkpoint=path)
    assert fitted.resumed_at == 0
    assert_same(model, trained(other)[0])


def test_another_file_in_the_checkpoints_place_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    path.write_text("no checkpoint")
    with pytest.raises(ProjectError, match="not a checkpoint"):
        trained(checkpoint=path)


def test_a_checkpoint_that_is_bent_is_an_error_and_no_beginning(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained(checkpoint=path)
    with safetensors.safe_open(path, framework="pt") as file:
        told = file.metadata()
    kept = safetensors.torch.load_file(path)
    name = next(name for name, tensor in kept.items() if name.startswith("model.") and tensor.is_floating_point())
    state = json.loads(told["state"])
    for tensors, metadata in (
        ({**kept, name: torch.full_like(kept[name], torch.nan)}, told),
        ({**kept, name: torch.zeros(1, 2, 3, 4)}, told),
        ({other: tensor for other, tensor in kept.items() if other != name}, told),
        ({other: tensor for other, tensor in kept.items() if not other.startswith("random.")}, told),
        (kept, {"state": json.dumps({**state, "place": 3})}),
        (kept, {"state": json.dumps({**state, "optimizer": [1]})}),
        (kept, {"state": "[]"}),
    ):
        safetensors.torch.save_file(tensors, path, metadata=metadata)
        with pytest.raises(ProjectError, match="Remove it to start anew"):
            trained(checkpoint=path)


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    plan = Plan(steps=200, learning_rate=1e30, optimizer="sgd")
    with pytest.raises(InvalidData, match="Lower the learning rate"):
        trained(plan)


def test_clipped_gradients_move_the_weights_less() -> None:
    def moved(clip_norm: float | None) -> float:
        plan = Plan(steps=1, learning_rate=1.0, optimizer="sgd", momentum=0.0, clip_norm=clip_norm)
        before = small_net().state_dict()
        after = trained(plan)[0].state_dict()
        return float(sum((after[name] - before[name]).square().sum() for name in ("0.weight", "4.weight")) ** 0.5)

    assert moved(1e-3) <= 1.01e-3 < moved(None)


def test_randomness_outside_the_run_does_not_reach_it() -> None:
    one, _ = trained()
    torch.manual_seed(99)
    assert_same(one, trained()[0])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_layers_learn_at_their_share_of_the_rate(tmp_path: Path, optimizer: str) -> None:
    def share(name: str) -> float:
        return {"0": 0.0, "1": 0.5}.get(name.partition(".")[0], 1.0)

    def learned(rate: float, chosen: object = None, stop_at: int | None = None) -> nn.Module:
        def draw(step: int) -> tuple[Tensor, Tensor]:
            if step == stop_at:
                raise Stopped
            return batch_of(step)

        model = small_net()
        plan = Plan(steps=stop or 1, learning_rate=rate, optimizer=optimizer, schedule="constant", checkpoint_every=2)
        trainee = Trainee(model, draw, measure) if chosen is None else Trainee(model, draw, measure, share)
        fit(trainee, plan, CPU, checkpoint=tmp_path / "run.safetensors" if stop else None)
        return model

    stop = 0
    first, halved, shared = small_net(), learned(0.05), learned(0.1, share)
    assert torch.equal(shared.get_parameter("0.weight"), first.get_parameter("0.weight"))
    assert torch.equal(shared.get_parameter("1.weight"), halved.get_parameter("1.weight"))
    assert torch.equal(shared.get_parameter("4.weight"), learned(0.1).get_parameter("4.weight"))
    assert not torch.equal(shared.get_parameter("4.weight"), halved.get_parameter("4.weight"))
    stop = 5
    with pytest.raises(Stopped):
        learned(0.1, share, stop_at=3)
    resumed = learned(0.1, share)
    (tmp_path / "run.safetensors").unlink()
    assert_same(resumed, learned(0.1, share))


def test_accumulated_batches_are_one_large_batch() -> None:
    def net() -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def joined(step: int) -> tuple[Tensor, Tensor]:
        one, two = batch_of(2 * step), batch_of(2 * step + 1)
        return torch.cat([one[0], two[0]]), torch.cat([one[1], two[1]])

    plan = Plan(steps=10, learning_rate=0.05, report_every=5)
    whole, parts = net(), net()
    told = fit(Trainee(whole, joined, measure), plan, CPU)
    same = fit(Trainee(parts, batch_of, measure), dataclasses.replace(plan, accumulate=2), CPU)
    for one, two in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    assert [row["loss"] for row in told.history] == pytest.approx([row["loss"] for row in same.history], rel=1e-5)


def test_every_batch_has_one_taker() -> None:
    worlds = [World(rank, 3) for rank in range(3)]
    taken = [list(batch_numbers(range(2, 4), 2, world)) for world in worlds]
    assert taken == [[12, 13, 18, 19], [14, 15, 20, 21], [16, 17, 22, 23]]
    assert list(batch_numbers(range(2, 4), 1, ALONE)) == [2, 3]


def test_a_checkpoint_of_other_processes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    trained(checkpoint=path)
    header = checkpoints.read_place(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whenabouts.training.checkpoints.read_place", lambda _: dataclasses.replace(header, processes=2))
        with pytest.raises(ProjectError, match="made by 2 processes at step 40, but now there are 1"):
            trained(checkpoint=path)


def test_speed_and_waiting_are_told_but_not_kept() -> None:
    said: list[str] = []
    noted: list[tuple[int, dict[str, float]]] = []

    class Ear(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    begun: list[int] = []

    class Book:
        def begin(self, step: int) -> None:
            begun.append(step)

        def note(self, step: int, values: dict[str, float]) -> None:
            noted.append((step, dict(values)))

    fitted = fit(Trainee(small_net(), batch_of, measure, examples=16), PLAN, CPU, progress=Ear(), journal=Book())
    assert re.fullmatch(
        r"step 15 of 40: loss .*, accuracy .*, rate .*, [\d.]+ a second, \d+ % waiting for data", said[0]
    )
    assert begun == [0]
    assert [step for step, _ in noted] == [15, 30, 40]
    assert set(noted[0][1]) == {"loss", "accuracy", "learning_rate", "waiting_share", "examples_per_second"}
    assert set(fitted.history[0]) == {"step", "rate", "loss", "accuracy"}
