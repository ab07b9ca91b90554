"""Precision against recall: points and envelope worked out by hand, and their area is the average precision."""

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.curves import RECALL, precision_recall
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth

WORDS = Vocabulary(("run", "jump"))


def tables() -> tuple[Truth, Predictions]:
    """Two runs, found first and third of three; one jump, never found."""
    truth = Truth.of(Moments.build(["v", "v", "v"], [[0, 2], [10, 12], [20, 22]], [0, 0, 1], WORDS, kind="truth"))
    spans = [[0, 2], [5, 6], [10, 12], [30, 31]]
    found = Moments.build(["v"] * 4, spans, [0, 0, 0, 1], WORDS, scores=[0.9, 0.8, 0.7, 0.6])
    return truth, Predictions.of(found, truth)


def test_a_point_for_each_true_positive_and_the_best_precision_from_there_on() -> None:
    curves = precision_recall(*tables(), tiou=0.5)
    assert curves.labels == ("run", "jump")
    assert curves.recall[0].tolist() == [0.5, 1.0]
    assert curves.precision[0] == pytest.approx([1.0, 2 / 3])
    assert curves.envelope[0][[0, 50, 51, 100]] == pytest.approx([1.0, 1.0, 2 / 3, 2 / 3])
    assert (len(curves.recall[1]), curves.envelope[1].max()) == (0, 0.0)


@pytest.mark.parametrize("protocol", ["activitynet", "thumos14", "thumos15"])
def test_the_area_under_the_envelope_is_the_average_precision(protocol: str) -> None:
    rng = np.random.default_rng(5)
    starts = rng.uniform(0, 100, 60)
    truth = Truth.of(Moments.build(["v"] * 60, np.stack([starts, starts + 4], 1), rng.integers(0, 2, 60), WORDS))
    begins = np.append(starts[::2] + rng.normal(0, 1, 30), rng.uniform(0, 100, 50))
    found = Moments.build(["v"] * 80, np.stack([begins, begins + 4], 1), rng.integers(0, 2, 80), WORDS,
                          scores=rng.random(80))  # fmt: skip
    predictions = Predictions.of(found, truth)
    curves = precision_recall(truth, predictions, tiou=0.4, protocol=protocol)
    if protocol == "activitynet":  # Only its average is the area under the envelope.
        exact = evaluate_moments(truth, predictions, tiou=[0.4]).average_precision[:, 0]
        assert exact.max() > 0.01
        assert np.trapezoid(curves.envelope, RECALL, axis=1) == pytest.approx(exact, abs=0.01)
    assert all((np.diff(recall) > 0).all() for recall in curves.recall)
    assert (np.diff(curves.envelope, axis=1) <= 0).all()


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InvalidData, match="no protocol 'mine'"):
        precision_recall(*tables(), tiou=0.5, protocol="mine")
