"""Average precision of one class from the ranks of its true positives.

All three conventions only ever look at the true positives: between two of them precision falls, so that neither the
envelope nor a largest precision "at this recall or beyond" is ever attained at a false positive.
"""

from collections.abc import Callable

import numpy as np

from whenabouts.core.timing import FloatArray, IntArray

Rule = Callable[[IntArray, int], float]
RECALL_POINTS = np.arange(11) * 0.1  # as MATLAB's 0:0.1:1 gives them: 0.30000000000000004 and so on


def per_group(groups: IntArray, ranks: IntArray, positives: IntArray, rule: Rule) -> FloatArray:
    """Average precision (G,) by `rule` of each group, 0 for a group without true positive.

    groups (K,) and ranks (K,) of all true positives in any order; positives (G,) instances of each group.
    """
    precision = np.zeros(len(positives))
    order = np.lexsort((ranks, groups))
    groups, ranks = groups[order], ranks[order]
    present, starts = np.unique(groups, return_index=True)
    for group, start, stop in zip(present, starts, np.append(starts[1:], len(groups)), strict=False):
        precision[group] = rule(ranks[start:stop], int(positives[group]))
    return precision


def interpolated(ranks: IntArray, positives: int) -> float:
    """Area under the precision envelope at every change of recall (Pascal VOC 2010 on, ActivityNet).

    ranks (K,) of the true positives among the class's predictions, best score first, from 0, ascending; `positives`
    instances are to be found.
    """
    return float(_envelope(ranks).sum() / positives)


def eleven_points(ranks: IntArray, positives: int) -> float:
    """Mean over recall 0, 0.1, ..., 1 of the largest precision at that recall or beyond (Pascal VOC 2007, THUMOS14)."""
    recall = np.arange(1, len(ranks) + 1) / positives
    reached = np.searchsorted(recall, RECALL_POINTS, side="left")
    return float(np.append(_envelope(ranks), 0.0)[reached].sum() / len(RECALL_POINTS))


def not_interpolated(ranks: IntArray, positives: int) -> float:
    """Sum of the precision at each true positive over the number of instances (the updated THUMOS kit of 2015)."""
    return float(_precision(ranks).sum() / positives)


def _precision(ranks: IntArray) -> FloatArray:
    precision: FloatArray = np.arange(1, len(ranks) + 1) / (ranks + 1)
    return precision


def _envelope(ranks: IntArray) -> FloatArray:
    envelope: FloatArray = np.maximum.accumulate(_precision(ranks)[::-1])[::-1]
    return envelope
