"""Jobs that go wrong in every way that a decoder can; run in child processes by the tests."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from whenabouts.core.video import Video
from whenabouts.media.parts import Part


def described(path: Path) -> Video:
    return Video(path.stem, path, duration_seconds=10.0)


def halfway(path: Path) -> Iterator[Part]:
    yield described(path)
    yield {"seconds": np.array([0.0, 4.0]), "frames": np.zeros((2, 4, 4, 3), np.uint8)}


def crashes(path: Path, *, signal_name: str = "SIGSEGV") -> Iterator[Part]:
    yield from halfway(path)
    os.kill(os.getpid(), signal.Signals[signal_name])
    time.sleep(30)


def killed_at_first(path: Path, *, times: int, signal_name: str) -> Iterator[Part]:
    """Is killed in the middle as often as `path` is not long enough, which grows each time."""
    yield described(path)
    for k in range(10):
        yield {"seconds": np.array([float(k)])}
        if k == 5 and path.stat().st_size < times:
            with path.open("ab") as file:
                file.write(b"x")
            os.kill(os.getpid(), signal.Signals[signal_name])
            time.sleep(30)


def hangs(path: Path) -> Iterator[Part]:
    yield from halfway(path)
    while True:
        time.sleep(0.01)


def never_ends(path: Path) -> Iterator[Part]:
    yield described(path)
    while True:
        time.sleep(0.05)
        yield None


def eats_memory(path: Path) -> Iterator[Part]:
    yield described(path)
    eaten = [np.ones(64 << 20, np.uint8) for _ in range(1000)]
    yield {"eaten": np.array([len(eaten)])}


def raises(path: Path) -> Iterator[Part]:
    yield described(path)
    raise RuntimeError("this file is beyond me")


def exits(path: Path) -> Iterator[Part]:
    yield described(path)
    os._exit(7)


def imports_torch(path: Path) -> Iterator[Part]:
    yield {"loaded": np.array([name in sys.modules and sys.modules[name] is not None for name in ("torch",)])}
    import torch

    yield {"loaded": np.array([torch.__version__ != ""])}


def counts(path: Path, *, parts: int, size: int = 1) -> Iterator[Part]:
    print("libraries print what they like")
    for k in range(parts):
        yield {"k": np.full(size, k, np.int64), "none": np.zeros((0, 3), np.float32)}


def peak_memory(path: Path, *, rate: float) -> Iterator[Part]:
    """Reads a whole video; the peak is this process's own (`ru_maxrss` would begin with that of the parent)."""
    from whenabouts.media.reader import VideoReader

    reader = VideoReader(path, rate=rate, size=(32, 32))
    frames = sum(1 for _ in reader)
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    yield {"frames": np.array([frames]), "kib": np.array([kib])}
    yield reader.outcome
