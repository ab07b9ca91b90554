"""What is wrong with the false positives, and what each kind of error costs (DETAD, Alwassel et al., ECCV 2018)."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.matching import Candidates, paired_tiou
from whenabouts.evaluation.ranked_matches import RankedMatches
from whenabouts.evaluation.tables import Predictions, Truth

KINDS = ("true positive", "duplicate", "wrong class", "bad boundaries", "confusion", "background")
TRUE, DUPLICATE, WRONG_CLASS, BAD_BOUNDARIES, CONFUSION, BACKGROUND = range(6)
DEPTH = 10  # each class's best predictions are looked at, up to ten times its number of instances
NEAR = 0.1  # less tIoU than this with anything is background


@dataclass(frozen=True)
class ErrorKinds:
    """Shares (10, 6) of KINDS among the predictions ranked up to k times as many as there are instances (k = 1..10),
    mean over the thresholds; gains (6,) in normalised average mAP if all errors of a kind were gone (0 for true ones).
    """

    shares: FloatArray
    gains: FloatArray
    predictions: int


def error_kinds(truth: Truth, predictions: Predictions, ranked: RankedMatches, tiou: FloatArray) -> ErrorKinds:
    """Sort the best predictions of each class into KINDS, at each threshold tiou (T,).

    With the instance of largest tIoU in the video, of whatever class: at least the threshold and the same class, but
    matched already: duplicate; another class: wrong class. Between 0.1 and the threshold: bad boundaries or, with
    another class, confusion. Below: background. If the best tIoU is reached in the own class too, that one counts.
    """
    reach, own = _nearest(truth, predictions)
    reach, own = reach[ranked.rows], own[ranked.rows]
    kinds = np.stack([_kinds(hit >= 0, reach, own, level) for hit, level in zip(ranked.matched, tiou, strict=True)])
    counts = truth.class_counts
    depth = ranked.ranks // np.maximum(counts[ranked.classes], 1)  # 0: among the best G, 1: the next G, ...
    looked = np.broadcast_to(depth < DEPTH, kinds.shape)
    base = _mean(ranked.normalised_precision(looked, counts))
    gains = [_mean(ranked.normalised_precision(looked & (kinds != kind), counts)) - base for kind in range(1, 6)]
    shares = np.stack([_shares(kinds[:, depth <= step]) for step in range(DEPTH)])
    return ErrorKinds(shares, np.asarray([0.0, *gains]), int((depth < DEPTH).sum()))


def _nearest(truth: Truth, predictions: Predictions) -> tuple[FloatArray, BoolArray]:
    """Largest tIoU (P,) with any instance of the video, and whether (P,) one of the own class reaches it."""
    reach, reach_own = np.zeros(len(predictions)), np.zeros(len(predictions))
    for row, instance in Candidates.by_key(predictions.videos, truth.videos).blocks():
        overlap = np.nan_to_num(paired_tiou(predictions.spans[row], truth.spans[instance]), nan=0.0)
        same = predictions.classes[row] == truth.classes[instance]
        first = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
        reach[row[first]] = np.maximum.reduceat(overlap, first)
        reach_own[row[first]] = np.maximum.reduceat(np.where(same, overlap, 0.0), first)
    return reach, reach_own >= reach


def _kinds(hit: BoolArray, reach: FloatArray, own: BoolArray, threshold: float) -> IntArray:
    over, near = reach >= threshold, reach >= NEAR
    conditions = [hit, over & own, over, near & own, near]
    return np.select(conditions, list(range(BACKGROUND)), default=BACKGROUND)


def _shares(kinds: IntArray) -> FloatArray:
    counts = np.bincount(kinds.ravel(), minlength=len(KINDS))
    shares: FloatArray = counts / max(1, kinds.size)
    return shares


def _mean(table: FloatArray) -> float:
    return float(np.nanmean(table))
