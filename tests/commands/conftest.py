"""Small projects that tests of several verbs copy."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video

SIDES = ("left", "right")


def _moving_project(folder: Path, splits: tuple[str, ...], *, frames: int, recipe: str) -> Path:
    entries = []
    for number, split in enumerate(splits):
        path = folder / "media" / f"{number}.mp4"
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
        ground = np.random.default_rng(number).integers(0, 255, (32, 48, 3)).astype(np.uint8)
        pictures = (np.roll(ground, (number % 2 or -1) * step, axis=1) for step in range(frames))
        write_video(path, pictures, [k / 12 for k in range(frames)], rate=Fraction(12), encoding=encoding)
        labels = () if split.startswith("test") else (WeakLabel(SIDES[number % 2]),)
        entries.append(Entry(probe(path), labels, split=split))
    (folder / "media" / "text.mp4").write_text("not a video")
    entries.append(Entry(probe(folder / "media" / "text.mp4"), (WeakLabel("left"),)))
    project = Project.create(folder)
    project.write_manifest(Manifest(tuple(entries)))
    project.write_vocabulary(Vocabulary(SIDES))
    (folder / "small.toml").write_text(recipe)
    return folder


@pytest.fixture(scope="session")
def moving_project() -> Callable[..., Path]:
    """Makes a project of noise that moves left or right, a video for each split and a file that is none."""
    return _moving_project
