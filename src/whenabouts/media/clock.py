"""When each decoded frame is on screen."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Frames that AVI files hold back for sorting: more than decoders reorder in practice.
_REORDERED = 8

# Broadcast streams may be joined from pieces with clocks of their own: a step back by more than this, or beyond the
# file's end by more than this, begins a new piece.
_JOINED = frozenset({"mpegts", "mpeg"})
_JUMP_SECONDS = 1.0

# Containers that store no presentation times: FFmpeg counts packets instead, in the order of decoding.
_COUNTING = frozenset({"avi"})


class Clock:
    """Gives each frame its ticks on the stream's time base, in the order in which the decoder shows them.

    Frames without a time of their own follow their forerunner by one nominal period. Where the container stores no
    presentation times (AVI), the k-th frame shown takes the k-th smallest of the times that FFmpeg made up. Where a
    broadcast stream's clock jumps, its next piece follows the one before; `jumps` counts them.
    """

    def __init__(self, container: "InputContainer", stream: "VideoStream", end: Fraction = Fraction(0)) -> None:
        self.sorting = bool(_COUNTING & set(container.format.name.split(",")))
        self.jumps = 0
        second = 1 / (stream.time_base or Fraction(1, 1000))
        self._joined = bool(_JOINED & set(container.format.name.split(",")))
        self._jump = round(_JUMP_SECONDS * second)
        self._latest = round(end * second) + self._jump if end > 0 else None
        self._offset = 0
        self._delay: int | None = None
        self.period = _period(stream)
        self._last: int | None = None

    def timed(self, frames: Iterable["VideoFrame"]) -> Iterator[tuple[int, "VideoFrame"]]:
        """Pairs of (ticks, frame), streaming."""
        waiting: deque[VideoFrame] = deque()
        ticks: list[int] = []
        for frame in frames:
            waiting.append(frame)
            heapq.heappush(ticks, self._ticks(frame))
            if not self.sorting or len(waiting) > _REORDERED:
                yield self._shown(heapq.heappop(ticks)), waiting.popleft()
        while waiting:
            yield self._shown(heapq.heappop(ticks)), waiting.popleft()

    def _ticks(self, frame: "VideoFrame") -> int:
        ticks = frame.pts if frame.pts is not None else frame.dts
        if ticks is None:
            return self._follow(0 if self._last is None else self._last + self.period)
        ticks += self._offset
        if self._joined and self._last is not None and self._leaps(ticks):
            self.jumps += 1
            self._offset += self._last + self.period - ticks
            ticks = self._last + self.period
        return self._follow(ticks)

    def _leaps(self, ticks: int) -> bool:
        back = self._last is not None and ticks < self._last - self._jump
        return back or (self._latest is not None and ticks - self._offset > self._latest)

    def _follow(self, ticks: int) -> int:
        self._last = ticks
        return ticks

    def _shown(self, ticks: int) -> int:
        """AVI's made-up times begin after the delay of reordering; the first frame shown is at the clock's start."""
        if not self.sorting:
            return ticks
        if self._delay is None:
            self._delay = ticks
        return ticks - self._delay


def _period(stream: "VideoStream") -> int:
    """Ticks from one frame to the next at the nominal rate, at least 1."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return max(1, round(1 / (rate * (stream.time_base or Fraction(1, 1000)))))
