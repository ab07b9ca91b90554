"""What the tables of relevance are read by: average precision over all truth and ratings, with candidates or not."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whenabouts.data.worlds.speech import SpeechSide, SpeechWorld
from whenabouts.evaluation.ranking import precision_per_class, recall_at

RESAMPLED = 40
DEPTHS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Judge:
    """Truth (N, C) of N test segments, which are rated (N, C), candidates (N, C), each one's video (N,), and classes.

    `draws` (B, V) say how often each video comes in each resample: the same for all rows, so that differences pair.
    """

    truth: Any
    rated: Any
    candidates: Any
    owner: Any
    classes: Any
    draws: Any

    @classmethod
    def of(cls, world: SpeechWorld, video_scores: Any, limits: Any, seed: int) -> "Judge":
        """The test side of a world, and as candidates of each class its `limits` (C,) best videos by scores (V, C)."""
        side = world.test
        truth = np.concatenate(side.presence)
        owner = np.repeat(np.arange(len(side.presence)), [len(each) for each in side.presence])
        order = np.argsort(-video_scores, axis=0, kind="stable")
        rank = np.argsort(order, axis=0, kind="stable")
        count = len(side.presence)
        draws = np.random.default_rng([seed, 8]).multinomial(count, np.full(count, 1 / count), RESAMPLED)
        return cls(truth, rated_of(side, owner, truth.shape), (rank < limits)[owner], owner,
                   np.asarray(world.judged), draws)  # fmt: skip

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
            "per_class": [round(float(each), 5) for each in per_class],
            "resampled": [round(float(self._resampled(values, times).mean()), 5) for times in self.draws],
        }

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

    def _resampled(self, values: Any, times: Any) -> Any:
        """AP with candidates where videos come `times` (V,) each."""
        weights = times[self.owner]
        rows, columns = np.nonzero(self.candidates[:, self.classes] & (weights > 0)[:, None])
        again = weights[rows]
        rows, columns = np.repeat(rows, again), np.repeat(columns, again)
        positives = (self.truth * weights[:, None]).sum(axis=0)[self.classes]
        classes = self.classes[columns]
        found = precision_per_class(columns, values[rows, classes], self.truth[rows, classes], positives)
        return found[positives > 0]


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
