"""Features on their own grids become segments that all streams share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core import FeatureSequence, InvalidData, TimeGrid
from whenabouts.localizers.segments import mean_features, segment_grid, snippet_features


def sequence(
    values: object, *, hop: float = 0.5, window: float = 0.5, duration: float | None = None
) -> FeatureSequence:
    array = np.asarray(values, np.float32)
    grid = TimeGrid(0.0, hop, window, len(array), len(array) * hop if duration is None else duration)
    return FeatureSequence("v", array, grid, "rgb", "made")


def test_segments_last_so_many_seconds_or_come_in_so_many_parts() -> None:
    longer = sequence(np.zeros((7, 2)), duration=3.4)
    assert segment_grid([longer], seconds=0.5) == TimeGrid.of_length(3.4, 0.5)
    assert segment_grid([sequence(np.zeros((4, 2))), longer], seconds=1.0).duration_seconds == 3.4
    assert segment_grid([longer], seconds=0.5, count=5) == TimeGrid.of_parts(3.4, 5)
    assert segment_grid([], seconds=0.5, count=5).steps == 0


def test_a_segment_is_the_mean_of_the_steps_centred_in_it() -> None:
    steps = sequence([[0, 0], [2, 4], [4, 8], [6, 12], [8, 16]])  # centres at .25, .75, 1.25, 1.75, 2.25
    assert mean_features(steps, TimeGrid.of_length(2.5, 1.0)).tolist() == [[1, 2], [5, 10], [8, 16]]


def test_a_segment_without_a_step_takes_the_nearest() -> None:
    steps = sequence([[1.0], [5.0]], hop=2.0, window=2.0)  # centres at 1 and 3
    assert mean_features(steps, TimeGrid.of_length(4.0, 0.5)).ravel().tolist() == [1, 1, 1, 1, 5, 5, 5, 5]


def test_half_precision_is_averaged_in_single() -> None:
    values = np.full((4096, 1), 1.0, np.float16)
    steps = FeatureSequence("v", values, TimeGrid(0.0, 0.01, 0.01, 4096, 40.96), "rgb", "made")
    means = mean_features(steps, TimeGrid.of_length(40.96, 40.96))
    assert means.dtype == np.float32
    assert means.tolist() == [[1.0]]


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    hop=st.floats(0.1, 3.0),
    window=st.floats(0.1, 3.0),
    length=st.floats(0.1, 4.0),
    beyond=st.floats(0.0, 2.0),
)
def test_means_equal_a_plain_loop(count: int, hop: float, window: float, length: float, beyond: float) -> None:
    duration = (count - 1) * hop + window / 2 + beyond
    values = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    steps = FeatureSequence("v", values, TimeGrid(0.0, hop, window, count, duration), "rgb", "made")
    grid = TimeGrid.of_length(duration, length)
    owners = grid.step_at(steps.grid.centre(np.arange(count)))
    middles = (grid.edges()[1:] + grid.edges()[:-1]) / 2
    expected = [
        values[owners == k].mean(axis=0) if (owners == k).any() else values[steps.grid.step_at(middles[k])]
        for k in range(grid.steps)
    ]
    np.testing.assert_allclose(mean_features(steps, grid), expected, atol=1e-6)


def test_snippets_are_evenly_placed_or_drawn_from_their_own_segment() -> None:
    steps = sequence(np.arange(12.0)[:, None])
    halves = TimeGrid.of_parts(6.0, 2)
    assert snippet_features(steps, halves, 3).ravel().tolist() == [3.0, 9.0]  # steps 1, 3, 5 and 7, 9, 11
    drawn = np.stack([snippet_features(steps, halves, 3, np.random.default_rng(seed)) for seed in range(50)])
    assert drawn.shape == (50, 2, 1)
    assert drawn[:, 0].min() >= 0
    assert drawn[:, 0].max() <= 5
    assert drawn[:, 1].min() >= 6
    assert drawn[:, 1].max() <= 11
    assert len(np.unique(drawn)) > 10


def test_more_parts_than_steps_repeat_the_nearest_step() -> None:
    steps = sequence([[1.0], [2.0]])
    assert snippet_features(steps, TimeGrid.of_parts(1.0, 4), 3).ravel().tolist() == [1, 1, 2, 2]
    drawn = snippet_features(steps, TimeGrid.of_parts(1.0, 4), 3, np.random.default_rng(0))
    assert drawn.ravel().tolist() == [1, 1, 2, 2]


def test_no_step_is_no_segment() -> None:
    empty = sequence(np.zeros((0, 2)), duration=0.0)
    with pytest.raises(InvalidData, match="no step of rgb features"):
        mean_features(empty, TimeGrid.of_length(2.0, 0.5))
