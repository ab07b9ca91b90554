"""What workers note of themselves: stages, remarks and ends, each in a file of its own."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from whenabouts.core.errors import WriteError
from whenabouts.core.progress import Silent
from whenabouts.recognition.shares import Share
from whenabouts.recognition.worker_notes import WorkerNotes, worker_name, workers_of


class Telling(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)


def test_workers_note_where_they_are_and_how_they_ended(tmp_path: Path) -> None:
    shown = Telling()
    with WorkerNotes(tmp_path, Share(10, 12), shown) as notes:
        (state,) = workers_of(tmp_path)
        assert (state.worker, state.share, state.ended, state.done) == (worker_name(), "10/12", "", (0, 0))
        assert list(notes.track(iter("abc"), total=4, title="pictures")) == ["a", "b", "c"]
        assert list(notes.track(iter("d"), total=1, title="sound")) == ["d"]
        notes.say("b is unreadable: no video")
    with pytest.raises(WriteError), WorkerNotes(tmp_path, Share(2, 12), shown):
        raise WriteError("no room on the disk")
    first, second = workers_of(tmp_path)
    assert (first.share, first.ended) == ("2/12", "WriteError: no room on the disk")
    assert (second.ended, second.done, second.told) == ("finished", (4, 5), ("b is unreadable: no video",))
    assert shown.told == [f"{worker_name()}: b is unreadable: no video"]


def test_what_is_noted_on_the_way_is_there_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last steps may lack; broken files and those of older versions are left out."""
    monkeypatch.setattr("whenabouts.recognition.worker_notes._PAUSE_SECONDS", -1.0)

    def items() -> Iterator[str]:
        yield from "ab"
        os._exit(0)

    child = os.fork()
    if not child:
        with WorkerNotes(tmp_path, Share(1, 2), Silent()) as notes:
            list(notes.track(items(), total=3, title="pictures"))
    os.waitpid(child, 0)
    (tmp_path / "2-of-2.json").write_text("{")
    (tmp_path / "3-of-2.json").write_text(json.dumps({"worker": "older"}))
    (state,) = workers_of(tmp_path)
    assert (state.ended, state.done) == ("", (2, 3))
    assert state.worker.endswith(f"/{child}")
