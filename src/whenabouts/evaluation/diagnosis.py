"""Why a result is not better: kinds of error, which instances suffer, how far borders are off (after DETAD, 2018)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.error_kinds import KINDS, ErrorKinds, error_kinds
from whenabouts.evaluation.moments import PROTOCOLS
from whenabouts.evaluation.ranked_matches import RankedMatches
from whenabouts.evaluation.report import Report
from whenabouts.evaluation.sensitivity import Bucket, Buckets, sensitivity
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.evaluation.thresholds import checked

CONVENTION = (
    "after DETAD (ECCV 2018): matched by ActivityNet's rules; mAP normalised to an average class; errors among each "
    "class's best predictions, up to ten times its instances"
)


@dataclass(frozen=True)
class BorderErrors:
    """Predicted minus true border in seconds over the matched pairs: median, mean size, median size, size that nine of
    ten stay under. NaN where nothing matched.
    """

    median: float
    mean_size: float
    median_size: float
    nine_of_ten: float

    @classmethod
    def of(cls, errors: FloatArray) -> "BorderErrors":
        """From signed errors (K,) in seconds."""
        if not len(errors):
            return cls(np.nan, np.nan, np.nan, np.nan)
        sizes = np.abs(errors)
        return cls(float(np.median(errors)), float(sizes.mean()), float(np.median(sizes)),
                   float(np.quantile(sizes, 0.9)))  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """Kinds of error, groups of instances, and borders of the moments matched at the lowest threshold of tiou (T,)."""

    tiou: FloatArray
    normalised_average_map: float
    errors: ErrorKinds
    buckets: tuple[Bucket, ...]
    matched: int
    starts: BorderErrors
    ends: BorderErrors

    def to_json(self) -> dict[str, Any]:
        """The stable JSON of `whenabouts evaluate diagnosis`; what is not defined is null."""
        profile = [
            {"up_to_times_instances": step, **dict(zip(KINDS, row, strict=True))}
            for step, row in enumerate(self.errors.shares.tolist(), start=1)
        ]
        gains = dict(zip(KINDS[1:], self.errors.gains.tolist()[1:], strict=True))
        borders = {"tiou": float(self.tiou.min()), "matched": self.matched, "start_seconds": asdict(self.starts),
                   "end_seconds": asdict(self.ends)}  # fmt: skip
        values = {
            "tiou": self.tiou.tolist(),
            "normalised_average_map": self.normalised_average_map,
            "errors": {"predictions": self.errors.predictions, "profile": profile, "gain_if_removed": gains},
            "sensitivity": [asdict(bucket) for bucket in self.buckets],
            "border_errors": borders,
        }
        return {key: _without_nan(value) for key, value in values.items()}

    def reports(self) -> tuple[Report, ...]:
        """Three tables: kinds of error, groups of instances, borders."""
        steps = (1, 2, 5, 10)
        shares = self.errors.shares[np.asarray(steps) - 1].T
        errors = Report(
            title=f"Kinds of error: shares among the best {', '.join(map(str, steps))} times as many as instances",
            convention=CONVENTION,
            metrics={"normalised average mAP": self.normalised_average_map},
            classes=KINDS,
            columns=(*(f"{step}G" for step in steps), "mAP gained without"),
            per_class=np.column_stack([shares, self.errors.gains]),
            rows="kind",
        )
        groups = Report(
            title="Sensitivity: each group of instances measured alone",
            convention="above the first and up to the second number; mean over the thresholds",
            metrics={},
            classes=tuple(f"{b.trait} {b.low:.4g} to {b.high:.4g}" for b in self.buckets),
            columns=("instances", "mAP_N", "recall"),
            per_class=np.asarray([[b.instances, b.average_map, b.recall] for b in self.buckets]),
            rows="group",
        )
        borders = Report(
            title=f"Borders of {self.matched} matched moments, predicted minus true, in seconds",
            convention=f"matched at tIoU {self.tiou.min():.4g}",
            metrics={},
            classes=("start", "end"),
            columns=("median", "mean size", "median size", "nine of ten within"),
            per_class=np.asarray([list(asdict(self.starts).values()), list(asdict(self.ends).values())]),
            rows="border",
        )
        return errors, groups, borders


def diagnose(
    truth: Truth, predictions: Predictions, *, tiou: ArrayLike | None = None, buckets: Buckets = "fifths"
) -> Diagnosis:
    """Diagnose at thresholds tiou (T,) (default: ActivityNet's ten). Raises InvalidData where a class is missing."""
    levels = PROTOCOLS["activitynet"].tiou if tiou is None else checked(tiou)
    if len(predictions) and predictions.classes.min() < 0:
        raise InvalidData("Some predictions bear no class that the truth knows. Leave them out first.")
    ranked = RankedMatches.of(truth, predictions, levels)
    everything = np.ones(ranked.matched.shape, bool)
    average = float(np.nanmean(ranked.normalised_precision(everything, truth.class_counts)))
    lowest = ranked.matched[int(np.argmin(levels))]
    hit = lowest >= 0
    off = predictions.spans[ranked.rows[hit]] - truth.spans[lowest[hit]]
    return Diagnosis(
        tiou=levels,
        normalised_average_map=average,
        errors=error_kinds(truth, predictions, ranked, levels),
        buckets=sensitivity(truth, ranked, buckets),
        matched=int(hit.sum()),
        starts=BorderErrors.of(off[:, 0]),
        ends=BorderErrors.of(off[:, 1]),
    )


def _without_nan(value: Any) -> Any:
    """NaN and infinity become null, for JSON knows neither."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
