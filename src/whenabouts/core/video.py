"""What is known about one video file."""

import math
import re
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from whenabouts.core.addresses import place_of
from whenabouts.core.errors import InvalidData

Status = Literal["complete", "partial", "unreadable"]

# ID_000004_000014, or ID_4_14, behind any folders: a YouTube id, and the seconds of a clip of at most ten. Such an id
# is 64 bits in 11 letters, of which the last has 4: most names of one's own, such as camera_left_01_02, are none.
_CLIP = re.compile(r"(?:.*/)?([A-Za-z0-9_-]{10}[AEIMQUYcgkosw048])_(\d{1,6})_(\d{1,6})(?:\.\w+)?", re.DOTALL)
_LONGEST_CLIP_SECONDS = 10


def recording_of(video_id: str) -> str:
    """What videos that show the same have in common, so that no draw puts one to learn from and another to judge by.

    Files that are named as Kinetics' clips are belong to the video that they were cut from; any other is its own.
    """
    clip = _CLIP.fullmatch(video_id)
    if clip is None or not 0 < int(clip[3]) - int(clip[2]) <= _LONGEST_CLIP_SECONDS:
        return video_id
    return clip[1]


@dataclass(frozen=True, slots=True)
class Video:
    """What a probe, or a full decode, found.

    `duration_seconds` is the presentation time, start time removed: as the file declares it after a probe, up to the
    end of what was shown after a full decode. `coverage` is the share of it that could be decoded (1 for complete, 0
    for unreadable). `fps` is the nominal rate: never turn frame numbers into seconds with it. `frame_count` is None
    where the container does not say. Height and width are as shown, after rotation. `reason` says why a video is not
    complete, `passing` that the reason lies outside the file (no permission, an unreachable disk, no memory): another
    reading may find more.
    """

    id: str
    path: Path
    duration_seconds: float = 0.0
    fps: Fraction | None = None
    frame_count: int | None = None
    height: int = 0
    width: int = 0
    start_pts_seconds: float = 0.0
    has_audio: bool = False
    status: Status = "complete"
    coverage: float = 1.0
    reason: str = ""
    passing: bool = False

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise InvalidData(f"A video's status is one of {get_args(Status)}, but got {self.status!r}.")
        if not (0 <= self.duration_seconds < math.inf and 0 <= self.coverage <= 1):
            raise InvalidData(f"{self.id}: duration {self.duration_seconds} s, coverage {self.coverage}: out of range.")
        if not math.isfinite(self.start_pts_seconds):
            raise InvalidData(f"{self.id}: it begins at {self.start_pts_seconds} s, which is no time.")
        if self.status != "complete" and not self.reason:
            raise InvalidData(f"{self.id} is {self.status}, but no reason is given.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the rate as `30000/1001`; `from_json` reads them back."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["path"] = str(self.path)
        values["fps"] = None if self.fps is None else f"{self.fps.numerator}/{self.fps.denominator}"
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Video":
        """Read what `to_json` wrote."""
        known = {name: value for name, value in values.items() if name in cls.__slots__}
        known["path"] = place_of(known["path"])
        known["status"] = sys.intern(known.get("status", "complete"))  # Of a million videos one word, not as many.
        known["fps"] = None if known.get("fps") is None else Fraction(known["fps"])
        return cls(**known)
