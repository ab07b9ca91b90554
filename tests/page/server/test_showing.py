"""Thumbnails and proxies: the right frame, the same times, and files that can't be decoded."""

import io
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import MediaError
from whenabouts.data.project import Project
from whenabouts.media.parts import Part
from whenabouts.media.proxy import proxy_parts
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.page.server.rooms import Rooms


def key_of(client: Any, title: str) -> str:
    key: str = client.get("/api/videos", text=title).json["videos"][0]["key"]
    return key


def grey(answer: Any) -> float:
    import av

    with av.open(io.BytesIO(answer.body), format="mjpeg") as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


def test_a_thumbnail_shows_the_frame_on_screen(client: Any) -> None:
    """The fixture's video k shows grey 20 s from second s on."""
    key = key_of(client, "title 00")
    for seconds, value in ((0.0, 0), (3.9, 60), (4.0, 80), (11.0, 220), (9999.0, 220)):
        told = client.get(f"/thumbnails/{key}/{seconds}.jpg")
        assert (told.status, told.headers["content-type"]) == (200, "image/jpeg")
        assert grey(told) == pytest.approx(value, abs=4)
    assert client.get(f"/thumbnails/{key}/4.000.jpg", height=60).status == 200
    for wrong in ("x", "-1", "nan", "1e5", "1" * 30):
        assert client.get(f"/thumbnails/{key}/{wrong}.jpg").status == 400
    assert client.get(f"/thumbnails/{key_of(client, 'title 05')}/1.jpg").status == 404


def test_a_file_that_is_no_video_has_no_picture_and_no_proxy(client: Any, project: Project) -> None:
    key = key_of(client, "title 00")
    (project.folder / "videos" / "00.mp4").write_bytes(b"no video at all" * 100)
    assert client.get(f"/thumbnails/{key}/1.jpg").status == 404
    told = waited(client, key)
    assert told.status == 409
    assert "No copy can be made" in told.json["error"]


def waited(client: Any, key: str) -> Any:
    """What comes when the proxy is ready, or can't be made; a test of its own time would wait for ever."""
    while True:
        told = client.get(f"/proxy/{key}")
        if told.status != 202:
            return told
        assert told.json["state"] == "making"
        time.sleep(0.05)


def test_a_proxy_is_made_once_and_served_in_ranges(client: Any, rooms: Rooms) -> None:
    key = key_of(client, "title 01")
    assert client.get(f"/api/videos/{key}").json["plays"] == "unlikely"  # Matroska.
    assert client.get(f"/api/videos/{key}").json["proxy"]["state"] == "none"
    made = waited(client, key)
    assert (made.status, made.headers["content-type"]) == (200, "video/mp4")
    assert client.get(f"/api/videos/{key}").json["proxy"]["state"] == "ready"
    kept = list((rooms.cache / "proxies").iterdir())
    assert len(kept) == 1
    assert client.get(f"/proxy/{key}", {"range": "bytes=0-3"}).body == made.body[:4]
    assert [seconds for seconds, _ in VideoReader(kept[0])] == [float(second) for second in range(12)]


def parts_of(source: Path, target: Path, **more: Any) -> list[Part]:
    return list(proxy_parts(source, target=target, **more))


def times(path: Path) -> list[float]:
    return [seconds for seconds, _ in VideoReader(path)]


VARIABLE = [0.0, 0.069, 0.096, 0.4, 0.44, 1.2, 1.233, 1.9]


@pytest.mark.parametrize(
    ("name", "codec", "start", "sound"),
    [
        ("a.mkv", "libx264", 0.0, True),
        ("a.ts", "libx264", 0.0, True),
        ("b.mov", "libx264", 0.0, False),
        ("c.mkv", "libx264", 0.5, True),
    ],
)
def test_proxies_keep_the_times_of_frames(tmp_path: Path, name: str, codec: str, start: float, sound: bool) -> None:
    """A variable rate, a clock that does not begin at 0 (MPEG-TS), and pictures that begin after the sound."""
    source, target = tmp_path / name, tmp_path / "proxy.mp4"
    at = [start + seconds for seconds in VARIABLE]
    pictures = [np.full((48, 64, 3), 25 * number, np.uint8) for number in range(len(at))]
    wave = Sound(np.sin(np.arange(40_000) / 9).astype(np.float32)) if sound else None
    write_video(source, pictures, at, encoding=Encoding(codec=codec), sound=wave)
    parts_of(source, target)
    assert times(target) == pytest.approx(times(source), abs=1e-4)
    shown = [frame.mean() for _, frame in VideoReader(target)]
    assert shown == pytest.approx([frame.mean() for _, frame in VideoReader(source)], abs=6)
    copy = VideoReader(target).outcome
    assert copy.has_audio is sound
    assert copy.start_pts_seconds == pytest.approx(0.0, abs=0.03)


def test_a_proxy_is_no_larger_than_asked_and_even(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "proxy.mp4"
    write_video(source, [np.zeros((120, 214, 3), np.uint8)] * 3, [0.0, 0.1, 0.2], rate=Fraction(10))
    parts_of(source, target, height=60)
    video = VideoReader(target).outcome
    assert (video.height, video.width) == (60, 108)
    parts_of(source, tmp_path / "whole.mp4")
    assert VideoReader(tmp_path / "whole.mp4").outcome.height == 120


def test_a_file_that_can_not_be_read_leaves_no_proxy(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"nothing")
    with pytest.raises(MediaError):
        parts_of(source, tmp_path / "proxy.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
