"""Mean features of spans against plain sums, and cosines that find the like."""

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.page.review.likeness import Coded, cosines, direction, span_means, unit_rows


def sequence(values: np.ndarray, hop: float = 1.0) -> FeatureSequence:
    return FeatureSequence("v", values, TimeGrid(0.0, hop, hop, len(values), hop * len(values)), "rgb", "test")


def test_a_span_counts_each_step_by_the_time_they_share() -> None:
    values = np.array([[0.0, 1.0], [4.0, 1.0], [8.0, 3.0]], np.float32)
    means = span_means(sequence(values), [[0.5, 2.0], [1.0, 2.0], [0.0, 3.0], [2.25, 2.75]])  # type: ignore[arg-type]
    assert means.tolist() == [
        pytest.approx([(0.5 * 0 + 1 * 4) / 1.5, 1.0]), pytest.approx([4.0, 1.0]), pytest.approx([4.0, 5 / 3]),
        pytest.approx([8.0, 3.0]),
    ]  # fmt: skip


def test_a_span_without_length_or_beyond_the_end_has_the_nearest_step() -> None:
    values = np.array([[0.0], [4.0], [8.0]], np.float32)
    means = span_means(sequence(values), np.array([[1.5, 1.5], [7.0, 9.0], [2.5, 9.0]]))
    assert means[:, 0].tolist() == [4.0, 8.0, 8.0]
    assert span_means(sequence(np.zeros((0, 3), np.float32)), np.array([[0.0, 1.0]])).tolist() == [[0.0, 0.0, 0.0]]


def test_means_agree_with_a_fine_sampling_on_any_grid() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 4)).astype(np.float32)
    grid = TimeGrid(0.1, 0.48, 1.0, 20, 10.3)
    made = FeatureSequence("v", values, grid, "rgb", "test")
    spans = np.sort(rng.uniform(0, 10.3, (10, 2)), axis=1)
    for span, mean in zip(spans, span_means(made, spans), strict=True):
        at = np.linspace(*span, 20001)[:-1] + (span[1] - span[0]) / 40000
        assert mean == pytest.approx(values[grid.step_at(at)].mean(axis=0), abs=2e-3)


def test_the_like_come_first_and_the_centre_is_taken_off() -> None:
    centre = np.array([10.0, 10.0, 10.0], np.float32)
    others = centre + np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [2, 0.2, 0]], np.float32)
    aim = direction(centre + np.array([[3, 0, 0], [5, 0.5, 0]], np.float32), centre)
    assert np.linalg.norm(aim) == pytest.approx(1.0)
    units = (others - centre) / np.linalg.norm(others - centre, axis=1, keepdims=True)
    found = cosines(Coded.of(units), aim)
    assert np.argsort(-found).tolist() in ([3, 0, 1, 2], [0, 3, 1, 2])
    assert found[2] == pytest.approx(-found[0], abs=1e-3)
    assert cosines(Coded.of(np.zeros((0, 3), np.float32)), aim).tolist() == []


def test_coded_vectors_take_a_byte_a_number_and_hardly_move() -> None:
    units = unit_rows(np.random.default_rng(0).normal(size=(200, 512)))
    units[7] = 0.0
    coded = Coded.of(units)
    assert coded.numbers.nbytes == units.size
    assert np.abs(coded.numbers).max(axis=1).tolist() == [127] * 7 + [0] + [127] * 192
    moved = np.abs(coded.numbers * coded.scales[:, None] - units)
    assert (moved <= np.abs(units).max(axis=1, keepdims=True) / 254 + 1e-7).all()
    aim = unit_rows(units[:3].sum(axis=0, keepdims=True))[0]
    assert cosines(coded, aim) == pytest.approx(np.clip(units @ aim, -1, 1), abs=2e-3)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_short_spans_late_in_long_videos_are_as_exact_as_early_ones(kind: type) -> None:
    """Differences of sums from the start would lose what little the span adds to much before it."""
    values = np.full((40_000, 2), 30_000.0, kind)
    values[-3:] = [[1.0, 0.25], [2.0, 0.25], [5.0, 1.0]]
    means = span_means(sequence(values, hop=0.5), np.array([[19_998.5, 20_000.0], [19_998.75, 19_999.5]]))
    assert means.tolist() == [pytest.approx([8 / 3, 0.5]), pytest.approx([(0.25 + 2 * 0.5) / 0.75, 0.25])]
