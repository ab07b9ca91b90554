"""What child processes do for extraction; imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.media.flow import flow_parts
from whenabouts.media.frames import read_frames
from whenabouts.media.parts import Part, log_mel_parts, video_parts
from whenabouts.media.probe import probe
from whenabouts.media.resizing import bilinear


def clip_parts(
    path: Path,
    *,
    video_id: str,
    rate: float,
    size: Sequence[int] | int,
    pictures: bool,
    sound: bool,
    crop: int | None = None,
    resize: str = "area",
    flow: Mapping[str, Any] | None = None,
) -> Iterator[Part]:
    """The small frames of a video and its outcome, as `video_parts` gives them, then the rows of `log_mel_parts`.

    Either is left out where `pictures` or `sound` is False. With `flow`, its fields as `flow_parts` gives them come in
    place of frames.
    """
    if pictures and flow is not None:
        yield from flow_parts(path, video_id=video_id, rate=rate, size=size, crop=crop, flow=flow)
    elif pictures:
        yield from video_parts(path, video_id=video_id, rate=rate, size=size, crop=crop, resize=resize)
    if sound:
        yield from log_mel_parts(path)


def sound_window_parts(path: Path, *, video_id: str) -> Iterator[Part]:
    """What the headers say of a video, then the rows of its sound as `log_mel_parts` gives them."""
    yield probe(path, video_id=video_id)
    yield from log_mel_parts(path)


def drawn_clip_parts(
    path: Path, *, rate: float, places: Sequence[int], size: Sequence[int], resize: str = "area"
) -> Iterator[Part]:
    """One clip of a video, frames (N, H, W, 3): what is on screen `places` (N,) frames of 1 / `rate` seconds in."""
    target = (size[0], size[1])
    seconds = [place / rate for place in places]
    _, pictures = read_frames(path, seconds, size=None if resize == "bilinear" else target)
    yield {"frames": np.stack([bilinear(picture, target) for picture in pictures])}
