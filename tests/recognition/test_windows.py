import math

import numpy as np
import pytest

from whenabouts.core.timing import TimeGrid
from whenabouts.recognition.windows import FrameWindows, batched, sound_statistics


def cut(count: int, steps: int, *, frames: int = 4, rate: float = 6.0, hop: float = 0.5) -> list[list[int]]:
    """Numbers of the frames in each window, of `count` frames that show their number."""
    grid = TimeGrid.centred(0.0, hop_seconds=hop, window_seconds=frames / rate, rate=rate)
    windows = FrameWindows(frames, rate=rate, grid=grid)
    made = []
    for number in range(count):
        made += windows.add(np.full((1, 1, 3), number, np.uint8))
    made += list(windows.rest(steps))
    return [window[:, 0, 0, 0].tolist() for window in made]


def test_windows_begin_each_hop_and_hold_the_last_frame() -> None:
    assert cut(9, 3) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 8]]


def test_a_video_shorter_than_a_window_has_one_that_is_held() -> None:
    assert cut(2, 1) == [[0, 1, 1, 1]]
    assert cut(0, 0) == []


def test_hops_longer_than_a_window_leave_frames_out() -> None:
    assert cut(20, 3, hop=1.5) == [[3, 4, 5, 6], [12, 13, 14, 15], [19, 19, 19, 19]]


def test_hops_that_are_no_whole_frames_take_the_nearest() -> None:
    firsts = [window[0] for window in cut(60, 20, hop=0.4)]
    assert firsts[:6] == [0, 2, 5, 7, 10, 12]
    assert max(abs(first - k * 2.4) for k, first in enumerate(firsts)) <= 0.5


def test_hops_shorter_than_a_frame_repeat_windows() -> None:
    twice = [0, 1, 2, 3]
    assert cut(5, 4, hop=1 / 12) == [[0, 0, 1, 2], twice, twice, [1, 2, 3, 4], [1, 2, 3, 4]]


def test_before_the_beginning_the_first_frame_is_held() -> None:
    """At 6 a second, 8 frames around the middle of the first half second begin 2 frames before the video."""
    assert cut(9, 2, frames=8) == [[0, 0, 0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7, 8]]
    assert cut(2, 2, frames=8) == [[0, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]]
    assert cut(1, 1, frames=8) == [[0] * 8]


@pytest.mark.parametrize("duration", [0.2, 1.3, 1.4, 5.0, 17.77])
def test_steps_of_the_grid_are_the_windows_made(duration: float) -> None:
    grid = TimeGrid.centred(duration, hop_seconds=0.5, window_seconds=8 / 6, rate=6.0)
    count = math.ceil(duration * 6 - 1e-9)
    made = cut(count, grid.steps, frames=8)
    assert len(made) == grid.steps
    assert all(len(window) == 8 for window in made)


@pytest.mark.parametrize(("frames", "hop"), [(8, 0.5), (7, 0.5), (4, 0.4), (1, 0.5), (16, 0.07)])
def test_a_windows_middle_is_the_mean_instant_of_its_frames(frames: int, hop: float) -> None:
    grid = TimeGrid.centred(30.0, hop_seconds=hop, window_seconds=frames / 6, rate=6.0)
    cuts = np.array(cut(180, grid.steps, frames=frames, hop=hop))
    inside = (grid.windows()[:, 0] > 0.1) & (grid.windows()[:, 1] < 29.8)
    late = (grid.centre(np.arange(grid.steps)) - cuts.mean(axis=1) / 6)[inside]
    assert len(late) > 40
    assert abs(late).max() <= 0.5 / 6 + 1e-6
    assert abs(late.mean()) < 0.01


def test_batches_have_one_size_but_the_last() -> None:
    assert [len(batch) for batch in batched(iter([np.zeros((2, 1, 1, 3), np.uint8)] * 7), 3)] == [3, 3, 1]
    assert list(batched(iter(()), 3)) == []


def test_sound_statistics_are_those_of_the_rows_in_each_window() -> None:
    random = np.random.default_rng(5)
    rows = random.normal(size=(900, 4)).astype(np.float32)
    grid = TimeGrid.covering(9.0, hop_seconds=0.5, window_seconds=8 / 6)
    found = sound_statistics(np.split(rows, [100, 101, 640]), grid, bands=4)
    middles = np.arange(900) * 0.01 + 0.0125
    for step in range(grid.steps):
        begin = step * 0.5
        inside = rows[(middles >= begin) & (middles < begin + 8 / 6)]
        missing = max(0, round((begin + 8 / 6 - 9.0) * 100))
        if missing == 0:
            expected = np.concatenate([inside.mean(0), inside.std(0), inside.max(0)])
            np.testing.assert_allclose(found[step], expected, rtol=1e-4, atol=1e-5)
    assert grid.steps == 17


def test_after_the_sound_there_is_silence() -> None:
    grid = TimeGrid.covering(4.0, hop_seconds=1.0, window_seconds=1.0)
    found = sound_statistics([np.ones((150, 2), np.float32)], grid, bands=2)
    silence = math.log(0.01)
    np.testing.assert_allclose(found[0], [1, 1, 0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(found[3], [silence, silence, 0, 0, silence, silence], atol=1e-6)
    assert silence < found[1, 0] < 1


def test_windows_far_apart_pass_over_rows() -> None:
    rows = np.repeat(np.arange(40, dtype=np.float32), 100)[:, None]
    grid = TimeGrid.covering(40.0, hop_seconds=10.0, window_seconds=0.5)
    found = sound_statistics(np.split(rows, 40), grid, bands=1)
    np.testing.assert_allclose(found[:, 0], [0, 10, 20, 30], atol=0.05)
