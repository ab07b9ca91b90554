import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import TimeGrid, as_spans, clock, runs_of, seconds_of, temporal_iou, union_of

rates = st.sampled_from([0.5, 1.0, 12.5, 24000 / 1001, 25.0, 30000 / 1001, 50.0, 60000 / 1001])


@st.composite
def grids(draw: st.DrawFn) -> TimeGrid:
    rate = draw(rates)
    hop = draw(st.integers(1, 40)) / rate
    window = draw(st.integers(1, 64)) / rate
    start = draw(st.floats(0, 5))
    steps = draw(st.integers(1, 200))
    duration = start + (steps - 1) * hop + draw(st.floats(0.01, 2)) * window
    return TimeGrid(start, hop, window, steps, duration)


@given(grids(), st.data())
def test_steps_to_seconds_and_back(grid: TimeGrid, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, grid.steps - 1))
    stop = data.draw(st.integers(first + 1, grid.steps))
    span = grid.spans([[first, stop]])
    edges = grid.edges()
    if edges[first] < edges[first + 1] and edges[stop - 1] < edges[stop]:  # cells behind the video's end are empty
        assert grid.runs(span).tolist() == [[first, stop]]


@given(grids())
def test_each_centre_inside_the_video_belongs_to_its_own_step(grid: TimeGrid) -> None:
    centres = grid.centre(np.arange(grid.steps))
    inside = centres < grid.duration_seconds
    assert grid.step_at(centres)[inside].tolist() == np.flatnonzero(inside).tolist()


@given(grids())
def test_cells_share_out_the_time_without_gap_or_overlap(grid: TimeGrid) -> None:
    edges = grid.edges()
    assert len(edges) == grid.steps + 1
    assert (np.diff(edges) >= 0).all()
    assert edges[0] >= 0
    assert edges[-1] <= grid.duration_seconds


@given(st.floats(0.01, 5000), st.floats(0.05, 10), st.floats(0.05, 10))
def test_a_covering_grid_reaches_both_ends(duration: float, hop: float, window: float) -> None:
    grid = TimeGrid.covering(duration, hop_seconds=hop, window_seconds=window)
    assert grid.steps >= 1
    assert grid.edges()[0] == 0
    last_centre = float(grid.centre(grid.steps - 1))
    assert last_centre < duration + 1e-6 or grid.steps == 1
    assert duration - last_centre <= max(hop, window / 2) + 1e-6 or grid.steps == 1


@given(st.floats(0.01, 5000), st.floats(0.05, 10), st.floats(0.05, 10))
def test_a_centred_grid_shares_out_cells_of_one_hop_from_zero_on(duration: float, hop: float, window: float) -> None:
    grid = TimeGrid.centred(duration, hop_seconds=hop, window_seconds=window)
    middles = (np.arange(grid.steps) + 0.5) * hop
    np.testing.assert_allclose(grid.centre(np.arange(grid.steps)), middles, atol=1e-6)
    np.testing.assert_allclose(grid.windows().mean(axis=1), middles, atol=1e-6)
    assert middles[-1] < duration + 1e-6 or grid.steps == 1
    assert duration <= middles[-1] + hop + 1e-6
    np.testing.assert_allclose(grid.edges()[:-1], np.minimum(np.arange(grid.steps) * hop, duration), atol=1e-6)


def test_windows_of_whole_frames_say_where_they_lie() -> None:
    exact = TimeGrid.centred(9.0, hop_seconds=0.5, window_seconds=8 / 6, rate=6.0)
    assert exact.centre([0, 1, 4]) == pytest.approx([0.25, 0.75, 2.25])
    assert exact.windows()[0] == pytest.approx([0.25 - 4 / 6, 0.25 + 4 / 6])
    moved = TimeGrid.centred(9.0, hop_seconds=0.5, window_seconds=7 / 6, rate=6.0)
    assert moved.windows()[0] * 6 == pytest.approx([-1.5, 5.5])  # frames -1 to 5


def test_spans_reach_the_windows_edges_and_are_clipped_to_the_video() -> None:
    grid = TimeGrid(0.0, 1.0, 3.0, 4, 5.5)  # windows 0-3, 1-4, 2-5, 3-6; centres 1.5, 2.5, 3.5, 4.5
    assert grid.edges().tolist() == [0.0, 2.0, 3.0, 4.0, 5.5]
    assert grid.spans([[0, 1], [1, 3], [3, 4]]).tolist() == [[0.0, 2.0], [2.0, 4.0], [4.0, 5.5]]
    assert grid.step_at([-1.0, 0.0, 1.99, 2.0, 5.4, 99.0]).tolist() == [0, 0, 0, 1, 3, 3]


def test_equal_parts_are_exact() -> None:
    grid = TimeGrid.of_parts(164.0, 400)
    assert grid.spans([[0, 400]]).tolist() == [[0.0, 164.0]]
    assert grid.spans([[100, 200]])[0] == pytest.approx([41.0, 82.0])


def test_parts_of_one_length_end_with_the_video() -> None:
    grid = TimeGrid.of_length(2.3, 0.5)
    assert grid.edges().tolist() == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.3])


def test_an_empty_video_has_no_steps() -> None:
    assert TimeGrid.covering(0.0, hop_seconds=1, window_seconds=1).steps == 0
    assert TimeGrid.centred(0.0, hop_seconds=1, window_seconds=1).steps == 0
    with pytest.raises(InvalidData, match="without steps"):
        TimeGrid.of_length(0.0, 1.0).step_at(0.0)


@pytest.mark.parametrize("bad", [(0, 0, 1, 1, 1), (0, 1, -1, 1, 1), (math.nan, 1, 1, 1, 1), (0, 1, 1, -1, 1)])
def test_a_senseless_grid_is_refused(bad: tuple[float, float, float, int, float]) -> None:
    with pytest.raises(InvalidData):
        TimeGrid(*bad)


def test_runs_outside_the_grid_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"within 0\.\.3"):
        TimeGrid.of_length(1.5, 0.5).spans([[1, 4]])


def test_temporal_iou_by_hand() -> None:
    found = temporal_iou([[0, 2], [5, 5]], [[1, 3], [5, 5], [9, 9]])
    assert found == pytest.approx(np.array([[1 / 3, 0, 0], [0, 0, 0]]))


@given(st.lists(st.booleans(), max_size=60))
def test_runs_of_names_each_true_once(flags: list[bool]) -> None:
    rebuilt = np.zeros(len(flags), bool)
    runs = runs_of(flags)
    for first, stop in runs:
        rebuilt[first:stop] = True
    assert rebuilt.tolist() == flags
    assert (runs[1:, 0] > runs[:-1, 1]).all()


def test_union_joins_what_touches() -> None:
    assert union_of([[3, 4], [0, 1], [1, 2], [3.5, 3.7]]).tolist() == [[0, 2], [3, 4]]
    assert union_of(np.zeros((0, 2))).shape == (0, 2)


def test_inverted_and_endless_spans_are_refused() -> None:
    with pytest.raises(InvalidData, match="must not end before"):
        as_spans([[0, 1], [3, 2]])
    with pytest.raises(InvalidData, match="finite"):
        as_spans([[0, math.inf]])


@given(st.integers(0, 360_000_000))
def test_clock_and_back(thousandths: int) -> None:
    assert seconds_of(clock(thousandths / 1000)) == pytest.approx(thousandths / 1000, abs=1e-6)


def test_clock_reads_as_people_write() -> None:
    assert [clock(0), clock(63.4), clock(3723.4), clock(59.9996)] == ["0:00.000", "1:03.400", "1:02:03.400", "1:00.000"]
    with pytest.raises(InvalidData, match="is not a time"):
        seconds_of("soon")


@pytest.mark.golden
def test_videos_are_cut_as_in_youtube8ms_inference(shared: Path) -> None:
    cases = json.loads((shared / "golden/y8m/metrics/segments_of_video.json").read_text(encoding="utf-8"))
    assert len(cases) == 8
    for case in cases:
        grid = TimeGrid.of_length(case["num_frames"], 5.0)
        ends = np.minimum(grid.windows()[:, 1], case["num_frames"])
        assert grid.begin(np.arange(grid.steps)).tolist() == case["segment_start_times"]
        assert (ends - grid.windows()[:, 0]).tolist() == case["segment_num_frames"]
