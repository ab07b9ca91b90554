import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.recognition import frame_cache
from whenabouts.recognition.frame_cache import FrameCache, FrameFormat, clip_at

FORM = FrameFormat(6.0, 24, 36)


@pytest.fixture
def video(tmp_path: Path, moving_video: Callable[..., None]) -> Video:
    moving_video(tmp_path / "a.mp4", 3.0, 2, seed=1)
    return probe(tmp_path / "a.mp4", video_id="käfer/☀: 1")


def test_cached_frames_are_the_decoded_ones(tmp_path: Path, video: Video) -> None:
    cache = FrameCache(tmp_path / "cache", FORM)
    assert cache.find(video) is None
    added, found = cache.add(video), cache.find(video)
    expected = np.stack([pixels for _, pixels in VideoReader(video.path, rate=6.0, size=(24, 36))])
    assert found == added
    assert added.frames == len(expected) == 18
    np.testing.assert_array_equal(added.read(0, 18), expected)
    np.testing.assert_array_equal(added.read(5, 9), expected[5:9])
    assert added.video.id == video.id
    assert added.video.status == "complete"


def test_a_cache_file_is_plain_safetensors(tmp_path: Path, video: Video) -> None:
    cached = FrameCache(tmp_path / "cache", FORM).add(video)
    assert safetensors.numpy.load_file(cached.path)["frames"].shape == (18, 24, 36, 3)
    assert cached.path.parent.name == "6_24x36"


def test_each_video_may_keep_its_own_shape(tmp_path: Path, video: Video) -> None:
    """It has 32 x 48 pixels: with a shorter side of 20 the other has 30."""
    cache = FrameCache(tmp_path / "cache", FrameFormat(6.0, 20, None))
    added = cache.add(video)
    expected = np.stack([pixels for _, pixels in VideoReader(video.path, rate=6.0, size=(20, 30))])
    np.testing.assert_array_equal(added.read(0, 18), expected)
    assert added.path.parent.name == "6_20xown"
    assert cache.find(video) == added
    (tmp_path / "broken.mp4").write_text("no video")
    broken = cache.add(probe(tmp_path / "broken.mp4"))
    assert (broken.frames, broken.video.status) == (0, "unreadable")


def test_clips_behind_the_end_hold_the_last_frame(tmp_path: Path, video: Video) -> None:
    cached = FrameCache(tmp_path / "cache", FORM).add(video)
    clip = clip_at(cached, 15, 8)
    assert clip.shape == (8, 24, 36, 3)
    np.testing.assert_array_equal(clip[:3], cached.read(15, 18))
    assert (clip[3:] == clip[2]).all()


def test_a_changed_file_is_decoded_again(tmp_path: Path, video: Video) -> None:
    cache = FrameCache(tmp_path / "cache", FORM)
    cache.add(video)
    os.utime(video.path, ns=(1, 1))
    assert cache.find(video) is None


def test_each_video_is_decoded_once(tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FrameCache(tmp_path / "cache", FORM)
    first = cache.fill([video], workers=2, progress=Silent())
    monkeypatch.setattr(FrameCache, "add", lambda *_: pytest.fail("decoded again"))
    assert cache.fill([video], workers=2, progress=Silent()) == first


def test_a_broken_video_leaves_its_reason_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Video("broken", tmp_path / "text.mp4")
    broken.path.write_text("not a video")
    cache = FrameCache(tmp_path / "cache", FORM)
    (cached,) = cache.fill([broken], workers=1, progress=Silent())
    assert (cached.frames, cached.video.status) == (0, "unreadable")
    assert cached.video.reason
    monkeypatch.setattr(FrameCache, "add", lambda *_: pytest.fail("tried again"))
    assert cache.fill([broken], workers=1, progress=Silent()) == [cached]


def test_of_a_long_video_the_beginning_is_kept(tmp_path: Path, video: Video) -> None:
    short = FrameCache(tmp_path / "cache", FrameFormat(6.0, 24, 36, longest_seconds=1.5))
    cached = short.add(video)
    assert cached.frames == 9
    assert short.find(video) == cached
    assert FrameCache(tmp_path / "cache", FORM).find(video) is None
    whole = FrameCache(tmp_path / "cache", FORM).add(video)
    assert short.find(video) == whole


def test_a_truncated_cache_file_is_made_again(tmp_path: Path, video: Video) -> None:
    cache = FrameCache(tmp_path / "cache", FORM)
    cached = cache.add(video)
    content = cached.path.read_bytes()
    cached.path.write_bytes(content[: len(content) // 2])
    assert cache.find(video) is None
    cached.path.write_bytes(b"\x05" + bytes(7) + json.dumps([]).encode().ljust(5))
    assert cache.find(video) is None


def test_a_video_that_the_system_kept_from_being_read_is_read_again(
    tmp_path: Path, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_disk.py").write_text(
        "def video_parts(path, **how):\n    yield None\n    raise OSError(5, 'disk')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(frame_cache, "video_parts", importlib.import_module("no_disk").video_parts)
    cache = FrameCache(tmp_path / "cache", FORM)
    assert cache.add(video).video.status == "unreadable"
    monkeypatch.undo()
    assert cache.find(video) is None
    assert cache.add(video).frames == 18


def test_rates_that_look_alike_have_frames_of_their_own() -> None:
    names = {FrameFormat(rate, 24, 36).name for rate in (29.97, 30000 / 1001, 30.0)}
    assert len(names) == 3
    assert "30_24x36" in names
