"""Average recall against the average number of proposals per video, after ActivityNet's proposal evaluator."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray, temporal_iou
from whenabouts.evaluation.matching import best_first
from whenabouts.evaluation.report import Report
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.evaluation.thresholds import checked

CONVENTION = (
    "ActivityNet proposals: each video gives the same share of its proposals; one proposal may serve several instances"
)
SHARES = np.arange(1, 101) / 100.0
DEFAULT_TIOU = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class ProposalScores:
    """recall (T, 100) at tiou (T,) for each of proposals_per_video (100,)."""

    tiou: FloatArray
    proposals_per_video: FloatArray
    recall: FloatArray
    instances: int
    proposals: int

    @property
    def average_recall(self) -> FloatArray:
        """Mean over the thresholds (100,)."""
        means: FloatArray = self.recall.mean(axis=0)
        return means

    @property
    def area_under_curve(self) -> float:
        """Area under average recall against proposals per video, by the trapezoid rule, not divided by anything."""
        return float(np.trapezoid(self.average_recall, self.proposals_per_video))

    @property
    def area_under_curve_percent(self) -> float:
        """The area as a percentage of the largest one that this number of proposals allows."""
        return 100.0 * self.area_under_curve / float(self.proposals_per_video[-1])

    def to_json(self) -> dict[str, Any]:
        """The stable JSON of `whenabouts evaluate proposals`."""
        return {
            "tiou": self.tiou.tolist(),
            "proposals_per_video": self.proposals_per_video.tolist(),
            "recall": self.recall.tolist(),
            "average_recall": self.average_recall.tolist(),
            "area_under_curve": self.area_under_curve,
            "area_under_curve_percent": self.area_under_curve_percent,
            "instances": self.instances,
            "proposals": self.proposals,
        }

    def report(self) -> Report:
        """The same as a `Report`, with the curve at ten points."""
        points = range(9, 100, 10)
        curve = {f"AR@{self.proposals_per_video[k]:.4g}": float(self.average_recall[k]) for k in points}
        return Report(
            title=f"Proposals: {self.proposals} against {self.instances} instances",
            convention=CONVENTION,
            metrics={**curve, "area under curve (%)": self.area_under_curve_percent},
        )


def evaluate_proposals(
    truth: Truth, proposals: Predictions, *, tiou: ArrayLike = DEFAULT_TIOU, proposals_per_video: float | None = None
) -> ProposalScores:
    """Recall at each threshold when every video gives up to a share of its best proposals.

    `proposals_per_video` is the largest average number (default: all that there are). Labels are ignored. Raises
    InvalidData where no video of the subset has a proposal.
    """
    levels = checked(tiou)
    videos = np.unique(truth.videos)
    if proposals_per_video is not None and not proposals_per_video > 0:
        raise InvalidData(f"The average number of proposals per video must be above 0, but got {proposals_per_video}.")
    if not np.isin(proposals.videos, videos).any():
        raise InvalidData("No annotated video of this subset has a proposal. Do the video ids of both files agree?")
    most = proposals_per_video or float(len(proposals)) / len(videos)
    ranks, kept = _first_hits(truth, proposals, levels, most * float(len(videos)) / len(proposals))
    if not kept.sum():
        raise InvalidData(f"{most} proposals per video are too few: the share of each video rounds down to none.")
    shares = SHARES * (most * float(len(videos)) / kept.sum())
    offered = np.minimum((kept[:, None] * shares).astype(np.int64), kept[:, None])  # (V, 100)
    found = ranks[:, :, None] < offered[np.searchsorted(videos, truth.videos)][None]  # (T, G, 100)
    recall = found.sum(axis=1) / len(truth)
    return ProposalScores(levels, shares * (float(kept.sum()) / len(videos)), recall, len(truth), len(proposals))


def _first_hits(truth: Truth, proposals: Predictions, levels: FloatArray, ratio: float) -> tuple[IntArray, IntArray]:
    """Rank (T, G) of the best proposal that reaches each instance, and how many each video (V,) may give."""
    order = best_first(proposals.scores)
    order = order[np.argsort(proposals.videos[order], kind="stable")]
    videos = np.unique(truth.videos)
    first = np.searchsorted(proposals.videos[order], videos, "left")
    counts = np.searchsorted(proposals.videos[order], videos, "right") - first
    kept = np.minimum((counts * ratio).astype(np.int64), counts)
    ranks = np.full((len(levels), len(truth)), np.iinfo(np.int64).max)
    by_video = np.argsort(truth.videos, kind="stable")
    for rows, start, count in zip(_runs(truth.videos[by_video], by_video), first, kept, strict=True):
        overlap = temporal_iou(truth.spans[rows], proposals.spans[order[start : start + count]])
        if overlap.size:
            best = np.maximum.accumulate(overlap, axis=1)  # (G, N), rising: its first value >= t is the first hit
            for level, threshold in enumerate(levels):
                reached = best[:, -1] >= threshold
                ranks[level, rows[reached]] = (best[reached] >= threshold).argmax(axis=1)
    return ranks, kept


def _runs(keys: IntArray, rows: IntArray) -> list[IntArray]:
    """`rows` (N,) cut where the sorted `keys` (N,) change."""
    return np.split(rows, np.flatnonzero(np.diff(keys)) + 1)
