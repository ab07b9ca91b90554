"""Matching after the official THUMOS14 kit and its updated version, as both ran in MATLAB."""

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.matching import (
    Candidates,
    TruePositives,
    paired_hull_overlap,
    ranks_in_group,
    taken_in_turn,
)
from whenabouts.evaluation.tables import Predictions, Truth


def match_thumos14(truth: Truth, predictions: Predictions, tiou: FloatArray) -> TruePositives:
    """The kit of 2014: where scores tie, true positives stand before false positives."""
    return _match(truth, predictions, tiou, hits_first=True)


def match_thumos15(truth: Truth, predictions: Predictions, tiou: FloatArray) -> TruePositives:
    """The updated kit: where scores tie, videos stay in order of their names, and then scores in file order."""
    return _match(truth, predictions, tiou, hits_first=False)


def _match(truth: Truth, predictions: Predictions, tiou: FloatArray, *, hits_first: bool) -> TruePositives:
    """Instances in file order take the free prediction of largest overlap, if it is above the threshold tiou (T,).

    Predictions that stay free and touch an ambiguous interval of their video are neither true nor false: they leave
    the ranking. Of equal overlaps the better score wins, then the prediction read first.
    """
    order = _by_video_and_score(predictions)
    found = predictions[order]
    ambiguous = _touches_ambiguous(truth, found)
    turn, choice, overlap = _pairs(truth, found)
    taken = np.zeros((len(tiou), len(found)), bool)
    parts = []
    for level, threshold in enumerate(tiou):
        over = np.flatnonzero(overlap > threshold)
        won = over[taken_in_turn(turn[over], choice[over], taken[level])]
        ranks = _ranks(found, taken[level], taken[level] | ~ambiguous, hits_first=hits_first)
        parts.append(TruePositives(np.full(len(won), level), order[choice[won]], turn[won], ranks[choice[won]]))
    return TruePositives.concatenate(parts)


def _by_video_and_score(predictions: Predictions) -> IntArray:
    """Rows (P,) by name of the video, then falling score, then as read: how the kit pools detections."""
    names = np.argsort(np.argsort(np.asarray(predictions.video_ids, np.str_), kind="stable"))
    return np.lexsort((-predictions.scores, names[predictions.videos]))


def _pairs(truth: Truth, found: Predictions) -> tuple[IntArray, IntArray, FloatArray]:
    """Overlapping pairs (K,) of instance and prediction: by instance, then best overlap first, then best score."""
    classes = len(truth.labels)
    candidates = Candidates.by_key(truth.videos * classes + truth.classes, found.videos * classes + found.classes)
    kept = [_overlapping(turn, choice, truth.spans, found.spans) for turn, choice in candidates.blocks()]
    if not kept:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    turn, choice, overlap = (np.concatenate(column) for column in zip(*kept, strict=True))
    order = np.lexsort((choice, -overlap, turn))
    return turn[order], choice[order], overlap[order]


def _overlapping(
    first: IntArray, second: IntArray, first_spans: FloatArray, second_spans: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    overlap = paired_hull_overlap(first_spans[first], second_spans[second])
    near = overlap > 0
    return first[near], second[near], overlap[near]


def _touches_ambiguous(truth: Truth, found: Predictions) -> BoolArray:
    """Predictions (P,) that overlap an ambiguous interval of their video, however little."""
    touches = np.zeros(len(found), bool)
    candidates = Candidates.by_key(truth.ambiguous_videos, found.videos)
    for vague, prediction in candidates.blocks():
        _, near, _ = _overlapping(vague, prediction, truth.ambiguous_spans, found.spans)
        touches[near] = True
    return touches


def _ranks(found: Predictions, hit: BoolArray, kept: BoolArray, *, hits_first: bool) -> IntArray:
    """Rank (P,) of each kept prediction in its class by falling score; the ranks of the others mean nothing."""
    rows = np.flatnonzero(kept)
    ties = ~hit[rows] if hits_first else np.zeros(len(rows), bool)
    order = rows[np.lexsort((ties, -found.scores[rows]))]
    ranks = np.zeros(len(found), np.int64)
    ranks[order] = ranks_in_group(found.classes[order])
    return ranks
