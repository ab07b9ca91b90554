"""L2-regularised logistic regression over features, solved to the end: the problem is convex, so no rate is chosen."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray

Link = Literal["softmax", "sigmoid"]

# Rows whose products are held in memory at a time.
_ROWS = 65536


@dataclass(frozen=True)
class Solved:
    """The classifier, the value of its objective, the largest slope left there, and how often L-BFGS stepped."""

    fc: nn.Linear
    objective: float
    slope: float
    steps: int


def logistic_regression(
    features: Tensor,
    targets: Tensor,
    penalty: float,
    *,
    link: Link = "softmax",
    most_steps: int = 1000,
    tolerance: float = 1e-6,
) -> Solved:
    """The linear layer over features (N, D) that minimises the mean loss to targets (N, L) plus the penalty.

    Rows of targets are shares that add up to 1 under "softmax" (cross-entropy), and 0 or 1 for each label under
    "sigmoid" (the sum of the labels' logistic losses). The penalty is `penalty` / 2 times the squared weights, of
    features divided by their root mean squared distance from their mean: so it means the same for nets of any scale.
    Biases are free. L-BFGS in float64 ends where no slope is above `tolerance`, or after `most_steps`.
    """
    from scipy.optimize import minimize

    _check(features, targets, penalty)
    problem = _Problem(features, targets, penalty, link)
    how = {"maxiter": most_steps, "maxfun": 2 * most_steps, "gtol": tolerance, "ftol": 0.0, "maxcor": 20}
    found = minimize(problem, np.zeros(problem.size), jac=True, method="L-BFGS-B", options=how)
    return Solved(problem.layer(found.x), float(found.fun), float(np.abs(found.jac).max()), int(found.nit))


class _Problem:
    """The objective and its slopes at weights and biases (L x (D + 1),) of features that are brought to one scale."""

    def __init__(self, features: Tensor, targets: Tensor, penalty: float, link: Link) -> None:
        self.features, self.targets, self.penalty, self.link = features, targets, penalty, link
        self.width, self.classes = features.shape[1], targets.shape[1]
        self.middle = features.double().mean(0)
        self.spread = float((features.double() - self.middle).square().mean().sqrt()) or 1.0

    @property
    def size(self) -> int:
        """How many weights and biases there are."""
        return self.classes * (self.width + 1)

    def __call__(self, flat: FloatArray) -> tuple[float, FloatArray]:
        told = torch.from_numpy(flat).view(self.classes, self.width + 1).to(self.features.device)
        weights, biases = told[:, : self.width], told[:, self.width]
        loss = torch.zeros((), dtype=torch.float64, device=self.features.device)
        slopes = torch.zeros_like(told)
        for first in range(0, len(self.features), _ROWS):
            rows = (self.features[first : first + _ROWS].double() - self.middle) / self.spread
            wanted = self.targets[first : first + _ROWS].double()
            part, residues = _loss(rows @ weights.T + biases, wanted, self.link)
            loss += part
            slopes[:, : self.width] += residues.T @ rows
            slopes[:, self.width] += residues.sum(0)
        slopes /= len(self.features)
        slopes[:, : self.width] += self.penalty * weights
        value = loss / len(self.features) + 0.5 * self.penalty * weights.square().sum()
        return float(value), slopes.reshape(-1).cpu().numpy()

    def layer(self, flat: FloatArray) -> nn.Linear:
        """The same weights and biases for features as they came."""
        told = torch.from_numpy(flat).view(self.classes, self.width + 1)
        weights = told[:, : self.width] / self.spread
        fc = nn.Linear(self.width, self.classes)
        with torch.no_grad():
            fc.weight.copy_(weights)
            fc.bias.copy_(told[:, self.width] - weights @ self.middle.cpu())
        return fc


def _loss(scores: Tensor, targets: Tensor, link: Link) -> tuple[Tensor, Tensor]:
    """The summed loss, and its slopes (N, L) by the scores."""
    if link == "softmax":
        logs = scores.log_softmax(1)
        return -(targets * logs).sum(), logs.exp() - targets
    return functional.softplus(scores).sum() - (targets * scores).sum(), scores.sigmoid() - targets


def _check(features: Tensor, targets: Tensor, penalty: float) -> None:
    if features.ndim != 2 or targets.ndim != 2 or len(features) != len(targets) or not len(features):
        raise InvalidData(
            f"Features (N, D) and targets (N, L) need one row for each example, but got {tuple(features.shape)} and "
            f"{tuple(targets.shape)}."
        )
    if not bool(torch.isfinite(features).all()):
        raise InvalidData("Features hold numbers that are not finite. Look for broken weights or inputs.")
    if penalty <= 0:
        raise InvalidData(f"The penalty is above 0, else the best weights may be infinite; but got {penalty}.")
