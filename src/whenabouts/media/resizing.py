"""Sizes of pictures: the shorter side, the middle, and the bilinear resizing that published nets were trained with."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from whenabouts.media.scaling import Pixels

FloatArray = NDArray[np.float32]


def target_size(
    size: Sequence[int] | int | None, height: int | None, width: int | None, *, crop: int | None = None
) -> tuple[int, int] | None:
    """(height, width) that pictures of this height and width are resized to; None where they keep their size.

    A number is the length of the shorter side: the longer follows the picture's shape, rounded down, as PySlowFast and
    torchvision do; no side is below `crop`. Where the shape is not known, pictures become square.
    """
    if size is None or not isinstance(size, int):
        return None if size is None else (size[0], size[1])
    if not height or not width:
        return size, size
    short = min(height, width)
    return max(crop or 1, size * height // short), max(crop or 1, size * width // short)


def middle(frames: Pixels, crop: int | None) -> Pixels:
    """The middle `crop` x `crop` pixels of frames (..., H, W, C), a copy; all of them where `crop` is None."""
    if crop is None:
        return frames
    top, left = (frames.shape[-3] - crop) // 2, (frames.shape[-2] - crop) // 2
    return np.ascontiguousarray(frames[..., top : top + crop, left : left + crop, :])


def resized(frames: Iterable[tuple[float, Pixels]], size: tuple[int, int]) -> Iterator[tuple[float, Pixels]]:
    """Frames with their times, each made (height, width) `size` by `bilinear`."""
    for seconds, pixels in frames:
        yield seconds, bilinear(pixels, size)


def bilinear(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture (H, W, C) at another (height, width), each pixel from the four nearest and rounded to uint8.

    It is torch's `interpolate(mode="bilinear", align_corners=False)`, without smoothing before pictures get smaller.
    """
    if pixels.shape[:2] == size:
        return pixels
    above, below, down = _taps(pixels.shape[0], size[0])
    left, right, across = _taps(pixels.shape[1], size[1])
    rows = _between(pixels[above], pixels[below], down[:, None, None])
    made = _between(rows[:, left], rows[:, right], across[None, :, None])
    return np.rint(made).clip(0, 255).astype(np.uint8)


def _taps(length: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """For each of `wanted` places the two neighbours among `length`, and the share of the second."""
    places = np.maximum((np.arange(wanted) + 0.5) * (length / wanted) - 0.5, 0.0)
    first = np.minimum(places.astype(np.int64), length - 1)
    return first, np.minimum(first + 1, length - 1), (places - first).astype(np.float32)


def _between(first: NDArray[np.generic], second: NDArray[np.generic], share: FloatArray) -> FloatArray:
    start = first.astype(np.float32)
    made: FloatArray = start + (second.astype(np.float32) - start) * share
    return made
