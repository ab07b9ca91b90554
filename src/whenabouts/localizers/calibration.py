"""From scores to probabilities, concept by concept: logistic curves that lean on a shared one where little is rated.

Platt (1999) fits sigma(slope x + intercept) to scores x and ratings. Few concepts have ratings enough for two numbers
of their own: a shared curve is fitted first, and each concept's is drawn to it as if by `prior` ratings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json, write_json
from whenabouts.core.moments import Moments
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, temporal_iou
from whenabouts.data.freshness import folder_checksum
from whenabouts.data.project import Project
from whenabouts.evaluation.reliability import kept_at
from whenabouts.training.logistic import EDGE, drawn_weights, log_odds, probability

Scale = Literal["log-odds", "logarithm", "plain"]
_STEEPEST = 50.0


@dataclass(frozen=True)
class Calibration:
    """Curves of C concepts: slope (C,), never negative, and intercept (C,) over scores on `scale`, standardised.

    `rated` (C,) counts the ratings behind each; a concept without any has the shared curve.
    """

    scale: Scale
    centre: float
    spread: float
    slope: FloatArray
    intercept: FloatArray
    rated: IntArray

    def __post_init__(self) -> None:
        numbers = np.concatenate([self.slope.ravel(), self.intercept.ravel(), [self.centre, self.spread]])
        if not (np.isfinite(numbers).all() and self.spread > 0 and (self.slope >= 0).all()):
            raise InvalidData("A calibration has finite curves that do not fall and a spread above 0. Train again.")
        if not self.slope.shape == self.intercept.shape == self.rated.shape == (self.slope.size,):
            raise InvalidData("A calibration has one curve for each concept. Train again.")

    @classmethod
    def fit(
        cls, scores: ArrayLike, classes: ArrayLike, right: ArrayLike, *, count: int, prior: float = 20.0
    ) -> "Calibration":
        """Fit to scores (P,) of classes (P,) that were right or not (P,), of a model that had not learned from them.

        Raises InvalidData where nothing was right, or nothing wrong: then nothing can be said.
        """
        values, of, hits = np.asarray(scores, np.float64), np.asarray(classes, np.int64), np.asarray(right, bool)
        if not values.shape == of.shape == hits.shape:
            raise InvalidData(
                f"Scores, classes and ratings are (P,), but got {values.shape}, {of.shape}, {hits.shape}."
            )
        if not np.isfinite(values).all():
            raise InvalidData("Scores must be finite to be calibrated.")
        if not (hits.any() and not hits.all()):
            raise InvalidData(
                f"Probabilities need ratings of both kinds, but of {len(hits)} {int(hits.sum())} are yes. Rate more."
            )
        scale = _scale_of(values)
        placed = _placed(values, scale)
        centre, spread = float(np.median(placed)), float(placed.std()) or 1.0
        x = (placed - centre) / spread
        # Platt's targets: as if one more pair of each kind had been seen.
        yes, no = (hits.sum() + 1) / (hits.sum() + 2), 1 / ((~hits).sum() + 2)
        shared = _curve(x, np.where(hits, yes, no), (1.0, 0.0), 1e-3)
        slope, intercept = np.full(count, shared[0]), np.full(count, shared[1])
        for index in np.unique(of).tolist():
            own = of == index
            # A rating tells most, a quarter, of the log-odds where it is uncertain: `prior` ratings weigh prior / 4.
            slope[index], intercept[index] = _curve(x[own], hits[own].astype(np.float64), shared, prior / 4)
        return cls(scale, centre, spread, slope, intercept, np.bincount(of, minlength=count))

    def probabilities(self, scores: ArrayLike, classes: ArrayLike) -> FloatArray:
        """Probabilities of scores and classes of one shape; within a concept a higher score is never less probable."""
        values, of = np.asarray(scores, np.float64), np.asarray(classes, np.int64)
        if of.max(initial=-1) >= len(self.slope):
            raise InvalidData(f"The calibration tells of {len(self.slope)} concepts, but there are more. Train again.")
        x = (_placed(values, self.scale) - self.centre) / self.spread
        return probability(self.slope[of] * x + self.intercept[of])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": "whenabouts calibration 1", "scale": self.scale, "centre": self.centre, "spread": self.spread,
            "slope": self.slope.tolist(), "intercept": self.intercept.tolist(), "rated": self.rated.tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Calibration":
        """What `to_json` gave; InvalidData where it is broken."""
        try:
            if told["format"] != "whenabouts calibration 1" or told["scale"] not in ("log-odds", "logarithm", "plain"):
                raise ValueError(f"format {told.get('format')!r}, scale {told.get('scale')!r}")
            return cls(
                told["scale"], float(told["centre"]), float(told["spread"]),
                np.asarray(told["slope"], np.float64), np.asarray(told["intercept"], np.float64),
                np.asarray(told["rated"], np.int64),
            )  # fmt: skip
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise InvalidData(f"The calibration can't be read: {error}. Train again.") from None


def save_calibration(project: Project, calibration: Calibration | None) -> None:
    """Keep what scores of the project's localizer, as it stands there, mean; None: forget what was known."""
    if calibration is None:
        project.calibration_path.unlink(missing_ok=True)
    else:
        told = {"model": folder_checksum(project.localizer_folder), "calibration": calibration.to_json()}
        write_json(project.calibration_path, told)


def load_calibration(project: Project) -> Calibration:
    """What scores of the project's localizer mean; ProjectError where nobody knows, InvalidData for a broken file."""
    path = project.calibration_path
    remedy = (
        "Check segments (chapters, or `whenabouts serve`) in 12 videos or more, and run `whenabouts train` without "
        "--localizer: what it sets aside to choose by also tells what scores mean."
    )
    if not path.is_file():
        raise ProjectError(f"Nobody knows what this localizer's scores mean: {path} is not there. {remedy}")
    told = read_json(path)
    if not isinstance(told, dict) or told.get("model") != folder_checksum(project.localizer_folder):
        raise ProjectError(f"{path} speaks of another localizer than the one that stands there now. {remedy}")
    return Calibration.from_json(told.get("calibration") or {})


def likely(moments: Moments, calibration: Calibration, precision: float) -> BoolArray:
    """(M,) True for the moments of each concept, best first, of which a share `precision` is expected to be right."""
    kept = np.zeros(len(moments), bool)
    probabilities = calibration.probabilities(moments.scores, moments.classes)
    for index in np.unique(moments.classes).tolist():
        rows = np.flatnonzero(moments.classes == index)
        best = rows[np.argsort(-probabilities[rows], kind="stable")]
        kept[best[: kept_at(probabilities[rows], precision)]] = True
    return kept


def _scale_of(scores: FloatArray) -> Scale:
    """Probabilities as log-odds, other positive scores as logarithms, all else as they are."""
    if scores.min() >= 0 and scores.max() <= 1:
        return "log-odds"
    return "logarithm" if scores.min() > 0 else "plain"


def _placed(scores: FloatArray, scale: Scale) -> FloatArray:
    if scale == "log-odds":
        return log_odds(scores)
    placed: FloatArray = np.log(np.maximum(scores, EDGE)) if scale == "logarithm" else scores
    return placed


def _curve(x: FloatArray, targets: FloatArray, near: tuple[float, float], weight: float) -> tuple[float, float]:
    """Slope and intercept of least cross-entropy, drawn to `near`; the slope is at least 0."""
    bounds = [(0.0, _STEEPEST), (-_STEEPEST, _STEEPEST)]
    slope, intercept = drawn_weights(np.stack([x, np.ones_like(x)]), targets, np.asarray(near), weight, bounds)
    return float(slope), float(intercept)


@dataclass(frozen=True)
class Ratings:
    """Checked segments: video_ids (S,), spans (S, 2) in seconds, classes (S,), present (S,)."""

    video_ids: NDArray[np.str_]
    spans: FloatArray
    classes: IntArray
    present: BoolArray


def right_moments(
    found_videos: ArrayLike, found_spans: FloatArray, found_classes: IntArray, checked: Ratings
) -> tuple[IntArray, BoolArray]:
    """Rows (P,) of the moments that checked segments judge, and whether each is right (P,).

    A moment is judged by the checked segment of its concept that it overlaps most: right if that shows the concept.
    """
    names = np.asarray(found_videos)
    rows, hits = [], []
    for row in range(len(found_spans)):
        mine = (checked.video_ids == names[row]) & (checked.classes == found_classes[row])
        if not mine.any():
            continue
        shared = temporal_iou(found_spans[row], checked.spans[mine])[0]
        if shared.max() > 0:
            rows.append(row)
            hits.append(bool(checked.present[mine][shared.argmax()]))
    return np.asarray(rows, np.int64), np.asarray(hits, bool)
