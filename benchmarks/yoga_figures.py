"""From what each fold found to figures: means over seeds, with 95 % intervals over seeds and sessions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.evaluation.average_precision import interpolated, per_group
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.ranked_matches import RankedMatches
from whenabouts.evaluation.tables import Predictions, Truth

TIOU = np.array([0.3, 0.5, 0.6])
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % interval; NaN where nothing could be measured."""

    mean: float
    low: float
    high: float

    def to_json(self) -> list[float | None]:
        """[mean, low, high], null for NaN."""
        return [None if np.isnan(value) else float(value) for value in (self.mean, self.low, self.high)]


class Draws:
    """Which seeds and sessions each bootstrap sample holds: seeds (R, S) and counts of sessions (R, V).

    Sessions are drawn with all that belongs to them, so that takes of one subject stay together.
    """

    def __init__(self, seeds: int, sessions: int, rng: np.random.Generator) -> None:
        self.seeds = rng.integers(0, seeds, (RESAMPLES, seeds))
        self.counts = rng.multinomial(sessions, np.full(sessions, 1 / sessions), RESAMPLES)

    def samples(self, measure: Callable[[int, IntArray], float]) -> FloatArray:
        """Mean (R,) over the drawn seeds of `measure(seed, counts of sessions (V,))`."""
        rows = []
        for seeds, counts in zip(self.seeds, self.counts, strict=True):
            distinct, times = np.unique(seeds, return_counts=True)
            values = np.array([measure(int(seed), counts) for seed in distinct])
            rows.append(float((values * times).sum() / times.sum()))
        return np.asarray(rows)


def estimate(point: float, samples: FloatArray) -> Estimate:
    """The percentiles 2.5 and 97.5 of the samples that could be measured, shifted so that their mean is the point.

    Samples hold some sessions twice and so fewer different ones, which lifts mAP: unshifted, intervals lean upwards.
    """
    if np.isnan(samples).all():
        return Estimate(point, np.nan, np.nan)
    low, high = np.nanpercentile(samples, [2.5, 97.5]) + point - np.nanmean(samples)
    return Estimate(point, float(low), float(high))


class Matched:
    """The moments of one method and seed over all sessions, matched to the truth once."""

    def __init__(self, truth: Truth, moments: Moments) -> None:
        predictions = Predictions.of(moments, truth)
        self.scores = evaluate_moments(truth, predictions, tiou=TIOU)
        self._truth, self._ranked = truth, RankedMatches.of(truth, predictions, TIOU)
        self._videos = predictions.videos[self._ranked.rows]
        self._off = np.full((len(TIOU), len(predictions), 2), np.nan)
        for level, matched in enumerate(self._ranked.matched):
            hit = matched >= 0
            spans = predictions.spans[self._ranked.rows[hit]] - truth.spans[matched[hit]]
            self._off[level, hit] = np.abs(spans)

    def mean_precision(self, level: int, counts: IntArray) -> float:
        """mAP where session v counts `counts[v]` times, over the classes that then occur."""
        repeats = counts[self._videos]
        classes, hits = (np.repeat(each, repeats) for each in (self._ranked.classes, self._ranked.matched[level] >= 0))
        first = np.searchsorted(classes, np.arange(len(self._truth.labels)))
        ranks = np.arange(len(classes)) - first[classes]
        weights = counts[self._truth.videos]
        positives = np.bincount(self._truth.classes, weights, len(self._truth.labels)).astype(np.int64)
        present = positives > 0
        precision = per_group(classes[hits], ranks[hits], np.maximum(positives, 1), interpolated)
        return float(precision[present].mean())

    def matches(self, level: int) -> int:
        """How many holds were matched."""
        return int((self._ranked.matched[level] >= 0).sum())

    def border_error(self, level: int, border: int, counts: IntArray) -> float:
        """Mean size of the error of start (0) or end (1) in seconds over the matched moments; NaN without any."""
        sizes, weights = self._off[level, :, border], counts[self._videos]
        hit = ~np.isnan(sizes) & (weights > 0)
        return float(np.average(sizes[hit], weights=weights[hit])) if hit.any() else np.nan


@dataclass(frozen=True)
class MethodFigures:
    """One method: mAP at each tIoU, its lead of the localizer (None for itself), and borders at each tIoU."""

    precision: tuple[Estimate, ...]
    lead: tuple[Estimate, ...] | None
    start: tuple[Estimate, ...]
    end: tuple[Estimate, ...]
    matched: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """Plain JSON values, a list over TIOU each."""
        lead = None if self.lead is None else [each.to_json() for each in self.lead]
        return {
            "map": [each.to_json() for each in self.precision],
            "lead_of_winners_out": lead,
            "start_error_seconds": [each.to_json() for each in self.start],
            "end_error_seconds": [each.to_json() for each in self.end],
            "holds_matched": list(self.matched),
        }


def method_figures(
    truth: Truth, found: dict[str, Sequence[Moments]], ours: str, draws: Draws
) -> dict[str, MethodFigures]:
    """Figures of every method; `found` holds one `Moments` per seed over all sessions."""
    matched = {name: [Matched(truth, moments) for moments in seeds] for name, seeds in found.items()}
    once = np.ones(len(truth.video_ids), np.int64)
    levels = range(len(TIOU))

    def over_seeds(name: str, measure: Callable[[Matched, IntArray], float]) -> tuple[float, FloatArray]:
        points = [measure(each, once) for each in matched[name]]
        point = float(np.nanmean(points)) if not np.isnan(points).all() else np.nan
        return point, draws.samples(lambda seed, counts: measure(matched[name][seed], counts))

    def bordered(name: str, border: int) -> tuple[Estimate, ...]:
        return tuple(
            estimate(*over_seeds(name, lambda each, counts, at=level: each.border_error(at, border, counts)))
            for level in levels
        )

    precision = {
        name: [over_seeds(name, lambda each, counts, at=level: each.mean_precision(at, counts)) for level in levels]
        for name in found
    }
    return {
        name: MethodFigures(
            precision=tuple(estimate(*each) for each in rows),
            lead=None
            if name == ours
            else tuple(estimate(us[0] - them[0], us[1] - them[1])
                       for us, them in zip(precision[ours], rows, strict=True)),
            start=bordered(name, 0),
            end=bordered(name, 1),
            matched=tuple(float(np.mean([each.matches(level) for each in matched[name]])) for level in levels),
        )
        for name, rows in precision.items()
    }  # fmt: skip


def accuracy(correct: NDArray[np.bool_], sessions: IntArray, draws: Draws) -> Estimate:
    """Share of right answers: correct (S, N) by seed and take, and the session (N,) of each take."""

    def measure(seed: int, counts: IntArray) -> float:
        return float(np.average(correct[seed], weights=counts[sessions]))

    return estimate(float(correct.mean()), draws.samples(partial(measure)))
