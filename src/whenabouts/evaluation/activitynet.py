"""Matching after ActivityNet's official detection evaluator."""

import numpy as np

from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.evaluation.matching import (
    Candidates,
    TruePositives,
    best_first,
    paired_tiou,
    ranks_in_group,
    taken_in_turn,
)
from whenabouts.evaluation.tables import Predictions, Truth


def match_activitynet(truth: Truth, predictions: Predictions, tiou: FloatArray) -> TruePositives:
    """Predictions, best score first, take the instance of their class and video with the largest tIoU that is free.

    At each threshold tiou (T,) apart: tIoU >= threshold counts; of equal tIoU the instance read last is tried first; a
    prediction whose best match is gone falls back to its next; 0/0 (two empty spans) comes before all and counts.
    """
    order = best_first(predictions.scores)
    turns = predictions[order]
    ranks = ranks_in_group(turns.classes)
    classes = len(truth.labels)
    candidates = Candidates.by_key(turns.videos * classes + turns.classes, truth.videos * classes + truth.classes)
    taken = np.zeros((len(tiou), len(truth)), bool)
    parts = []
    for block in candidates.blocks():
        turn, instance, overlap = _ordered(*block, turns, truth, float(tiou.min()))
        for level, threshold in enumerate(tiou):
            near = np.flatnonzero(overlap >= threshold)
            won = near[taken_in_turn(turn[near], instance[near], taken[level])]
            parts.append(TruePositives(np.full(len(won), level), order[turn[won]], instance[won], ranks[turn[won]]))
    return TruePositives.concatenate(parts)


def _ordered(
    turn: IntArray, instance: IntArray, turns: Predictions, truth: Truth, least: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs (K,) of at least `least` tIoU: by turn, then best tIoU first, then the instance read last first."""
    overlap = paired_tiou(turns.spans[turn], truth.spans[instance])
    overlap[np.isnan(overlap)] = np.inf  # the official sort puts NaN first, and NaN < threshold never holds
    near = np.flatnonzero(overlap >= least)
    turn, instance, overlap = turn[near], instance[near], overlap[near]
    order = np.lexsort((-instance, -overlap, turn))
    return turn[order], instance[order], overlap[order]
