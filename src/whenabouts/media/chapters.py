"""Chapters that a container holds."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from whenabouts.media.opening import opened, zero_of
from whenabouts.media.parts import Part

SEPARATOR = " | "
"""Stands between the names of what happens at once, in the title of one chapter."""


def chapter_parts(path: Path) -> Iterator[Part]:
    """One part, `chapters`: the bytes of a JSON list `[start_seconds, end_seconds, title]`. For a child process.

    Seconds are those of `VideoReader`, the file's start removed. Raises MediaError where it can't be opened.
    """
    with opened(path) as container:
        zero = zero_of(container)
        told = []
        for chapter in container.chapters():
            base = chapter["time_base"]
            if base:
                start, end = (max(0.0, float(chapter[edge] * base - zero)) for edge in ("start", "end"))
                told.append([start, end, str(chapter["metadata"].get("title", ""))])
    yield {"chapters": np.frombuffer(json.dumps(told).encode(), np.uint8)}
