"""Writing small videos, and the numbers in their pictures."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.media.numbered import number_in, numbered_picture
from whenabouts.media.writing import Encoding, write_video


@given(number=st.integers(0, 65535), height=st.integers(16, 90), width=st.integers(16, 90))
@settings(max_examples=60, deadline=None)
def test_numbers_are_read_back(number: int, height: int, width: int) -> None:
    picture = numbered_picture(number, height=height, width=width)
    assert picture.shape == (height, width, 3)
    assert number_in(picture) == number


def test_other_pictures_have_no_number() -> None:
    rng = np.random.default_rng(0)
    assert number_in(np.zeros((64, 64, 3), np.uint8)) is None
    assert number_in(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)) is None
    half = numbered_picture(1) // 2 + numbered_picture(2) // 2
    assert number_in(half) is None
    for number, height in ((-1, 64), (65536, 64), (1, 8)):
        with pytest.raises(InvalidData, match="16 bits"):
            numbered_picture(number, height=height)


def test_a_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    def pictures():
        yield numbered_picture(0)
        raise RuntimeError("no more pictures")

    with pytest.raises(RuntimeError, match="no more pictures"):
        write_video(tmp_path / "a.mp4", pictures(), [0.0, 0.04])
    with pytest.raises(InvalidData, match="at least one picture"):
        write_video(tmp_path / "a.mp4", [], [])
    with pytest.raises(ValueError, match="nonsense"):
        write_video(tmp_path / "a.mp4", [numbered_picture(0)], [0.0], encoding=Encoding(codec="nonsense"))
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux tells how a thread is scheduled")
def test_an_encoder_that_makes_itself_real_time_leaves_the_program_as_it_was(tmp_path: Path) -> None:
    """SVT-AV1 does so where it may, as root: browsers that the program started then took the whole machine."""
    before = os.sched_getscheduler(0)
    pictures = (numbered_picture(number) for number in range(3))
    write_video(tmp_path / "a.mkv", pictures, [0.0, 0.04, 0.08], encoding=Encoding(codec="libsvtav1"))
    assert os.sched_getscheduler(0) == before
