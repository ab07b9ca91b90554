"""Decoding a video once from start to end, in bounded memory."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.core.video import Video
from whenabouts.media.clock import Clock
from whenabouts.media.complaints import Complaints
from whenabouts.media.decoder import Decoder
from whenabouts.media.health import Findings, verdict
from whenabouts.media.opening import failures, opened, passing, told, video_stream, zero_of
from whenabouts.media.probe import declared_end, nominal_rate, probe, unreadable
from whenabouts.media.scaling import Pixels, Scaler
from whenabouts.media.structure import structural_damage

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A last frame is never held on screen for longer than this where the file declares no end.
_LONGEST_HOLD = 60.0


class VideoReader:
    """Streams the frames of one video with their times; iterate over it.

    Without `rate`, every frame comes at its own time. With `rate` (frames a second), the k-th frame is what is on
    screen at `k / rate` seconds, for every k before the pictures end: frames are repeated or left out as their times
    demand, never by their number. `size` is (height, width) after rotation.

    With one of FFmpeg's `threads` most damage is noticed. With more (0: FFmpeg chooses) a video is read faster, but
    what FFmpeg says of damage is not heard: reading several videos at once is the better way to use more cores.

    A file that can't be read yields nothing. After the last frame, `outcome` tells what was found;
    `video_id` names it there (by default the file's name without ending).
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: float | None = None,
        size: tuple[int, int] | None = None,
        threads: int = 1,
        video_id: str | None = None,
    ) -> None:
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise InvalidData(f"Frames are read at a rate above 0 a second, but got {rate}.")
        if size is not None and min(size) < 1:
            raise InvalidData(f"A picture is at least 1 x 1, but got size {size}. Give (height, width) in pixels.")
        self.path, self.rate, self.size, self.threads = path, rate, size, threads
        self.video_id = video_id
        self.findings = Findings()
        self._outcome: Video | None = None

    @property
    def outcome(self) -> Video:
        """The video after a full reading: status, coverage and reason; before that, what its headers say."""
        return self._outcome if self._outcome is not None else probe(self.path, video_id=self.video_id)

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Yield (seconds, pixels (H, W, 3) uint8) in order of time."""
        self.findings, self._outcome = Findings(), None
        before = probe(self.path, video_id=self.video_id)
        if before.status == "unreadable":
            self._outcome = before
            return
        complaints = Complaints()
        try:
            with opened(self.path, complaints) as container:
                self.findings.structure = structural_damage(self.path, container.format.name)
                yield from self._read(container, complaints)
        except MediaError as error:
            self.findings.stopped, self.findings.passing = str(error), passing(error, self.path)
        except failures() as error:
            self.findings.stopped = f"reading stopped: {told(error)}"
            self.findings.passing = passing(error, self.path)
        self.findings.complaint = complaints.summary()
        self._outcome = self._judged(before)

    def _judged(self, before: Video) -> Video:
        found, judged = self.findings, verdict(self.findings)
        if judged.status == "unreadable":
            return unreadable(before.id, before.path, judged.reason, passing=found.passing)
        shorter = judged.status == "complete" and found.ends_early
        longer = found.decoded_end - before.duration_seconds > found.slack_seconds
        return replace(
            before,
            duration_seconds=found.decoded_end if shorter or longer else before.duration_seconds,
            frame_count=found.frames,
            status=judged.status,
            coverage=judged.coverage,
            reason=judged.reason,
            passing=found.passing,
        )

    def _read(self, container: "InputContainer", complaints: Complaints) -> Iterator[tuple[float, Pixels]]:
        stream = video_stream(container)
        decoder = Decoder(stream, self.findings, complaints, self.threads)
        scaler, shown = Scaler(self.size, stream.sample_aspect_ratio), _Shown(self.rate, self.findings)
        self._expect(container, stream)
        packets = self._packets(container, stream, complaints)
        for seconds, frame in self._timed(container, stream, (f for packet in packets for f in decoder(packet))):
            yield from _scaled(shown.until(seconds, frame), scaler, decoder)
        yield from _scaled(shown.rest(), scaler, decoder)

    def _expect(self, container: "InputContainer", stream: "VideoStream") -> None:
        """What the headers promise."""
        found = self.findings
        end, found.end_is_shared = declared_end(container, stream)
        found.declared_end = float(max(Fraction(0), end - zero_of(container)))
        # The index, not the frame count of the header: what edit lists cut away is no longer in it.
        found.declared_packets = len(stream.index_entries) if "mov" in container.format.name.split(",") else 0
        found.pulse.period = float(1 / (nominal_rate(stream) or Fraction(25)))

    def _timed(
        self, container: "InputContainer", stream: "VideoStream", frames: Iterator["VideoFrame"]
    ) -> Iterator[tuple[float, "VideoFrame"]]:
        """(seconds, frame) with times that only grow; what does not is counted and left out."""
        found, clock = self.findings, Clock(container, stream, declared_end(container, stream)[0])
        base = stream.time_base or Fraction(1, 1000)
        zero = Fraction(0) if clock.sorting else zero_of(container)
        for ticks, frame in clock.timed(frames):
            at = float(ticks * base - zero)
            length = float(frame.duration * base) if frame.duration else found.pulse.period
            found.jumps = clock.jumps
            if found.pulse.beat(at):
                found.longest, found.decoded_end = max(found.longest, length), max(found.decoded_end, at + length)
                yield at, frame

    def _packets(
        self, container: "InputContainer", stream: "VideoStream", complaints: Complaints
    ) -> Iterator["Packet[Any]"]:
        """The packets of the pictures; those of sound only tell where the file ends."""
        found, zero = self.findings, zero_of(container)
        packets = container.demux([stream, *container.streams.audio])
        while True:
            try:
                with complaints.heard():
                    packet = next(packets, None)
            except failures() as error:
                found.stopped, found.passing = f"reading stopped: {told(error)}", passing(error, self.path)
                return
            if packet is None:
                return
            if packet.pts is not None and packet.time_base:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base - zero
                found.packets_end = max(found.packets_end, float(end))
            if packet.stream.index == stream.index:
                found.packets += packet.size > 0
                yield packet


def _scaled(
    frames: Iterator[tuple[float, "VideoFrame"]], scaler: Scaler, decoder: Decoder
) -> Iterator[tuple[float, Pixels]]:
    """A frame that stays on screen is scaled once and copied after that; one that can't be scaled is damaged."""
    last: tuple[VideoFrame, Pixels] | None = None
    for seconds, frame in frames:
        if last is not None and last[0] is frame:
            yield seconds, last[1].copy()
            continue
        try:
            last = (frame, scaler(frame, decoder.upright))
        except failures():
            decoder.found.corrupt_frames += not frame.is_corrupt
            continue
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
        """What the last frame still shows: up to the declared end if that is near, else to its own end.

        With B-frames and a variable rate a frame comes with the length of another one: the declared end is better.
        """
        found = self._found
        if self._held is None:
            return
        end, declared = found.decoded_end, found.declared_end
        near = self._at < declared <= end + found.slack_seconds
        yield from self._ticks(declared if near else end)

    def _ticks(self, end: float) -> Iterator[tuple[float, "VideoFrame"]]:
        if self._held is None or self._rate is None:
            return
        if self._found.declared_end <= 0:
            end = min(end, self._at + _LONGEST_HOLD)
        else:
            end = min(end, max(self._found.declared_end, self._at + self._found.pulse.period))
        while self._next / self._rate < end - 1e-9:
            yield self._next / self._rate, self._held
            self._next += 1
