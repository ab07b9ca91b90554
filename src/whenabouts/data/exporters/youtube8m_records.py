"""What YouTube-8M knows no other form of: features of every second, segments of five seconds, columns around 0."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.timing import FloatArray
from whenabouts.data.youtube8m.reader import SEGMENT_SECONDS, SegmentRatings

_SPREAD = 2.0  # a scaled column deviates by 1/2, as the dataset's whitened features do; so 4 deviations fit in a byte


def by_second(features: FeatureSequence) -> NDArray[Any]:
    """Features (seconds, D): steps of a second as they are, of finer steps the one at the middle of each second.

    Coarser steps raise InvalidData.
    """
    grid = features.grid
    if grid.hop_seconds > 1 + 1e-6:
        raise InvalidData(
            f"{features.video_id}: {features.modality} has a step every {grid.hop_seconds:g} s, but shards need one "
            "every second. Extract with finer steps."
        )
    if grid.steps == 0 or (grid.start_seconds == 0 and grid.hop_seconds == 1):
        return features.values
    seconds = max(1, math.ceil(grid.duration_seconds - 1e-6))
    values: NDArray[Any] = features.values[grid.step_at(np.arange(seconds) + 0.5)]
    return values


@dataclass(frozen=True, slots=True)
class FiveSeconds:
    """Ratings of segments of 5 s, and what they lack: segments too short for one, and contradicted ones."""

    ratings: SegmentRatings
    short: int
    contradicted: int


def five_seconds(segments: SegmentLabels, seconds: int) -> FiveSeconds:
    """Cut rated segments into such of 5 s; those that begin at or behind `seconds`, the video's end, are left out.

    One of 5 s from a whole second on stays. Any other says the same of each segment of the grid 0, 5, 10, ... s that
    lies within it. Where two say yes and no of one segment and class, neither counts.
    """
    said: dict[tuple[int, int], set[bool]] = {}
    short = 0
    rows = zip(segments.spans.tolist(), segments.classes.tolist(), segments.present.tolist(), strict=True)
    for (start, end), index, present in rows:
        starts = [start for start in _starts(start, end) if start < seconds]
        short += not starts and start < seconds
        for found in starts:
            said.setdefault((found, index), set()).add(present)
    kept = sorted((start, index, True in answers) for (start, index), answers in said.items() if len(answers) == 1)
    starts_of, classes, present_of = (np.asarray([row[k] for row in kept], np.int64) for k in range(3))
    ratings = SegmentRatings(starts_of, starts_of + SEGMENT_SECONDS, classes, present_of.astype(np.float32))
    return FiveSeconds(ratings, short, len(said) - len(kept))


def _starts(start: float, end: float) -> list[int]:
    if start == int(start) and abs(end - start - SEGMENT_SECONDS) < 1e-6:
        return [int(start)]
    first = math.ceil((start - 1e-6) / SEGMENT_SECONDS) * SEGMENT_SECONDS
    return list(range(first, math.floor(end + 1e-6) - SEGMENT_SECONDS + 1, SEGMENT_SECONDS))


class ColumnMoments:
    """Mean and deviation of each of `width` columns, gathered video by video (Chan, Golub and LeVeque, 1983)."""

    def __init__(self, width: int) -> None:
        self._count = 0
        self._mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, values: NDArray[Any]) -> None:
        """Take rows (T, width)."""
        if not len(values):
            return
        rows = np.asarray(values, np.float64)
        mean, total = rows.mean(axis=0), self._count + len(rows)
        apart = mean - self._mean
        self._squares += ((rows - mean) ** 2).sum(axis=0) + apart**2 * self._count * len(rows) / total
        self._mean += apart * len(rows) / total
        self._count = total

    def mean_and_scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Means, and twice the deviations (1 for a column that never changes)."""
        deviation: FloatArray = np.sqrt(self._squares / max(self._count, 1))
        scale = np.where(deviation > 1e-12, _SPREAD * deviation, 1.0)
        return tuple(self._mean.tolist()), tuple(scale.tolist())
