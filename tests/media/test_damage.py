"""Damaged files of all kinds: each has a status, and what changed is noticed wherever the format allows it."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from whenabouts.core.video import Video
from whenabouts.media.fingerprints import file_fingerprint
from whenabouts.media.parts import frame_parts, log_mel_parts, video_parts
from whenabouts.media.watch import Limits
from whenabouts.media.workers import Job, decode_many

COUNT = 64
KINDS = ("mp4", "mkv", "webm", "vp8.webm", "avi", "ts", "mov", "hevc.mp4")

# No checksum in the container, and a decoder that can't tell other bits from the right ones.
SILENT = {"mp4", "vp8.webm", "avi", "mov", "hevc.mp4", "ts", "webm"}


@pytest.fixture(scope="module")
def files() -> Iterator[ModuleType]:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "damaged_files.py"
    spec = importlib.util.spec_from_file_location("damaged_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["damaged_files"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["damaged_files"]


def decoded(paths: list[Path], workers: int) -> list[tuple[Video, list[tuple[float, str]]]]:
    limits = Limits(silence_seconds=30.0, total_seconds=60.0, memory_bytes=1 << 30)
    seen = []
    for under_way in decode_many([Job(video_parts, path) for path in paths], workers=workers, limits=limits):
        frames = []
        for part in under_way.parts():
            digests = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in part["frames"]]
            frames += zip(part["seconds"].tolist(), digests, strict=True)
        seen.append((under_way.outcome, frames))
    return seen


def test_damage_ends_no_run_and_is_noticed(files: ModuleType, tmp_path: Path) -> None:
    sources = files.make_sources(tmp_path, KINDS)
    mutants = files.make_mutants(tmp_path, sources, COUNT, seed=3)
    whole = dict(zip(sources, decoded(list(sources.values()), 2), strict=True))
    assert {outcome.status for outcome, _ in whole.values()} == {"complete"}
    seen = decoded([mutant.path for mutant in mutants], 2)
    assert len(seen) == COUNT

    unnoticed, changed = [], 0
    for mutant, (outcome, frames) in zip(mutants, seen, strict=True):
        assert outcome.status in ("complete", "partial", "unreadable")
        assert bool(outcome.reason) == (outcome.status != "complete")
        assert 0 <= outcome.coverage <= 1
        assert "crashed" not in outcome.reason
        assert "was ended" not in outcome.reason
        differs = frames != whole[mutant.source][1]
        changed += differs
        if differs and outcome.status == "complete":
            unnoticed.append(mutant)
            assert file_fingerprint(mutant.path) != file_fingerprint(sources[mutant.source])
    assert changed > 0.7 * COUNT
    assert not [mutant for mutant in unnoticed if mutant.way == "truncated" or mutant.source not in SILENT]
    assert len(unnoticed) < 0.2 * changed


def test_sound_and_single_frames_of_damaged_files_end_no_run_either(files: ModuleType, tmp_path: Path) -> None:
    sources = files.make_sources(tmp_path, ("mp4", "mkv", "webm", "avi", "ts"))
    mutants = files.make_mutants(tmp_path, sources, 40, seed=4)
    jobs = [Job(log_mel_parts, mutant.path) for mutant in mutants]
    jobs += [Job(frame_parts, mutant.path, {"seconds": [2.0, 0.5, 1.0], "size": (24, 32)}) for mutant in mutants]
    heard = seen = 0
    for under_way in decode_many(jobs, workers=2, limits=Limits(silence_seconds=30.0, memory_bytes=1 << 30)):
        parts = list(under_way.parts())
        assert not under_way.failure or under_way.failure.startswith(("The file ", "No frame can be read"))
        heard += sum("rows" in part for part in parts) > 0
        seen += sum("frames" in part for part in parts)
    assert heard > 20
    assert seen > 20


def test_the_four_ways_and_eight_kinds_ran(files: ModuleType) -> None:
    assert len(KINDS) * len(files.WAYS) * 2 == COUNT
    assert set(KINDS) <= set(files.SOURCES)
