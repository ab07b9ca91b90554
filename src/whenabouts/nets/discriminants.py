"""Linear discriminants from soft memberships, in closed form: no step, no seed, sums over videos alone.

Shapes: K segments of one video, D features, C classes, S classes that the video shows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-9


@dataclass(frozen=True)
class Discriminant:
    """Logits of segments are features (K, D) @ weight (D, C) + bias (C,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Features (K, D) -> (K, C)."""
        return features @ self.weight + self.bias


class Spread:
    """Mean and covariance of all segments, added video by video, in double precision."""

    def __init__(self, features: int) -> None:
        self.count = 0
        self._total = torch.zeros(features, dtype=torch.float64)
        self._products = torch.zeros(features, features, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """The segments (K, D) of one video."""
        self.count += len(features)
        self._total += features.double().sum(dim=0)
        self._products += features.T @ features

    @property
    def mean(self) -> Tensor:
        """Mean (D,)."""
        return self._total / max(self.count, 1)

    def covariance(self, shrinkage: float) -> Tensor:
        """Covariance (D, D), drawn towards the identity (regularised discriminant analysis: Friedman, JASA 1989)."""
        mean = self.mean
        found = self._products / max(self.count, 1) - torch.outer(mean, mean)
        return (found + shrinkage * torch.eye(len(mean), dtype=torch.float64)) / (1 + shrinkage)


class MemberSums:
    """Sums over the members of each class, and over the other segments of the videos that show it; both are soft."""

    def __init__(self, features: int, classes: int) -> None:
        self._sums = torch.zeros(2, classes, features, dtype=torch.float64)
        self._masses = torch.zeros(2, classes, dtype=torch.float64)

    def add(self, features: Tensor, members: Tensor, shown: Tensor, weight: float | Tensor = 1.0) -> None:
        """One video: features (K, D), memberships (K, S) from 0 to 1 in the classes `shown` (S,).

        `weight` is what the video counts, or each of its segments (K, S): with 0 a segment is on neither side.
        """
        both = torch.stack([members, 1 - members]).double() * weight  # (2, K, S)
        self._sums[:, shown] += both.transpose(1, 2) @ features.double()
        self._masses[:, shown] += both.sum(dim=1)

    def discriminant(self, spread: Spread, shrinkage: float) -> Discriminant:
        """Fisher's discriminant of each class: from the mean of its members to that of what they are told from.

        That is half the other segments of its own videos, half all segments. Features should be standardised, for
        `shrinkage` is towards the identity. A class without members has weight and bias 0.
        """
        means = self._sums / self._masses.clamp_min(_TINY)[..., None]
        known, beside = (self._masses > _TINY)[..., None]
        against = (torch.where(beside, means[1], spread.mean) + spread.mean) / 2
        inside = torch.where(known, means[0], against)
        weight = torch.linalg.solve(spread.covariance(shrinkage), (inside - against).T)  # (D, C)
        return Discriminant(weight, -((inside + against) / 2 * weight.T).sum(dim=1))


def split_values(values: Tensor) -> tuple[Tensor, Tensor]:
    """The threshold (S,) that parts values (K, S) best into low and high ones, and how far their means lie apart (S,).

    Otsu's threshold (IEEE Trans. SMC 9, 1979), without a histogram: of all cuts of the sorted values the one of the
    largest variance between both parts. K must be at least 2.
    """
    ordered = values.sort(dim=0).values
    sums, count = ordered.cumsum(dim=0), len(values)
    low = torch.arange(1, count, dtype=values.dtype, device=values.device)[:, None]
    below, above = sums[:-1] / low, (sums[-1:] - sums[:-1]) / (count - low)  # (K - 1, S)
    place = (low * (count - low) * (above - below) ** 2).argmax(dim=0, keepdim=True)
    middle = (ordered.gather(0, place) + ordered.gather(0, place + 1)) / 2
    return middle[0], (above - below).gather(0, place)[0]


def soft_members(values: Tensor, softness: float) -> Tensor:
    """Memberships (K, S) of values (K, S): the sigmoid of how far each lies above Otsu's threshold of its column.

    Distances are in parts of the distance of both means, over `softness`. Fewer than four values are all members.
    """
    if len(values) < 4:
        return torch.ones_like(values)
    threshold, apart = split_values(values)
    return ((values - threshold) / (softness * apart + _TINY)).sigmoid()
