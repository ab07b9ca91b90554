"""Frames of given times, right to the frame in nine kinds of file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.media import frames as frames_module
from whenabouts.media.frames import read_frames
from whenabouts.media.numbered import number_in
from whenabouts.media.reader import VideoReader

NINE = (
    "mp4 constant rate, B-frames",
    "mp4 open GOP",
    "mp4 start 0.5 s",
    "mkv",
    "mp4 variable rate",
    "mp4 edit list",
    "avi mpeg4",
    "webm vp9",
    "ts",
)


def test_there_are_nine_kinds(numbered: dict) -> None:
    assert set(numbered) == set(NINE)
    assert len(NINE) == 9


@pytest.mark.parametrize("kind", NINE)
def test_forty_random_times_give_the_right_frames(numbered: dict, kind: str) -> None:
    video, rng = numbered[kind], np.random.default_rng(11)
    borders = [*video.times, video.times[-1] + 0.04]
    chosen = rng.integers(0, len(video.times), 40)
    inside = [
        borders[k] + share * (borders[k + 1] - borders[k]) for k, share in zip(chosen, rng.random(40), strict=True)
    ]
    times, pixels = read_frames(video.path, inside, threads=1)
    assert [number_in(picture) for picture in pixels] == (chosen + video.first).tolist()
    assert np.abs(times - np.array(video.times)[chosen]).max() < 0.001


@pytest.mark.parametrize("kind", NINE)
def test_single_jumps_give_the_right_frames(numbered: dict, kind: str) -> None:
    video = numbered[kind]
    for k in (len(video.times) - 1, 0, 61, 47, 48, 49):
        _, pixels = read_frames(video.path, [video.times[k] + 0.001], threads=1)
        assert number_in(pixels[0]) == k + video.first


@pytest.mark.parametrize("kind", NINE)
def test_seeking_and_reading_in_order_agree(numbered: dict, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = numbered[kind]
    wanted = [-1.0, 0.0, 2.02, 2.0, 2.02, 99.0]
    times, pixels = read_frames(video.path, wanted, size=(32, 48), threads=1)
    monkeypatch.setattr(frames_module, "_by_seeking", lambda *_: None)
    times_in_order, pixels_in_order = read_frames(video.path, wanted, size=(32, 48), threads=1)
    assert pixels.shape == (6, 32, 48, 3)
    assert (times == times_in_order).all()
    assert (pixels == pixels_in_order).all()
    assert number_in(pixels[0]) == video.first
    assert number_in(pixels[5]) == video.first + len(video.times) - 1


def test_frames_between_crowded_key_frames(encode: Callable[..., Path], tmp_path: Path) -> None:
    """Seeking lands on the wrong key frame where every frame is one; the next earlier one is then tried."""
    path = encode(tmp_path / "dense.mp4", [k / 25 for k in range(150)], options={"bf": "2"}, keyframe_every=2)
    _, pixels = read_frames(path, [k / 25 + 0.02 for k in range(0, 150, 7)], threads=1)
    assert [number_in(picture) for picture in pixels] == list(range(0, 150, 7))


def test_damage_falls_back_to_reading_in_order(numbered: dict, tmp_path: Path) -> None:
    source = numbered["mkv"].path
    broken = tmp_path / "broken.mkv"
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = bytes(1500)
    broken.write_bytes(data)
    in_order = dict(VideoReader(broken, threads=1))
    wanted = np.linspace(0, 5.9, 12)
    times, pixels = read_frames(broken, wanted, threads=1)
    assert len(pixels) == 12
    assert all((picture == in_order[at]).all() for at, picture in zip(times.tolist(), pixels, strict=True))


def test_nothing_wanted_gives_nothing(numbered: dict) -> None:
    times, pixels = read_frames(numbered["mkv"].path, [])
    assert times.shape == (0,)
    assert len(pixels) == 0


def test_bad_requests_are_refused(numbered: dict, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="finite"):
        read_frames(numbered["mkv"].path, [float("nan")])
    text = tmp_path / "words.mp4"
    text.write_text("no video at all")
    with pytest.raises(MediaError, match="can't be opened"):
        read_frames(text, [0.0])
