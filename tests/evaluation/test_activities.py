"""Figures for several labels at once and for one of many, worked out by hand."""

import math

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.activities import multi_label_scores, single_label_scores

NAMES = ("a", "b")
NAN = math.nan


def test_several_labels() -> None:
    """a: positives at ranks 1 and 3 of three known rows; b: the row of NaN is left out, its positive comes second."""
    scores = np.array([[0.9, 0.8], [0.6, 0.7], [0.2, 0.1], [0.1, 0.9]])
    labels = np.array([[1, 0], [0, 1], [1, 0], [NAN, NAN]])
    found = multi_label_scores(NAMES, scores, labels)
    assert found.labels.ap.tolist() == pytest.approx([(1 + 2 / 3) / 2, 0.5])
    assert found.figures["map"] == pytest.approx((5 / 6 + 0.5) / 2)
    assert found.figures["weighted_ap"] == pytest.approx((2 * 5 / 6 + 0.5) / 3)
    assert found.figures["hamming_accuracy"] == pytest.approx(3 / 6)  # Right: a of row 0, b of rows 1 and 2.
    assert found.figures["subset_accuracy"] == 0.0
    assert found.to_json()["rows"] == 4


def test_a_row_counts_as_right_by_its_known_labels() -> None:
    found = multi_label_scores(NAMES, np.array([[0.9, 0.9], [0.1, 0.6]]), np.array([[1, NAN], [0, 0]]))
    assert found.figures["subset_accuracy"] == 0.5
    assert found.figures["hamming_accuracy"] == pytest.approx(2 / 3)
    assert found.labels.ap[0] == 1
    assert math.isnan(found.labels.ap[1])  # b has no known positive: left out of the mean.
    assert found.figures["map"] == 1


def test_a_class_of_which_only_yes_is_known_has_nothing_to_rank() -> None:
    """Every order of a's rows would be right; b, all of whose labels are known, stays as everybody measures it."""
    found = multi_label_scores(
        NAMES, np.array([[0.1, 0.2], [0.9, 0.3], [0.5, 0.4]]), np.array([[1, 1], [NAN, 1], [1, 1]])
    )
    assert math.isnan(found.labels.ap[0])
    assert found.labels.ap[1] == 1
    assert found.figures["map"] == 1


def test_what_has_nothing_to_rank_weighs_nothing() -> None:
    """Of a only yes is known: it is no part of the weighted mean either. b has the precisions 1 and 2/3."""
    labels = np.array([[1, 1], [1, 0], [1, 1], [NAN, 0]])
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    found = multi_label_scores(NAMES, scores, labels)
    assert found.figures["weighted_ap"] == found.figures["map"] == pytest.approx((1 + 2 / 3) / 2)


def test_nothing_known_is_not_defined() -> None:
    for found in (multi_label_scores(NAMES, np.zeros((2, 2)), np.full((2, 2), NAN)),
                  multi_label_scores(NAMES, np.zeros((0, 2)), np.zeros((0, 2)))):  # fmt: skip
        assert all(math.isnan(value) for value in found.figures.values())
        assert set(found.to_json()["per_class_ap"].values()) == {None}
    assert single_label_scores(NAMES, np.zeros((0, 2)), np.zeros((0, 2))).to_json()["top1"] is None


def test_one_of_many() -> None:
    """Three rows count; two are of a, of which one is right, and that of b is right by the order of names."""
    scores = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]])
    labels = np.array([[1, 0], [1, 0], [0, 1], [1, 1]])
    found = single_label_scores(NAMES, scores, labels)
    assert found.rows == 3
    assert found.figures == {"top1": pytest.approx(2 / 3), "top5": 1.0, "mean_class_accuracy": 0.75}
    tied = single_label_scores(NAMES, np.array([[0.5, 0.5]]), np.array([[1, 0]]))
    assert tied.figures["top1"] == 1.0


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(InvalidData, match=r"one shape \(N, 2\)"):
        multi_label_scores(NAMES, np.zeros((2, 3)), np.zeros((2, 3)))


def test_a_label_at_the_sixth_place_is_not_among_five() -> None:
    names = tuple("abcdef")
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]] * 2)
    labels = np.zeros((2, 6))
    labels[0, 4] = labels[1, 5] = 1.0
    found = single_label_scores(names, scores, labels).figures
    assert (found["top1"], found["top5"]) == (0.0, 0.5)


def test_what_is_said_with_half_a_probability_counts_as_yes() -> None:
    scores, labels = np.array([[0.5, 0.49], [0.7, 0.8]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    found = multi_label_scores(("a", "b"), scores, labels).figures
    assert (found["subset_accuracy"], found["hamming_accuracy"]) == (0.5, 0.75)
