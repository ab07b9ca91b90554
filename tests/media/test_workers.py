"""Decoding in child processes: the same results, and no harm from crashes, hangs and greed."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.media.audio import stream_audio
from whenabouts.media.frames import read_frames
from whenabouts.media.mel import log_mel
from whenabouts.media.parts import Part, frame_parts, log_mel_parts, probe_parts, video_parts
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.media.watch import Limits
from whenabouts.media.workers import Job, decode_many, decoding

# Far more than is needed, even on a busy machine; hangs are waited for as long.
PATIENT = Limits(silence_seconds=60.0, total_seconds=120.0, memory_bytes=400 << 20)
SILENT = Limits(silence_seconds=6.0, total_seconds=120.0)
SLOW = Limits(silence_seconds=60.0, total_seconds=6.0)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import failing_jobs

    return failing_jobs


def test_a_child_gives_the_same_frames_and_outcome(numbered: dict) -> None:
    video = numbered["mp4 variable rate"]
    reader = VideoReader(video.path, rate=12.5, size=(30, 40), video_id="mine")
    seconds, frames = zip(*reader, strict=True)
    job = Job(video_parts, video.path, {"rate": 12.5, "size": (30, 40), "video_id": "mine", "chunk_frames": 16})
    with decoding(job) as under_way:
        parts = list(under_way.parts())
    assert {len(part["seconds"]) for part in parts[:-1]} == {16}
    assert np.concatenate([part["seconds"] for part in parts]).tolist() == list(seconds)
    assert (np.concatenate([part["frames"] for part in parts]) == np.stack(frames)).all()
    assert under_way.outcome == reader.outcome
    assert under_way.outcome.id == "mine"


def test_a_child_gives_the_same_sound(encode, tmp_path: Path) -> None:
    from whenabouts.media.writing import Sound

    wave = np.sin(np.arange(48000) / 9).astype(np.float32) * 0.5
    path = encode(tmp_path / "sound.mkv", [k / 25 for k in range(50)], sound=Sound(wave))
    with decoding(Job(log_mel_parts, path)) as under_way:
        rows = np.concatenate([part["rows"] for part in under_way.parts()])
    assert (rows == log_mel(np.concatenate(list(stream_audio(path))))).all()


def test_probing_and_single_frames_in_a_child(numbered: dict, tmp_path: Path) -> None:
    path = numbered["mkv"].path
    with decoding(Job(probe_parts, path, {"video_id": "mine"})) as under_way:
        assert list(under_way.parts()) == []
    assert under_way.outcome == probe(path, video_id="mine")
    with decoding(Job(frame_parts, path, {"seconds": [3.0, 1.0], "size": (20, 30)})) as under_way:
        (part,) = under_way.parts()
    times, frames = read_frames(path, [3.0, 1.0], size=(20, 30))
    assert part["seconds"].tolist() == times.tolist()
    assert (part["frames"] == frames).all()
    (tmp_path / "empty.mp4").write_bytes(b"")
    with decoding(Job(frame_parts, tmp_path / "empty.mp4", {"seconds": [0.0]})) as under_way:
        assert list(under_way.parts()) == []
    assert under_way.outcome.status == "unreadable"
    assert "0 bytes" in under_way.outcome.reason


@pytest.mark.parametrize(
    ("name", "arguments", "reason", "limits"),
    [
        ("crashes", {}, "crashed (SIGSEGV)", PATIENT),
        ("crashes", {"signal_name": "SIGKILL"}, "crashed (SIGKILL)", PATIENT),
        ("hangs", {}, "no sign of life for 6 s", SILENT),
        ("never_ends", {}, "not done in 6 s", SLOW),
        ("eats_memory", {}, "more memory than it may", PATIENT),
        ("raises", {}, "RuntimeError: this file is beyond me", PATIENT),
        ("exits", {}, "exit status 7", PATIENT),
    ],
)
def test_what_goes_wrong_is_told_and_ends_only_its_own_job(
    failing, name: str, arguments: dict, reason: str, limits: Limits
) -> None:
    jobs = [
        Job(failing.counts, Path("before"), {"parts": 3}),
        Job(getattr(failing, name), Path("bad"), arguments),
        Job(failing.counts, Path("after"), {"parts": 3}),
    ]
    seen = []
    for under_way in decode_many(jobs, workers=1, limits=limits):
        parts = list(under_way.parts())
        seen.append((under_way.outcome, len(parts)))
    (before, _), (bad, parts), (after, counted) = seen
    assert (before.status, after.status, counted) == ("complete", "complete", 3)
    assert reason in bad.reason
    if parts:
        assert (bad.status, bad.coverage) == ("partial", 0.4)
    else:
        assert (bad.status, bad.coverage) == ("unreadable", 0.0)


@pytest.mark.parametrize(
    ("times", "signal_name", "wanted"), [(1, "SIGKILL", 10), (2, "SIGTERM", 10), (3, "SIGKILL", 6), (1, "SIGSEGV", 6)]
)
def test_a_child_that_somebody_kills_is_started_again_and_nothing_comes_twice(
    failing, tmp_path: Path, times: int, signal_name: str, wanted: int
) -> None:
    path = tmp_path / "v.mp4"
    path.touch()
    with decoding(Job(failing.killed_at_first, path, {"times": times, "signal_name": signal_name})) as under_way:
        seconds = [float(part["seconds"][0]) for part in under_way.parts()]
    assert seconds == list(range(wanted))
    assert under_way.outcome.status == ("complete" if wanted == 10 else "partial")
    assert path.stat().st_size == times


def test_children_never_load_torch(failing) -> None:
    with decoding(Job(failing.imports_torch, Path("x"))) as under_way:
        loaded = [bool(part["loaded"][0]) for part in under_way.parts()]
    assert loaded == [False]
    assert "import of torch halted" in under_way.failure


def test_media_room_itself_loads_no_torch() -> None:
    program = (
        "import sys\n"
        "from whenabouts.media import audio, frames, parts, probe, reader, workers, writing\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_results_do_not_depend_on_the_number_of_workers(numbered: dict, failing, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    jobs = [Job(video_parts, video.path, {"rate": 10, "size": (24, 32)}) for video in numbered.values()]
    jobs[2:2] = [Job(failing.crashes, Path("crash")), Job(video_parts, text), Job(failing.raises, Path("raise"))]
    runs = []
    for workers in (1, 2, 4):
        run = []
        for under_way in decode_many(jobs, workers=workers, limits=PATIENT):
            parts = list(under_way.parts())
            digests = [hashlib.sha256(part["frames"].tobytes()).hexdigest() for part in parts]
            run.append((under_way.outcome, digests))
        runs.append(run)
    assert len(runs[0]) == 12
    assert runs[0] == runs[1] == runs[2]
    statuses = [outcome.status for outcome, _ in runs[0]]
    assert statuses == ["complete"] * 2 + ["partial", "unreadable", "unreadable"] + ["complete"] * 7


def test_look_ahead_and_waiting_bytes_are_bounded(failing) -> None:
    begun = 0

    def jobs() -> Iterator[Job]:
        nonlocal begun
        for _ in range(12):
            begun += 1
            yield Job(failing.counts, Path("x"), {"parts": 40, "size": 10_000})

    taken = 0
    for under_way in decode_many(jobs(), workers=2, ahead=3, buffer_bytes=200_000):
        time.sleep(0.05)
        assert begun <= taken + 4
        held = under_way._held
        assert held <= 200_000
        assert [int(part["k"][0]) for part in under_way.parts()] == list(range(40))
        taken += 1
    assert taken == 12


def test_leaving_early_ends_the_children(failing) -> None:
    before = set(threading.enumerate())
    runs = decode_many([Job(failing.hangs, Path(str(k))) for k in range(5)], workers=2)
    under_way = next(runs)
    assert len(next(under_way.parts())["seconds"]) == 2
    runs.close()
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before
    assert under_way.outcome.status == "partial"


def test_parts_that_nobody_takes_do_not_block_the_next_job(failing) -> None:
    jobs = [Job(failing.counts, Path(str(k)), {"parts": 50, "size": 10_000}) for k in range(4)]
    assert [under_way.job.path.name for under_way in decode_many(jobs, workers=2, buffer_bytes=1)] == list("0123")


def test_errors_of_the_caller_are_the_callers(failing) -> None:
    def jobs() -> Iterator[Job]:
        yield Job(failing.counts, Path("x"), {"parts": 1})
        raise KeyError("my own mistake")

    with pytest.raises(KeyError, match="my own mistake"):
        for under_way in decode_many(jobs(), workers=2):
            list(under_way.parts())

    def inner(path: Path) -> Iterator[Part]:
        yield None

    with pytest.raises(InvalidData, match="can't import"):
        Job(inner, Path("x"))
    with pytest.raises(InvalidData, match="plain JSON"):
        Job(video_parts, Path("x"), {"rate": object()})
    with pytest.raises(InvalidData, match="above 0"):
        Limits(silence_seconds=0)
    with pytest.raises(InvalidData, match="Needs at least 1 worker"):
        next(decode_many([], workers=0))
    assert list(decode_many([], workers=2)) == []


def test_odd_file_names_reach_the_child(numbered: dict, tmp_path: Path) -> None:
    source = numbered["mkv"].path
    names = ["-rf.mkv", "a:b.mkv", "späß \n%20.mkv", "x" * 251 + ".mkv", os.fsdecode(b"\xff\xfe.mkv")]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(source.read_bytes())
    jobs = [Job(video_parts, path, {"rate": 1, "size": (16, 16)}) for path in paths]
    outcomes = []
    for under_way in decode_many(jobs, workers=2):
        list(under_way.parts())
        outcomes.append(under_way.outcome)
    assert [(outcome.status, outcome.path) for outcome in outcomes] == [("complete", path) for path in paths]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_twelve_hours_in_bounded_memory(failing, tmp_path: Path) -> None:
    """Ten thousand pictures over twelve hours, read at one a second."""
    from fractions import Fraction

    from whenabouts.media.numbered import numbered_picture
    from whenabouts.media.writing import Encoding, write_video

    path, pictures = tmp_path / "long.mp4", [numbered_picture(k, height=32, width=32) for k in range(50)]
    how = Encoding(options={"preset": "ultrafast", "threads": "1"}, keyframe_every=250)
    times = [k * 4.0 for k in range(10_800)]
    write_video(path, (pictures[k % 50] for k in range(10_800)), times, rate=Fraction(1, 4), encoding=how)
    with decoding(Job(failing.peak_memory, path, {"rate": 1.0})) as under_way:
        (part,) = under_way.parts()
    assert under_way.outcome.status == "complete"
    assert under_way.outcome.duration_seconds == 43_200
    assert part["frames"].tolist() == [43_200]
    assert int(part["kib"][0]) < 300 * 1024
