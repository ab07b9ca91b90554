"""Copies with chapters and clips: which pictures are in them, at which times."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from whenabouts.core.errors import MediaError
from whenabouts.media.cutting import chaptered_parts, clip_parts, container_for
from whenabouts.media.numbered import number_in
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Sound

from .conftest import KINDS, Numbered

CHAPTERS = [(0.0, 1.25, ""), (1.25, 2.5, "dive"), (2.5, 4.0, "dive | 跳水 <b>"), (4.0, 5.8, "")]


def pictures(path: Path) -> tuple[list[float], list[int | None]]:
    frames = list(VideoReader(path))
    return [at for at, _ in frames], [number_in(picture) for _, picture in frames]


def chapters_in(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        return [(round(float(each["start"] * each["time_base"]), 3), round(float(each["end"] * each["time_base"]), 3),
                 each["metadata"].get("title", "")) for each in container.chapters()]  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "mp4 edit list"])
def test_a_copy_with_chapters_shows_the_same_at_the_same_times(
    numbered: dict[str, Numbered], kind: str, tmp_path: Path
) -> None:
    source = numbered[kind]
    target = tmp_path / ("copy" + container_for(source.path)[1])
    list(chaptered_parts(source.path, target=target, chapters=CHAPTERS))
    before, after = pictures(source.path), pictures(target)
    assert after[1] == before[1]
    np.testing.assert_allclose(after[0], before[0], atol=0.0011)
    titled = [each for each in chapters_in(target) if each[2]]
    assert titled == [chapter for chapter in CHAPTERS if chapter[2]]


@pytest.mark.parametrize("kind", [*KINDS, "mp4 edit list"])
def test_an_exact_clip_holds_the_frames_that_begin_in_the_span(
    numbered: dict[str, Numbered], kind: str, tmp_path: Path
) -> None:
    source = numbered[kind]
    target = tmp_path / ("clip" + container_for(source.path)[1])
    times = source.times
    start, end = times[41], times[60]
    (told,) = clip_parts(source.path, target=target, start=start, end=end, exact=True)
    assert told["begins"][0] == pytest.approx(start, abs=0.0011)
    at, seen = pictures(target)
    assert seen == [source.first + k for k in range(41, 60)]
    np.testing.assert_allclose(at, np.array(times[41:60]) - start, atol=0.0021)


@pytest.mark.parametrize("kind", ["mp4 constant rate, B-frames", "mkv", "mp4 start 0.5 s", "mp4 variable rate"])
def test_a_copied_clip_begins_with_the_key_frame_before(
    numbered: dict[str, Numbered], kind: str, tmp_path: Path
) -> None:
    source = numbered[kind]
    target = tmp_path / ("clip" + container_for(source.path)[1])
    start, end = source.times[70], source.times[80]
    (told,) = clip_parts(source.path, target=target, start=start, end=end, exact=False)
    with av.open(str(source.path)) as container:
        keys = sorted(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe)
    key = max(k for k in range(71) if any(abs(float(at - keys[0]) - source.times[k]) < 0.0011 for at in keys))
    assert 0 < key < 70
    assert told["begins"][0] == pytest.approx(source.times[key], abs=0.0011)
    at, seen = pictures(target)
    assert seen[: 80 - key] == list(range(key, 80))
    np.testing.assert_allclose(at[: 80 - key], np.array(source.times[key:80]) - source.times[key], atol=0.0021)


@pytest.mark.parametrize("kind", ["mp4 constant rate, B-frames", "mkv"])
def test_a_copied_clip_from_a_key_frame_on_begins_there_however_seconds_are_rounded(
    numbered: dict[str, Numbered], kind: str, tmp_path: Path
) -> None:
    source = numbered[kind]
    with av.open(str(source.path)) as container:
        keys = sorted(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe)
    start = float(keys[1] - keys[0]) - 1e-9
    target = tmp_path / ("clip" + container_for(source.path)[1])
    (told,) = clip_parts(source.path, target=target, start=start, end=start + 0.5, exact=False)
    assert told["begins"][0] == pytest.approx(start, abs=1e-6)


@pytest.mark.parametrize("end", range(72, 84))
def test_no_picture_of_a_copied_clip_lacks_what_it_builds_on(
    numbered: dict[str, Numbered], end: int, tmp_path: Path
) -> None:
    source = numbered["mp4 constant rate, B-frames"]
    target = tmp_path / "clip.mp4"
    list(clip_parts(source.path, target=target, start=source.times[70], end=source.times[end], exact=False))
    _, seen = pictures(target)
    first = seen[0]
    assert first is not None
    assert seen == list(range(first, first + len(seen)))  # One that lost its reference can't be read.
    assert first <= 70
    assert end <= first + len(seen) <= end + 4


def test_sound_comes_along(encode: Callable[..., Path], tmp_path: Path) -> None:
    sound = Sound(np.sin(np.arange(16000 * 4) / 5).astype(np.float32) * 0.5, 16000)
    source = encode(tmp_path / "heard.mp4", [k / 25 for k in range(100)], sound=sound)
    for exact in (True, False):
        target = tmp_path / f"clip{exact}.mp4"
        list(clip_parts(source, target=target, start=1.0, end=2.0, exact=exact))
        with av.open(str(target)) as container:
            seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert 0.8 < seconds < 2.2


def test_what_can_not_be_cut_is_refused_and_leaves_nothing(numbered: dict[str, Numbered], tmp_path: Path) -> None:
    source = numbered["mkv"].path
    with pytest.raises(MediaError, match="No frame begins within"):
        list(clip_parts(source, target=tmp_path / "x.mkv", start=99.0, end=100.0, exact=True))
    with pytest.raises(MediaError, match="no file"):
        list(clip_parts(tmp_path / "gone.mp4", target=tmp_path / "x.mp4", start=0.0, end=1.0, exact=False))
    (tmp_path / "broken.mp4").write_bytes(source.read_bytes()[:40])
    with pytest.raises(MediaError):
        list(chaptered_parts(tmp_path / "broken.mp4", target=tmp_path / "x.mp4", chapters=CHAPTERS))
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
