"""From features on grids of their own to segments that all streams share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import IntArray, TimeGrid
from whenabouts.localizers.protocol import Stream, matched

Matrix = NDArray[np.float32]


class Cutting(Protocol):
    """Settings that say how a video is cut: parts of so many seconds or so many parts, all steps or a few of each."""

    @property
    def segment_seconds(self) -> float:
        """Length of a segment."""
        ...

    @property
    def segment_count(self) -> int:
        """Above 0: so many segments in every video instead."""
        ...

    @property
    def snippets(self) -> int:
        """Above 0: a segment is the mean of so many of its steps, not of all."""
        ...


@dataclass(frozen=True)
class Cut:
    """One video in segments: features (K, D) of each of a model's streams, None where one is missing."""

    video_id: str
    grid: TimeGrid
    matrices: tuple[Matrix | None, ...]


def cut(features: Mapping[str, FeatureSequence], streams: Sequence[Stream], cutting: Cutting) -> Cut:
    """Cut one video for use, snippets evenly placed; FeatureMismatch or InvalidData where features do not fit."""
    sequences = matched(streams, features)
    present = [sequence for sequence in sequences if sequence is not None]
    grid = segment_grid(present, seconds=cutting.segment_seconds, count=cutting.segment_count)
    for sequence in present:
        sequence.check_finite()
    matrices = [None if each is None else _cut_matrix(each, grid, cutting.snippets) for each in sequences]
    return Cut(next(iter(features.values())).video_id, grid, tuple(matrices))


def _cut_matrix(sequence: FeatureSequence, grid: TimeGrid, snippets: int) -> Matrix:
    return snippet_features(sequence, grid, snippets) if snippets else mean_features(sequence, grid)


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
    # One column after the other: a third of the time of gathering (K, count, D) first, to the same bits.
    total: Matrix = np.asarray(sequence.values[chosen[:, 0]], np.float32)
    for column in chosen.T[1:]:
        total += np.asarray(sequence.values[column], np.float32)
    total /= np.float32(count)
    return total


def _owners(sequence: FeatureSequence, grid: TimeGrid) -> IntArray:
    """The segment (T,) of each step, never decreasing."""
    if not len(sequence):
        raise InvalidData(f"{sequence.video_id}: no step of {sequence.modality} features to make segments from.")
    return grid.step_at(sequence.grid.centre(np.arange(len(sequence))))


def _nearest(sequence: FeatureSequence, grid: TimeGrid) -> IntArray:
    """The step (K,) nearest to the middle of each segment."""
    edges = grid.edges()
    return sequence.grid.step_at((edges[:-1] + edges[1:]) / 2)
