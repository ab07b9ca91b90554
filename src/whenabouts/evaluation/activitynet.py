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
    labels, videos, count = predictions.classes[order], predictions.videos[order], len(truth.labels)
    ranks = ranks_in_group(labels)
    candidates = Candidates.by_key(videos * count + labels, truth.videos * count + truth.classes)
    taken = np.zeros((len(tiou), len(truth)), bool)
    parts = []
    for turn, instance in candidates.blocks():
        overlap = paired_tiou(predictions.spans[order[turn]], truth.spans[instance])
        turn, instance, overlap = _ordered(turn, instance, overlap, float(tiou.min()))
        for level, threshold in enumerate(tiou):
            near = np.flatnonzero(overlap >= threshold)
            won = near[taken_in_turn(turn[near], instance[near], taken[level])]
            parts.append(TruePositives(np.full(len(won), level), order[turn[won]], instance[won], ranks[turn[won]]))
    return TruePositives.concatenate(parts)


def _ordered(
    turn: IntArray, instance: IntArray, overlap: FloatArray, least: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs (K,) of at least `least` tIoU: by turn, then best tIoU first, then the instance read last first."""
    overlap[np.isnan(overlap)] = np.inf  # the official sort puts NaN first, and NaN < threshold never holds
    near = np.flatnonzero(overlap >= least)
    turn, instance, overlap = turn[near], instance[near], overlap[near]
    twin = turn[1:] == turn[:-1]
    choice = np.flatnonzero(np.append(twin, False) | np.append(False, twin))  # who has only one pair needs no order
    order = np.arange(len(turn))
    order[choice] = choice[np.lexsort((-instance[choice], -overlap[choice], turn[choice]))]
    return turn[order], instance[order], overlap[order]
