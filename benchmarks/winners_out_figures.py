"""Figures of one row on one world, with bootstrap samples over its videos, and estimates over worlds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.data.worlds.timeline_world import WorldPart
from whenabouts.evaluation.ranked_matches import RankedMatches
from whenabouts.evaluation.tables import Predictions, Truth

TIOU = np.arange(1, 8) / 10
HALF = 4  # the place of 0.5
SAMPLES, DRAWS = 200, 1000


class Measure:
    """Measures moments in the test half of one world; all of them on the same bootstrap samples of its videos."""

    def __init__(self, part: WorldPart, seed: int) -> None:
        self.truth = Truth.of(part.truth, video_ids=[example.video_id for example in part.examples])
        self._weak = part.weak
        videos = len(self.truth.video_ids)
        drawn = np.random.default_rng([seed, 77]).multinomial(videos, np.full(videos, 1 / videos), SAMPLES)
        self._counts = np.concatenate([np.ones((1, videos), np.int64), drawn])

    def figures(self, moments: Moments) -> dict[str, Any]:
        """mAP (T,) by ActivityNet's protocol, its samples (average over T, and at 0.5), and recall at 0.5."""
        known = set(self.truth.labels)
        kept = np.array([name in known for name in moments.vocabulary.names])[moments.classes]
        predictions = Predictions.of(moments[kept], self.truth)
        ranked = RankedMatches.of(self.truth, predictions, TIOU)
        table = np.stack([self._maps(ranked, predictions, level) for level in range(len(TIOU))], axis=1)
        found = np.isin(np.arange(len(self.truth)), ranked.matched[HALF])
        return {
            "map": table[0].tolist(),
            "average_samples": table[1:].mean(axis=1).round(6).tolist(),
            "half_samples": table[1:, HALF].round(6).tolist(),
            "moments": int(kept.sum()),
            "recall_strong": float(found[~self._weak].mean()) if (~self._weak).any() else None,
            "recall_weak": float(found[self._weak].mean()) if self._weak.any() else None,
        }

    def _maps(self, ranked: RankedMatches, predictions: Predictions, level: int) -> FloatArray:
        """mAP (1 + SAMPLES,) where each video counts as often as it was drawn, over the classes that then occur."""
        classes, hits = ranked.classes, ranked.matched[level] >= 0
        weights = self._counts[:, predictions.videos[ranked.rows]]
        positives = np.stack([
            np.bincount(self.truth.classes, row[self.truth.videos], len(self.truth.labels)) for row in self._counts
        ])  # fmt: skip
        precision = np.stack(
            [
                average_precision(weights[:, classes == label], hits[classes == label], positives[:, label])
                for label in range(len(self.truth.labels))
            ],
            axis=1,
        )
        means: FloatArray = precision.sum(axis=1) / (positives > 0).sum(axis=1)
        return means


def average_precision(weights: IntArray, hits: np.ndarray, positives: FloatArray) -> FloatArray:
    """Interpolated average precision (R,) where the p-th best prediction stands weights (R, P) times in a row."""
    if not hits.any():
        return np.zeros(len(weights))
    right = np.cumsum(weights * hits, axis=1)
    precision = right / np.maximum(np.cumsum(weights, axis=1), 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area: FloatArray = (envelope * weights * hits).sum(axis=1) / np.maximum(positives, 1)
    return area


@dataclass(frozen=True)
class Estimate:
    """A mean over worlds and its 95 % interval."""

    mean: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        """[mean, low, high]."""
        return [round(value, 5) for value in (self.mean, self.low, self.high)]


Uses = Mapping[int, Mapping[str, Any]]
"""Figures of one row by seed."""


def estimates(uses: Uses, than: Uses | None = None, *, same_videos: bool = False) -> list[Estimate]:
    """Average mAP and mAP@0.5 over worlds (figures by seed), or how far they lie above those `than`, pair by pair.

    Worlds are drawn with replacement, and within each one of the samples of its videos; the percentiles 2.5 and 97.5
    are shifted so that the samples' mean is the measured one, for videos drawn twice lift mAP. With `same_videos` the
    worlds are trainings that were measured on one set of videos, which are then drawn for all at once.
    """
    seeds = sorted(uses if than is None else set(uses) & set(than))
    cells, others = [uses[seed] for seed in seeds], None if than is None else [than[seed] for seed in seeds]
    rng = np.random.default_rng(0)
    worlds = rng.integers(len(cells), size=(DRAWS, len(cells)))
    places = rng.integers(SAMPLES, size=(DRAWS, 1 if same_videos else len(cells)))
    found = []
    for name, point in (("average_samples", lambda cell: np.mean(cell["map"])),
                        ("half_samples", lambda cell: cell["map"][HALF])):  # fmt: skip
        samples, mean = np.array([cell[name] for cell in cells]), float(np.mean([point(cell) for cell in cells]))
        if others is not None:
            samples = samples - np.array([cell[name] for cell in others])
            mean -= float(np.mean([point(cell) for cell in others]))
        drawn = samples[worlds, places].mean(axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5]) + mean - drawn.mean()
        found.append(Estimate(mean, float(low), float(high)))
    return found
