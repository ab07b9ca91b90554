"""Which clips and crops of a video are looked at in testing: 30 views at one, two or three speeds.

After Zhang, Li & Marsic (CVPR 2021), section 3.5 and Table 3d, with the clip starts of PySlowFast's Charades sampler.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import IntArray

FRAMES = 32


@dataclass(frozen=True)
class Speed:
    """Clips of every `rate`-th frame: `clips` of them over the video, in `crops` places each."""

    rate: int
    clips: int
    crops: int = 3

    def __post_init__(self) -> None:
        if min(self.rate, self.clips, self.crops) < 1:
            raise InvalidData(f"A speed needs rate, clips and crops of at least 1, but got {self}.")


# The paper's sets of 30 views, by the speeds that they look at (Table 3d), and the one view of the middle.
VIEW_SETS: dict[str, tuple[Speed, ...]] = {
    "centre": (Speed(4, 1, 1),),
    "4": (Speed(4, 10),),
    "2+4": (Speed(2, 5), Speed(4, 5)),
    "2+4+8": (Speed(2, 3), Speed(4, 4), Speed(8, 3)),
}


@dataclass(frozen=True)
class View:
    """Numbers of a clip's frames, clamped to the video, and the crop: 0 left or top, 1 centre, 2 right or bottom."""

    frames: IntArray
    crop: int
    rate: int


def views_of(video_frames: int, speeds: Sequence[Speed], *, frames: int = FRAMES) -> tuple[View, ...]:
    """All views of a video, speed by speed, clip by clip, crop by crop."""
    return tuple(
        View(clip_frames(start, speed.rate, video_frames, frames=frames), crop_of(crop, speed.crops), speed.rate)
        for speed in speeds
        for start in clip_starts(video_frames, speed, frames=frames)
        for crop in range(speed.crops)
    )


def clip_starts(video_frames: int, speed: Speed, *, frames: int = FRAMES) -> list[int]:
    """First frames of the clips, evenly from the first to the last that fits; a single clip is the middle one.

    Halves round to even. In a video shorter than a clip all start at 0.
    """
    if video_frames < 1:
        raise InvalidData(f"A video needs at least one frame to be looked at, but got {video_frames}.")
    span = (frames - 1) * speed.rate + 1
    room = max(video_frames - span, 0)
    if speed.clips == 1:
        return [room // 2]
    return [round(room / (speed.clips - 1) * number) for number in range(speed.clips)]


def clip_frames(start: int, rate: int, video_frames: int, *, frames: int = FRAMES) -> IntArray:
    """Numbers (frames,) of a clip's frames; those beyond either end are the video's first or last."""
    numbers: IntArray = np.clip(start + rate * np.arange(frames), 0, video_frames - 1)
    return numbers


def crop_of(number: int, crops: int) -> int:
    """The place of the number-th of so many crops: all three in order, two the outer ones, one the centre."""
    places = {1: (1,), 2: (0, 2), 3: (0, 1, 2)}
    if crops not in places:
        raise InvalidData(f"A picture is cropped in 1, 2 or 3 places, but got {crops}.")
    return places[crops][number]


def drawn_start(video_frames: int, rate: int, random: np.random.Generator, *, frames: int = FRAMES) -> int:
    """A training clip's first frame, evenly drawn; a clip longer than the video may start before it and is clamped."""
    room = video_frames - ((frames - 1) * rate + 1)
    low, high = min(room, 0), max(room, 0)
    return int(random.integers(low, high + 1))
