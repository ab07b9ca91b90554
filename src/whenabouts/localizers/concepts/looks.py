"""Where a segment model looks in a video, in which videos at all, and how moments are made of what it sees there."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from whenabouts.config import Count, CountOrZero, NotNegative, Positive, Probability, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.localizers.decoding import moments_of_runs

SLACK = 1e-6


@settings
class LookSettings:
    """Which videos are candidates, where they are looked at, and what becomes a moment.

    A concept's candidates are the `candidates` times as many videos as have its label with the best video scores (0:
    all videos); a new video is one if its score reaches theirs and `class_threshold`, and for its `top_classes` best
    concepts always. Segments of `segment_seconds` are looked at every `hop_seconds`. `moments`: "segments" makes each
    look a moment, as in the challenge, "runs" those in a row that reach `run_threshold` of the way from a concept's
    lowest to its highest score in the video, scored by their mean times their number to the power `length_credit`.
    A video's `most_moments` best stay, and others are counted.
    """

    candidates: NotNegative = 3.0
    class_threshold: Probability = 0.1
    top_classes: CountOrZero = 1
    segment_seconds: Positive = 0.5
    hop_seconds: Positive = 0.5
    moments: Literal["runs", "segments"] = "runs"
    run_threshold: Probability = 0.5
    length_credit: NotNegative = 0.5
    most_moments: Count = 10_000


def candidate_classes(video_scores: NDArray[np.float32], cutoffs: FloatArray, how: LookSettings) -> IntArray:
    """Classes (P,) for which a video with such scores (C,) is a candidate."""
    floor = np.maximum(cutoffs if how.candidates else 0.0, how.class_threshold)
    best = np.argsort(-video_scores, kind="stable")[: how.top_classes]
    return np.union1d(np.flatnonzero(video_scores >= floor), best).astype(np.int64)


def moments_of(scores: ScoreSequence, classes: IntArray, how: LookSettings) -> Moments:
    """Moments of a video's candidate classes (P,): runs of high scores, or each step by itself."""
    if not scores.grid.steps:
        return Moments.empty(scores.vocabulary)
    values = scores.scores.T[classes].astype(np.float64)
    if how.moments == "segments":
        return _segments(scores, classes, values, how.most_moments)
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    selected = values >= low + how.run_threshold * (high - low)
    return moments_of_runs(scores.video_id, selected, values, classes=classes, grid=scores.grid,
                           vocabulary=scores.vocabulary, length_credit=how.length_credit,
                           most=how.most_moments)  # fmt: skip


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


def _segments(scores: ScoreSequence, classes: IntArray, values: FloatArray, most: int) -> Moments:
    """Each step of each class as a moment of its own, of the best `most`."""
    steps = np.arange(scores.grid.steps)
    spans = scores.grid.spans(np.stack([steps, steps + 1], axis=1))
    each = values.reshape(-1)
    kept = np.arange(each.size) if each.size <= most else np.sort(np.argsort(-each, kind="stable")[:most])
    rows, columns = np.divmod(kept, len(spans))
    found = Moments.build([scores.video_id] * len(kept), spans[columns], classes[rows], scores.vocabulary,
                          scores=each[kept])  # fmt: skip
    return replace(found, cut=each.size - len(kept))
