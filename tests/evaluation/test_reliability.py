"""Reliability diagrams and expected precision, by hand."""

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.reliability import expected_precision, kept_at, reliability


def test_a_diagram_by_hand() -> None:
    found = reliability([0.1, 0.2, 0.9, 1.0, 0.6], [False, True, True, True, False], bins=2)
    assert found.counts.tolist() == [2, 3]
    np.testing.assert_allclose(found.stated, [0.15, 2.5 / 3])
    np.testing.assert_allclose(found.right, [0.5, 2 / 3])
    assert found.error == pytest.approx((2 * 0.35 + 3 * (2.5 - 2) / 3) / 5)
    assert found.worst == pytest.approx(0.35)
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.01 + 0 + 0.36) / 5)
    told = reliability([0.95], [True]).to_json()
    assert told["bins"][0] == {"stated": None, "right": None, "pairs": 0}
    assert told["bins"][9] == {"stated": 0.95, "right": 1.0, "pairs": 1}


def test_honest_probabilities_have_a_small_error() -> None:
    random = np.random.default_rng(0)
    stated = random.uniform(size=20_000)
    assert reliability(stated, random.uniform(size=20_000) < stated).error < 0.02
    assert reliability(stated, random.uniform(size=20_000) < stated**2).error > 0.1


def test_expected_precision_and_what_may_be_kept() -> None:
    np.testing.assert_allclose(expected_precision([0.2, 1.0, 0.6]), [1.0, 0.8, 0.6])
    assert kept_at([0.2, 1.0, 0.6], 0.8) == 2
    assert kept_at([0.2, 1.0, 0.6], 0.81) == 1
    assert kept_at([0.2, 0.6], 0.9) == 0
    assert kept_at([], 0.9) == 0


def test_what_can_not_be() -> None:
    for wrong in (
        lambda: reliability([1.1], [True]),
        lambda: reliability([0.1], [True, False]),
        lambda: kept_at([1], 0),
    ):
        with pytest.raises(InvalidData):
            wrong()
    assert np.isnan(reliability([], []).error)
