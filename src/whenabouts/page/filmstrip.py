"""Small pictures of a video in a row."""

import base64
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def filmstrip(path: Path, *, duration_seconds: float, frames: int = 16, size: tuple[int, int] = (45, 60)) -> str:
    """`frames` pictures side by side as a JPEG in a `data:` address; picture k shows the middle of the k-th part.

    `size` is (height, width) of each. Raises MediaError where nothing can be decoded.
    """
    from whenabouts.media.frames import read_frames

    seconds = (np.arange(frames) + 0.5) * duration_seconds / frames
    _, pixels = read_frames(path, seconds, size=size)
    strip = np.concatenate(list(pixels), axis=1)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(strip)).decode("ascii")


def jpeg(pixels: NDArray[np.uint8], *, quality: int = 5) -> bytes:
    """Pixels (H, W, 3) as a JPEG file; `quality` is FFmpeg's scale from 2 (best) to 31."""
    import av

    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuvj420p", Fraction(1, 25)
    codec.options = {"flags": "+qscale", "global_quality": str(118 * quality), "threads": "1"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
    packets = codec.encode(frame.reformat(format="yuvj420p", dst_color_range="JPEG"))
    return b"".join(bytes(packet) for packet in [*packets, *codec.encode(None)])
