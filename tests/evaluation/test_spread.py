"""Spread within groups, and tests by permutation, on cases worked by hand."""

import numpy as np
import pytest

from whenabouts.core import InvalidData
from whenabouts.evaluation.spread import paired_chance, spread_of


def test_spread_within_and_between_groups() -> None:
    """{1, 3} and {5, 5} and {9}: deviations sqrt 2 and 0; means 2, 5, 9."""
    found = spread_of([1.0, 5.0, 3.0, 5.0, 9.0], [0, 7, 0, 7, 8])
    assert found.groups.tolist() == [0, 7]
    np.testing.assert_allclose(found.inside, [np.sqrt(2), 0.0], atol=1e-12)
    assert found.mean_inside == pytest.approx(np.sqrt(2) / 2)
    assert found.between == pytest.approx(np.std([2, 5, 9], ddof=1))


def test_chance_is_the_share_of_groupings_that_are_as_even() -> None:
    """Of the three ways to pair 1, 3, 5, 5 only {1, 3}, {5, 5} is as even as itself."""
    found = spread_of([1.0, 3.0, 5.0, 5.0], [0, 0, 1, 1], permutations=6000)
    assert found.chance == pytest.approx(1 / 3, abs=0.03)
    assert found.chance == spread_of([1.0, 3.0, 5.0, 5.0], [0, 0, 1, 1], permutations=6000).chance
    assert spread_of([1.0, 9.0, 1.0, 9.0], [0, 0, 1, 1]).chance > 0.9


def test_pairs_are_compared_by_all_signs_or_by_many() -> None:
    """1, 2, 3 against nothing: of eight patterns of signs all up and all down reach that mean."""
    assert paired_chance([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]) == pytest.approx(2 / 8)
    assert paired_chance([1.0, -1.0], [0.0, 0.0]) == 1.0
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40)
    assert paired_chance(noise + 1.5, np.zeros(40)) < 0.001
    assert paired_chance(noise, np.zeros(40)) > 0.05
    assert paired_chance(noise, np.zeros(40)) == paired_chance(noise, np.zeros(40))


def test_what_can_not_be_told_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"got groups of \[1, 1\]"):
        spread_of([1.0, 2.0], [0, 1])
    with pytest.raises(InvalidData, match=r"got groups of \[2\]"):
        spread_of([1.0, 2.0], [0, 0])
    with pytest.raises(InvalidData, match="needs a pair"):
        paired_chance([], [])
