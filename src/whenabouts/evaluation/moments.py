"""Mean average precision at temporal IoU, after ActivityNet's evaluator and the two THUMOS kits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.activitynet import match_activitynet
from whenabouts.evaluation.average_precision import Rule, eleven_points, interpolated, not_interpolated, per_group
from whenabouts.evaluation.matching import TruePositives
from whenabouts.evaluation.report import Report
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.evaluation.thresholds import checked
from whenabouts.evaluation.thumos import match_thumos14, match_thumos15


@dataclass(frozen=True)
class Protocol:
    """How an official evaluator matches, how it averages precision, and at which overlaps it looks by itself."""

    match: Callable[[Truth, Predictions, FloatArray], TruePositives]
    rule: Rule
    tiou: FloatArray
    convention: str


@dataclass(frozen=True)
class MomentScores:
    """Average precision (L, T) of each class at each threshold tiou (T,), by a named protocol."""

    protocol: str
    convention: str
    tiou: FloatArray
    labels: tuple[str, ...]
    average_precision: FloatArray
    instances: int
    predictions: int

    @property
    def map(self) -> FloatArray:
        """Mean over classes (T,); a class without any prediction counts 0."""
        means: FloatArray = self.average_precision.mean(axis=0)
        return means

    @property
    def average_map(self) -> float:
        """Mean of `map` over the thresholds."""
        return float(self.map.mean())

    def to_json(self) -> dict[str, Any]:
        """The stable JSON of `whenabouts evaluate moments`, all fractions."""
        return {
            "protocol": self.protocol,
            "tiou": self.tiou.tolist(),
            "map": self.map.tolist(),
            "average_map": self.average_map,
            "per_class": dict(zip(self.labels, self.average_precision.tolist(), strict=True)),
            "instances": self.instances,
            "predictions": self.predictions,
        }

    def report(self) -> Report:
        """The same as a `Report`."""
        columns = tuple(f"AP@{threshold:.4g}" for threshold in self.tiou)
        means = {f"mAP@{threshold:.4g}": float(value) for threshold, value in zip(self.tiou, self.map, strict=True)}
        return Report(
            title=f"Moments: {self.predictions} predictions against {self.instances} instances",
            convention=self.convention,
            metrics={**means, "average mAP": self.average_map},
            classes=self.labels,
            columns=columns,
            per_class=self.average_precision,
        )


PROTOCOLS = {
    "activitynet": Protocol(
        match_activitynet,
        interpolated,
        np.linspace(0.5, 0.95, 10),
        "ActivityNet: best prediction first takes the free instance of largest tIoU >= threshold; interpolated AP",
    ),
    "thumos14": Protocol(
        match_thumos14,
        eleven_points,
        np.linspace(0.1, 0.5, 5),
        "THUMOS14 kit: each instance in file order takes the prediction of largest overlap > threshold; 11-point AP",
    ),
    "thumos15": Protocol(
        match_thumos15,
        not_interpolated,
        np.linspace(0.1, 0.5, 5),
        "Updated THUMOS kit (2015): matched as in THUMOS14; AP without interpolation",
    ),
}


def evaluate_moments(
    truth: Truth, predictions: Predictions, *, protocol: str = "activitynet", tiou: ArrayLike | None = None
) -> MomentScores:
    """Average precision of `predictions` at each threshold tiou (T,) (default: the protocol's own).

    Raises InvalidData for an unknown protocol, a threshold outside (0, 1] and a prediction without class.
    """
    if protocol not in PROTOCOLS:
        raise InvalidData(f"There is no protocol {protocol!r}. Choose one of {', '.join(PROTOCOLS)}.")
    chosen = PROTOCOLS[protocol]
    levels = chosen.tiou if tiou is None else checked(tiou)
    if len(predictions) and predictions.classes.min() < 0:
        raise InvalidData("Some predictions bear no class that the truth knows. Leave them out first.")
    matched = chosen.match(truth, predictions, levels)
    groups = truth.classes[matched.truths] * len(levels) + matched.levels
    precision = per_group(groups, matched.ranks, np.repeat(truth.class_counts, len(levels)), chosen.rule)
    table = precision.reshape(-1, len(levels))
    return MomentScores(protocol, chosen.convention, levels, truth.labels, table, len(truth), len(predictions))
