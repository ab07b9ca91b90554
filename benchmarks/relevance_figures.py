"""What the tables of relevance are read by: average precision over all truth and ratings, with candidates or not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from whenabouts.data.worlds.speech import SpeechSide, SpeechWorld
from whenabouts.evaluation.ranking import precision_per_class, recall_at

RESAMPLED = 40
Made = Mapping[tuple[int, int], Mapping[str, Any]]
"""Cells by seed and number of ratings."""
MULTIPLE = "3"
DEPTHS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Judge:
    """Truth (N, C) of N test segments, which are rated (N, C), candidates (N, C), each one's video (N,), and classes.

    `draws` (B, V) say how often each video comes in each resample: the same for all rows, so that differences pair.
    `others` are candidates (N, C) where more or fewer videos are kept, by how many times as many as should hold it.
    """

    truth: Any
    rated: Any
    candidates: Any
    owner: Any
    classes: Any
    draws: Any
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, world: SpeechWorld, video_scores: Any, limits: Mapping[str, Any], seed: int) -> "Judge":
        """The test side of a world, and as candidates of each class its `limits` (C,) best videos by scores (V, C).

        Of the limits those of MULTIPLE make the candidates, the rest the `others`.
        """
        side = world.test
        truth = np.concatenate(side.presence)
        owner = np.repeat(np.arange(len(side.presence)), [len(each) for each in side.presence])
        order = np.argsort(-video_scores, axis=0, kind="stable")
        rank = np.argsort(order, axis=0, kind="stable")
        count = len(side.presence)
        draws = np.random.default_rng([seed, 8]).multinomial(count, np.full(count, 1 / count), RESAMPLED)
        kept = {name: (rank < each)[owner] for name, each in limits.items()}
        return cls(truth, rated_of(side, owner, truth.shape), kept.pop(MULTIPLE), owner,
                   np.asarray(world.judged), draws, kept)  # fmt: skip

    def of_classes(self, classes: Any) -> "Judge":
        """The same for these classes alone."""
        return replace(self, classes=np.intersect1d(self.classes, classes))

    def figures(self, scores: Any) -> dict[str, Any]:
        """MAP of scores (N, C), NaN last: all truth and ratings alone, without candidates and with; and AP by class."""
        values = np.nan_to_num(np.asarray(scores, np.float64), nan=-1.0)
        every = np.ones_like(self.truth)
        per_class = self._precision(values, every & self.candidates, every)
        return {
            "without": float(self._precision(values, every, every).mean()),
            "with": float(per_class.mean()),
            "rated without": float(self._precision(values, self.rated, self.rated).mean()),
            "rated with": float(self._precision(values, self.rated & self.candidates, self.rated).mean()),
            "others": {name: float(self._precision(values, kept, every).mean()) for name, kept in self.others.items()},
            "per_class": [round(float(each), 5) for each in per_class],
            "resampled": [round(float(each), 5) for each in self._resampled(values, self.candidates)],
            "resampled without": [round(float(each), 5) for each in self._resampled(values, every)],
        }

    def whole(self, scores: Any) -> dict[str, Any]:
        """MAP of scores (N, C) over all truth without candidates, and its resamples: the least that a trial needs."""
        values = np.nan_to_num(np.asarray(scores, np.float64), nan=-1.0)
        every = np.ones_like(self.truth)
        return {"without": float(self._precision(values, every, every).mean()),
                "resampled without": [round(float(each), 5) for each in self._resampled(values, every)]}  # fmt: skip

    def recall(self, video_scores: Any) -> dict[str, list[float]]:
        """Mean recall of positives where a share of all videos is kept by their scores."""
        curves = []
        for index in self.classes.tolist():
            order = np.argsort(-video_scores[self.owner, index], kind="stable")
            hits = self.truth[order, index]
            depths = [round(share * len(hits)) for share in DEPTHS]
            curves.append(recall_at(hits, int(hits.sum()), depths))
        kept = self.candidates[:, self.classes]
        found = (kept & self.truth[:, self.classes]).sum() / max(self.truth[:, self.classes].sum(), 1)
        return {"shares": list(DEPTHS), "recall": np.nanmean(curves, axis=0).tolist(),
                "kept": [float(kept.mean())], "found": [float(found)]}  # fmt: skip

    def _precision(self, values: Any, listed: Any, counted: Any) -> Any:
        rows, columns = np.nonzero(listed[:, self.classes])
        classes = self.classes[columns]
        positives = (self.truth & counted).sum(axis=0)[self.classes]
        found = precision_per_class(columns, values[rows, classes], self.truth[rows, classes], positives)
        return found[positives > 0]

    def _resampled(self, values: Any, listed: Any) -> Any:
        """MAP (B,) of what is listed (N, C) where videos come as often as each draw says: copies stand side by side."""
        total, counted = np.zeros(len(self.draws)), np.zeros(len(self.draws))
        for index in self.classes.tolist():
            rows = np.flatnonzero(listed[:, index])
            order = rows[np.argsort(-values[rows, index], kind="stable")]
            positives = self.draws[:, self.owner[self.truth[:, index]]].sum(axis=1)
            found = repeated_precision(self.truth[order, index], self.draws[:, self.owner[order]])
            total += np.divide(found, positives, out=np.zeros(len(found)), where=positives > 0)
            counted += positives > 0
        return total / np.maximum(counted, 1)


def repeated_precision(hits: Any, times: Any) -> Any:
    """Sums (B,) of precision at each hit of a ranking (N,) whose rows come `times` (B, N) each."""
    ranks, seen = np.cumsum(times, axis=1) - times, np.cumsum(times * hits, axis=1) - times * hits
    times, ranks, seen = times[:, hits], ranks[:, hits], seen[:, hits]
    total = np.zeros(len(times))
    for copy in range(1, int(times.max(initial=0)) + 1):
        total += np.where(times >= copy, (seen + copy) / (ranks + copy), 0).sum(axis=1)
    return total


def rated_of(side: SpeechSide, owner: Any, shape: tuple[int, ...]) -> Any:
    """Which pairs (N, C) of test segments and classes are rated."""
    first = {stream.id: int(np.searchsorted(owner, number)) for number, stream in enumerate(side.streams)}
    rated = np.zeros(shape, bool)
    for name, start, index in zip(
        side.rated.video_ids, side.rated.spans[:, 0].tolist(), side.rated.classes.tolist(), strict=True
    ):
        rated[first[name] + int(start) // 5, index] = True
    return rated


def interval(resampled: list[list[float]], seed: int = 0) -> tuple[float, float]:
    """95 % of means over seeds (S lists of B resamples of videos), both seeds and videos drawn again."""
    table = np.asarray(resampled)
    rng = np.random.default_rng(seed)
    means = [
        table[rng.integers(0, len(table), len(table)), rng.integers(0, table.shape[1], len(table))].mean()
        for _ in range(2000)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def centred(row: Mapping[str, Any], read: str = "with") -> list[float]:
    """Resamples about the figure itself: a positive that is drawn twice stands beside itself, which flatters them."""
    drawn = np.asarray(row["resampled" if read == "with" else "resampled without"])
    moved: list[float] = (drawn - drawn.mean() + row[read]).tolist()
    return moved
