"""The linear pairwise model: logistic regression over the same rows as the trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.config import Count, Positive, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.localizers.concepts.boosting import Blocks
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.segments import Matrix
from whenabouts.localizers.training_videos import RunningMoments

_EDGE = 1e-4


@settings
class LinearSettings:
    """Logistic regression with a ridge of `ridge` a row, in `iterations` at most."""

    ridge: Positive = 1e-3
    iterations: Count = 300


@dataclass(frozen=True)
class LinearPairs:
    """Weights (2 F + 1,) of standardised columns, of their being missing, and a constant.

    Scores of models come in as log-odds; of columns of categories it counts alone whether they are missing.
    """

    columns: Columns
    mean: FloatArray
    deviation: FloatArray
    weights: FloatArray

    def predict(self, rows: Matrix) -> NDArray[np.float32]:
        """Rows (P, F) -> probabilities (P,)."""
        return (1 / (1 + np.exp(-(self._seen(rows) @ self.weights)))).astype(np.float32)

    def contributions(self, rows: Matrix) -> NDArray[np.float32]:
        """Rows (P, F) -> what each column adds to the log-odds, and the constant, last (P, F + 1)."""
        parts, width = self._seen(rows) * self.weights, len(self.columns)
        return np.concatenate([parts[:, :width] + parts[:, width : 2 * width], parts[:, -1:]], axis=1).astype(
            np.float32
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it has learned."""
        return {"mean": self.mean, "deviation": self.deviation, "weights": self.weights}

    @classmethod
    def of_state(cls, columns: Columns, state: Mapping[str, NDArray[Any]]) -> "LinearPairs":
        """What `state` gave, back; InvalidData where it doesn't fit the columns."""
        width = len(columns)
        shapes = {"mean": (width,), "deviation": (width,), "weights": (2 * width + 1,)}
        for name, shape in shapes.items():
            if name not in state or state[name].shape != shape or not np.isfinite(state[name]).all():
                raise InvalidData(f"The linear model's {name} are not {shape} finite numbers. Train again.")
        if not (state["deviation"] > 0).all():
            raise InvalidData("The linear model divides by deviations, but not all are above 0. Train again.")
        return cls(columns, *(state[name].astype(np.float64) for name in shapes))

    def _seen(self, rows: Matrix) -> FloatArray:
        return _seen(_logits(rows, self.columns), self.mean, self.deviation, self.columns)


def train_linear(blocks: Blocks, columns: Columns, how: LinearSettings) -> LinearPairs:
    """Fit by L-BFGS; each step goes through the blocks once, so that one is in memory at a time."""
    from scipy.optimize import minimize

    mean, deviation = _spread(blocks, columns)
    width = 2 * len(columns) + 1

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        total, slope, weight = 0.0, np.zeros(width), 0.0
        for lesson in blocks():
            seen = _seen(_logits(lesson.rows, columns), mean, deviation, columns)
            logits, targets = seen @ weights, lesson.targets.astype(np.float64)
            each = lesson.weights.astype(np.float64)
            total += float(each @ (np.logaddexp(0, logits) - targets * logits))
            slope += seen.T @ (each * (1 / (1 + np.exp(-logits)) - targets))
            weight += float(each.sum())
        ridge = np.append(weights[:-1], 0.0)
        return total / weight + how.ridge / 2 * float(ridge @ ridge), slope / weight + how.ridge * ridge

    found = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": how.iterations})
    return LinearPairs(columns, mean, deviation, found.x)


def _spread(blocks: Blocks, columns: Columns) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation (F,) of each column over the rows where it is there."""
    moments = [RunningMoments(1) for _ in range(len(columns))]
    for lesson in blocks():
        rows = _logits(lesson.rows, columns)
        for running, column in zip(moments, rows.T, strict=True):
            there = column[~np.isnan(column)]
            if len(there):
                running.add(there[:, None])
    return (
        np.array([running.mean[0] for running in moments]),
        np.array([running.deviation()[0] for running in moments]),
    )


def _logits(rows: Matrix, columns: Columns) -> Matrix:
    rows = rows.copy()
    scores = np.array([name.startswith("scores.") for name in columns.names], bool)
    clipped = np.clip(rows[:, scores], _EDGE, 1 - _EDGE)
    rows[:, scores] = np.log(clipped / (1 - clipped))
    return rows


def _seen(rows: Matrix, mean: FloatArray, deviation: FloatArray, columns: Columns) -> FloatArray:
    """Rows (P, F) -> standardised columns, those of what is missing, and 1: (P, 2 F + 1)."""
    missing = np.isnan(rows)
    values = np.where(missing, 0.0, (rows - mean) / deviation)
    categories = np.array([kind == "c" for kind in columns.kinds], bool)
    values[:, categories] = 0.0
    return np.concatenate([values, missing, np.ones((len(rows), 1))], axis=1)
