"""How the data doctor looks into files: video by video, here or wherever someone else does it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.data.manifest import Entry
from whenabouts.media.fingerprints import file_fingerprint

# Measured: five places tell copies from other videos; small ones are enough (see deduplicate.py).
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
SIDE = 16

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Looks:
    """Two ways to look into videos, each from entries to pairs of an entry and what was seen, in any order.

    `contents`: does the file hold what it held when it was imported? None where nobody could say. `frames`: five frames
    (5, 64, 64, 3), None where they can't be decoded.
    """

    contents: Callable[[Sequence[Entry]], Iterator[tuple[Entry, bool | None]]]
    frames: Callable[[Sequence[Entry]], Iterator[tuple[Entry, Pixels | None]]]


def contents_of(entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool | None]]:
    """Read each file in full, and compare its fingerprint with that of the import; a file that is gone is another."""
    for entry in entries:
        try:
            yield entry, entry.stamp is None or file_fingerprint(entry.video.path) == entry.stamp.fingerprint
        except OSError:
            yield entry, False


def frames_of(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Pixels | None]]:
    """The frames of each video, decoded in child processes."""
    from whenabouts.media.parts import frame_parts
    from whenabouts.media.workers import Job, decode_many

    def job(entry: Entry) -> Job:
        seconds = [share * entry.video.duration_seconds for share in SHARES]
        return Job(frame_parts, entry.video.path, {"seconds": seconds, "size": [4 * SIDE, 4 * SIDE]}, entry.id)

    for entry, under_way in zip(entries, decode_many(map(job, entries)), strict=False):
        part = next(under_way.parts(), None)
        yield entry, None if part is None else part["frames"]


HERE = Looks(contents_of, frames_of)
"""In this process, and its children."""
