"""Writing small videos, for demonstrations, cut-out moments and tests; no `ffmpeg` program is needed."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.media.scaling import Pixels

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is written: codec and pixel format by FFmpeg's names, options of the encoder and the container.

    `time_base` is the unit of times in seconds (None: one frame where all times are whole frames, else 1/90000);
    `keyframe_every` counts frames. The container follows the ending of the file's name, or `container` by FFmpeg's
    name.
    """

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    container_options: Mapping[str, str] = field(default_factory=dict)
    time_base: Fraction | None = None
    keyframe_every: int = 48
    sound_codec: str = "aac"


@dataclass(frozen=True, slots=True)
class Sound:
    """A mono wave (samples,) in -1 to 1 that starts at `start_seconds`."""

    wave: NDArray[np.float32]
    rate: int = 16000
    start_seconds: float = 0.0


def write_video(
    path: Path,
    pictures: Iterable[Pixels],
    times: Sequence[float],
    *,
    rate: Fraction = Fraction(25),
    encoding: Encoding | None = None,
    sound: Sound | None = None,
) -> None:
    """Encode pictures (H, W, 3) uint8, the k-th shown from `times[k]` seconds on; whole or not at all.

    `rate` is the nominal rate and says how long the last picture lasts. Heights and widths should be even for most
    codecs.
    """
    import av

    encoding = encoding or Encoding()
    if len(times) == 0:
        raise InvalidData("A video needs at least one picture, but got none.")
    ending = encoding.container or _CONTAINERS.get(path.suffix[1:].lower(), path.suffix[1:].lower())
    with (
        _scheduled_as_before(),
        replacing(path) as part,
        av.open(f"file:{part}", "w", format=ending, options=dict(encoding.container_options)) as container,
    ):
        _fill(container, pictures, times, rate, encoding, sound)


@contextmanager
def _scheduled_as_before() -> Iterator[None]:
    """Give the thread its scheduling back: SVT-AV1 makes it real-time where it may, and with it all that it starts."""
    if not hasattr(os, "sched_getscheduler"):  # only Linux has it
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != before[0]:
            os.sched_setscheduler(0, *before)


_CONTAINERS = {"m4v": "mp4", "mkv": "matroska", "ts": "mpegts"}


def _fill(
    container: "OutputContainer",
    pictures: Iterable[Pixels],
    times: Sequence[float],
    rate: Fraction,
    encoding: Encoding,
    sound: Sound | None,
) -> None:
    base = encoding.time_base or _unit(times, rate)
    video = _video_stream(container, encoding, rate, base)
    hearing = iter(()) if sound is None else _sound_packets(container, sound, encoding.sound_codec)
    ahead = next(hearing, None)
    for frame in _frames(pictures, [*times, times[-1] + float(1 / rate)], base):
        if not video.codec_context.is_open:
            video.height, video.width = frame.height, frame.width
        container.mux(video.encode(frame))
        while ahead is not None and (ahead.dts or 0) * ahead.time_base <= (frame.pts or 0) * base:
            container.mux(ahead)
            ahead = next(hearing, None)
    container.mux(video.encode(None))
    while ahead is not None:
        container.mux(ahead)
        ahead = next(hearing, None)


def _video_stream(container: "OutputContainer", encoding: Encoding, rate: Fraction, base: Fraction) -> "VideoStream":
    video = container.add_stream(cast(Any, encoding.codec), rate=rate, options=dict(encoding.options))
    video.pix_fmt, video.gop_size = encoding.pixel_format, encoding.keyframe_every
    video.codec_context.time_base = base
    return cast("VideoStream", video)


def _unit(times: Sequence[float], rate: Fraction) -> Fraction:
    counts = np.asarray(times) * float(rate)
    return 1 / rate if np.abs(counts - counts.round()).max(initial=0.0) < 1e-6 else Fraction(1, 90000)


def _frames(pictures: Iterable[Pixels], borders: Sequence[float], base: Fraction) -> Iterator["VideoFrame"]:
    """Frames with times and durations; MP4 needs the durations, or frames would have no length."""
    import av

    ticks = [round(seconds / base) for seconds in borders]
    for picture, start, end in zip(pictures, ticks, ticks[1:], strict=False):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.time_base, frame.pts, frame.duration = base, start, end - start
        yield frame


def _sound_packets(container: "OutputContainer", sound: Sound, codec: str) -> Iterator["Packet[Any]"]:
    import av

    stream = container.add_stream(cast(Any, codec), rate=sound.rate, layout="mono")
    return _encoded(cast("AudioStream", stream), sound, av.AudioFrame)


def _encoded(stream: "AudioStream", sound: Sound, frame_type: type["AudioFrame"]) -> Iterator["Packet[Any]"]:
    for start in range(0, len(sound.wave), 1024):
        piece = np.ascontiguousarray(sound.wave[None, start : start + 1024], np.float32)
        frame = frame_type.from_ndarray(piece, format="flt", layout="mono")
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = round(sound.start_seconds * sound.rate) + start
        yield from stream.encode(frame)
    yield from stream.encode(None)
