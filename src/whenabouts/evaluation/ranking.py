"""Average precision and recall of ranked lists, as the YouTube-8M challenges count them.

A label above 0 is relevant. Ties: of equal scores the row that was given first ranks first. The official code shuffles
ties with a fixed seed; the rule here lies within the same bounds and never depends on the machine, nor on what the
labels say.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray


def average_precision(
    scores: ArrayLike, labels: ArrayLike, *, n: int | None = None, positives: float | None = None
) -> float:
    """Sum of the precision at each relevant row among the best `n`, over min(`positives`, `n`).

    scores (N,), labels (N,). `positives` says how many relevant rows there are in all, where the list holds only some
    of them (default: as many as the list holds). 0 where there is none. Raises InvalidData for shapes that differ, NaN
    scores, `n` below 1 and negative `positives`.
    """
    values, relevant = _columns(scores, labels)
    total = int(relevant.sum()) if positives is None else positives
    return precision_of_ranked(relevant[falling(values)], total, n=checked_depth(n))


def precision_of_ranked(relevant: BoolArray, positives: float, *, n: int | None = None) -> float:
    """Average precision of rows (N,) that already stand best first."""
    _check_positives(positives)
    total = positives if n is None else min(positives, n)
    ranks = np.flatnonzero(relevant[:n])
    return float((np.arange(1, len(ranks) + 1) / (ranks + 1)).sum() / total) if total > 0 else 0.0


def recall_at(relevant: BoolArray, positives: float, depths: ArrayLike) -> FloatArray:
    """Share (K,) of `positives` among the first depths (K,) of rows (N,) that stand best first; NaN without positives.

    Averaged over classes at depth 100,000 this is the Recall@100K of Ma et al. (2019), table 1.
    """
    _check_positives(positives)
    found = np.concatenate([[0], np.cumsum(np.asarray(relevant, bool))])
    share: FloatArray = found[np.clip(np.asarray(depths, np.int64), 0, len(found) - 1)] / (positives or np.nan)
    return share


def precision_per_class(
    classes: NDArray[np.integer], scores: ArrayLike, labels: ArrayLike, positives: ArrayLike, *, n: int | None = None
) -> FloatArray:
    """Average precision (L,) of all classes at once from rows in any order: classes (N,), scores (N,), labels (N,).

    positives (L,) counts each class's relevant rows, those outside the given rows included. 0 for a class without
    any. Raises InvalidData as `average_precision` does, and for a class number outside 0..L-1.
    """
    values, relevant = _columns(scores, labels)
    totals = np.asarray(positives, np.float64)
    _check_positives(totals)
    count, depth = len(totals), checked_depth(n)
    if classes.shape != values.shape or (len(classes) and not 0 <= classes.min() <= classes.max() < count):
        raise InvalidData(f"Each row needs a class in 0..{count - 1}, but the classes are {classes}.")
    order = np.lexsort((-values, classes))
    of_class, hit = classes[order], relevant[order]
    first = np.searchsorted(of_class, np.arange(count))
    ranks = np.arange(len(order)) - first[of_class]
    seen = np.concatenate([[0], np.cumsum(hit)])
    rows = np.flatnonzero(hit if depth is None else hit & (ranks < depth))
    owner = of_class[rows]
    precision = (seen[rows + 1] - seen[first[owner]]) / (ranks[rows] + 1)
    sums = np.bincount(owner, weights=precision, minlength=count)
    totals = totals if depth is None else np.minimum(totals, depth)
    return np.divide(sums, totals, out=np.zeros(count), where=totals > 0)


def falling(scores: NDArray[np.floating]) -> IntArray:
    """Row numbers (N,) by falling score; of equal scores the first given comes first."""
    return np.argsort(-scores, kind="stable")


def checked_depth(n: int | None) -> int | None:
    """`n` itself; raises InvalidData below 1."""
    if n is not None and n < 1:
        raise InvalidData(f"A ranked list is cut after at least 1 row, but got n = {n}. Leave n out for no cut.")
    return n


def _columns(scores: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Scores (N,) and relevance (N,), checked."""
    values, relevant = np.asarray(scores, np.float64), np.asarray(labels) > 0
    if values.ndim != 1 or values.shape != relevant.shape:
        raise InvalidData(f"Each row needs a score and a label, but got shapes {values.shape} and {relevant.shape}.")
    if np.isnan(values).any():
        raise InvalidData(f"NaN has no rank, but row {np.flatnonzero(np.isnan(values))[0]} bears it as its score.")
    return values, relevant


def _check_positives(positives: ArrayLike) -> None:
    if not (np.asarray(positives, np.float64) >= 0).all():
        raise InvalidData(f"The number of positives can't be negative or NaN, but got {positives!r}.")
