"""What to ask next: how much a decision about a moment would teach, and an order that does not ask the same twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.page.review.trust import Candidates, chances

SAME_VIDEO, SAME_CONCEPT = 0.5, 0.8
POOL = 2_000


@dataclass(frozen=True)
class Judged:
    """What was decided about found moments: rows (D,), right (D,)."""

    rows: IntArray
    right: BoolArray

    @classmethod
    def of(cls, told: Sequence[tuple[int, bool]]) -> "Judged":
        """From pairs of a row and whether it is right."""
        return cls(np.asarray([row for row, _ in told], np.int64), np.asarray([yes for _, yes in told], bool))


def usefulness(found: Candidates, judged: Judged) -> FloatArray:
    """How much a decision about each moment (M,) would teach, in [0, 1]; 0 for those that are decided.

    Uncertainty, 4 p (1 - p) with the chance p of being right (`trust.chances`); times effect, the mean of
    1 / (1 + yes) and 1 / (2 + no) weighted by p and 1 - p, with the decisions on the concept so far: one more of a kind
    changes its model less, and a first "no" less than a first "yes", for what a video lacks tells of "no" already;
    times novelty, 1 / (1 + n) with n decisions on the concept in the same video, whose moments resemble each other.
    """
    if not len(found):
        return np.zeros(0)
    p = chances(found, judged.rows, judged.right)
    count, concepts = len(found.expected), found.concepts
    yes = np.bincount(concepts[judged.rows[judged.right]], minlength=count)[concepts]
    no = np.bincount(concepts[judged.rows[~judged.right]], minlength=count)[concepts]
    pair = found.videos * count + concepts
    known, many = np.unique(pair[judged.rows], return_counts=True)
    place = np.minimum(np.searchsorted(known, pair), max(0, len(known) - 1))
    near = np.where(known[place] == pair, many[place], 0) if len(known) else np.zeros(len(pair))
    value: FloatArray = 4 * p * (1 - p) * (p / (1 + yes) + (1 - p) / (2 + no)) / (1 + near)
    value[judged.rows] = 0.0
    return value


def queue(useful: FloatArray, videos: IntArray, concepts: IntArray, count: int) -> list[int]:
    """Rows of the `count` moments to ask about, in order; those of no use are left out.

    The most useful first; each choice halves the use of the other moments of its video and lowers that of its concept,
    for a few decisions at once should not be on one thing.
    """
    pool = np.argsort(-useful, kind="stable")[: max(POOL, 4 * count)]
    left = useful[pool].copy()
    chosen: list[int] = []
    while len(chosen) < count and left.size and left.max() > 0:
        best = int(left.argmax())
        row = int(pool[best])
        chosen.append(row)
        left[videos[pool] == videos[row]] *= SAME_VIDEO
        left[concepts[pool] == concepts[row]] *= SAME_CONCEPT
        left[best] = 0.0
    return chosen
