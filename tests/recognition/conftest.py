"""A tiny archive of real H.264 files in which only motion tells the two concepts apart."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video

HEIGHT, WIDTH, RATE = 32, 48, 12
NAMES = ("going left", "going right")


def moving(frames: int, step: int, random: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """A stripe pattern over still noise that goes round: every single picture is as likely in either direction."""
    ground = random.integers(60, 120, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    start, band = int(random.integers(WIDTH)), random.integers(130, 255, (HEIGHT // 2, 8, 3))
    for frame in range(frames):
        picture = ground.copy()
        columns = (start + step * frame + np.arange(8)) % WIDTH
        picture[HEIGHT // 4 : HEIGHT // 4 + HEIGHT // 2, columns] = band
        yield picture


def write_moving(path: Path, seconds: float, step: int, *, seed: int, sound: Sound | None = None) -> None:
    """A small video of something that moves `step` pixels to the right each twelfth of a second."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1"}, keyframe_every=24)
    times = [k / RATE for k in range(count)]
    write_video(path, moving(count, step, random), times, rate=Fraction(RATE), encoding=encoding, sound=sound)


def build_archive(folder: Path, *, train: int, test: int) -> Project:
    """Videos of 2 to 4.75 seconds in two splits; odd numbers go right, and the first has 2 s of sound."""
    entries = []
    for number in range(train + test):
        path = folder / "media" / f"video {number:02d}.mp4"
        tone = np.sin(np.arange(16000 * 2) * 0.3).astype(np.float32)
        sound = Sound(tone) if number == 0 else None
        write_moving(path, 2.0 + number % 4 * 0.9, (-3, 3)[number % 2], seed=number, sound=sound)
        split = "train" if number < train else "test"
        labels = (WeakLabel(NAMES[number % 2]),) if split == "train" else ()
        entries.append(Entry(probe(path), labels, split=split))
    project = Project.create(folder)
    project.write_manifest(Manifest(tuple(entries)))
    project.write_vocabulary(Vocabulary(NAMES))
    return project


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """12 videos to train on and 8 to test with; tests only read it, and give caches of their own."""
    return build_archive(tmp_path_factory.mktemp("archive"), train=12, test=8)


@pytest.fixture
def own_archive(tmp_path: Path) -> Project:
    """Four videos to train on in a project that the test may write to."""
    return build_archive(tmp_path / "project", train=4, test=0)


@pytest.fixture(scope="session")
def moving_video() -> Callable[..., None]:
    """Write one video: `moving_video(path, seconds, step, seed=...)`."""
    return write_moving
