"""A tiny archive of real H.264 files in which only motion tells the two concepts apart."""

import struct
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


def caffe2_pickle(blobs: dict[str, np.ndarray], *, beside: bytes = b"") -> bytes:
    """A pickle as Python 2 wrote those of Caffe2's trainers: bytes for texts, numpy's own old names."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def array(values: np.ndarray) -> bytes:
        values = np.ascontiguousarray(values)
        kind = b"cnumpy\ndtype\n" + text(values.dtype.str[1:].encode()) + number(0) + number(1) + b"\x87R"
        kind += b"(" + number(3) + text(b"<") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
        made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        shape = b"(" + b"".join(number(side) for side in values.shape) + b"t"
        return made + b"(" + number(1) + shape + kind + b"\x89" + text(values.tobytes()) + b"tb"

    items = b"".join(text(name.encode()) + array(values) for name, values in blobs.items())
    return b"\x80\x02}" + text(b"blobs") + b"}(" + items + beside + b"us."


@pytest.fixture(scope="session")
def pickled() -> Callable[..., bytes]:
    """`caffe2_pickle`."""
    return caffe2_pickle
