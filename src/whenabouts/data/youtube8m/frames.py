"""From bytes to numbers and back, as YouTube-8M does it, and the matrices that its models see."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m.reader import SEGMENT_SECONDS, ByteArray, Float32Array, FrameRecord, IntArray

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


def padded_frames(record: FrameRecord, frames: int = FRAMES) -> tuple[Float32Array, int]:
    """The first `frames` seconds as the official reader gives them, and how many of them there are.

    Values (frames, rgb + audio) are dequantised; rows behind the video's end are 0, which no byte stands for.
    """
    count = min(len(record), frames)
    width = record.rgb.shape[1]
    matrix = np.zeros((frames, width + record.audio.shape[1]), np.float32)
    matrix[:count, :width] = dequantised(record.rgb[:count])
    matrix[:count, width:] = dequantised(record.audio[:count])
    return matrix, count


def segment_frames(record: FrameRecord) -> tuple[IntArray, Float32Array]:
    """Start seconds (S,) of the rated segments, each once in order of appearance, and their frames (S, 5, rgb + audio).

    Frames are dequantised; rows behind the video's end are 0.
    """
    _, first = np.unique(record.ratings.starts, return_index=True)
    starts = record.ratings.starts[np.sort(first)]
    return starts, _gathered(record, starts)


def every_segment(record: FrameRecord) -> tuple[IntArray, IntArray, Float32Array]:
    """A whole video in segments of 5 s, as the official inference cuts it: starts, numbers of frames, and the frames.

    Starts (S,) in seconds, numbers (S,) from 1 to 5, frames (S, 5, rgb + audio), dequantised. The last segment may have
    fewer than 5; its other rows are 0.
    """
    starts = np.arange(0, len(record), SEGMENT_SECONDS, dtype=np.int64)
    return starts, np.minimum(len(record) - starts, SEGMENT_SECONDS), _gathered(record, starts)


def _gathered(record: FrameRecord, starts: IntArray) -> Float32Array:
    """Frames (S, 5, rgb + audio) of the segments that start at `starts`, 0 behind the video's end."""
    matrix = np.zeros((len(starts), SEGMENT_SECONDS, record.rgb.shape[1] + record.audio.shape[1]), np.float32)
    seconds: NDArray[np.int64] = starts[:, None] + np.arange(SEGMENT_SECONDS)
    inside = seconds < len(record)
    both = np.concatenate([record.rgb[seconds[inside]], record.audio[seconds[inside]]], axis=1)
    matrix[inside] = dequantised(both)
    return matrix
