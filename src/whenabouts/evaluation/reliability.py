"""Do probabilities mean what they say: reliability diagrams, calibration error, and expected precision."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: of each bin (B,) the mean probability, the share that was right, and the number of pairs.

    Bins are equally wide; an empty one has NaN. `error` is the expected calibration error, the mean distance of both
    over pairs; `worst` the largest of a bin; `brier` the mean squared distance of probabilities from 0 and 1.
    """

    stated: FloatArray
    right: FloatArray
    counts: IntArray
    brier: float

    @property
    def error(self) -> float:
        """Expected calibration error; NaN without a pair."""
        filled = self.counts > 0
        total = self.counts.sum()
        gaps = np.abs(self.stated - self.right)[filled]
        return float((gaps * self.counts[filled]).sum() / total) if total else float("nan")

    @property
    def worst(self) -> float:
        """The largest distance of a bin; NaN without a pair."""
        gaps = np.abs(self.stated - self.right)[self.counts > 0]
        return float(gaps.max()) if len(gaps) else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, null for an empty bin."""
        rows = zip(self.stated.tolist(), self.right.tolist(), self.counts.tolist(), strict=True)
        bins = [{"stated": _number(p), "right": _number(r), "pairs": n} for p, r, n in rows]
        return {"bins": bins, "error": _number(self.error), "worst": _number(self.worst), "brier": _number(self.brier)}


def reliability(probabilities: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> Reliability:
    """The diagram of probabilities (P,) of pairs that were right or not (P,); InvalidData outside [0, 1]."""
    values, hits = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if values.shape != hits.shape or values.ndim != 1:
        raise InvalidData(f"Probabilities and truths are (P,) both, but got {values.shape} and {hits.shape}.")
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise InvalidData(f"Probabilities lie in [0, 1], but got {values.min()} to {values.max()}.")
    which = np.minimum((values * bins).astype(np.int64), bins - 1)
    counts = np.bincount(which, minlength=bins)
    shares = np.where(counts > 0, 1 / np.maximum(counts, 1), np.nan)
    stated: FloatArray = np.bincount(which, values, minlength=bins).astype(np.float64) * shares
    hit: FloatArray = np.bincount(which, hits.astype(np.float64), minlength=bins).astype(np.float64) * shares
    brier = float(((values - hits) ** 2).mean()) if len(values) else float("nan")
    return Reliability(stated, hit, counts, brier)


def expected_precision(probabilities: ArrayLike) -> FloatArray:
    """What share (P,) of the k most probable is to be expected right, for k = 1 to P, the most probable first."""
    ranked = -np.sort(-np.asarray(probabilities, np.float64))
    shares: FloatArray = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return shares


def kept_at(probabilities: ArrayLike, precision: float) -> int:
    """How many of the most probable may be kept so that a share `precision` of them is expected right; perhaps none."""
    if not 0 < precision <= 1:
        raise InvalidData(f"A precision lies above 0 and up to 1, but got {precision}.")
    reached = np.flatnonzero(expected_precision(probabilities) >= precision - 1e-12)
    return int(reached[-1]) + 1 if len(reached) else 0


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
