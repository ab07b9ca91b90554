"""What to ask next: a draw among found moments that leaves out what is decided and spreads over time and concepts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.page.review.trust import Candidates, chances

SURE = 0.5
"""From this chance of being right on, more chance makes a moment no more worth asking about."""
SAME_VIDEO, SAME_CONCEPT = 0.5, 0.8
LAST = 1e-3
"""What is left of the use of a moment that overlaps one asked before, or whose video lacks the label: it comes last."""
POOL = 2_000


@dataclass(frozen=True)
class Asked:
    """Of each decision the span (A, 2), wide enough for moved edges too, and the video and concept (A,) by number."""

    videos: IntArray
    concepts: IntArray
    spans: FloatArray

    @classmethod
    def of(cls, told: Sequence[tuple[int, int, float, float]]) -> "Asked":
        """From rows (video, concept, start, end)."""
        whole = np.asarray([row[:2] for row in told], np.int64).reshape(-1, 2)
        return cls(whole[:, 0], whole[:, 1], np.asarray([row[2:] for row in told], np.float64).reshape(-1, 2))

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class Judged:
    """What was decided about found moments: rows (D,), right (D,); and all that was `asked`, found now or not."""

    rows: IntArray
    right: BoolArray
    asked: Asked

    @classmethod
    def of(cls, told: Sequence[tuple[int, bool]], asked: Sequence[tuple[int, int, float, float]] = ()) -> "Judged":
        """From pairs of a row and whether it is right, and rows (video, concept, start, end)."""
        rows, right = np.asarray([row for row, _ in told], np.int64), np.asarray([yes for _, yes in told], bool)
        return cls(rows, right, Asked.of(asked))


def usefulness(found: Candidates, judged: Judged) -> FloatArray:
    """How much a decision about each moment (M,) is worth, in [0, 1]; 0 for those that are decided.

    The chance p of being right (`trust.chances`) up to a half, doubled; over the root of 1 + n, with n decisions on the
    concept, and of 1 + m, with m in the video; a thousandth of it where the moment overlaps in time one of its video
    and concept that was asked about, or where the video lacks the label of a concept that others have. It weighs the
    draw of `queue`, which says why.
    """
    if not len(found):
        return np.zeros(0)
    p = chances(found, judged.rows, judged.right)
    value: FloatArray = np.minimum(p, SURE) / SURE
    count = max(len(found.expected), int(judged.asked.concepts.max(initial=-1)) + 1)
    for asked, own in ((judged.asked.concepts, found.concepts), (judged.asked.videos, found.videos)):
        value /= np.sqrt(1.0 + np.bincount(asked, minlength=int(own.max()) + 1)[own])
    labels = np.bincount(found.concepts[found.labelled], minlength=count)[found.concepts]
    value[~found.labelled & (labels > 0)] *= LAST
    value[_overlapping(found, judged.asked, count)] *= LAST
    value[judged.rows] = 0.0
    return value


def queue(useful: FloatArray, found: Candidates, count: int, *, seed: int = 0) -> list[int]:
    """Rows of the `count` moments to ask about, in order: drawn at random, by use; those of no use are left out.

    The same seed and use draw the same rows. Each choice lowers the use of what overlaps it, as a decision would, and
    that of the other moments of its video and of its concept, so that a few decisions at once are not on one thing.

    Why a draw: asking for what is uncertain, or for what ranks high, made the model worse than labels alone. What ranks
    high is right nine times of ten and teaches little but its own loose borders; what a draw meets is like what the
    model is wrong about. What each way of asking has brought stands in benchmarks/results/loop.md.
    """
    drawn = useful * np.random.default_rng(seed).random(len(useful))
    pool = np.argsort(-drawn, kind="stable")[: max(POOL, 4 * count)]
    left, videos, concepts, spans = drawn[pool], found.videos[pool], found.concepts[pool], found.spans[pool]
    chosen: list[int] = []
    while len(chosen) < count and left.size and left.max() > 0:
        best = int(left.argmax())
        chosen.append(int(pool[best]))
        same = videos == videos[best]
        near = same & (concepts == concepts[best])
        shared = np.minimum(spans[:, 1], spans[best, 1]) > np.maximum(spans[:, 0], spans[best, 0])
        left[near & shared] *= LAST
        left[same] *= SAME_VIDEO
        left[concepts == concepts[best]] *= SAME_CONCEPT
        left[best] = 0.0
    return chosen


def _overlapping(found: Candidates, asked: Asked, count: int) -> BoolArray:
    """(M,) True where a moment shares time with a span asked about of its own video and concept."""
    if not len(asked):
        return np.zeros(len(found), bool)
    pairs, known = found.videos * count + found.concepts, asked.videos * count + asked.concepts
    order = np.argsort(known, kind="stable")
    first, stop = (np.searchsorted(known[order], pairs, side=side) for side in ("left", "right"))
    many = stop - first
    rows = np.repeat(np.arange(len(found)), many)
    places = order[np.arange(len(rows)) - np.repeat(np.cumsum(many) - many - first, many)]
    starts = np.maximum(found.spans[rows, 0], asked.spans[places, 0])
    shared = np.minimum(found.spans[rows, 1], asked.spans[places, 1]) > starts
    return np.bincount(rows[shared], minlength=len(found)) > 0
