"""Scores to probabilities: they mean what they say, keep the order, and lean on the shared curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.reliability import reliability
from whenabouts.localizers.calibration import Calibration, Ratings, right_moments


def world(seed: int, each: int, *, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores whose log-odds are twice too large, and in class 1 shifted."""
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(classes), each)
    odds = random.normal(size=len(of)) * 1.5
    right = random.uniform(size=len(of)) < 1 / (1 + np.exp(-(odds - 2.0 * (of == 1))))
    return 1 / (1 + np.exp(-2 * odds)), of, right


def test_probabilities_mean_what_they_say_on_new_pairs() -> None:
    calibration = Calibration.fit(*world(0, 400), count=4)
    scores, of, right = world(1, 4000)
    before, after = reliability(scores, right).error, reliability(calibration.probabilities(scores, of), right).error
    assert after < 0.03 < 0.1 < before
    for index in range(4):
        mine = of == index
        assert reliability(calibration.probabilities(scores[mine], of[mine]), right[mine]).error < 0.08


def test_a_concept_with_few_ratings_leans_on_the_shared_curve() -> None:
    scores, of, right = world(2, 300)
    few = (of != 3) | (np.arange(len(of)) >= len(of) - 2)
    calibration = Calibration.fit(scores[few], of[few], right[few], count=6)
    shared = calibration.probabilities([0.2, 0.5, 0.9], [5, 5, 5])
    np.testing.assert_allclose(calibration.probabilities([0.2, 0.5, 0.9], [4, 4, 4]), shared)
    assert np.abs(calibration.probabilities([0.2, 0.5, 0.9], [3, 3, 3]) - shared).max() < 0.1
    assert calibration.probabilities([0.5], [1]) < calibration.probabilities([0.5], [0]) - 0.2
    assert calibration.rated.tolist() == [300, 300, 300, 2, 0, 0]


@given(st.lists(st.tuples(st.floats(-5, 50), st.integers(0, 2), st.booleans()), min_size=2, max_size=30))
def test_order_within_a_concept_is_kept(rows: list[tuple[float, int, bool]]) -> None:
    scores, of, right = (np.asarray(column) for column in zip(*rows, strict=True))
    if right.all() or not right.any():
        with pytest.raises(InvalidData, match="both kinds"):
            Calibration.fit(scores, of, right, count=3)
        return
    calibration = Calibration.fit(scores, of, right, count=3)
    grid = np.linspace(scores.min() - 1, scores.max() + 1, 40)
    for index in range(3):
        values = calibration.probabilities(grid, np.full(40, index))
        assert (np.diff(values) >= -1e-12).all()
        assert ((values >= 0) & (values <= 1)).all()
    again = Calibration.from_json(calibration.to_json())
    np.testing.assert_array_equal(again.probabilities(scores, of), calibration.probabilities(scores, of))


def test_scores_of_any_kind() -> None:
    random = np.random.default_rng(3)
    right = random.uniform(size=2000) < 0.5
    for scores in (np.exp(random.normal(size=2000) + 2 * right), random.normal(size=2000) * 100 + 200 * right):
        values = Calibration.fit(scores, np.zeros(2000), right, count=1).probabilities(scores, np.zeros(2000, int))
        assert reliability(values, right).error < 0.05


def test_broken_ones_are_refused() -> None:
    told = Calibration.fit(*world(0, 10), count=4).to_json()
    for change in ({"slope": [float("nan")] * 4}, {"slope": [-1.0] * 4}, {"spread": 0.0}, {"scale": "other"},
                   {"rated": [1]}, {"rated": [1e30] * 4}, {"format": "?"}, {"centre": "x"},
                   {"slope": [[1.0] * 4], "intercept": [[1.0] * 4], "rated": [[1] * 4]}):  # fmt: skip
        with pytest.raises(InvalidData):
            Calibration.from_json({**told, **change})
    few = Calibration.from_json({**told, "slope": [1.0], "intercept": [0.0], "rated": [1]})
    with pytest.raises(InvalidData, match="tells of 1 concepts"):
        few.probabilities([0.5, 0.5], [0, 3])
    with pytest.raises(InvalidData):
        Calibration.from_json({})
    with pytest.raises(InvalidData, match="finite"):
        Calibration.fit([np.inf, 0], [0, 0], [True, False], count=1)


def test_moments_are_judged_by_the_checked_segment_that_they_overlap_most() -> None:
    checked = Ratings(
        np.array(["a", "a", "b"]), np.array([[0.0, 10], [8, 20], [0, 5]]), np.array([0, 0, 1]),
        np.array([True, False, True]),
    )  # fmt: skip
    spans = np.array([[1.0, 9], [9, 18], [30, 40], [0, 4], [0, 4]])
    rows, right = right_moments(["a", "a", "a", "b", "b"], spans, np.array([0, 0, 0, 0, 1]), checked)
    assert rows.tolist() == [0, 1, 4]
    assert right.tolist() == [True, False, True]
