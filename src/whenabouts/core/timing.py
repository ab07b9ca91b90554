"""Seconds, steps and intervals: the only place that turns one into another.

Seconds are float64 on the presentation clock with the container's start time removed. Intervals are half-open
`[start, end)` and stored as rows of an array of shape (N, 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Regular steps of time over one video.

    Step `k` looks at the window `[start + k hop, start + k hop + window)`. The video's time is shared out between the
    steps: neighbouring cells meet midway between their windows' centres, the first and the last cell reach out to
    the edge of their window, and nothing leaves `[0, duration)`.
    """

    start_seconds: float
    hop_seconds: float
    window_seconds: float
    steps: int
    duration_seconds: float

    def __post_init__(self) -> None:
        numbers = (self.start_seconds, self.hop_seconds, self.window_seconds, self.duration_seconds)
        if not all(math.isfinite(number) for number in numbers):
            raise InvalidData(f"A time grid needs finite seconds, but got {self}.")
        if self.hop_seconds <= 0 or self.window_seconds <= 0:
            raise InvalidData(f"A time grid needs hop and window above 0 s, but got {self}.")
        if self.steps < 0 or self.duration_seconds < 0:
            raise InvalidData(f"A time grid needs steps and duration of at least 0, but got {self}.")

    @classmethod
    def covering(cls, duration_seconds: float, *, hop_seconds: float, window_seconds: float) -> "TimeGrid":
        """Windows from 0 on, one each hop, as many as have their centre inside the video (at least one)."""
        if duration_seconds <= 0:
            return cls(0.0, hop_seconds, window_seconds, 0, 0.0)
        inside = math.ceil((duration_seconds - window_seconds / 2) / hop_seconds - 1e-9)
        return cls(0.0, hop_seconds, window_seconds, max(1, inside), duration_seconds)

    @classmethod
    def centred(
        cls,
        duration_seconds: float,
        *,
        hop_seconds: float,
        window_seconds: float,
        rate: float | None = None,
        lag: float = 0.0,
    ) -> "TimeGrid":
        """Windows around the middles of cells of `hop_seconds` that begin at 0: step k is centred on (k + 1/2) hop.

        The first windows may begin before 0. There are as many as have their centre inside the video (at least one).
        Frames at `rate` a second stand for the time around their instants (k + lag) / rate: with it, the windows are
        moved by at most half a frame so that they hold whole frames, and say where those truly lie.
        """
        start = (hop_seconds - window_seconds) / 2
        if rate is not None:
            start = (nearest_frame(start, rate, lag) + lag - 0.5) / rate
        if duration_seconds <= 0:
            return cls(start, hop_seconds, window_seconds, 0, 0.0)
        inside = math.ceil((duration_seconds - start - window_seconds / 2) / hop_seconds - 1e-9)
        return cls(start, hop_seconds, window_seconds, max(1, inside), duration_seconds)

    @classmethod
    def of_parts(cls, duration_seconds: float, parts: int) -> "TimeGrid":
        """Cut a video into equal parts: step k is `[k D/K, (k+1) D/K)`."""
        if parts <= 0 or duration_seconds <= 0:
            raise InvalidData(f"Equal parts need more than 0 s and 0 parts, but got {duration_seconds} s, {parts}.")
        length = duration_seconds / parts
        return cls(0.0, length, length, parts, duration_seconds)

    @classmethod
    def of_length(cls, duration_seconds: float, length_seconds: float) -> "TimeGrid":
        """Cut a video into parts of one length in seconds; the last part ends with the video."""
        if duration_seconds <= 0:
            return cls(0.0, length_seconds, length_seconds, 0, 0.0)
        parts = max(1, math.ceil(duration_seconds / length_seconds - 1e-9))
        return cls(0.0, length_seconds, length_seconds, parts, duration_seconds)

    def begin(self, step: ArrayLike) -> FloatArray:
        """Where each step's window begins, in seconds, perhaps before 0; same shape as `step`."""
        return self.start_seconds + np.asarray(step, np.float64) * self.hop_seconds

    def centre(self, step: ArrayLike) -> FloatArray:
        """Middle of each step's window in seconds; same shape as `step`."""
        return self.begin(step) + self.window_seconds / 2

    def windows(self) -> FloatArray:
        """Windows (T, 2) in seconds `[begin, end)`; they may overlap, and reach out of the video."""
        begins = self.begin(np.arange(self.steps))
        return np.stack([begins, begins + self.window_seconds], axis=1)

    def edges(self) -> FloatArray:
        """Borders (T + 1,) of the cells that share out the video's time, in seconds, never decreasing."""
        if self.steps == 0:
            return np.zeros(1)
        inner = self.centre(np.arange(self.steps + 1)) - self.hop_seconds / 2
        inner[0] = min(inner[0], self.start_seconds)
        inner[-1] = max(inner[-1], self.start_seconds + (self.steps - 1) * self.hop_seconds + self.window_seconds)
        return np.clip(inner, 0.0, self.duration_seconds)

    def step_at(self, seconds: ArrayLike) -> IntArray:
        """The step whose cell holds each time (border: the later step); times outside go to the nearest step."""
        if self.steps == 0:
            raise InvalidData("A grid without steps has no step at any time.")
        found = np.searchsorted(self.edges(), np.asarray(seconds, np.float64), side="right") - 1
        return np.clip(found, 0, self.steps - 1).astype(np.int64)

    def spans(self, runs: ArrayLike) -> FloatArray:
        """Runs of steps (R, 2) `[first, stop)` -> spans (R, 2) in seconds."""
        runs = np.asarray(runs, np.int64).reshape(-1, 2)
        if runs.size and (runs.min() < 0 or runs.max() > self.steps or (runs[:, 1] <= runs[:, 0]).any()):
            raise InvalidData(f"Runs must be [first, stop) within 0..{self.steps}, but got {runs.tolist()[:5]}.")
        return self.edges()[runs]

    def runs(self, spans: ArrayLike) -> IntArray:
        """Spans (R, 2) in seconds -> runs (R, 2) of the steps whose cell overlaps each span; inverse of `spans`."""
        spans = np.asarray(spans, np.float64).reshape(-1, 2)
        first = self.step_at(spans[:, 0])
        edges = self.edges()
        stop = np.clip(np.searchsorted(edges, spans[:, 1], side="left"), first + 1, self.steps)
        return np.stack([first, stop], axis=1)


def nearest_frame(seconds: float, rate: float, lag: float = 0.0) -> int:
    """The frame at `rate` a second with which a window that begins at `seconds` begins; below 0 before the first.

    Frame k stands for the time around its instant, `[(k - 1/2) / rate, (k + 1/2) / rate)`; of two as near, the later.
    What lies between frames k and k + 1, such as motion, stands `lag` = 1/2 frame later.
    """
    return math.floor(seconds * rate - lag + 1.0 + 1e-6)


def as_spans(spans: ArrayLike) -> FloatArray:
    """Check and return spans as float64 (N, 2); start may equal end, never exceed it."""
    array = np.asarray(spans, np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise InvalidData(f"Spans must be finite seconds, but row {np.argwhere(~np.isfinite(array))[0][0]} is not.")
    inverted = np.flatnonzero(array[:, 1] < array[:, 0])
    if inverted.size:
        raise InvalidData(f"A span must not end before it starts, but row {inverted[0]} is {array[inverted[0]]}.")
    return array


def temporal_iou(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Temporal intersection over union of each pair of spans: (N, 2), (M, 2) -> (N, M); 0 where both are empty.

    >>> temporal_iou([[0, 4]], [[2, 6], [8, 9]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    a = np.asarray(first, np.float64).reshape(-1, 1, 2)
    b = np.asarray(second, np.float64).reshape(1, -1, 2)
    shared = np.clip(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0.0, None)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    overlap: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def runs_of(selected: ArrayLike) -> IntArray:
    """Booleans (T,) -> runs (R, 2) `[first, stop)` of consecutive True.

    >>> runs_of([False, True, True, False, True]).tolist()
    [[1, 3], [4, 5]]
    """
    flags = np.concatenate([[0], np.asarray(selected, bool).astype(np.int8), [0]])
    edges = np.diff(flags)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1).astype(np.int64)


def union_of(spans: ArrayLike) -> FloatArray:
    """Merge overlapping or touching spans (N, 2) into disjoint ones in order of time."""
    ordered: list[list[float]] = []
    for start, end in sorted(as_spans(spans).tolist()):
        if ordered and start <= ordered[-1][1]:
            ordered[-1][1] = max(ordered[-1][1], end)
        else:
            ordered.append([start, end])
    return np.asarray(ordered, np.float64).reshape(-1, 2)


def clock(seconds: float) -> str:
    """`3723.4` -> `1:02:03.400`, `63.4` -> `1:03.400`: how times are shown to people."""
    sign, thousandths = ("-" if seconds < 0 else ""), round(abs(seconds) * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{thousandths // 1000:02d}.{thousandths % 1000:03d}"
    return f"{sign}{hours}:{minutes:02d}:{rest}" if hours else f"{sign}{minutes}:{rest}"


def seconds_of(text: str) -> float:
    """`1:02:03.4`, `2:03` or `63.4` -> seconds; raises InvalidData for anything else.

    >>> seconds_of("1:02:03.4")
    3723.4
    """
    parts: Sequence[str] = text.strip().replace(",", ".").split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise InvalidData(f"{text!r} is not a time. Write seconds (63.4) or h:m:s (0:01:03.4).")
    return math.fsum(number * 60**power for power, number in enumerate(reversed(numbers)))
