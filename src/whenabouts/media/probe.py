"""What a video file says about itself, without decoding it."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from whenabouts.core.errors import MediaError
from whenabouts.core.video import Video
from whenabouts.media.opening import end_of, failures, opened, passing, told, video_stream, zero_of
from whenabouts.media.scaling import shown_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Flash video declares when it ends, not how long it lasts; FFmpeg guesses the length of program streams.
_COUNTED_FROM_ZERO, _ESTIMATED = frozenset({"flv"}), frozenset({"mpeg"})


def probe(path: Path, *, video_id: str | None = None) -> Video:
    """Read a file's headers and its first frame; a file that can't be read comes back as "unreadable" and why.

    `video_id` defaults to the file's name without its ending. Never raises for a bad file. A "complete" here means
    only that nothing was noticed: `VideoReader.outcome` knows after decoding.
    """
    name = path.stem if video_id is None else video_id
    try:
        with opened(path) as container:
            return _described(container, video_stream(container), name, path)
    except MediaError as error:
        return unreadable(name, path, str(error), passing=passing(error, path))
    except failures() as error:
        reason = f"The headers can't be read: {told(error)}."
        return unreadable(name, path, reason, passing=passing(error, path))


def unreadable(video_id: str, path: Path, reason: str, *, passing: bool = False) -> Video:
    """A video of which nothing could be read."""
    return Video(video_id, path, status="unreadable", coverage=0.0, reason=reason, passing=passing)


def declared_end(container: "InputContainer", stream: "VideoStream") -> tuple[Fraction, bool]:
    """When the pictures end by the file's own word, on its own clock, and whether sound may be what ends there.

    In order: the stream's duration; Matroska's DURATION tag; the container's duration, which covers all its streams;
    0 where nothing is said.
    """
    own = end_of(stream)
    if own is not None:
        return own, False
    tagged = _tagged_seconds(stream.metadata.get("DURATION", ""))
    if tagged is not None:
        return tagged, False
    if container.duration:
        start = 0 if _kinds(container) & _COUNTED_FROM_ZERO else container.start_time or 0
        return Fraction(container.duration + start, 1_000_000), bool(container.streams.audio)
    return Fraction(0), False


def nominal_rate(stream: "VideoStream") -> Fraction | None:
    """Frames a second by the file's own word; None where it says nothing sensible."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((Fraction(rate) for rate in rates if rate is not None and 0 < rate <= 1000), None)


def _kinds(container: "InputContainer") -> set[str]:
    return set(container.format.name.split(","))


def _described(container: "InputContainer", stream: "VideoStream", name: str, path: Path) -> Video:
    zero = zero_of(container)
    end, _ = declared_end(container, stream)
    rate, count = nominal_rate(stream), stream.frames or None
    frame = _first_frame(container, stream)
    if frame is None:
        return unreadable(name, path, "No frame could be decoded.")
    height, width = shown_size(frame, stream.sample_aspect_ratio)
    if end <= 0 or _kinds(container) & _ESTIMATED:
        end = max(end, _scanned_end(path, stream.index))
    return Video(
        name,
        path,
        duration_seconds=float(max(Fraction(0), end - zero)),
        fps=rate,
        frame_count=count,
        height=height,
        width=width,
        start_pts_seconds=float(zero),
        has_audio=bool(container.streams.audio),
    )


def _first_frame(container: "InputContainer", stream: "VideoStream") -> "VideoFrame | None":

    stream.thread_type = "NONE"
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except failures():
            continue
        if frames:
            return frames[0]
    return None


def _scanned_end(path: Path, index: int) -> Fraction:
    """The end of the last packet: for files that declare no duration (streams cut off live, raw streams)."""
    end = Fraction(0)
    with opened(path) as container:
        stream = container.streams[index]
        counted, base = 0, stream.time_base or Fraction(1, 1000)
        rate = nominal_rate(stream) or Fraction(25)  # type: ignore[arg-type]
        for packet in container.demux(stream):
            counted += packet.size > 0
            ticks = packet.pts if packet.pts is not None else packet.dts
            if ticks is not None:
                end = max(end, (ticks + (packet.duration or 0)) * base)
    return end if end > 0 else counted / rate


def _tagged_seconds(text: str) -> Fraction | None:
    """`00:01:02.500000000` -> 62.5, anything else -> None."""
    try:
        hours, minutes, rest = text.split(":")
        return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(rest)
    except (ValueError, ZeroDivisionError):
        return None
