"""How probable it is that a found moment is right, from its rank within its concept and what was decided so far."""

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import BoolArray, FloatArray, IntArray

PRIOR = (0.0, 1.0)
"""Offset and slope before any decision: the middle of a concept's ranking is as often right as wrong."""
PRIOR_PRECISION = (1.0, 4.0)
OFFSET_PRECISION = 1.0
_STEPS = 20


def percentiles(scores: FloatArray, concepts: IntArray) -> FloatArray:
    """The place (M,) of each score within its concept, in (0, 1): 1 - 1/2n for the best of n, ties share theirs."""
    order = np.lexsort((scores, concepts))
    ordered, owner = scores[order], concepts[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]) | (owner[1:] != owner[:-1])
    group = np.cumsum(fresh) - 1
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(order))
    begins = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(order) else first
    sizes = np.diff(np.append(begins, len(order)))
    begin, size = np.repeat(begins, sizes), np.repeat(sizes, sizes)
    places = np.empty(len(order))
    places[order] = ((first + last)[group] / 2 - begin) / np.maximum(size, 1)
    return places


def chances(places: FloatArray, concepts: IntArray, decided: IntArray, right: BoolArray) -> FloatArray:
    """The probability (M,) of being right: a logistic curve over logit(place), with an offset for each concept.

    decided (D,) are rows, right (D,) what was found of them. A penalised fit (Gaussian priors, `PRIOR`): without
    decisions it is the prior, and with few of them it stays near it.
    """
    count = int(concepts.max(initial=-1)) + 1
    logits = np.log(places) - np.log1p(-places)
    offset, slope, own = PRIOR[0], PRIOR[1], np.zeros(count)
    if len(decided):
        x, owner, y = logits[decided], concepts[decided], right.astype(np.float64)
        for _ in range(_STEPS):
            p = _sigmoid(offset + slope * x + own[owner])
            weight, miss = p * (1 - p), y - p
            gradient = np.array([miss.sum() - PRIOR_PRECISION[0] * (offset - PRIOR[0]),
                                 (miss * x).sum() - PRIOR_PRECISION[1] * (slope - PRIOR[1])])  # fmt: skip
            curve = np.array([[weight.sum() + PRIOR_PRECISION[0], (weight * x).sum()],
                              [(weight * x).sum(), (weight * x * x).sum() + PRIOR_PRECISION[1]]])  # fmt: skip
            change = np.linalg.solve(curve, gradient)
            offset, slope = offset + change[0], max(0.0, slope + change[1])
            p = _sigmoid(offset + slope * x + own[owner])
            pull = np.bincount(owner, y - p, count) - OFFSET_PRECISION * own
            own = own + pull / (np.bincount(owner, p * (1 - p), count) + OFFSET_PRECISION)
            if np.abs(change).max() < 1e-6 and np.abs(pull).max() < 1e-6:
                break
    return _sigmoid(offset + slope * logits + own[concepts])


def _sigmoid(values: NDArray[np.float64]) -> FloatArray:
    return 1 / (1 + np.exp(-np.clip(values, -40, 40)))
