"""Cutting clips from cached frames: at several speeds, from any square of the picture, mirrored or not."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.recognition.frame_cache import Cached

Pixels = NDArray[np.uint8]
_SIDES = re.compile(r"(?<![a-z])(left|right|l|r|leftward|rightward|leftwards|rightwards)(?![a-z])")


def frames_at(cached: Cached, numbers: IntArray) -> Pixels:
    """The frames (F, H, W, C) of these numbers, which lie within the video."""
    first, last = int(numbers.min()), int(numbers.max())
    return cached.read(first, last + 1)[numbers - first]


@dataclass(frozen=True)
class Square:
    """`cut` x `cut` pixels of a picture, from `top` and `left` on."""

    top: int
    left: int
    cut: int

    def of(self, clip: Pixels, side: int) -> Pixels:
        """These pixels of a clip (F, H, W, C), scaled to `side` x `side`."""
        return scaled(clip[:, self.top : self.top + self.cut, self.left : self.left + self.cut], side)

    def boxes(self, boxes: FloatArray, sizes: Sequence[int]) -> FloatArray:
        """Boxes (P, 4) in fractions of pictures of (height, width) in fractions of the square, clipped to it."""
        height, width = sizes
        moved = np.asarray(boxes, np.float64) * [width, height, width, height]
        moved = (moved - [self.left, self.top, self.left, self.top]) / self.cut
        return np.clip(moved, 0.0, 1.0)


def random_square(
    sizes: Sequence[int], side: int, random: np.random.Generator, scales: tuple[int, int] | None
) -> Square:
    """A square of pictures of (height, width), anywhere, to be shown at `side` x `side` pixels.

    With `scales` the picture's shorter side is first made as long as a number drawn from there, evenly.
    """
    height, width = sizes
    short = min(height, width)
    cut = min(side, short)
    if scales is not None:
        cut = min(short, max(1, round(side * short / random.uniform(*scales))))
    return Square(int(random.integers(height - cut + 1)), int(random.integers(width - cut + 1)), cut)


def square_at(sizes: Sequence[int], side: int, place: int) -> Square:
    """A square of pictures of (height, width): 0 at the left or top, 1 in the middle, 2 at the right or bottom.

    It moves along the longer side, as PySlowFast's `uniform_crop` does, whose rounding this is.
    """
    height, width = sizes
    cut = min(side, height, width)
    top, left = math.ceil((height - cut) / 2), math.ceil((width - cut) / 2)
    ends = (0, top if height > width else left, max(height, width) - cut)
    return Square(ends[place], left, cut) if height > width else Square(top, ends[place], cut)


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
