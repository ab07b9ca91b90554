"""Reading the frames of given times, exact to the frame."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.core.timing import FloatArray
from whenabouts.media.opening import failures, opened, video_stream, zero_of
from whenabouts.media.reader import VideoReader
from whenabouts.media.scaling import Pixels, Scaler

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Transport and program streams have no index: seeking in them lands anywhere. AVI stores no times of its own.
_WITHOUT_INDEX = frozenset({"mpegts", "mpeg", "avi", "h264", "hevc", "m4v", "mpegvideo", "obu", "ivf"})


def read_frames(
    path: Path, seconds: ArrayLike, *, size: tuple[int, int] | None = None, threads: int = 1
) -> tuple[FloatArray, Pixels]:
    """Times (N,) and pixels (N, H, W, 3) of the frames on screen at `seconds` (N,), in the order asked for.

    The frame on screen is the last that has begun; before the first frame it is the first, after the end the last.
    Files with an index are read from the key frame before each time; files without one (MPEG-TS, raw streams, AVI)
    are decoded in order, once. Raises MediaError where nothing can be decoded.
    """
    wanted = np.asarray(seconds, np.float64).reshape(-1)
    if not np.isfinite(wanted).all():
        raise InvalidData(f"Frames are read at finite times, but got {wanted[~np.isfinite(wanted)][0]} s.")
    found: dict[float, tuple[float, Pixels]] = {}
    if len(wanted):
        ordered = sorted(set(wanted.tolist()))
        found = _by_seeking(path, ordered, size, threads) or _in_order(path, ordered, size, threads)
    times = np.array([found[at][0] for at in wanted.tolist()])
    pictures = [found[at][1] for at in wanted.tolist()]
    if len({picture.shape for picture in pictures}) > 1:
        raise InvalidData(f"The pictures of {path.name} change their size on the way. Give the size that you want.")
    return times, np.stack(pictures) if pictures else np.zeros((0, 0, 0, 3), np.uint8)


def _in_order(
    path: Path, wanted: Sequence[float], size: tuple[int, int] | None, threads: int
) -> dict[float, tuple[float, Pixels]]:
    reader = VideoReader(path, size=size, threads=threads)
    found: dict[float, tuple[float, Pixels]] = {}
    shown: tuple[float, Pixels] | None = None
    waiting = list(wanted)[::-1]
    for at, pixels in reader:
        while waiting and waiting[-1] < at - _HALF_TICK and shown is not None:
            found[waiting.pop()] = shown
        shown = (at, pixels)
        if not waiting:
            return found
    if shown is None:
        raise MediaError(f"No frame can be read from {path.name}: {reader.outcome.reason}")
    return found | dict.fromkeys(waiting, shown)


# Times are asked for in float64: a frame that begins a nanosecond later counts as begun.
_HALF_TICK = 1e-9


@dataclass(frozen=True, slots=True)
class _Index:
    """Presentation ticks of all packets that are shown, in order, and those of the key frames among them."""

    ticks: list[int]
    keys: list[int]

    def shown_at(self, tick: float) -> int:
        return self.ticks[max(0, bisect_right(self.ticks, tick) - 1)]

    def keys_before(self, tick: int) -> list[int]:
        """The three key frames at or before a tick, nearest first."""
        place = bisect_right(self.keys, tick)
        return self.keys[max(0, place - 3) : place][::-1]


def _by_seeking(
    path: Path, wanted: Sequence[float], size: tuple[int, int] | None, threads: int
) -> dict[float, tuple[float, Pixels]] | None:
    """None where seeking can't be trusted: no index, packets without times, or a frame that did not come."""
    with opened(path) as container:
        stream = video_stream(container)
        if _WITHOUT_INDEX & set(container.format.name.split(",")):
            return None
        index = _scanned(container, stream)
        if index is None:
            return None
        stream.thread_type, stream.codec_context.thread_count = "NONE" if threads == 1 else "AUTO", threads
        try:
            return _picked(container, stream, index, wanted, Scaler(size, stream.sample_aspect_ratio))
        except failures():
            return None


def _picked(
    container: "InputContainer", stream: "VideoStream", index: _Index, wanted: Sequence[float], scaler: Scaler
) -> dict[float, tuple[float, Pixels]] | None:
    base, zero = stream.time_base or Fraction(1, 1000), zero_of(container)
    walk = _Walk(container, stream, index)
    found: dict[float, tuple[float, Pixels]] = {}
    last: tuple[int, Pixels] | None = None
    for at in wanted:
        tick = index.shown_at(float((Fraction(at) + zero + Fraction(_HALF_TICK)) / base))
        if last is None or last[0] != tick:
            frame = walk.to(tick)
            if frame is None:
                return None
            last = (tick, scaler(frame))
        found[at] = (float(tick * base - zero), last[1])
    return found


def _scanned(container: "InputContainer", stream: "VideoStream") -> _Index | None:
    """Read all packets without decoding them."""
    ticks, keys = [], []
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None or packet.is_corrupt:
                return None
            ticks.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    except failures():
        return None
    return _Index(sorted(ticks), sorted(keys)) if keys and len(set(ticks)) == len(ticks) else None


class _Walk:
    """Goes forward through decoded frames; jumps to a key frame where that is nearer."""

    def __init__(self, container: "InputContainer", stream: "VideoStream", index: _Index) -> None:
        self._container, self._stream, self._index = container, stream, index
        self._frames: Iterator[VideoFrame] = iter(())
        self._at: int | None = None

    def to(self, tick: int) -> "VideoFrame | None":
        """The frame with this very time; None if it does not come. Later calls ask for later times."""
        keys = self._index.keys_before(tick)
        if self._at is not None and not (keys and keys[0] > self._at):
            return self._forward(tick)
        # Demuxers seek by the time of decoding: where key frames lie close, they may land on the next one.
        for key in keys or [self._index.ticks[0]]:
            self._container.seek(key, stream=self._stream)
            self._frames = self._decoded()
            frame = self._forward(tick)
            if frame is not None:
                return frame
        return None

    def _forward(self, tick: int) -> "VideoFrame | None":

        try:
            for frame in self._frames:
                if frame.pts is None or frame.pts > tick:
                    return None
                self._at = frame.pts
                if frame.pts == tick:
                    return None if frame.is_corrupt else frame
        except failures():
            pass
        return None

    def _decoded(self) -> Iterator["VideoFrame"]:
        for packet in self._container.demux(self._stream):
            yield from self._stream.decode(packet)
