import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from whenabouts.core.progress import Silent
from whenabouts.training.event_files import EventFiles


def written(folder: Path, begin: int, notes: Mapping[int, float]) -> None:
    journal = EventFiles(folder, Silent())
    journal.begin(begin)
    for step, loss in notes.items():
        journal.note(step, {"loss": loss, "learning_rate": 0.5})
    journal.close()


def read(folder: Path, name: str) -> list[tuple[int, float]]:
    """As TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def test_tensorboard_reads_what_was_noted(tmp_path: Path) -> None:
    written(tmp_path / "logs", 0, {50: 2.5, 100: 1.25})
    assert read(tmp_path / "logs", "loss") == [(50, 2.5), (100, 1.25)]
    assert read(tmp_path / "logs", "learning_rate") == [(50, 0.5), (100, 0.5)]


def test_a_resumed_run_takes_back_what_was_noted_behind_its_checkpoint(tmp_path: Path) -> None:
    written(tmp_path, 0, {50: 2.5, 100: 1.25, 150: 9.0})
    written(tmp_path, 100, {150: 1.0, 200: 0.5})
    assert read(tmp_path, "loss") == [(50, 2.5), (100, 1.25), (150, 1.0), (200, 0.5)]


def test_without_the_package_a_line_says_so_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, said = builtins.__import__, []

    def without(name: str, *rest: Sequence[object]) -> object:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    class Ear(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    monkeypatch.setattr(builtins, "__import__", without)
    journal = EventFiles(tmp_path / "logs", Ear())
    journal.begin(0)
    journal.note(1, {"loss": 1.0})
    journal.close()
    assert said == ["No TensorBoard files: pip install 'whenabouts[plots]' for them."]
    assert not (tmp_path / "logs").exists()
