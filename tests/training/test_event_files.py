import builtins
import os
import subprocess
import sys
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


FULL = """
import resource, sys
from pathlib import Path
from whenabouts.core.progress import Silent
from whenabouts.training.event_files import EventFiles
class Ear(Silent):
    def say(self, text):
        print("said", text)
journal = EventFiles(Path(sys.argv[1]), Ear())
journal.begin(0)
journal.note(1, {"loss": 1.0})
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
for step in range(2, 9):
    journal.note(step, {"loss": 1.0, "rate": 0.5})
journal.close()
journal.begin(9)
print("went on")
"""


def test_a_full_disk_ends_the_files_and_not_the_training(tmp_path: Path) -> None:
    words = [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path / "logs")]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    assert last == "went on"
    assert said[0].startswith(f"said TensorBoard files below {tmp_path / 'logs'} can't be written: File too large. The")
    assert len(said) == 1


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    class Ear(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    (tmp_path / "logs").write_text("a file")
    journal = EventFiles(tmp_path / "logs", Ear())
    journal.begin(0)
    journal.note(1, {"loss": 1.0})
    journal.close()
    assert len(said) == 1
    assert "can't be written" in said[0]


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
