"""Small logistic regressions, their weights pulled towards those that one would take without any data."""

from collections.abc import Sequence

import numpy as np

from whenabouts.core.timing import FloatArray

EDGE = 1e-6


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Log-odds of probabilities of any shape, those of 0 and 1 as of a millionth from them."""
    inside = np.clip(probabilities, EDGE, 1 - EDGE)
    odds: FloatArray = np.log(inside / (1 - inside))
    return odds


def probability(energies: FloatArray) -> FloatArray:
    """Probabilities of log-odds of any shape, exact at both ends."""
    likely: FloatArray = 0.5 * (1 + np.tanh(energies / 2))
    return likely


def drawn_weights(
    columns: FloatArray,
    targets: FloatArray,
    near: FloatArray,
    pull: float,
    bounds: Sequence[tuple[float | None, float | None]],
) -> FloatArray:
    """Weights (F,) of columns (F, P) with the least cross-entropy to targets (P,) in [0, 1], within `bounds`.

    Half of `pull` times their squared distance from `near` (F,) is added, where they also begin.
    """
    from scipy.optimize import minimize

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        energies = weights @ columns
        away = weights - near
        entropy = (np.logaddexp(0, energies) - targets * energies).sum()
        slopes = columns @ (probability(energies) - targets) + pull * away
        return float(entropy + 0.5 * pull * (away**2).sum()), slopes

    found: FloatArray = minimize(loss, near, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found
