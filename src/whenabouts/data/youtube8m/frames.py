"""From bytes to numbers and back, as YouTube-8M does it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m.reader import ByteArray, Float32Array

LEAST, MOST = -2.0, 2.0
STEP = (MOST - LEAST) / 255
LOWEST = LEAST + (MOST - LEAST) / 512  # what the byte 0 stands for
HIGHEST = LOWEST + 255 * STEP
FRAMES = 300


def dequantised(values: ByteArray) -> Float32Array:
    """Bytes -> float32 of the same shape, x = q 4/255 + 4/512 - 2, bit for bit as google/youtube-8m's `Dequantize`.

    It is not the inverse of its quantiser: every number comes back 1/128 greater, give or take half a step (1/128).
    """
    result = np.multiply(values, np.float32(STEP), dtype=np.float32)
    result += np.float32(LOWEST)
    return result


def quantised(values: ArrayLike) -> ByteArray:
    """Numbers -> bytes of the same shape, q = round((clip(x, -2, 2) + 2) 255/4), as the dataset was made.

    Bytes that `dequantised` gave come back unchanged. NaN raises InvalidData.
    """
    return _levels(np.clip(np.asarray(values, np.float64), LEAST, MOST) - LEAST)


def nearest_bytes(values: ArrayLike) -> ByteArray:
    """Numbers -> bytes of the same shape whose `dequantised` numbers lie nearest: unlike `quantised`, without bias.

    NaN raises InvalidData.
    """
    return _levels(np.asarray(values, np.float64) - LOWEST)


def _levels(above: NDArray[np.float64]) -> ByteArray:
    if np.isnan(above).any():
        raise InvalidData("NaN can't be written as a byte. Extract these features again.")
    levels: ByteArray = np.clip(np.rint(above * 255 / (MOST - LEAST)), 0, 255).astype(np.uint8)
    return levels
