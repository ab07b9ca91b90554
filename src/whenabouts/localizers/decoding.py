"""From scores over time to moments, and the simple rivals that every localizer has to beat."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, TimeGrid, runs_of
from whenabouts.core.vocabulary import Vocabulary


def likely_classes(video_scores: ArrayLike, *, threshold: float, top: int = 0) -> IntArray:
    """Classes (P,) of a video, in order: those with scores (L,) above `threshold`, and always the `top` best."""
    scores = np.asarray(video_scores, np.float64)
    best = np.argsort(-scores, kind="stable")[:top]
    return np.union1d(np.flatnonzero(scores > threshold), best).astype(np.int64)


def moments_of_runs(
    video_id: str,
    selected: BoolArray,
    values: FloatArray,
    *,
    classes: Sequence[int] | IntArray,
    grid: TimeGrid,
    vocabulary: Vocabulary,
    length_credit: float = 0.0,
) -> Moments:
    """One moment per run of selected steps (P, T) for classes (P,), scored by the run's mean of values (P, T).

    The mean is multiplied by the number of steps to the power `length_credit`: 0 leaves it, and 0.5 ranks runs by how
    sure they are if steps err independently, for then the mean of n steps errs by 1 / sqrt(n).
    """
    parts = []
    for index, chosen, row in zip(classes, selected, values, strict=True):
        runs = runs_of(chosen)
        means = _means(row, runs) * (runs[:, 1] - runs[:, 0]) ** length_credit
        parts.append(Moments.build([video_id] * len(runs), grid.spans(runs), np.full(len(runs), index), vocabulary,
                                   scores=means))  # fmt: skip
    return Moments.concatenate(parts, vocabulary)


def contrast_moments(
    scores: ScoreSequence,
    *,
    classes: Sequence[int] | IntArray,
    thresholds: Sequence[float] = tuple(np.linspace(0.05, 0.95, 19)),
    margin: float = 0.25,
    tiou: float = 0.45,
    video_weight: float = 0.0,
) -> Moments:
    """Runs above many thresholds, scored by how much they stand out, overlapping ones suppressed.

    Thresholds are shares of the way from a class's lowest to its highest score. A run's score is the mean inside minus
    the mean outside, `margin` times its length on either side (outer-inner contrast: Shou et al., ECCV 2018), plus
    `video_weight` times the class's video score. Where scores don't change, the whole video is one moment.
    """
    parts = []
    for index in np.asarray(classes, np.int64).tolist():
        values = np.asarray(scores.scores[:, index], np.float64)
        if not len(values):
            continue
        low, high = float(values.min()), float(values.max())
        runs = np.unique(
            np.concatenate([runs_of(values >= low + share * (high - low)) for share in thresholds]), axis=0
        )
        contrast = _means(values, runs) - _outside(values, runs, margin)
        parts.append(
            Moments.build([scores.video_id] * len(runs), scores.grid.spans(runs), np.full(len(runs), index),
                          scores.vocabulary, scores=contrast + video_weight * float(scores.video_scores[index]))
        )  # fmt: skip
    return Moments.concatenate(parts, scores.vocabulary).suppressed(tiou)


def whole_video(scores: ScoreSequence, *, classes: Sequence[int] | IntArray) -> Moments:
    """Rival: the whole video for each of the classes, with its video score."""
    return _spread(scores, np.array([[0.0, scores.grid.duration_seconds]]), classes)


def uniform_windows(scores: ScoreSequence, *, window_seconds: float, classes: Sequence[int] | IntArray) -> Moments:
    """Rival: the video cut into equal windows for each of the classes, all with its video score."""
    grid = TimeGrid.of_length(scores.grid.duration_seconds, window_seconds)
    edges = grid.edges()
    return _spread(scores, np.stack([edges[:-1], edges[1:]], axis=1), classes)


def _spread(scores: ScoreSequence, spans: FloatArray, classes: Sequence[int] | IntArray) -> Moments:
    if scores.grid.duration_seconds <= 0:
        return Moments.empty(scores.vocabulary)
    chosen = np.asarray(classes, np.int64)
    return Moments.build(
        [scores.video_id] * (len(chosen) * len(spans)),
        np.tile(spans, (len(chosen), 1)),
        np.repeat(chosen, len(spans)),
        scores.vocabulary,
        scores=np.repeat(np.asarray(scores.video_scores, np.float64)[chosen], len(spans)),
    )


def _means(values: FloatArray, runs: IntArray) -> FloatArray:
    """Mean (R,) of values (T,) within runs (R, 2)."""
    return np.array([values[first:stop].mean() for first, stop in runs.tolist()], np.float64)


def _outside(values: FloatArray, runs: IntArray, margin: float) -> FloatArray:
    """Mean (R,) of values (T,) beside runs (R, 2), on both sides `margin` times their length; 0 where nothing is."""
    result: NDArray[np.float64] = np.zeros(len(runs))
    for row, (first, stop) in enumerate(runs.tolist()):
        reach = max(1, round(margin * (stop - first)))
        beside = np.concatenate([values[max(0, first - reach) : first], values[stop : stop + reach]])
        result[row] = beside.mean() if len(beside) else 0.0
    return result
