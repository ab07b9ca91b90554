"""Where a segment model looks in a video, in which videos at all, and how moments are made of what it sees there."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.localizers.decoding import moments_of_runs

SLACK = 1e-6


class Looking(Protocol):
    """Settings of a localizer that chooses candidates first and looks at segments then: see `TwoStageSettings`."""

    @property
    def candidates(self) -> float:
        """How many times as many candidates as labelled videos; 0: all videos."""
        ...

    @property
    def class_threshold(self) -> float:
        """The least video score of a candidate."""
        ...

    @property
    def top_classes(self) -> int:
        """For how many best concepts a video is always a candidate."""
        ...

    @property
    def moments(self) -> Literal["runs", "segments"]:
        """What becomes a moment."""
        ...

    @property
    def run_threshold(self) -> float:
        """Where runs begin, from a concept's lowest to its highest score."""
        ...

    @property
    def length_credit(self) -> float:
        """The power of a run's length in its score."""
        ...


def candidate_classes(video_scores: NDArray[np.float32], cutoffs: FloatArray, how: Looking) -> IntArray:
    """Classes (P,) for which a video with such scores (C,) is a candidate."""
    floor = np.maximum(cutoffs if how.candidates else 0.0, how.class_threshold)
    best = np.argsort(-video_scores, kind="stable")[: how.top_classes]
    return np.union1d(np.flatnonzero(video_scores >= floor), best).astype(np.int64)


def moments_of(scores: ScoreSequence, classes: IntArray, how: Looking) -> Moments:
    """Moments of a video's candidate classes (P,): runs of high scores, or each step by itself."""
    if not scores.grid.steps:
        return Moments.empty(scores.vocabulary)
    values = scores.scores.T[classes].astype(np.float64)
    if how.moments == "segments":
        return _segments(scores, classes, values)
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    selected = values >= low + how.run_threshold * (high - low)
    return moments_of_runs(scores.video_id, selected, values, classes=classes, grid=scores.grid,
                           vocabulary=scores.vocabulary, length_credit=how.length_credit)  # fmt: skip


def cutoffs_of(scores: NDArray[np.float32], labels: Sequence[VideoLabels], times: float) -> FloatArray:
    """The score (C,) of the last candidate: `times` as many as have the label; 0 where all videos are candidates."""
    classes, count = scores.shape[1], len(scores)
    labelled = np.zeros(classes, np.int64)
    for each in labels:
        labelled[each.classes] += 1
    kept = np.ceil(times * labelled).astype(np.int64)
    ranked = -np.sort(-scores, axis=0, kind="stable")
    last = ranked[np.clip(kept - 1, 0, count - 1), np.arange(classes)].astype(np.float64)
    return np.where((kept > 0) & (kept < count), last, 0.0)


def checked_cutoffs(cutoffs: NDArray[Any], classes: int) -> FloatArray:
    """Cutoffs (C,) as they were saved; InvalidData where they are not so many finite numbers."""
    if cutoffs.shape != (classes,) or cutoffs.dtype.kind != "f" or not np.isfinite(cutoffs).all():
        raise InvalidData(f"A model's cutoffs are {classes} finite numbers, but got {cutoffs.shape}. Train again.")
    return cutoffs.astype(np.float64)


def looks(grid: TimeGrid, seconds: float) -> FloatArray:
    """Where the segment model looks (T, 2) at each step: so many seconds around its middle, within the video."""
    middle = grid.centre(np.arange(grid.steps))
    spans = np.stack([middle - seconds / 2 + SLACK, middle + seconds / 2 - SLACK], axis=1)
    return np.clip(spans, 0.0, grid.duration_seconds)


def _segments(scores: ScoreSequence, classes: IntArray, values: FloatArray) -> Moments:
    """Each step of each class as a moment of its own."""
    steps = np.arange(scores.grid.steps)
    spans = scores.grid.spans(np.stack([steps, steps + 1], axis=1))
    return Moments.build(
        [scores.video_id] * values.size,
        np.tile(spans, (len(classes), 1)),
        np.repeat(classes, len(spans)),
        scores.vocabulary,
        scores=values.reshape(-1),
    )
