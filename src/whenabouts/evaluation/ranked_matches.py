"""Predictions in the order in which their class ranks them, and what each matched: the ground of a diagnosis."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.activitynet import match_activitynet
from whenabouts.evaluation.average_precision import per_group
from whenabouts.evaluation.matching import best_first, ranks_in_group
from whenabouts.evaluation.tables import Predictions, Truth


@dataclass(frozen=True)
class RankedMatches:
    """rows (P,) of the predictions, class by class, best first; their classes (P,) and ranks (P,) from 0; matched
    (T, P): the truth row that each matched at each threshold, or -1; `usual`: instances of an average class.
    """

    rows: IntArray
    classes: IntArray
    ranks: IntArray
    matched: IntArray
    usual: float

    @classmethod
    def of(cls, truth: Truth, predictions: Predictions, tiou: FloatArray) -> "RankedMatches":
        """Match by ActivityNet's rules at each threshold tiou (T,)."""
        order = best_first(predictions.scores)
        rows = order[np.argsort(predictions.classes[order], kind="stable")]
        place = np.empty(len(rows), np.int64)
        place[rows] = np.arange(len(rows))
        hits = match_activitynet(truth, predictions, tiou)
        matched = np.full((len(tiou), len(rows)), -1)
        matched[hits.levels, place[hits.predictions]] = hits.truths
        classes = predictions.classes[rows]
        return cls(rows, classes, ranks_in_group(classes), matched, len(truth) / len(truth.labels))

    def normalised_precision(self, kept: BoolArray, positives: IntArray) -> FloatArray:
        """Normalised average precision (L, T) of the predictions kept (T, P) on positives (L,) instances.

        Precision is what it would be if each class had the usual number of instances, so that classes and groups of
        instances can be compared (DETAD, Alwassel et al., ECCV 2018, section 3.1). NaN where there is no instance.
        """
        table = np.full((len(positives), len(self.matched)), np.nan)
        rule = partial(normalised, usual=self.usual)
        for level, (matched, stays) in enumerate(zip(self.matched, kept, strict=True)):
            hits = stays & (matched >= 0)
            ranks = self.ranks - self._gone_before(~stays)
            table[:, level] = per_group(self.classes[hits], ranks[hits], positives, rule)
        table[positives == 0] = np.nan
        return table

    def _gone_before(self, gone: BoolArray) -> IntArray:
        """How many better predictions (P,) of the same class are gone (P,)."""
        before: IntArray = np.cumsum(gone) - gone
        first = np.flatnonzero(self.ranks == 0)
        counts: IntArray = before - np.repeat(before[first], np.diff(np.append(first, len(gone))))
        return counts


def normalised(ranks: IntArray, positives: int, *, usual: float) -> float:
    """Interpolated average precision as if the class had `usual` instances; ranks (K,) of its true positives."""
    found = np.arange(1, len(ranks) + 1)
    scaled = found / positives * usual
    precision = scaled / (scaled + (ranks + 1 - found))
    return float(np.maximum.accumulate(precision[::-1]).sum() / positives)
