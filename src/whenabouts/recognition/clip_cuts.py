"""Cutting clips from cached frames: at several speeds, from any square of the picture, mirrored or not."""

import math
import re
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from whenabouts.core.timing import IntArray
from whenabouts.recognition.frame_cache import Cached

Pixels = NDArray[np.uint8]
_SIDES = re.compile(r"(?<![a-z])(left|right|l|r|leftward|rightward|leftwards|rightwards)(?![a-z])")


def frames_at(cached: Cached, numbers: IntArray) -> Pixels:
    """The frames (F, H, W, C) of these numbers, which lie within the video."""
    first, last = int(numbers.min()), int(numbers.max())
    return cached.read(first, last + 1)[numbers - first]


def random_square(clip: Pixels, side: int, random: np.random.Generator, scales: tuple[int, int] | None) -> Pixels:
    """`side` x `side` pixels of a clip (F, H, W, C), anywhere.

    With `scales` the picture's shorter side is first made as long as a number drawn from there, evenly.
    """
    height, width = clip.shape[1:3]
    short = min(height, width)
    cut = min(side, short)
    if scales is not None:
        cut = min(short, max(1, round(side * short / random.uniform(*scales))))
    top, left = int(random.integers(height - cut + 1)), int(random.integers(width - cut + 1))
    return scaled(clip[:, top : top + cut, left : left + cut], side)


def square_at(height: int, width: int, side: int, place: int) -> tuple[int, int]:
    """Top and left of a square of a picture: 0 at the left or top, 1 in the middle, 2 at the right or bottom.

    It moves along the longer side, as PySlowFast's `uniform_crop` does, whose rounding this is.
    """
    top, left = math.ceil((height - side) / 2), math.ceil((width - side) / 2)
    ends = (0, top if height > width else left, (height if height > width else width) - side)
    return (ends[place], left) if height > width else (top, ends[place])


def scaled(clip: Pixels, side: int) -> Pixels:
    """A clip (F, H, W, C) at `side` x `side` pixels, bilinearly."""
    if clip.shape[1:3] == (side, side):
        return clip
    pictures = torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2).float()
    made = functional.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
    return made.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def names_sides(names: Iterable[str]) -> list[str]:
    """The classes that tell left from right by name, such as "going left", "r_spike", "l-pass": mirroring would lie."""
    return [name for name in names if _SIDES.search(name.casefold())]
