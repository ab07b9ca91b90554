"""Real processes that train together: in step, to the same bits after a kill, and never waiting for ever."""

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from whenabouts.core.errors import SettingsError
from whenabouts.training.checkpoints import read_place
from whenabouts.training.loop import Trainee, fit
from whenabouts.training.processes import ALONE, joined

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def runs() -> Iterator[ModuleType]:
    """`process_runs.py`, where the processes that it starts find it too."""
    sys.path.insert(0, HERE)
    import process_runs

    yield process_runs
    sys.path.remove(HERE)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_two_killed_and_resumed_end_at_the_same_bits(runs: ModuleType, tmp_path: Path) -> None:
    whole, cut = runs.Job(tmp_path / "whole"), runs.Job(tmp_path / "cut", how="kill", where=0)
    assert runs.run(whole) == [0, 0]
    assert runs.run(cut) == [-signal.SIGKILL, 1]
    assert read_place(cut.folder / "run.safetensors").step == 10
    assert runs.run(dataclasses.replace(cut, how="")) == [0, 0]
    assert "10)" in (cut.folder / "history0.txt").read_text()
    for rank, (one, other) in enumerate(zip(runs.nets(whole.folder), runs.nets(cut.folder), strict=True)):
        assert_same(one, other)
        history = [(folder / f"history{rank}.txt").read_text() for folder in (whole.folder, cut.folder)]
        assert history[0].rpartition(",")[0] == history[1].rpartition(",")[0]
    mine, theirs = runs.nets(whole.folder)
    learned, kept = ("0.weight", "4.weight", "1.bias"), ("1.running_mean", "1.running_var")
    assert all(torch.equal(mine[name], theirs[name]) for name in learned)
    assert not any(torch.equal(mine[name], theirs[name]) for name in kept), "each process has statistics of its own"


def test_two_processes_are_one_that_accumulates(runs: ModuleType, tmp_path: Path) -> None:
    job = runs.Job(tmp_path / "two", plain=True)
    assert runs.run(job) == [0, 0]
    model = runs.net(plain=True)
    plan = dataclasses.replace(runs.PLAN, accumulate=2)
    fitted = fit(Trainee(model, runs.batch_of, runs.measure), plan, runs.CPU)
    for theirs in runs.nets(job.folder):
        assert_same(theirs, dict(model.state_dict()))
    assert repr((fitted.history, 0)) == (job.folder / "history1.txt").read_text()


def test_numbers_that_are_none_cost_their_step_in_all_processes(runs: ModuleType, tmp_path: Path) -> None:
    plan = dataclasses.replace(runs.PLAN, schedule="constant", warmup=0)
    assert runs.run(runs.Job(tmp_path, plan=plan, plain=True, how="nan", where=1, at=12)) == [0, 0]
    mine, theirs = runs.nets(tmp_path)
    assert_same(mine, theirs)
    model = runs.net(plain=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for step in (step for step in range(24) if step != 12):
        optimizer.zero_grad()
        for number in (2 * step, 2 * step + 1):
            (runs.measure(model, runs.batch_of(number)).loss / 2).backward()
        optimizer.step()
    assert_same(mine, dict(model.state_dict()))
    for rank in (0, 1):
        assert "The loss is nan at step 12 in process 1 of 2: this step" in (tmp_path / f"said{rank}.txt").read_text()


def test_three_processes_end_alike(runs: ModuleType, tmp_path: Path) -> None:
    job = runs.Job(tmp_path, plain=True, plan=dataclasses.replace(runs.PLAN, steps=6))
    assert runs.run(job, 3) == [0, 0, 0]
    first, *others = runs.nets(tmp_path)
    for other in others:
        assert_same(first, other)
    assert runs.run(job, 2) == [1, 1]
    assert "made by 3 processes at step 5, but now there are 2" in (tmp_path / "error0.txt").read_text()


def test_when_one_is_killed_the_other_says_so(runs: ModuleType, tmp_path: Path) -> None:
    assert runs.run(runs.Job(tmp_path, how="kill", where=1)) == [1, -signal.SIGKILL]
    said = (tmp_path / "error0.txt").read_text()
    assert said.startswith("ProcessLost: Process 0 of 2 has lost the others.")
    assert "Start all of them again" in said


def test_one_that_stands_still_is_not_waited_for_for_ever(runs: ModuleType, tmp_path: Path) -> None:
    processes = runs.start(runs.Job(tmp_path, how="stop", where=1, patience=2.0), 2)
    processes[0].join(120)
    assert processes[0].exitcode == 1
    assert (tmp_path / "error0.txt").read_text().startswith("ProcessLost: ")
    os.kill(processes[1].pid, signal.SIGKILL)
    runs.ended(processes)


def test_what_ended_one_is_told_by_the_other(runs: ModuleType, tmp_path: Path) -> None:
    assert runs.run(runs.Job(tmp_path, how="error", where=1)) == [1, 1]
    assert (tmp_path / "error1.txt").read_text() == "WhenaboutsError: the disk is full"
    assert "Process 1 ended: the disk is full" in (tmp_path / "error0.txt").read_text()


def test_a_full_disk_ends_both_and_leaves_the_last_checkpoint(runs: ModuleType, tmp_path: Path) -> None:
    whole, cut = runs.Job(tmp_path / "whole"), runs.Job(tmp_path / "cut", how="full", where=0)
    assert runs.run(whole) == [0, 0]
    assert runs.run(cut) == [1, 1]
    said = [(cut.folder / f"error{rank}.txt").read_text() for rank in (0, 1)]
    path = cut.folder / "run.safetensors"
    assert said[0].startswith(f"WriteError: {path} can't be written: File too large. Raise the limit")
    assert said[1].startswith("ProcessLost: Process 1 of 2 has lost the others. Process 0 ended: ")
    assert "run.safetensors can't be written" in said[1]
    assert ".." not in said[1]
    assert not [left for left in cut.folder.iterdir() if left.name.endswith(".part")]
    assert read_place(path).step == 10
    assert runs.run(dataclasses.replace(cut, how="")) == [0, 0]
    for one, other in zip(runs.nets(whole.folder), runs.nets(cut.folder), strict=True):
        assert_same(one, other)


def test_processes_with_other_settings_are_refused(runs: ModuleType, tmp_path: Path) -> None:
    assert runs.run(runs.Job(tmp_path, how="other")) == [1, 1]
    assert "differ in settings, data or weights" in (tmp_path / "error0.txt").read_text()


def test_a_launch_that_lacks_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(SettingsError, match="MASTER_ADDR"), joined(torch.device("cpu")):
        pass


def test_alone_there_is_nobody_to_talk_to() -> None:
    with joined(torch.device("cpu")) as world:
        assert world is ALONE
        assert world.gather({"a": 1}) == [{"a": 1}]
        world.wait()
