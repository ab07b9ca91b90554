"""Suppression of spans, hard and soft, against hand-worked cases and plain loops."""

import math

import numpy as np
import pytest

from whenabouts.core import Moments, Vocabulary, temporal_iou
from whenabouts.core.suppression import kept_spans, softened_scores


def plain_hard(spans: np.ndarray, scores: np.ndarray, tiou: float) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(spans)), key=lambda row: (-scores[row], row)):
        if all(temporal_iou(spans[row], spans[other])[0, 0] <= tiou for other in kept):
            kept.append(row)
    return sorted(kept)


def plain_soft(spans: np.ndarray, scores: np.ndarray, sigma: float) -> list[float]:
    left, result = list(range(len(spans))), scores.tolist()
    while left:
        best = min(left, key=lambda row: (-result[row], row))
        left.remove(best)
        for row in left:
            result[row] *= math.exp(-(temporal_iou(spans[best], spans[row])[0, 0] ** 2) / sigma)
    return result


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 30, 60).astype(float)
    spans = np.stack([starts, starts + rng.integers(0, 12, 60)], axis=1)  # Some are empty, some are twice there.
    return spans, rng.integers(0, 25, 60) / 25


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tiou", [0.0, 0.3, 0.5, 1.0])
def test_hard_suppression_is_the_plain_loop(seed: int, tiou: float) -> None:
    spans, scores = drawn(seed)
    assert np.flatnonzero(kept_spans(spans, scores, tiou)).tolist() == plain_hard(spans, scores, tiou)


@pytest.mark.parametrize("seed", range(4))
def test_soft_suppression_is_the_plain_loop(seed: int) -> None:
    spans, scores = drawn(seed)
    np.testing.assert_allclose(softened_scores(spans, scores, 0.4), plain_soft(spans, scores, 0.4), rtol=1e-12)


def test_soft_suppression_is_the_plain_loop_whatever_the_lengths() -> None:
    rng = np.random.default_rng(7)
    starts = rng.uniform(0, 100, 80)
    spans = np.stack([starts, starts + 10.0 ** rng.uniform(-3, 3, 80)], axis=1)
    scores = rng.random(80)
    np.testing.assert_allclose(softened_scores(spans, scores, 0.6), plain_soft(spans, scores, 0.6), rtol=1e-12)


def test_a_span_over_all_does_not_make_short_ones_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a video of 12 hours it would cost minutes: each short span is compared with the long one and few others."""
    short = np.stack([np.arange(300.0), np.arange(300.0) + 0.5], axis=1)
    spans, compared = np.concatenate([[[0.0, 300.0]], short]), list[int]()

    def counted(one: np.ndarray, others: np.ndarray) -> np.ndarray:
        compared.append(len(others))
        return temporal_iou(one, others)

    monkeypatch.setattr("whenabouts.core.suppression.temporal_iou", counted)
    softened_scores(spans, np.linspace(1, 0, 301), 0.6)
    assert compared[0] == 300
    assert max(compared[1:]) <= 2


def test_seconds_are_no_pixels() -> None:
    """With the + 1 of pixel boxes, [0, 1) and [1, 2) would overlap by a third."""
    assert kept_spans([[0, 1], [1, 2]], [0.9, 0.8], 0.0).tolist() == [True, True]
    assert softened_scores([[0, 1], [1, 2]], [0.9, 0.8], 0.3).tolist() == [0.9, 0.8]


def test_soft_suppression_by_hand() -> None:
    """[0, 4) lowers [0, 2), half of it, by exp(-.25 / .5); that then stands behind [10, 11)."""
    found = softened_scores([[0, 4], [0, 2], [10, 11]], [1.0, 0.9, 0.7], 0.5)
    assert found.tolist() == pytest.approx([1.0, 0.9 * math.exp(-0.5), 0.7])
    with pytest.raises(ValueError, match="at least 0"):
        softened_scores([[0, 1]], [-0.1], 0.5)


def test_moments_soften_by_video_and_class_and_leave_what_is_below_zero() -> None:
    words = Vocabulary(("dive", "swim"))
    spans = [[0, 4], [0, 4], [0, 4], [0, 4], [1, 4]]
    moments = Moments.build(["a", "a", "b", "a", "a"], spans, [0, 1, 0, 0, 0], words, scores=[1, 0.9, 0.8, 0.5, -0.2])
    found = moments.softened(1.0)
    assert found.scores.tolist() == pytest.approx([1, 0.9, 0.8, 0.5 * math.exp(-1), -0.2])
    assert len(moments.softened(1.0, least=0.2)) == 4


def test_nothing_stays_nothing() -> None:
    assert kept_spans(np.zeros((0, 2)), [], 0.5).shape == (0,)
    assert softened_scores(np.zeros((0, 2)), [], 0.5).shape == (0,)
