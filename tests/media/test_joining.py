"""Pictures joined to a video come back as they are, in the order of their numbers."""

from pathlib import Path

import av
import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.media.joining import join_pictures, pictures_in
from whenabouts.media.probe import probe


def write_jpeg(path: Path, level: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), level, np.uint8), format="rgb24")
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))


def test_pictures_come_back(tmp_path: Path) -> None:
    levels = {9: 40, 10: 90, 11: 200}
    for number, level in levels.items():
        write_jpeg(tmp_path / f"{number}.jpg", level)
    (tmp_path / "notes.txt").write_text("no picture")
    path = tmp_path / "clip.mkv"
    found = pictures_in(tmp_path)
    assert [each.stem for each in found] == ["9", "10", "11"]
    join_pictures(found, path, rate=25.0)
    video = probe(path)
    assert (video.status, video.width, video.height, video.frame_count or 3) == ("complete", 48, 32, 3)
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    assert shown == pytest.approx(list(levels.values()), abs=2)


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="at least one picture"):
        join_pictures([], tmp_path / "clip.mkv", rate=25.0)
    (tmp_path / "1.jpg").write_bytes(b"rubbish")
    with pytest.raises(InvalidData, match="no JPEG"):
        join_pictures(pictures_in(tmp_path), tmp_path / "clip.mkv", rate=25.0)
    assert not (tmp_path / "clip.mkv").exists()
