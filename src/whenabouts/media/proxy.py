"""A copy of a video that browsers play, with the same times: for codecs and containers that they do not know."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from whenabouts.core.errors import MediaError
from whenabouts.core.files import replacing
from whenabouts.media.audio import stream_audio
from whenabouts.media.parts import Part
from whenabouts.media.probe import nominal_rate, probe
from whenabouts.media.reader import VideoReader

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

BASE = Fraction(1, 90000)
SOUND_RATE = 44100
_TELL_SECONDS = 2.0


def proxy_parts(path: Path, *, target: Path, height: int = 480) -> Iterator[Part]:
    """Write `target`, H.264 and AAC in MP4; parts tell `seconds` (1,), how far it is. For a child process.

    Second 0 of the copy is second 0 of the video, as `VideoReader` counts, and each frame keeps its own time, whatever
    the rate: times are rounded to 1/90000 s. Nothing is made larger than it was. The target appears whole or not at
    all; MediaError where no frame can be decoded.
    """
    video = probe(path)
    yield video
    if video.status == "unreadable":
        raise MediaError(video.reason)
    import av

    with (
        replacing(target) as part,
        av.open(f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        shown = yield from _filled(container, path, _size(video.height, video.width, height), video.has_audio)
        if not shown:
            raise MediaError("No frame could be decoded.")


def _size(height: int, width: int, most: int) -> tuple[int, int]:
    """Even (height, width) in the same proportions, at most so high."""
    share = min(1.0, most / max(1, height))
    return max(2, round(height * share / 2) * 2), max(2, round(width * share / 2) * 2)


def _filled(container: "OutputContainer", path: Path, size: tuple[int, int], sound: bool) -> Generator[Part, None, int]:
    """Mux pictures and sound in order of time; returns how many pictures there were."""
    reader = VideoReader(path, size=size)
    video = _video_stream(container, size, _rate(path))
    hearing = _sound_packets(container, path) if sound else iter(())
    ahead, count, told = next(hearing, None), 0, 0.0
    for frame in _frames(reader):
        seconds = float((frame.pts or 0) * BASE)
        container.mux(video.encode(frame))
        while ahead is not None and (ahead.dts or 0) * ahead.time_base <= seconds:
            container.mux(ahead)
            ahead = next(hearing, None)
        count += 1
        if seconds - told >= _TELL_SECONDS or count == 1:
            told = seconds
            yield {"seconds": np.array([seconds])}
    if count:
        container.mux(video.encode(None))
    while ahead is not None:
        container.mux(ahead)
        ahead = next(hearing, None)
    return count


def _rate(path: Path) -> Fraction:
    from whenabouts.media.opening import opened, video_stream

    with opened(path) as container:
        return nominal_rate(video_stream(container)) or Fraction(25)


def _video_stream(container: "OutputContainer", size: tuple[int, int], rate: Fraction) -> "VideoStream":
    # Without frames that look ahead, pictures come in the order of their times and need no list of edits; a key frame
    # at least every second makes seeking quick.
    options = {"preset": "veryfast", "crf": "26", "bf": "0", "threads": "1"}
    stream = cast("VideoStream", container.add_stream(cast(Any, "libx264"), rate=rate, options=options))
    stream.pix_fmt, stream.gop_size = "yuv420p", max(1, round(float(rate)))
    stream.height, stream.width = size
    stream.codec_context.time_base = BASE
    return stream


def _frames(reader: VideoReader) -> Iterator["VideoFrame"]:
    """Frames at their times, each as long as until the next; one whose time does not advance is left out."""
    import av

    held: VideoFrame | None = None
    for seconds, pixels in reader:
        ticks = max(0, round(Fraction(seconds) / BASE))
        if held is not None and held.pts is not None:
            if ticks <= held.pts:
                continue
            held.duration = ticks - held.pts
            yield held
        held = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        held.time_base, held.pts = BASE, ticks
    if held is not None and held.pts is not None:
        end = max(reader.findings.decoded_end, reader.outcome.duration_seconds)
        held.duration = max(1, round(Fraction(end) / BASE) - held.pts)
        yield held


def _sound_packets(container: "OutputContainer", path: Path) -> Iterator["Packet[Any]"]:
    import av

    stream = cast("AudioStream", container.add_stream(cast(Any, "aac"), rate=SOUND_RATE, layout="mono"))
    at = 0
    try:
        for wave in stream_audio(path, rate=SOUND_RATE, chunk_seconds=1024 * 64 / SOUND_RATE):
            for start in range(0, len(wave), 1024):
                piece = np.ascontiguousarray(wave[None, start : start + 1024], np.float32)
                frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), at
                at += piece.shape[1]
                yield from stream.encode(frame)
    except MediaError:
        pass  # The sound can't be decoded: the pictures alone are better than nothing.
    if at:
        yield from stream.encode(None)
