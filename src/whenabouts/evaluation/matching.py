"""Who gets whom: choosers in turn take their best free option, for whole datasets at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 2_000_000  # bounds the memory; about 100 bytes a pair


@dataclass(frozen=True)
class TruePositives:
    """Matched pairs (K,): threshold number, prediction row, truth row, and rank in its class from 0, best first."""

    levels: IntArray
    predictions: IntArray
    truths: IntArray
    ranks: IntArray

    @classmethod
    def concatenate(cls, parts: Sequence["TruePositives"]) -> "TruePositives":
        """Join the matches of several blocks and thresholds."""
        if not parts:
            return cls(*(np.zeros(0, np.int64) for _ in range(4)))
        return cls(
            np.concatenate([part.levels for part in parts]),
            np.concatenate([part.predictions for part in parts]),
            np.concatenate([part.truths for part in parts]),
            np.concatenate([part.ranks for part in parts]),
        )


@dataclass(frozen=True)
class Candidates:
    """For each chooser (C,) the options (O,) that bear the same key."""

    order: IntArray  # options sorted by key, in file order within a key
    first: IntArray  # (C,) where each chooser's options begin in `order`
    counts: IntArray  # (C,) how many there are

    @classmethod
    def by_key(cls, choosers: IntArray, options: IntArray) -> "Candidates":
        """Pair choosers and options of equal keys, (C,) and (O,) whole numbers."""
        order = np.argsort(options, kind="stable")
        keys, starts, sizes = np.unique(options[order], return_index=True, return_counts=True)
        if not len(keys):
            nothing = np.zeros(len(choosers), np.int64)
            return cls(order, nothing, nothing)
        place = np.minimum(np.searchsorted(keys, choosers), len(keys) - 1)
        found = keys[place] == choosers
        return cls(order, starts[place], np.where(found, sizes[place], 0))

    def blocks(self) -> Iterator[tuple[IntArray, IntArray]]:
        """All pairs (K,), (K,) of chooser and option, chooser by chooser, in blocks that fit into memory."""
        limit = PAIRS_AT_ONCE
        rows = np.flatnonzero(self.counts)
        ends = np.cumsum(self.counts[rows])
        cuts = np.searchsorted(ends, np.arange(limit, ends[-1] if len(ends) else 0, limit), "right")
        for part in np.split(rows, np.unique(cuts)):
            if len(part):
                yield self._pairs(part)

    def _pairs(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        counts = self.counts[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts), self.order[np.repeat(self.first[rows], counts) + within]


def taken_in_turn(choosers: IntArray, options: IntArray, taken: BoolArray) -> IntArray:
    """Let each chooser in turn take the best of its options that is still free; mark it in `taken` (O,).

    choosers (K,) ascending in their turn, options (K,) best first within a chooser. Returns the rows (M,) of the pairs
    that come about. As all options rank the choosers alike, taking turns is the stable matching, and that can be
    found by letting all choosers ask at once and giving way to earlier ones (Gale and Shapley, 1962).
    """
    free = np.flatnonzero(~taken[options])
    choosers, options = choosers[free], options[free]
    if not len(choosers):
        return free
    cursor = np.flatnonzero(np.concatenate([[True], choosers[1:] != choosers[:-1]]))  # each chooser's next option
    stop = np.append(cursor[1:], len(choosers))
    nobody = len(cursor)
    holder = np.full(len(taken), nobody)
    asking = np.arange(nobody)
    while len(asking):
        wanted = options[cursor[asking]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, asking)
        accepted = holder[wanted] == asking
        ousted = before[accepted]
        refused = np.concatenate([asking[~accepted], ousted[ousted != nobody]])
        cursor[refused] += 1
        asking = refused[cursor[refused] < stop[refused]]
    won = np.flatnonzero(holder != nobody)
    taken[won] = True
    pairs: IntArray = free[np.sort(cursor[holder[won]])]
    return pairs


def best_first(scores: FloatArray) -> IntArray:
    """Row numbers (N,) by falling score; of equal scores the one read last comes first.

    The official code reads an unstable ascending sort backwards: with ties its result depends on the machine. This is
    the same with a stable sort.
    """
    order: IntArray = np.argsort(scores, kind="stable")[::-1]
    return order


def ranks_in_group(groups: IntArray) -> IntArray:
    """How many earlier rows (N,) bear the same group number (N,), which must not be negative."""
    if not len(groups):
        return np.zeros(0, np.int64)
    sizes = np.bincount(groups)
    order = np.argsort(groups.astype(np.min_scalar_type(len(sizes))), kind="stable")  # small types sort by radix
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return ranks


def paired_tiou(first: FloatArray, second: FloatArray) -> FloatArray:
    """Temporal IoU (K,) of spans (K, 2) with spans (K, 2), in the order of operations of the official code.

    NaN for 0/0: that is the official answer for two empty spans, wherever they lie.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.maximum(np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0]), 0.0)
        tiou: FloatArray = shared / ((second[:, 1] - second[:, 0]) + (first[:, 1] - first[:, 0]) - shared)
    return tiou


def paired_hull_overlap(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over hull (K,) of spans (K, 2) with their ends put in order, as in the THUMOS14 kit; 0 if apart."""
    first, second = np.sort(first, axis=1), np.sort(second, axis=1)
    with np.errstate(invalid="ignore"):  # infinite borders
        shared = np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0])
        hull = np.maximum(first[:, 1], second[:, 1]) - np.minimum(first[:, 0], second[:, 0])
        overlap: FloatArray = np.divide(shared, hull, out=np.zeros_like(shared), where=shared > 0)
    return overlap
