"""How probable it is that a found moment is right: from its rank, the video's labels, and what was decided so far."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray

PRIOR = np.array([0.0, 1.0, 2.0])
"""Offset, slope over the rank, and what a label of the video adds, before any decision."""
PRIOR_PRECISION = np.array([1.0, 4.0, 1.0])
OFFSET_PRECISION = 1.0
_STEPS = 25


@dataclass(frozen=True)
class Candidates:
    """Found moments (M,): scores, spans (M, 2), videos and concepts by number, whether the video has the label.

    `expected` (C,) is how many moments of each concept are thought to be right, such as the number of videos with its
    label: where a ranking is as often right as wrong.
    """

    scores: FloatArray
    spans: FloatArray
    videos: IntArray
    concepts: IntArray
    labelled: BoolArray
    expected: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def odds(self) -> FloatArray:
        """The logarithm (M,) of expected number over rank within the concept; ties share the mean of their ranks."""
        return np.log(np.maximum(self.expected, 1.0))[self.concepts] - np.log(ranks(self.scores, self.concepts))


def ranks(scores: FloatArray, concepts: IntArray) -> FloatArray:
    """The place (M,) of each score within its concept: 1/2 for the best, 3/2 for the next; ties share their mean."""
    if not len(scores):
        return np.zeros(0)
    order = np.lexsort((-scores, concepts))
    ordered, owner = scores[order], concepts[order]
    fresh = np.append(True, (ordered[1:] != ordered[:-1]) | (owner[1:] != owner[:-1]))
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(order))
    begins = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    begin = np.repeat(begins, np.diff(np.append(begins, len(order))))
    places = np.empty(len(order))
    places[order] = (first + last)[np.cumsum(fresh) - 1] / 2 - begin
    return places


def chances(found: Candidates, decided: IntArray, right: BoolArray) -> FloatArray:
    """The probability (M,) of being right: logistic in `odds` and the label, with an offset for each concept.

    decided (D,) are rows, right (D,) what was found of them. A penalised fit (Gaussian priors around `PRIOR`, Newton's
    steps for what concepts share, one step each for their offsets): without decisions it is the prior.
    """
    count = len(found.expected)
    design = np.stack([np.ones(len(found)), found.odds(), found.labelled - 0.5], axis=1)
    weights, own = PRIOR.copy(), np.zeros(count)
    if len(decided):
        rows, owner, y = design[decided], found.concepts[decided], right.astype(np.float64)
        for _ in range(_STEPS):
            p = _sigmoid(rows @ weights + own[owner])
            pull = rows.T @ (y - p) - PRIOR_PRECISION * (weights - PRIOR)
            curve = (rows * (p * (1 - p))[:, None]).T @ rows + np.diag(PRIOR_PRECISION)
            change = np.linalg.solve(curve, pull)
            weights = weights + change
            p = _sigmoid(rows @ weights + own[owner])
            drift = np.bincount(owner, y - p, count) - OFFSET_PRECISION * own
            own = own + drift / (np.bincount(owner, p * (1 - p), count) + OFFSET_PRECISION)
            if max(np.abs(change).max(), np.abs(drift).max()) < 1e-6:
                break
    return _sigmoid(design @ weights + own[found.concepts])


def _sigmoid(values: FloatArray) -> FloatArray:
    chance: FloatArray = 1 / (1 + np.exp(-np.clip(values, -40, 40)))
    return chance
