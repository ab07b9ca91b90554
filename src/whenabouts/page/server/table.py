"""Moments of one project as columns: filtered and sorted by whole arrays, never row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.moments import KINDS
from whenabouts.core.timing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Table:
    """Moments: videos (M,) and concepts (M,) by number, spans (M, 2), scores (M,), kinds (M,) by place in `KINDS`.

    `present` (M,) is False where a rating says that the concept is not there.
    """

    videos: IntArray
    concepts: IntArray
    spans: FloatArray
    scores: FloatArray
    kinds: NDArray[np.int8]
    present: BoolArray

    @classmethod
    def empty(cls) -> "Table":
        """No moment."""
        whole = np.zeros(0, np.int64)
        return cls(whole, whole, np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int8), np.zeros(0, bool))

    @classmethod
    def joined(cls, parts: Sequence["Table"]) -> "Table":
        """All rows of all parts."""
        columns = ("videos", "concepts", "spans", "scores", "kinds", "present")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, float, float, float, bool]], kind: str) -> "Table":
        """Rows (video, concept, start, end, score, present) of one kind."""
        if not rows:
            return cls.empty()
        videos, concepts, starts, ends, scores, present = (np.asarray(column) for column in zip(*rows, strict=True))
        spans = np.stack([starts, ends], axis=1).astype(np.float64)
        kinds = np.full(len(rows), KINDS.index(kind), np.int8)
        return cls(videos.astype(np.int64), concepts.astype(np.int64), spans, scores.astype(np.float64), kinds,
                   present.astype(bool))  # fmt: skip

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, rows: IntArray | BoolArray) -> "Table":
        return Table(self.videos[rows], self.concepts[rows], self.spans[rows], self.scores[rows], self.kinds[rows],
                     self.present[rows])  # fmt: skip

    @cached_property
    def _by_video(self) -> tuple[IntArray, IntArray]:
        order = np.lexsort((self.spans[:, 0], self.videos))
        return order, self.videos[order]

    def of_video(self, video: int) -> IntArray:
        """Rows of one video, in order of time."""
        order, videos = self._by_video
        first, last = np.searchsorted(videos, [video, video + 1])
        return order[first:last]
