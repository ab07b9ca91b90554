"""Perceptual hashes of frames: pictures that look alike have hashes that differ in few bits.

After PDQ (Facebook, 2019): 256 bits, which of the 16 x 16 lowest frequencies of a small grey picture lie above their
median. Sizes, codecs and brightness hardly change them. The hash of the mirrored picture needs no second transform:
mirroring turns the sign of every second column of frequencies. Beside the whole picture its middle is hashed in two
sizes: one meets pictures with their borders cut off, the other such with a logo in a corner.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import FloatArray
from whenabouts.media.parts import Part, video_parts

BITS = 256
SIDE = 64
VIEWS = (1.0, 0.9, 0.7)
_LOW = 16
_DARK, _EVEN = 24.0, 6.0
_LONGEST_BAR = 0.3

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameHashes:
    """Hashes (N, V, 32) uint8 of V = 3 views of frames and of the same mirrored, and how much there is to see, (N,).

    Views are the whole picture and its middle, nine and seven tenths of its sides (`VIEWS`).
    Quality is the mean difference of neighbouring pixels in grey levels: near 0 for a frame of one colour.
    """

    hashes: Bits
    mirrored: Bits
    quality: FloatArray


def frame_hashes(frames: NDArray[np.uint8]) -> FrameHashes:
    """Hashes of frames (N, H, W, 3), at least 64 x 64 each; black bars at the sides are cut off first."""
    grey = frames.astype(np.float32) @ np.asarray([0.299, 0.587, 0.114], np.float32)
    small = np.zeros((len(grey), len(VIEWS), SIDE, SIDE), np.float32)
    for number, picture in enumerate(grey):
        bare = _without_bars(picture)
        small[number] = [_squared(_middle(bare, share)) for share in VIEWS]
    basis = _cosines()
    low = basis @ small @ basis.T
    turned: NDArray[np.float32] = np.where(np.arange(1, _LOW + 1) % 2 == 1, -1, 1).astype(np.float32)
    whole = small[:, 0]
    steps = np.abs(np.diff(whole, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(whole, axis=2)).mean(axis=(1, 2))
    return FrameHashes(_packed(low), _packed(low * turned), steps.astype(np.float64))


def hash_parts(path: Path, *, rate: float = 1.0, size: int = 96, video_id: str | None = None) -> Iterator[Part]:
    """A job for `media/workers.py`: hashes of `rate` frames a second: `seconds`, `hashes`, `mirrored`, `quality`."""
    for part in video_parts(path, video_id=video_id, rate=rate, size=[size, size]):
        if isinstance(part, Mapping):
            found = frame_hashes(part["frames"])
            yield {
                "seconds": part["seconds"],
                "hashes": found.hashes,
                "mirrored": found.mirrored,
                "quality": found.quality,
            }
        else:
            yield part


def signs(hashes: Bits) -> NDArray[np.float32]:
    """Hashes (N, 32) as rows (N, 256) of -1 and 1: two rows differ in (256 - product) / 2 bits."""
    rows: NDArray[np.float32] = 2 * np.unpackbits(hashes, axis=1).astype(np.float32) - 1
    return rows


def _packed(low: NDArray[np.floating]) -> Bits:
    flat = low.reshape(*low.shape[:2], _LOW * _LOW)
    bits: Bits = np.packbits(flat > np.median(flat, axis=2, keepdims=True), axis=2)
    return bits


def _middle(grey: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    rows, columns = (round(side * (1 - share) / 2) for side in grey.shape)
    return grey[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns]


def _without_bars(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture without rows and columns at its sides that are dark and even, up to three tenths of each side."""
    for axis in (0, 1):
        lines = grey if axis == 0 else grey.T
        bar = (lines.mean(axis=1) < _DARK) & (lines.std(axis=1) < _EVEN)
        most = int(_LONGEST_BAR * len(bar))
        first = int(np.argmin(bar)) if not bar.all() else 0
        last = int(np.argmin(bar[::-1])) if not bar.all() else 0
        lines = lines[min(first, most) : len(bar) - min(last, most)]
        grey = lines if axis == 0 else lines.T
    return grey


def _squared(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Any size -> 64 x 64 by the mean of the area under each pixel."""
    rows, columns = _areas(grey.shape[0]), _areas(grey.shape[1])
    square: NDArray[np.float32] = (rows @ grey @ columns.T).astype(np.float32)
    return square


@cache
def _areas(length: int) -> NDArray[np.float32]:
    """Weights (64, length): pixel k of the small picture covers [k, k + 1) * length / 64 of the large one."""
    edges = np.arange(SIDE + 1) * length / SIDE
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: NDArray[np.float32] = (np.maximum(shared, 0) * SIDE / length).astype(np.float32)
    return weights


@cache
def _cosines() -> NDArray[np.float32]:
    """The 16 lowest frequencies but the constant, (16, 64), of the discrete cosine transform."""
    frequency, pixel = np.arange(1, _LOW + 1)[:, None], np.arange(SIDE)[None, :]
    waves: NDArray[np.float32] = np.cos(np.pi * frequency * (pixel + 0.5) / SIDE).astype(np.float32)
    return waves
