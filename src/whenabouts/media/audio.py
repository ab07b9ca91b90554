"""Sound as mono waves on the clock of the pictures, in bounded memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.media.opening import audio_stream, failures, opened, zero_of

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer

Wave = NDArray[np.float32]

# Containers round times to milliseconds and frames of sound last some 20 ms: smaller jumps are rounding, not gaps.
_JITTER_SECONDS = 0.05

# A jump back, or ahead of the file's own end, by more than this is a broken clock and not a gap.
_BELIEVED_SECONDS = 1.0

# Where a file declares no end, a gap is believed up to this length.
_LONGEST_GAP_SECONDS = 3600.0

# Silence is handed on in pieces of at most so many samples.
_PIECE = 1 << 20


def stream_audio(path: Path, *, rate: int = 16000, chunk_seconds: float = 30.0) -> Iterator[Wave]:
    """All sound of a file as mono float32 in chunks of `chunk_seconds` (the last may be shorter), in bounded memory.

    Sample 0 is at the video's second 0. Late starts, gaps and damaged packets are filled with silence. Raises
    MediaError where there is no sound or none that can be decoded.
    """
    length = round(chunk_seconds * rate)
    if rate < 1 or length < 1:
        raise InvalidData(f"Chunks hold at least one sample, but got {chunk_seconds} s at {rate} Hz.")
    with opened(path) as container:
        yield from _chunks(_placed(container, rate), length)


def _chunks(pieces: Iterator[Wave], length: int) -> Iterator[Wave]:
    waiting: list[Wave] = []
    count = 0
    for piece in pieces:
        start = 0
        while count + len(piece) - start >= length:
            stop = start + length - count
            yield np.concatenate([*waiting, piece[start:stop]])
            waiting, count, start = [], 0, stop
        waiting.append(piece[start:])
        count += len(piece) - start
    if count:
        yield np.concatenate(waiting)


def _placed(container: "InputContainer", rate: int) -> Iterator[Wave]:
    """Every sample of the file in order, holes filled."""
    line = _Line(rate, zero_of(container), _declared_end(container))
    heard = False
    for frame in _frames(container):
        if frame.sample_rate > 0 and frame.samples > 0:
            heard = True
            try:
                yield from line.lay(frame)
            except failures():  # a format that can't be converted is a gap
                line.resampler = None
    if not heard:
        raise MediaError("No sound could be decoded.")
    yield from line.flush()


def _declared_end(container: "InputContainer") -> float:
    """Seconds on the presentation clock at which the file says it ends; infinite where it says nothing."""
    if not container.duration:
        return math.inf
    return float(container.duration / 1e6 + (container.start_time or 0) / 1e6 - float(zero_of(container)))


def _frames(container: "InputContainer") -> Iterator["AudioFrame"]:
    """All frames of sound that can be decoded; what can't is passed over."""
    stream = audio_stream(container)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except failures():
            return
        if packet is None:
            return
        try:
            yield from stream.decode(packet)
        except failures():
            continue


@dataclass(slots=True)
class _Line:
    """Lays frames of sound end to end on the presentation clock, in runs without gap or change of format."""

    rate: int
    zero: Fraction
    declared_end: float
    laid: int = 0
    skip: int = 0
    anchor: float = 0.0
    taken: float = 0.0
    key: tuple[Any, ...] = ()
    resampler: "AudioResampler | None" = None

    def lay(self, frame: "AudioFrame") -> Iterator[Wave]:
        """The samples that are ready now that `frame` is known."""
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        at = self._at(frame)
        jumps = abs(at - self.anchor - self.taken) > _JITTER_SECONDS
        if key != self.key or jumps:
            yield from self._new_run(at, key)
        self.taken += frame.samples / frame.sample_rate
        yield from self._resampled(frame)

    def flush(self) -> Iterator[Wave]:
        """The samples that the resampler still holds."""
        yield from self._resampled(None)
        self.resampler = None

    def _at(self, frame: "AudioFrame") -> float:
        if frame.pts is None or frame.time_base is None:
            return self.anchor + self.taken
        return float(frame.pts * frame.time_base - self.zero)

    def _new_run(self, at: float, key: tuple[Any, ...]) -> Iterator[Wave]:
        import av

        if self._believed(at):
            yield from self.flush()
            ahead = round(at * self.rate) - self.laid
            self.skip = max(0, -ahead)
            yield from self._silence(max(0, ahead))
        if key != self.key or self.resampler is None:
            yield from self.flush()
            self.key, self.resampler = key, av.AudioResampler("flt", "mono", self.rate)
        self.anchor, self.taken = at, 0.0

    def _believed(self, at: float) -> bool:
        now = self.laid / self.rate
        latest = self.declared_end + _BELIEVED_SECONDS
        return now - _BELIEVED_SECONDS <= at <= (latest if latest < math.inf else now + _LONGEST_GAP_SECONDS)

    def _silence(self, samples: int) -> Iterator[Wave]:
        for start in range(0, samples, _PIECE):
            piece = np.zeros(min(_PIECE, samples - start), np.float32)
            self.laid += len(piece)
            yield piece

    def _resampled(self, frame: "AudioFrame | None") -> Iterator[Wave]:
        if self.resampler is None:
            return
        pieces: list[AudioFrame | None] = list(self.resampler.resample(frame))
        for piece in pieces:
            if piece is None:  # a resampler with nothing to do gives this back when it is flushed
                continue
            wave = piece.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            cut = min(self.skip, len(wave))
            self.skip -= cut
            self.laid += len(wave) - cut
            yield wave[cut:]
