"""From features on grids of their own to segments that all streams share."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import IntArray, TimeGrid

Matrix = NDArray[np.float32]


def segment_grid(sequences: Iterable[FeatureSequence], *, seconds: float, count: int = 0) -> TimeGrid:
    """Segments of one video, as long as its longest stream: parts of so many `seconds`, or `count` equal parts."""
    duration = max((sequence.grid.duration_seconds for sequence in sequences if len(sequence)), default=0.0)
    if count and duration > 0:
        return TimeGrid.of_parts(duration, count)
    return TimeGrid.of_length(duration, seconds)


def mean_features(sequence: FeatureSequence, grid: TimeGrid) -> Matrix:
    """Mean (K, D) of the steps whose centres fall into each segment; the nearest step where none does."""
    owned, first, counts = np.unique(_owners(sequence, grid), return_index=True, return_counts=True)
    means = np.asarray(sequence.values[_nearest(sequence, grid)], np.float32)
    means[owned] = np.add.reduceat(sequence.values, first, axis=0, dtype=np.float32) / counts[:, None]
    return means


def snippet_features(
    sequence: FeatureSequence, grid: TimeGrid, count: int, rng: np.random.Generator | None = None
) -> Matrix:
    """Mean (K, D) of `count` steps of each segment: drawn at random with `rng`, else evenly placed."""
    owners, segments = _owners(sequence, grid), np.arange(grid.steps)
    first, stop = np.searchsorted(owners, segments, side="left"), np.searchsorted(owners, segments, side="right")
    empty, nearest = first == stop, _nearest(sequence, grid)
    first, length = np.where(empty, nearest, first)[:, None], np.where(empty, 1, stop - first)[:, None]
    places = (np.arange(count) + 0.5)[None] / count if rng is None else rng.random((grid.steps, count))
    chosen = first + np.minimum((places * length).astype(np.int64), length - 1)
    means: Matrix = np.asarray(sequence.values[chosen], np.float32).mean(axis=1)
    return means


def _owners(sequence: FeatureSequence, grid: TimeGrid) -> IntArray:
    """The segment (T,) of each step, never decreasing."""
    if not len(sequence):
        raise InvalidData(f"{sequence.video_id}: no step of {sequence.modality} features to make segments from.")
    return grid.step_at(sequence.grid.centre(np.arange(len(sequence))))


def _nearest(sequence: FeatureSequence, grid: TimeGrid) -> IntArray:
    """The step (K,) nearest to the middle of each segment."""
    edges = grid.edges()
    return sequence.grid.step_at((edges[:-1] + edges[1:]) / 2)
