"""The clock of published features, against times worked out by hand."""

import numpy as np
import pytest

from whenabouts.core.clock import FeatureClock
from whenabouts.core.errors import InvalidData


def test_i3d_at_25_fps() -> None:
    """16 frames at 25 fps last 0.64 s: step k is [0.64 k, 0.64 (k + 1)), and its middle lies 0.32 s after its start."""
    grid = FeatureClock("rgb", 25.0, 16, 16).grid(52, 33.826)
    np.testing.assert_allclose(grid.windows()[[0, 1, 10]], [[0, 0.64], [0.64, 1.28], [6.4, 7.04]])
    np.testing.assert_allclose(grid.centre([0, 1]), [0.32, 0.96])
    np.testing.assert_allclose(grid.spans([[2, 4]]), [[1.28, 2.56]])
    assert grid.duration_seconds == 33.826


def test_actionformer_takes_the_middle_of_what_a_step_sees() -> None:
    """Steps each 4 frames of 16, at 25 fps: second t is step t 25/4 - 2; step 0 is at 0.32 s, not at 0."""
    clock = FeatureClock("rgb", 25.0, 4, 16)
    grid = clock.grid(100)
    np.testing.assert_allclose(grid.centre([0, 1, 25]), [0.32, 0.48, 4.32])
    for seconds in (1.0, 7.77, 10.1):
        assert grid.step_at(seconds) == round(seconds * 25.0 / 4 - 0.5 * 16 / 4)
    # Cells meet halfway between the middles: step 3 (0.8 s) owns 0.72 to 0.88.
    np.testing.assert_allclose(grid.spans([[3, 4], [0, 1]]), [[0.72, 0.88], [0.0, 0.4]])
    assert grid.duration_seconds == pytest.approx((99 * 4 + 16) / 25)


def test_equal_parts_and_padded_windows() -> None:
    parts = FeatureClock("joint", parts_seconds=50.0).grid(100, 60.0)
    np.testing.assert_allclose(parts.spans([[0, 1], [99, 100]]), [[0, 0.5], [49.5, 50.0]])
    padded = FeatureClock("rgb", 30.0, 15, 16, offset_frames=-8).grid(4, 2.0)
    np.testing.assert_allclose(padded.centre([0, 1]), [0.0, 0.5])


@pytest.mark.parametrize(
    ("clock", "seconds", "least", "most"),
    [
        (FeatureClock("rgb", 25.0, 16, 16), 33.826, 51, 54),  # 845.65 frames: 52 whole windows, 53 with a padded one
        (FeatureClock("rgb", 30.0, 4, 16), 5094 / 30, 1269, 1275),  # 1,270 windows; issue 5 of actionformer has 1,269
        (FeatureClock("rgb", 25.0, 16, 16), 0.1, 1, 2),
    ],
)
def test_how_many_steps_a_video_should_have(clock: FeatureClock, seconds: float, least: int, most: int) -> None:
    assert clock.expected(seconds) == (least, most)


def test_the_rate_that_fits() -> None:
    assert FeatureClock("rgb", 25.0, 16, 16).fitting_fps(300, 160.0) == 30.0


def test_back_from_json_and_what_is_refused() -> None:
    clock = FeatureClock("flow", 29.97, 16, 16, 8)
    assert FeatureClock.from_json(clock.to_json()) == clock
    for wrong in ({"fps": 25.0}, {"fps": float("nan"), "hop_frames": 1, "window_frames": 1}, {"parts_seconds": -1.0}):
        with pytest.raises(InvalidData, match="A clock needs"):
            FeatureClock("rgb", **wrong)  # type: ignore[arg-type]
