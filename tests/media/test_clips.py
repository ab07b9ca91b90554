"""Every small real or odd clip of the shared data: probed, decoded, sampled."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader

# frames, seconds, height and width as shown, frames a second
EXPECTED = {
    "S001C001P001R001A001_rgb.avi": (103, 103 / 30, 1080, 1920, Fraction(30)),
    "demo.mp4": (280, 10.0, 256, 427, Fraction(28)),
    "demo_skeleton.mp4": (72, 2.566667, 1080, 1920, Fraction(2160, 77)),
    "demo_spatiotemporal_det.mp4": (57, 9.5, 256, 340, Fraction(6)),
    "rawvideo_part_0.mp4": (32, 1.066667, 256, 455, Fraction(30)),
    "test_video_structuralize.mp4": (300, 10.01, 240, 426, Fraction(30000, 1001)),
    "tests_data_test.avi": (164, 6.56, 240, 320, Fraction(25)),
    "tests_data_test.mp4": (300, 10.0, 256, 455, Fraction(30)),
    "av1_video.mkv": (125, 5.0, 360, 640, Fraction(25)),
    "bt601_limited_range.mp4": (60, 2.0, 240, 320, Fraction(30)),
    "discard_first_keyframe.mp4": (25, 1.0, 64, 64, Fraction(25)),
    "h264_10bits.mp4": (30, 1.0, 200, 200, Fraction(30)),
    "h265_video.mp4": (10, 1.0, 128, 128, Fraction(10)),
    "nasa_13013.mp4": (390, 13.013, 270, 480, Fraction(30000, 1001)),
    "nasa_13013_rotated.mp4": (17, 0.567233, 480, 270, Fraction(30000, 1001)),
    "test_non_zero_start.mp4": (12, 0.4, 112, 200, Fraction(30)),
    "testsrc2.mp4": (60, 2.0, 720, 1280, Fraction(30)),
    "testsrc2_hdr.mp4": (60, 2.0, 180, 320, Fraction(30)),
    "testsrc2_mpeg4.avi": (30, 1.0, 720, 1280, Fraction(30)),
    "testsrc2_mpeg4.mp4": (1, 0.04, 64, 64, Fraction(25)),
    "testsrc2_odd_height_and_width_444.mp4": (25, 1.0, 241, 321, Fraction(25)),
    "testsrc2_odd_height_and_width_mpeg2.mp4": (10, 0.4, 81, 121, Fraction(25)),
    "testsrc2_vp8.webm": (30, 1.0, 720, 1280, Fraction(30)),
    "testsrc2_vp9.webm": (30, 1.0, 720, 1280, Fraction(30)),
}


def clip_paths(shared: Path) -> list[Path]:
    return sorted(path for path in (shared / "data" / "clips").rglob("*.*") if path.suffix != ".md")


def test_all_clips_are_here(shared: Path) -> None:
    assert {path.name for path in clip_paths(shared)} == set(EXPECTED)
    assert len(EXPECTED) == 24


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_clip_is_decoded_whole(shared: Path, name: str) -> None:
    path = next(path for path in clip_paths(shared) if path.name == name)
    frames, duration, height, width, fps = EXPECTED[name]
    before = probe(path)
    assert (before.status, before.height, before.width, before.fps) == ("complete", height, width, fps)
    assert before.duration_seconds == pytest.approx(duration, abs=1e-5)

    reader = VideoReader(path, size=(24, 32), threads=1)
    seconds, pictures = zip(*reader, strict=True)
    assert len(seconds) == frames
    assert seconds[0] == 0.0
    assert (np.diff(seconds) > 0).all()
    assert all(picture.shape == (24, 32, 3) and picture.dtype == np.uint8 for picture in pictures)
    after = reader.outcome
    assert (after.status, after.coverage, after.reason) == ("complete", 1.0, "")
    assert after.frame_count == frames
    assert reader.findings.corrupt_frames == 0
