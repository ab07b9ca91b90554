"""Pieces of videos, and copies with chapters: streams are copied where that is asked for, never silently encoded anew.

All functions yield parts for a child process (`workers.py`); targets appear whole or not at all. Seconds are those of
`VideoReader`: the file's own clock with its start removed.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from whenabouts.core.errors import MediaError
from whenabouts.core.files import replacing
from whenabouts.media.opening import audio_stream, failures, opened, video_stream, zero_of
from whenabouts.media.parts import Part
from whenabouts.media.probe import nominal_rate

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

COPIED = ("video", "audio", "subtitle")
MP4, MATROSKA = "mp4", "matroska"
_MP4_ENDINGS = (".mp4", ".m4v", ".mov")
_TICKS = Fraction(1, 1000)


def container_for(path: Path) -> tuple[str, str]:
    """The container and ending in which a copy of a file is kept: MP4 for MP4 and QuickTime, Matroska for all else."""
    return (MP4, ".mp4") if path.suffix.lower() in _MP4_ENDINGS else (MATROSKA, ".mkv")


def chaptered_parts(path: Path, *, target: Path, chapters: Sequence[Sequence[Any]]) -> Iterator[Part]:
    """Copy all streams to `target` with chapters `(start_seconds, end_seconds, title)` instead of the file's own.

    Chapters are in order and do not overlap. Times are kept to 1/1000 s. Raises MediaError where nothing can be copied.
    """
    with opened(path) as source, replacing(target) as part:
        zero = zero_of(source)
        packets = (packet for packet in source.demux() if packet.size)
        with _written(part, container_for(path)[0]) as output:
            output.set_chapters([_chapter(number, *each) for number, each in enumerate(chapters)])
            copied = _copy(source, output, packets, zero)
    yield {"packets": np.array([copied])}


def clip_parts(path: Path, *, target: Path, start: float, end: float, exact: bool) -> Iterator[Part]:
    """Write `[start, end)` of a video to `target`.

    Copied, it begins with the key frame at or before `start`, and nothing is encoded anew. `exact`, it has the frames
    that begin within the span, as H.264 and AAC. The part tells `begins` (1,): seconds at which it truly begins. Raises
    MediaError where no frame is found.
    """
    with opened(path) as source, replacing(target) as part:
        begins = (_encoded if exact else _cut)(source, part, container_for(path)[0], start, end)
    yield {"begins": np.array([begins])}


def _written(part: Path, kind: str) -> "OutputContainer":
    import av

    # Times are moved to zero by hand; chapters would not move with them.
    return av.open(f"file:{part}", "w", format=kind, options={"avoid_negative_ts": "disabled"})


def _chapter(number: int, start: float, end: float, title: str) -> Any:
    first = round(Fraction(start) / _TICKS)
    return {"id": number + 1, "start": first, "end": max(first + 1, round(Fraction(end) / _TICKS)), "time_base": _TICKS,
            "metadata": {"title": title}}  # fmt: skip


def _copy(source: "InputContainer", output: "OutputContainer", packets: Iterable["Packet[Any]"], zero: Fraction) -> int:
    """Mux packets with `zero` taken from their times; returns how many there were."""
    streams: dict[int, Stream] = {}
    for stream in source.streams:
        if stream.type in COPIED and stream.codec_context is not None:
            try:
                streams[stream.index] = output.add_stream_from_template(stream)
            except (ValueError, RuntimeError):
                continue  # The container has no place for it; what is asked for is the film.
    if not any(each.type == "video" for each in streams.values()):
        raise MediaError("Its pictures can't be copied into this container. Cut exactly instead.")
    count = 0
    for packet in packets:
        place = streams.get(packet.stream.index)
        if place is None or packet.time_base is None:
            continue
        shift = round(zero / packet.time_base)
        if packet.dts is not None:
            packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        packet.stream = place
        output.mux(packet)
        count += 1
    if not count:
        raise MediaError("It holds no packets that could be copied.")
    return count


def _cut(source: "InputContainer", part: Path, kind: str, start: float, end: float) -> float:
    film, zero = video_stream(source), zero_of(source)
    key = _key_before(source, film, zero + Fraction(start))
    packets = _decodable(source, film, key, zero + Fraction(end))
    with _written(part, kind) as output:
        _copy(source, output, packets, key)
    return float(key - zero)


def _decodable(source: "InputContainer", film: "VideoStream", key: Fraction, stop: Fraction) -> Iterator["Packet[Any]"]:
    """Packets within `[key, stop)`, and pictures after `stop` without which one before it can't be decoded.

    A picture that is shown before `stop` may build on a later one, which then comes before it in the file: that one is
    kept, with all that is shown before it, so that no picture is broken and none is missing in between.
    """
    ahead: list[Packet[Any]] = []
    for packet in source.demux():
        ticks = packet.pts if packet.pts is not None else packet.dts
        if not packet.size or ticks is None or packet.time_base is None:
            continue
        at = ticks * packet.time_base
        if packet.stream.index != film.index:
            if key <= at < stop:
                yield packet
            continue
        if (at if packet.dts is None else packet.dts * packet.time_base) >= stop:
            return
        if at >= stop:
            ahead.append(packet)
        elif at >= key:
            stop = max([stop, *(each.pts * packet.time_base for each in ahead if each.pts is not None)])
            yield from ahead
            ahead.clear()
            yield packet


def _key_before(source: "InputContainer", film: "VideoStream", at: Fraction) -> Fraction:
    """Seconds on the file's clock of the last key frame at or before `at`, where the container is left to read on."""
    base = film.time_base or Fraction(1, 1000)
    for target in (at, at - 10, Fraction(0)):
        _seek(source, film, target)
        keys = []
        for packet in source.demux(film):
            if packet.pts is None:
                continue
            when = packet.pts * base
            if packet.is_keyframe and when <= at + base / 2:  # Seconds as float, and ticks, are rounded.
                keys.append(when)
            if (packet.dts or packet.pts) * base > at + base / 2:
                break
        if keys:
            _seek(source, film, max(keys))
            return max(keys)
    raise MediaError(f"There is no key frame at or before {float(at):.3f} s. Cut exactly instead.")


def _seek(source: "InputContainer", film: "VideoStream", at: Fraction) -> None:
    base = film.time_base or Fraction(1, 1000)
    source.seek(int(max(Fraction(0), at) / base), stream=film)


def _encoded(source: "InputContainer", part: Path, kind: str, start: float, end: float) -> float:
    film, zero = video_stream(source), zero_of(source)
    first, stop = zero + Fraction(start), zero + Fraction(end)
    frames = _frames_within(source, film, first, stop)
    picture, begins = next(frames, (None, Fraction(0)))
    if picture is None:
        raise MediaError(f"No frame begins within {start:.3f} to {end:.3f} s.")
    with _written(part, kind) as output:
        stream = _picture_stream(output, film, picture)
        sound = _sound_stream(source, output)
        _encode(output, stream, picture, begins - begins)
        for frame, at in frames:
            _encode(output, stream, frame, at - begins)
        output.mux(stream.encode(None))
        if sound is not None:
            _encode_sound(source, output, sound, begins, stop)
    return float(begins - zero)


def _frames_within(
    source: "InputContainer", film: "VideoStream", first: Fraction, stop: Fraction
) -> Iterator[tuple["VideoFrame", Fraction]]:
    """Frames that begin within `[first, stop)` on the file's clock, to the nearest tick."""
    slack = (film.time_base or Fraction(1, 1000)) / 2
    for target in (first, Fraction(0)):  # Seeking may go too far: then all is read from the beginning.
        _seek(source, film, target)
        frames = _timed(source, film)
        head = next(frames, None)
        if head is None or (head[1] > first and target > 0):
            continue
        for frame, at in itertools.chain([head], frames):
            if at >= stop - slack:
                return
            if at >= first - slack:
                yield frame, at
        return


def _timed(source: "InputContainer", film: "VideoStream") -> Iterator[tuple["VideoFrame", Fraction]]:
    base = film.time_base or Fraction(1, 1000)
    yield from ((frame, frame.pts * base) for frame in source.decode(film) if frame.pts is not None)


def _picture_stream(output: "OutputContainer", film: "VideoStream", picture: "VideoFrame") -> "VideoStream":
    rate = nominal_rate(film) or Fraction(25)
    stream = cast("VideoStream", output.add_stream(cast(Any, "libx264"), rate=rate, options={"crf": "18", "bf": "0"}))
    stream.width, stream.height = picture.width - picture.width % 2, picture.height - picture.height % 2
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, 90000)
    return stream


def _encode(output: "OutputContainer", stream: "VideoStream", frame: "VideoFrame", at: Fraction) -> None:
    shown = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
    shown.time_base, shown.pts = Fraction(1, 90000), round(at * 90000)
    output.mux(stream.encode(shown))


def _sound_stream(source: "InputContainer", output: "OutputContainer") -> "AudioStream | None":
    if not source.streams.audio:
        return None
    rate = audio_stream(source).rate or 44100
    return cast("AudioStream", output.add_stream(cast(Any, "aac"), rate=rate, layout="stereo"))


def _encode_sound(
    source: "InputContainer", output: "OutputContainer", stream: "AudioStream", first: Fraction, stop: Fraction
) -> None:
    import av

    rate = stream.rate
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
    source.seek(int(max(Fraction(0), first) * 1_000_000))
    try:
        for frame in source.decode(audio_stream(source)):
            at = (frame.pts or 0) * (frame.time_base or Fraction(1, rate))
            if at >= stop:
                break
            if at < first:
                continue
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = round((at - first) * rate), Fraction(1, rate)
                output.mux(stream.encode(piece))
    except failures():
        pass  # The sound can't be decoded further: the pictures alone are better than nothing.
    output.mux(stream.encode(None))
