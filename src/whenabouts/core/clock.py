"""The clock of published features: which frames each step looked at, and so when it is."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import TimeGrid


@dataclass(frozen=True, slots=True)
class FeatureClock:
    """How the steps of one modality of one video lie in time.

    Step k looks at frames `[offset + k hop, offset + k hop + window)` at `fps`: its middle is
    (offset + k hop + window / 2) / fps seconds, not where it begins (with 16 frames at 25 fps, 0.32 s later). Where
    `parts_seconds` is above 0, T steps are instead T equal parts of `[0, parts_seconds)`, whatever the frames.
    """

    modality: str
    fps: float = 0.0
    hop_frames: int = 0
    window_frames: int = 0
    offset_frames: int = 0
    parts_seconds: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.fps, self.parts_seconds)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise InvalidData(f"A clock needs finite fps and seconds of at least 0, but got {self}.")
        if self.parts_seconds == 0 and min(self.fps, self.hop_frames, self.window_frames) <= 0:
            raise InvalidData(f"A clock needs fps, hop and window above 0, or equal parts, but got {self}.")

    def grid(self, steps: int, duration_seconds: float = 0.0) -> TimeGrid:
        """The grid of T steps in a video so long; where its duration is unknown (0), it ends with the last window."""
        if self.parts_seconds:
            part = self.parts_seconds / max(1, steps)
            return TimeGrid(0.0, part, part, steps, duration_seconds or self.parts_seconds)
        start, hop, window = (n / self.fps for n in (self.offset_frames, self.hop_frames, self.window_frames))
        end = max(0.0, start + (steps - 1) * hop + window) if steps else 0.0
        return TimeGrid(start, hop, window, steps, duration_seconds or end)

    def expected(self, duration_seconds: float) -> tuple[int, int]:
        """The least and the most steps that a video so long should have: whole windows alone, or the last one padded;
        one more or less for rounded durations.
        """
        frames = duration_seconds * self.fps - self.offset_frames
        whole = math.floor((frames - self.window_frames) / self.hop_frames + 1e-9) + 1
        return max(1, whole - 1), max(1, math.ceil(frames / self.hop_frames - 1e-9) + 1)

    def fitting_fps(self, steps: int, duration_seconds: float) -> float:
        """The frame rate at which so many steps would end with the video."""
        frames = self.offset_frames + (steps - 1) * self.hop_frames + self.window_frames
        return frames / duration_seconds

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FeatureClock":
        """Read what `to_json` wrote."""
        return cls(**values)
