"""How evenly something is done within groups: spread inside groups against between them, and tests by permutation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray

_ALL_FLIPS = 12  # so many differences have 4,096 sign patterns: all are looked at


@dataclass(frozen=True)
class Spread:
    """Values in groups: `inside` (G,) standard deviations within groups of two or more, `between` that of all means.

    `chance` is the share of random groupings of the same sizes in which the mean of `inside` is as small or smaller.
    """

    groups: IntArray
    inside: FloatArray
    between: float
    chance: float

    @property
    def mean_inside(self) -> float:
        """Mean standard deviation within groups."""
        return float(self.inside.mean())


def spread_of(values: ArrayLike, groups: ArrayLike, *, permutations: int = 10_000, seed: int = 0) -> Spread:
    """Spread of values (N,) in groups (N,) of whole numbers; groups of one count in `between` alone.

    Raises InvalidData where no group has two values, or there is one group.
    """
    numbers, of = np.asarray(values, np.float64), np.asarray(groups, np.int64)
    names, place, sizes = np.unique(of, return_inverse=True, return_counts=True)
    if len(names) < 2 or not (sizes > 1).any():
        raise InvalidData(
            f"Spread within groups needs two groups, one of them of two values, but got groups of {sizes.tolist()}."
        )
    inside = _inside(numbers[None], place, sizes)[0]
    rng = np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(numbers) for _ in range(permutations)])
    smaller = _inside(shuffled, place, sizes).mean(axis=1) <= inside.mean() + 1e-12
    means = np.bincount(place, numbers) / sizes
    return Spread(names[sizes > 1], inside, float(means.std(ddof=1)), float((smaller.sum() + 1) / (permutations + 1)))


def paired_chance(first: ArrayLike, second: ArrayLike, *, flips: int = 10_000, seed: int = 0) -> float:
    """How likely pairs (N,), (N,) differ by chance, in the mean and two-sided, by this much or more: sign flips.

    With up to 12 pairs all patterns of signs are counted, else random ones. Raises InvalidData without pairs.
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    count = len(differences)
    if not count:
        raise InvalidData("A paired test needs a pair at least.")
    seen = abs(differences.mean()) - 1e-12
    if count <= _ALL_FLIPS:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float((np.abs(signs @ differences) / count >= seen).mean())
    signs = np.random.default_rng(seed).choice([-1, 1], (flips, count))
    return float(((np.abs(signs @ differences) / count >= seen).sum() + 1) / (flips + 1))


def _inside(rows: FloatArray, place: IntArray, sizes: IntArray) -> FloatArray:
    """Standard deviations (M, G) of each row (M, N) of values within the groups of two or more."""
    found: list[FloatArray] = [rows[:, place == group].std(axis=1, ddof=1) for group in np.flatnonzero(sizes > 1)]
    return np.stack(found, axis=1)
