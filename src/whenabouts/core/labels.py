"""What people, tags or folders say about a video: sparse, weighted, with an honest word on what is not said."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, as_spans

Absent = Literal["unknown", "negative"]


def _no_classes() -> IntArray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class VideoLabels:
    """Labels of one video: classes (P,) with weights (P,) in (0, 1], and classes (N,) known to be absent.

    `absent` is the declared policy for every class that is not named: "negative" (the label list is complete) or
    "unknown" (people tag what they like; nothing follows from silence).
    """

    classes: IntArray
    weights: FloatArray
    negatives: IntArray = field(default_factory=_no_classes)
    absent: Absent = "negative"

    def __post_init__(self) -> None:
        classes, weights = np.asarray(self.classes, np.int64), np.asarray(self.weights, np.float64)
        negatives = np.asarray(self.negatives, np.int64)
        if classes.ndim != 1 or classes.shape != weights.shape:
            raise InvalidData(f"Each class needs a weight, but got shapes {classes.shape} and {weights.shape}.")
        if len(np.unique(classes)) != len(classes):
            raise InvalidData(f"A video carries each class once, but got {classes.tolist()}.")
        if not ((weights > 0) & (weights <= 1)).all():
            raise InvalidData(f"Label weights lie in (0, 1], but got {weights.tolist()}.")
        if np.intersect1d(classes, negatives).size:
            raise InvalidData(f"Classes {np.intersect1d(classes, negatives).tolist()} are both present and absent.")
        if self.absent not in get_args(Absent):
            raise InvalidData(f"Absent classes are one of {get_args(Absent)}, but got {self.absent!r}.")
        for name, value in (("classes", classes), ("weights", weights), ("negatives", negatives)):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, classes: Iterable[int], absent: Absent = "negative") -> "VideoLabels":
        """Labels of weight 1."""
        array = np.asarray(list(classes), np.int64)
        return cls(array, np.ones(len(array)), absent=absent)

    def __len__(self) -> int:
        return len(self.classes)

    def dense(self, count: int) -> FloatArray:
        """Weights (L,) over all classes, 0 where not labelled."""
        row = np.zeros(count)
        row[self.classes] = self.weights
        return row

    def known(self, count: int) -> BoolArray:
        """(L,) True where the label, present or absent, is known under the declared policy."""
        row = np.full(count, self.absent == "negative")
        row[self.classes] = True
        row[self.negatives] = True
        return row


@dataclass(frozen=True)
class SegmentLabels:
    """Rated segments: video_ids (S,), spans (S, 2) in seconds, classes (S,), present (S,): rated yes or rated no.

    Everything that is not rated is unknown.
    """

    video_ids: tuple[str, ...]
    spans: FloatArray
    classes: IntArray
    present: BoolArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_ids", tuple(self.video_ids))
        object.__setattr__(self, "spans", as_spans(self.spans))
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int64))
        object.__setattr__(self, "present", np.asarray(self.present, bool))
        sizes = {len(self.video_ids), len(self.spans), len(self.classes), len(self.present)}
        if len(sizes) != 1:
            raise InvalidData(f"Segment labels need one row each, but the columns hold {sorted(sizes)} rows.")

    @classmethod
    def empty(cls) -> "SegmentLabels":
        """No rated segment."""
        return cls((), np.zeros((0, 2)), _no_classes(), np.zeros(0, bool))

    def __len__(self) -> int:
        return len(self.video_ids)

    def settled(self) -> tuple["SegmentLabels", int]:
        """Each rating of one video's span and class once, as most raters say, and how many were left out.

        Left out are those that as many affirm as deny. Without a rating twice it is the same object.
        """
        rows = np.column_stack([self.spans, self.classes])
        distinct, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        if len(distinct) == len(self):
            return self, 0
        votes = np.bincount(place.ravel(), np.where(self.present, 1, -1), minlength=len(distinct))
        kept = np.flatnonzero(votes)
        own = first[kept]
        ids = tuple(self.video_ids[row] for row in own.tolist())
        settled = SegmentLabels(ids, self.spans[own], self.classes[own], votes[kept] > 0)
        return settled, len(distinct) - len(kept)
