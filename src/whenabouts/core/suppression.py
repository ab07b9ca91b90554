"""Non-maximum suppression of spans of one video and one class, hard and soft, in seconds: no pixel is added."""

import heapq

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.timing import BoolArray, FloatArray, IntArray, as_spans, temporal_iou


def kept_spans(spans: ArrayLike, scores: ArrayLike, tiou: float) -> BoolArray:
    """True (N,) for the spans (N, 2) that no better one overlaps by more than `tiou`; ties go to the earlier row.

    Only spans that begin near a winner are compared with it: one that overlaps it by a share t of the union begins at
    most 1 / t of its length before it. So many short spans in a long video stay cheap.
    """
    rows = as_spans(spans)
    by_start = np.argsort(rows[:, 0], kind="stable")
    ordered = rows[by_start]
    alive = np.ones(len(rows), bool)  # In order of starts, as `ordered`.
    place = np.empty(len(rows), np.int64)
    place[by_start] = np.arange(len(rows))
    for row in place[np.argsort(-np.asarray(scores, np.float64), kind="stable")].tolist():
        if not alive[row]:
            continue
        near = _near(ordered, row, tiou)
        alive[near] &= temporal_iou(ordered[row], ordered[near])[0] <= tiou
        alive[row] = True
    return alive[place]


def softened_scores(spans: ArrayLike, scores: ArrayLike, sigma: float) -> FloatArray:
    """Scores (N,), each lowered by `exp(-tIoU^2 / sigma)` for every better span that it overlaps.

    Gaussian soft non-maximum suppression (Bodla et al., ICCV 2017, Eq. 4): again and again the best of what is left
    is taken, and the rest is lowered by it. Scores must not be below 0: lowering would raise them. Ties go to the
    earlier row.
    """
    rows, result = as_spans(spans), np.array(scores, np.float64)
    if (result < 0).any():
        raise ValueError("Soft suppression multiplies scores, so they must be at least 0.")
    if not len(rows):
        return result
    neighbours = _Octaves(rows)
    waiting = np.ones(len(rows), bool)
    queue = [(-score, row) for row, score in enumerate(result.tolist())]
    heapq.heapify(queue)
    while queue:
        negative, row = heapq.heappop(queue)
        if not waiting[row]:
            continue
        if -negative > result[row]:  # It was lowered since it was put there: it waits for its turn at its new score.
            heapq.heappush(queue, (-float(result[row]), row))
            continue
        waiting[row] = False
        near = neighbours.of(row)
        near = near[waiting[near]]
        result[near] *= np.exp(-(temporal_iou(rows[row], rows[near])[0] ** 2) / sigma)
    return result


class _Octaves:
    """Which of spans (N, 2) may overlap one of them: each octave of lengths is searched by itself.

    In order of starts alone, a few long spans would make every short one a neighbour of all that came before it.
    """

    def __init__(self, rows: FloatArray) -> None:
        lengths = rows[:, 1] - rows[:, 0]
        octaves = np.frexp(lengths)[1]
        self._order = np.lexsort((rows[:, 0], octaves))
        _, begins = np.unique(octaves[self._order], return_index=True)
        first, stop = [], []
        for begin, members in zip(begins, np.split(self._order, begins[1:]), strict=True):
            starts, longest = rows[members, 0], lengths[members].max()
            first.append(begin + np.searchsorted(starts, rows[:, 0] - longest, side="left"))
            stop.append(begin + np.searchsorted(starts, rows[:, 1], side="left"))
        self._first, self._stop = np.array(first).T, np.array(stop).T  # (N, octaves)

    def of(self, row: int) -> IntArray:
        """Rows of all spans that overlap a span, itself among them, and of some that lie near it."""
        places = zip(self._first[row].tolist(), self._stop[row].tolist(), strict=True)
        return np.concatenate([self._order[first:stop] for first, stop in places])


def _near(ordered: FloatArray, row: int, tiou: float) -> slice:
    """Those of spans in order of their starts that may overlap one by more than `tiou`."""
    start, end = ordered[row].tolist()
    earliest = start - (end - start) / tiou if tiou > 0 else -np.inf
    first = np.searchsorted(ordered[:, 0], earliest, side="left")
    return slice(int(first), int(np.searchsorted(ordered[:, 0], end, side="left")))
