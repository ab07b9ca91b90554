"""Headers of many files, in child processes; and which failures are the file's own."""

import errno
import importlib
from pathlib import Path

import av
import numpy as np
import pytest

from whenabouts.core.errors import MediaError
from whenabouts.media import probing, reader
from whenabouts.media.opening import passing
from whenabouts.media.probe import probe
from whenabouts.media.probing import probed
from whenabouts.media.reader import VideoReader
from whenabouts.media.watch import Limits

FAILING = """
import os, signal, time
from whenabouts.media.parts import probe_parts as real

def probe_parts(path, **how):
    if path.stem == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while path.stem == "hang":
        time.sleep(1)
    yield from real(path, **how)
"""


def test_a_file_that_crashes_or_hangs_ffmpeg_is_unreadable_and_the_others_are_probed(
    numbered: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_probe.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(probing, "probe_parts", importlib.import_module("failing_probe").probe_parts)
    monkeypatch.setattr(probing, "_LIMITS", Limits(silence_seconds=8.0))
    good = [video.path for video in numbered.values()][:4]
    paths = [good[0], tmp_path / "crash", good[1], tmp_path / "hang", *good[2:]]
    found = list(probed(((path, f"id {number}") for number, path in enumerate(paths)), workers=2))
    assert [video.id for video in found] == [f"id {number}" for number in range(6)]
    assert [video.status for video in found] == ["complete", "unreadable", "complete", "unreadable"] + ["complete"] * 2
    assert "SIGSEGV" in found[1].reason
    assert "no sign of life" in found[3].reason
    assert not found[1].passing
    assert not found[3].passing
    assert [found[0], found[4]] == [probe(paths[0], video_id="id 0"), probe(paths[4], video_id="id 4")]


def test_failures_of_the_system_pass_and_those_of_the_file_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    wrapped = MediaError("can't be opened")
    wrapped.__cause__ = PermissionError(errno.EACCES, "Permission denied")
    for error in (PermissionError(errno.EACCES, "no"), OSError(errno.EIO, "disk"), MemoryError(), wrapped):
        assert passing(error, path), error
    for error in (MediaError("The file is empty"), ValueError("x"), None, av.error.InvalidDataError(1, "bad", "a")):
        assert not passing(error, path), error


def test_ffmpegs_input_output_error_is_the_files_own_where_the_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(b"x")
    error = next(kind for code, kind in av.error.classes.items() if code == errno.EIO)(errno.EIO, "I/O error", "a")
    assert isinstance(error, OSError)
    assert not passing(error, path)
    assert passing(error, tmp_path / "gone.mp4")


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "Permission denied"), MemoryError()])
def test_a_reading_that_the_system_stopped_says_so(
    numbered: dict, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = numbered["mkv"].path
    whole = VideoReader(path)
    assert np.mean([seconds for seconds, _ in whole]) > 0
    assert not whole.outcome.passing

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(reader, "structural_damage", broken)
    stopped = VideoReader(path)
    assert list(stopped) == []
    assert (stopped.outcome.status, stopped.outcome.passing) == ("unreadable", True)
    monkeypatch.setattr(av, "open", broken)
    assert probe(path).passing
