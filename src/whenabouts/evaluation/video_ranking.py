"""Hit@1, PERR, GAP@k and mAP of video-level predictions, after YouTube-8M's `eval_util`.

All take scores (V, L) and labels (V, L) of V videos (or segments) and L classes. Ties: of equal scores the class of
lower number comes first. To leave unrated pairs out in the official way, set their scores to 0 beforehand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.ranking import average_precision, checked_depth, precision_per_class
from whenabouts.evaluation.report import Report

TOP_CLASSES = 20


def best_classes(scores: NDArray[np.floating], count: int) -> IntArray:
    """Class numbers (V, k) of the best k = min(`count`, L) classes of each video (V, L), best first."""
    videos, classes = scores.shape
    count = min(count, classes)
    if count == classes:
        return np.argsort(-scores, axis=1, kind="stable")
    # A partial sort alone would choose among equal scores at will: take what is above the last place, then the
    # first of those that share it.
    last = np.partition(scores, classes - count, axis=1)[:, classes - count, None]
    above, level = scores > last, scores == last
    free = count - above.sum(axis=1, keepdims=True)
    chosen = np.nonzero(above | (level & (np.cumsum(level, axis=1) <= free)))[1].reshape(videos, count)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)


@dataclass(frozen=True)
class VideoScores:
    """Measures over `videos` videos; average_precision (L,) over the pairs in each video's best `top` classes.

    positives (L,) counts labels. `map` is the mean over classes with positives, NaN where there is none.
    """

    top: int
    videos: int
    hit_at_one: float
    perr: float
    gap: float
    average_precision: FloatArray
    positives: IntArray

    @property
    def map(self) -> float:
        """Mean average precision over classes that have positives."""
        known = self.positives > 0
        return float(self.average_precision[known].mean()) if known.any() else float("nan")

    def report(self, names: tuple[str, ...] = ()) -> Report:
        """The same as a `Report`, per class where `names` (L,) are given."""
        undefined = np.where(self.positives > 0, self.average_precision, np.nan)
        return Report(
            title=f"Video labels: {self.videos} videos, {len(self.positives)} classes, {self.positives.sum()} labels",
            convention=f"YouTube-8M eval_util, best {self.top} classes a video; ties by class number",
            metrics={"Hit@1": self.hit_at_one, "PERR": self.perr, f"GAP@{self.top}": self.gap, "mAP": self.map},
            classes=names,
            columns=("AP",) if names else (),
            per_class=undefined[:, None] if names else np.zeros((0, 0)),
        )


class VideoRanking:
    """Hit@1, PERR, GAP and mAP of predictions that arrive in batches; holds the best `top` classes of each video."""

    def __init__(self, *, top: int = TOP_CLASSES) -> None:
        """`top`: how many classes of a video count. Raises InvalidData below 1."""
        self.top = checked_depth(top) or TOP_CLASSES
        self._videos = 0
        self._hits = 0.0
        self._perr = 0.0
        self._positives: IntArray | None = None
        self._classes: list[NDArray[np.int32]] = []
        self._scores: list[NDArray[np.floating]] = []
        self._relevant: list[BoolArray] = []

    def add(self, scores: ArrayLike, labels: ArrayLike) -> None:
        """Take one batch: scores (V, L), labels (V, L). Raises InvalidData for another L than before."""
        values, relevant = _matrices(scores, labels)
        if self._positives is not None and len(self._positives) != values.shape[1]:
            raise InvalidData(f"This batch has {values.shape[1]} classes, those before had {len(self._positives)}.")
        best = best_classes(values, self.top)
        counts = relevant.sum(axis=0)
        self._positives = counts if self._positives is None else self._positives + counts
        self._videos += len(values)
        self._hits += float(_hits(values, relevant).sum())
        self._perr += float(_equal_recall(values, relevant).sum())
        self._classes.append(best.astype(np.int32).ravel())
        self._scores.append(np.take_along_axis(values, best, axis=1).ravel())
        self._relevant.append(np.take_along_axis(relevant, best, axis=1).ravel())

    def scores(self) -> VideoScores:
        """The measures over all batches so far; raises InvalidData before the first."""
        if self._positives is None:
            raise InvalidData("There is nothing to measure: no batch has been added yet.")
        classes, relevant = np.concatenate(self._classes), np.concatenate(self._relevant)
        values = np.concatenate(self._scores)
        return VideoScores(
            top=self.top,
            videos=self._videos,
            hit_at_one=self._hits / self._videos,
            perr=self._perr / self._videos,
            gap=average_precision(values, relevant, positives=int(self._positives.sum())),
            average_precision=precision_per_class(classes, values, relevant, self._positives),
            positives=self._positives,
        )


def _hits(scores: NDArray[np.floating], relevant: BoolArray) -> BoolArray:
    hits: BoolArray = relevant[np.arange(len(scores)), scores.argmax(axis=1)]
    return hits


def _equal_recall(scores: NDArray[np.floating], relevant: BoolArray) -> FloatArray:
    """Precision (V,) of each video among its best k classes; 0 without labels."""
    labels = relevant.sum(axis=1)
    best = best_classes(scores, max(int(labels.max()), 1))
    hits = np.take_along_axis(relevant & (scores > 0), best, axis=1)
    inside = np.arange(best.shape[1]) < labels[:, None]
    share: FloatArray = (hits & inside).sum(axis=1) / np.maximum(labels, 1)
    return share


def _matrices(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.floating], BoolArray]:
    """Scores (V, L) in their own precision, so that equal stays equal, and relevance (V, L), checked."""
    values, relevant = np.asarray(scores), np.asarray(labels) > 0
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    if values.ndim != 2 or values.shape != relevant.shape or not values.size:
        raise InvalidData(f"Scores and labels are (videos, classes), but got {values.shape} and {relevant.shape}.")
    if np.isnan(values).any():
        raise InvalidData(f"NaN has no rank, but (video, class) {np.argwhere(np.isnan(values))[0].tolist()} bears it.")
    return values, relevant
