"""Flow of pictures that move by known amounts, and of those that do not."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.core.video import Video
from whenabouts.media.flow import FlowForm, check_flow, flow_between, flow_fields, flow_parts, quantised
from whenabouts.media.parts import video_parts
from whenabouts.media.writing import Encoding, write_video

METHODS = ("dis", "tvl1")
Pixels = NDArray[np.uint8]


def textured(height: int, width: int, right: float = 0.0, down: float = 0.0) -> Pixels:
    """A smooth random texture, moved by fractions of a pixel; what comes in at the border is more of it."""
    coarse = np.random.default_rng(3).integers(0, 256, (height // 4 + 24, width // 4 + 24)).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    move = np.array([[1, 0, right - 40], [0, 1, down - 40]], np.float32)
    moved = cv2.warpAffine(fine, move, (width, height), flags=cv2.INTER_CUBIC)
    return np.clip(moved, 0, 255).astype(np.uint8)


def coloured(grey: Pixels) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=2)


def inner(field: NDArray[np.generic]) -> NDArray[np.generic]:
    """Without the border, where what comes in was not to be seen before."""
    height, width = field.shape[:2]
    return field[height // 5 : -(height // 5), width // 5 : -(width // 5)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("height", "width"), [(48, 64), (33, 47)])
@pytest.mark.parametrize(("right", "down"), [(1.5, -1.0), (-0.75, 2.0)])
def test_a_moved_texture_has_its_displacement(method: str, height: int, width: int, right: float, down: float) -> None:
    between = flow_between(method)
    field = between(textured(height, width), textured(height, width, right, down))
    assert (field.shape, field.dtype) == ((height, width, 2), np.float32)
    assert np.abs(inner(field) - [right, down]).max() < 0.25
    assert np.abs(np.median(inner(field), axis=(0, 1)) - [right, down]).max() < 0.08
    again = between(textured(height, width), textured(height, width, right, down))
    np.testing.assert_array_equal(field, again)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_nothing(method: str) -> None:
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            found.append(flow_between(method)(textured(64, 80), textured(64, 80, 2.5, -1.5)))
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(found[0], found[1])


def test_values_are_kept_as_the_literature_does() -> None:
    """255 (v + 20) / 40, rounded, halves to even as OpenCV's cvRound: 127.5 is 128."""
    field = np.array([[[0.0, -20.0], [20.0, -31.0]], [[99.0, 10.0], [-10.0, 0.1]]], np.float32)
    np.testing.assert_array_equal(quantised(field, 20.0), [[[128, 0], [255, 0]], [[255, 191], [64, 128]]])


@pytest.mark.parametrize("method", METHODS)
def test_a_still_scene_is_still(method: str) -> None:
    frames = [(k / 6, coloured(textured(21, 35))) for k in range(3)]
    fields = list(flow_fields(frames, FlowForm(method, side=16), (21, 35)))
    assert [seconds for seconds, _ in fields] == [0, 1 / 6, 2 / 6]
    assert all((field == 128).all() for _, field in fields)


def test_each_frame_has_the_motion_to_the_next_and_the_last_that_of_the_one_before() -> None:
    places = [0.0, 2.0, 3.0, 1.5]
    frames = [(float(k), coloured(textured(48, 64, right=place))) for k, place in enumerate(places)]
    fields = [field for _, field in flow_fields(frames, FlowForm(side=16, bound=4.0), (48, 64))]
    found = [np.median(inner(field)[..., 0]) for field in fields]
    np.testing.assert_allclose(found, [128 + 31.875 * move for move in (2.0, 1.0, -1.5, -1.5)], atol=3)
    np.testing.assert_array_equal(fields[3], fields[2])
    assert fields[0].shape == (48, 64, 2)


def test_one_frame_does_not_move_and_none_has_no_field() -> None:
    lone = list(flow_fields([(0.0, coloured(textured(17, 19)))], FlowForm(), (17, 19)))
    assert len(lone) == 1
    assert lone[0][1].shape == (17, 19, 2)
    assert (lone[0][1] == 128).all()
    assert list(flow_fields([], FlowForm(), (17, 19))) == []


def test_small_fields_are_measured_on_larger_pictures_in_their_pixels() -> None:
    form = FlowForm(side=96, bound=8.0)
    assert form.working_size((24, 33)) == (96, 132)
    assert form.working_size((33, 24)) == (132, 96)
    assert form.working_size((120, 160)) == (120, 160)
    frames = [(0.0, coloured(textured(96, 132))), (1.0, coloured(textured(96, 132, 4.0, -2.0)))]
    field = next(flow_fields(frames, form, (24, 33)))[1]
    assert field.shape == (24, 33, 2)
    expected = 127.5 + np.array([4.0, -2.0]) * 255 / 16
    np.testing.assert_allclose(np.median(inner(field), axis=(0, 1)), expected, atol=1.5)


def moving(path: Path, count: int, step: int) -> Path:
    """A video of a texture that moves to the right; its size is even, as codecs like it."""
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1", "crf": "10"})
    pictures: Iterator[Pixels] = (coloured(textured(48, 64, right=step * k)) for k in range(count))
    write_video(path, pictures, [k / 6 for k in range(count)], rate=Fraction(6), encoding=encoding)
    return path


def test_a_video_has_a_field_for_each_frame_at_its_time(tmp_path: Path) -> None:
    path = moving(tmp_path / "a.mp4", 7, 2)
    how = {"size": [23, 31], "rate": 6.0, "flow": asdict(FlowForm(side=48))}
    parts = [part for part in flow_parts(path, **how) if part is not None]
    pictures = [part for part in video_parts(path, rate=6.0, size=(23, 31)) if part is not None]
    assert parts[-1] == pictures[-1]
    assert isinstance(parts[-1], Video)
    assert parts[-1].status == "complete"
    np.testing.assert_array_equal(parts[1]["seconds"], pictures[1]["seconds"])
    assert parts[1]["frames"].shape == (7, 23, 31, 2)
    along = [float(np.median(inner(field)[..., 0])) for field in parts[1]["frames"]]
    np.testing.assert_allclose(along, 127.5 + 2 * 255 / 40, atol=2.5)
    first = next(part for part in flow_parts(path, until_seconds=0.5, **how) if isinstance(part, dict))
    np.testing.assert_array_equal(first["frames"], parts[1]["frames"][:3])


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SettingsError, match=r"pip install 'whenabouts\[flow\]'"):
        check_flow("dis")
    monkeypatch.undo()
    monkeypatch.delattr(cv2, "optflow")
    check_flow("dis")
    with pytest.raises(SettingsError, match="opencv-contrib-python-headless"):
        check_flow("tvl1")
