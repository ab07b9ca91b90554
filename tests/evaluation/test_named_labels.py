"""Top-k, shares per class and mean average precision, by hand."""

import json

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.named_labels import named_labels

SCORES = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])


def test_one_label_each() -> None:
    """Truth 0, 1, 1, 2: right, second, second (a tie goes to the first of the vocabulary), right."""
    found = named_labels(SCORES, np.eye(3, dtype=bool)[[0, 1, 1, 2]], ks=(1, 2, 5))
    assert found.top == {1: 0.5, 2: 1.0, 5: 1.0}
    np.testing.assert_allclose(found.per_class, [1.0, 0.0, 1.0])
    assert found.mean_per_class == pytest.approx(2 / 3)
    # Class 1: ranked 0.4 (true), then 0.3 twice of which one is true: 1 and 2/3.
    np.testing.assert_allclose(found.ap, [1.0, (1 + 2 / 3) / 2, 1.0])
    assert found.to_json()["map"] == pytest.approx(17 / 18)


def test_several_labels_and_a_class_that_never_occurs() -> None:
    present = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]], bool)
    found = named_labels(SCORES, present)
    assert found.top[1] == 0.5
    assert found.top[5] == 1.0
    assert np.isnan(found.ap[2])
    assert np.isnan(found.per_class[2])
    # Class 0 by score: 0.6 true, 0.4 true, 0.2 not, 0.1 true.
    assert found.ap[0] == pytest.approx((1 + 1 + 3 / 4) / 3)
    np.testing.assert_allclose(found.per_class[:2], [2 / 3, 0.0])
    assert json.dumps(found.to_json(), allow_nan=False)


def test_a_right_best_label_counts_for_its_own_class_alone() -> None:
    """An example of classes 0 and 1 whose best is 0 names 0 rightly, and not 1."""
    found = named_labels(np.array([[0.9, 0.1]]), np.array([[True, True]]))
    np.testing.assert_allclose(found.per_class, [1.0, 0.0])


@pytest.mark.parametrize(
    ("scores", "present", "wanted"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2), bool), "one shape"),
        (np.array([[np.nan, 1.0]]), np.array([[True, False]]), "NaN"),
        (np.zeros((1, 2)), np.zeros((1, 2), bool), "1 examples have no label"),
    ],
)
def test_what_can_not_be_measured_is_told(scores: np.ndarray, present: np.ndarray, wanted: str) -> None:
    with pytest.raises(InvalidData, match=wanted):
        named_labels(scores, present)
