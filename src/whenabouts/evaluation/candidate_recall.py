"""Recall of candidates as a curve: how many of the rated positives remain where only so many segments are kept.

Recall@K of Ma et al. (2019), table 1, is one point of it: the mean over classes at K = 100,000 segments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.evaluation.ranked_lists import RankedList
from whenabouts.evaluation.ranking import recall_at
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.evaluation.report import Report


@dataclass(frozen=True)
class RecallCurve:
    """At depths (D,): recall (C, D) and share of all segments that are kept (C, D) of classes (C,), ascending.

    positives (C,) are the rated ones. A list that is shorter than a depth keeps no more than it holds. left_out are
    listed classes without any rated positive: nothing can be said of them.
    """

    depths: IntArray
    classes: IntArray
    recall: FloatArray
    kept_share: FloatArray
    positives: IntArray
    left_out: tuple[int, ...] = ()

    @property
    def mean_recall(self) -> FloatArray:
        """Mean over classes (D,)."""
        mean: FloatArray = self.recall.mean(axis=0)
        return mean

    @property
    def mean_kept_share(self) -> FloatArray:
        """Mean over classes (D,)."""
        mean: FloatArray = self.kept_share.mean(axis=0)
        return mean

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: what a table or a plot needs."""
        return {
            "depths": self.depths.tolist(),
            "mean_recall": self.mean_recall.tolist(),
            "mean_kept_share": self.mean_kept_share.tolist(),
            "classes": self.classes.tolist(),
            "per_class_recall": self.recall.tolist(),
            "per_class_kept_share": self.kept_share.tolist(),
            "num_positives": self.positives.tolist(),
            "left_out_classes": list(self.left_out),
        }

    def report(self) -> Report:
        """The mean curve, a row for each depth."""
        return Report(
            title=f"Candidates: {len(self.classes)} classes, {self.positives.sum()} rated positives",
            convention="share of each class's rated positives among its first segments, then the mean over classes",
            metrics={f"Recall@{self.depths[-1]}": float(self.mean_recall[-1])},
            classes=tuple(map(str, self.depths.tolist())),
            columns=("kept", "recall", "least recall"),
            per_class=np.stack([self.mean_kept_share, self.mean_recall, self.recall.min(axis=0)], axis=1),
            rows="segments a class",
        )


def recall_curve(
    truth: RatedPairs, lists: Iterable[RankedList], depths: Sequence[int], *, segments: int
) -> RecallCurve:
    """Measure ranked segments of each class, list by list, against rated ones.

    `segments` is how many there are in all videos. Of a segment that comes twice the first place counts, and later ones
    take no place. Classes with rated positives that have no list keep nothing and have a recall of 0. Raises
    InvalidData for depths that do not rise from at least 1, fewer `segments` than a list holds, a class that comes
    twice, and where nothing can be judged.
    """
    cuts = np.asarray(depths, np.int64)
    if not len(cuts) or cuts[0] < 1 or (np.diff(cuts) <= 0).any():
        raise InvalidData(f"Depths rise from at least 1 on, but got {list(depths)}.")
    nothing = (np.zeros(len(cuts)), np.zeros(len(cuts)))
    rows = {class_id: nothing for class_id, count in truth.positives.items() if count}
    seen: set[int] = set()
    for ranked in lists:
        if ranked.class_id in seen:
            raise InvalidData(f"Class {ranked.class_id} has two lists. Give each class one.")
        seen.add(ranked.class_id)
        if ranked.class_id in rows:
            rows[ranked.class_id] = _row(truth, ranked, cuts, segments)
    if not rows:
        raise InvalidData("Nothing can be judged: no class has a rated positive.")
    order = sorted(rows)
    recall, kept = (np.stack([rows[class_id][part] for class_id in order]) for part in range(2))
    positives = np.asarray([truth.positives[class_id] for class_id in order], np.int64)
    return RecallCurve(cuts, np.asarray(order, np.int64), recall, kept, positives, tuple(sorted(seen - rows.keys())))


def _row(truth: RatedPairs, ranked: RankedList, cuts: IntArray, segments: int) -> tuple[FloatArray, FloatArray]:
    """Recall (D,) and share kept (D,) of one class."""
    rated = truth.ratings[ranked.class_id]
    listed = dict.fromkeys(ranked.segments)
    if len(listed) > segments:
        raise InvalidData(f"Class {ranked.class_id} lists {len(listed)} segments, but there are only {segments}.")
    hits = np.fromiter((rated.get(segment, False) for segment in listed), bool, len(listed))
    return recall_at(hits, truth.positives[ranked.class_id], cuts), np.minimum(cuts, len(listed)) / max(segments, 1)
