"""Decoding a video once from start to end, in bounded memory."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.core.video import Video
from whenabouts.media.clock import Clock
from whenabouts.media.health import Findings, slack_seconds, verdict
from whenabouts.media.opening import opened, told, video_stream, zero_of
from whenabouts.media.probe import declared_end, nominal_rate, probe, unreadable
from whenabouts.media.scaling import Pixels, Scaler

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A last frame is never held on screen for longer than this where the file declares no end.
_LONGEST_HOLD = 60.0


class VideoReader:
    """Streams the frames of one video with their times; iterate over it.

    Without `rate`, every frame comes at its own time. With `rate` (frames a second), the k-th frame is what is on
    screen at `k / rate` seconds, for every k before the pictures end: frames are repeated or left out as their times
    demand, never by their number. `size` is (height, width) after rotation. `threads` are FFmpeg's (0: it chooses).

    A file that can't be read yields nothing. After the last frame, `outcome` tells what was found.
    """

    def __init__(
        self, path: Path, *, rate: float | None = None, size: tuple[int, int] | None = None, threads: int = 0
    ) -> None:
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise InvalidData(f"Frames are read at a rate above 0 a second, but got {rate}.")
        self.path, self.rate, self.size, self.threads = path, rate, size, threads
        self.findings = Findings()
        self._outcome: Video | None = None

    @property
    def outcome(self) -> Video:
        """The video after a full reading: status, coverage and reason; before that, what its headers say."""
        return self._outcome if self._outcome is not None else probe(self.path)

    @property
    def corrupt_share(self) -> float:
        """Share of the decoded frames that the decoder calls damaged, 0 to 1."""
        return self.findings.corrupt_frames / max(1, self.findings.frames)

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Yield (seconds, pixels (H, W, 3) uint8) in order of time."""
        self.findings, self._outcome = Findings(), None
        before = probe(self.path)
        if before.status == "unreadable":
            self._outcome = before
            return
        try:
            with opened(self.path) as container:
                yield from self._read(container)
        except MediaError as error:
            self.findings.stopped = str(error)
        self._outcome = self._judged(before)

    def _judged(self, before: Video) -> Video:
        found, judged = self.findings, verdict(self.findings)
        if judged.status == "unreadable":
            return unreadable(before.id, before.path, judged.reason)
        ends_early = judged.status == "complete" and found.declared_end - found.decoded_end > slack_seconds(found)
        duration = found.decoded_end if ends_early or found.declared_end <= 0 else before.duration_seconds
        return replace(
            before,
            duration_seconds=duration,
            frame_count=found.frames,
            status=judged.status,
            coverage=judged.coverage,
            reason=judged.reason,
        )

    def _read(self, container: "InputContainer") -> Iterator[tuple[float, Pixels]]:
        stream = video_stream(container)
        scaler = Scaler(self.size, stream.sample_aspect_ratio)
        shown = _Shown(self.rate, self.findings)
        for seconds, frame in self._timed(container, stream):
            yield from _scaled(shown.until(seconds, frame), scaler)
        yield from _scaled(shown.rest(), scaler)

    def _timed(self, container: "InputContainer", stream: "VideoStream") -> Iterator[tuple[float, "VideoFrame"]]:
        """(seconds, frame) with times that only grow; what does not is counted and left out."""
        found, zero = self.findings, zero_of(container)
        base = stream.time_base or Fraction(1, 1000)
        end, found.end_is_shared = declared_end(container, stream)
        found.declared_end = float(max(Fraction(0), end - zero))
        found.declared_frames, found.period = stream.frames, float(1 / (nominal_rate(stream) or Fraction(25)))
        clock, last = Clock(container, stream), -math.inf
        for ticks, frame in clock.timed(self._decoded(container, stream, zero)):
            at = float(ticks * base) if clock.sorting else float(ticks * base - zero)
            if at <= last:
                found.backward_steps += 1
                continue
            length = float(frame.duration * base) if frame.duration else found.period
            found.decoded_end, last = max(found.decoded_end, at + length), at
            yield at, frame

    def _decoded(self, container: "InputContainer", stream: "VideoStream", zero: Fraction) -> Iterator["VideoFrame"]:
        import av

        found = self.findings
        stream.thread_type, stream.codec_context.thread_count = "AUTO", self.threads
        packets = container.demux([stream, *container.streams.audio])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
                found.stopped = f"reading stopped: {told(error)}"
                return
            if packet.pts is not None and packet.time_base:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base - zero
                found.packets_end = max(found.packets_end, float(end))
            if packet.stream.index != stream.index:
                continue
            found.corrupt_packets += packet.is_corrupt
            try:
                frames = stream.decode(packet)
            except (av.FFmpegError, ValueError, MemoryError):
                found.failed_packets += 1
                continue
            for frame in frames:
                found.frames += 1
                found.corrupt_frames += frame.is_corrupt
                yield frame


def _scaled(frames: Iterator[tuple[float, "VideoFrame"]], scaler: Scaler) -> Iterator[tuple[float, Pixels]]:
    """A frame that stays on screen is scaled once and copied after that."""
    last: tuple[VideoFrame, Pixels] | None = None
    for seconds, frame in frames:
        if last is not None and last[0] is frame:
            yield seconds, last[1].copy()
        else:
            last = (frame, scaler(frame))
            yield seconds, last[1]


class _Shown:
    """Chooses which frames are yielded, and for which times."""

    def __init__(self, rate: float | None, findings: Findings) -> None:
        self._rate, self._found, self._next = rate, findings, 0
        self._at, self._held = 0.0, None  # type: float, VideoFrame | None

    def until(self, seconds: float, frame: "VideoFrame") -> Iterator[tuple[float, "VideoFrame"]]:
        """What is on screen up to the moment at which `frame` appears."""
        if self._rate is None:
            yield seconds, frame
            return
        if self._held is not None:
            yield from self._ticks(seconds)
        self._at, self._held = seconds, frame

    def rest(self) -> Iterator[tuple[float, "VideoFrame"]]:
        """What the last frame still shows: to its own end, or to the declared end if that is near."""
        found = self._found
        if self._held is None:
            return
        end, declared = found.decoded_end, found.declared_end
        yield from self._ticks(declared if 0 < declared - end <= slack_seconds(found) else end)

    def _ticks(self, end: float) -> Iterator[tuple[float, "VideoFrame"]]:
        if self._held is None or self._rate is None:
            return
        if self._found.declared_end <= 0:
            end = min(end, self._at + _LONGEST_HOLD)
        else:
            end = min(end, max(self._found.declared_end, self._at + self._found.period))
        while self._next / self._rate < end - 1e-9:
            yield self._next / self._rate, self._held
            self._next += 1
