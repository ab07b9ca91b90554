"""Decoded frames to upright RGB pixels of a wanted size, inside FFmpeg's filter graph."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

Pixels = NDArray[np.uint8]

# FFmpeg's numbers of colour matrices, as its `buffer` source names them; all else is left for it to guess.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
_RANGES = {1: "tv", 2: "pc"}

# By area, and rounded to the nearest: without the last two flags pictures come out up to 3 of 255 too dark.
_FLAGS = "area+accurate_rnd+full_chroma_int"

# Pixel shapes this near to square come from rounding odd sizes.
_ROUNDING = 0.02


@dataclass(frozen=True, slots=True)
class Upright:
    """How pictures are put upright: `quarter_turns` to the left, and the filters that FFmpeg needs for it."""

    quarter_turns: int = 0
    filters: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def of(cls, frame: "VideoFrame") -> "Upright":
        """From the display matrix that a frame carries, as the `ffmpeg` program reads it."""
        turns = round(frame.rotation / 90) % 4
        across, down, sideways = _mirrors(frame, turns)
        if turns == 3:
            return cls(turns, (("transpose", "cclock_flip" if sideways > 0 else "clock"),))
        if turns == 1:
            return cls(turns, (("transpose", "clock_flip" if sideways < 0 else "cclock"),))
        flips = (("hflip", turns == 2 and across < 0), ("vflip", down < 0))
        return cls(turns, tuple((name, None) for name, wanted in flips if wanted))


class Scaler:
    """Turns frames into pixels (H, W, 3): rotation and pixel shape applied, scaled by area, RGB.

    `size` is (height, width) after rotation; None keeps the size as shown, with the container's `pixel_shape` (width
    of a pixel over its height) made square. Frames may change size, format or rotation on the way: the filter graph
    is then built anew. `upright` is for decoders that lose the display matrix; None reads it from the frame. HDR is
    converted without tone mapping.
    """

    def __init__(self, size: tuple[int, int] | None = None, pixel_shape: Fraction | None = None) -> None:
        if size is not None and min(size) < 1:
            raise InvalidData(f"A picture is at least 1 x 1, but got size {size}. Give (height, width) in pixels.")
        self._size, self._pixel_shape = size, pixel_shape
        self._key: tuple[Any, ...] | None = None
        self._graph: Graph | None = None

    def __call__(self, frame: "VideoFrame", upright: Upright | None = None) -> Pixels:
        """Pixels (H, W, 3) uint8 of one decoded frame; the frame itself is left as it is."""
        form = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        key = (*form, frame.rotation, upright)
        if self._graph is None or key != self._key:
            turned = upright or Upright.of(frame)
            size = self._size or shown_size(frame, self._pixel_shape, turned)
            self._graph, self._key = _graph(frame, size, turned), key
        self._graph.vpush(frame)
        return self._graph.vpull().to_ndarray().view(np.uint8)


def shown_size(frame: "VideoFrame", pixel_shape: Fraction | None, upright: Upright | None = None) -> tuple[int, int]:
    """(height, width) of a frame as people see it: square pixels, upright."""
    width, height = frame.width, frame.height
    if pixel_shape is not None and Fraction(1, 4) <= pixel_shape <= 4 and abs(pixel_shape - 1) > _ROUNDING:
        width = max(1, round(width * pixel_shape))
    turns = (upright or Upright.of(frame)).quarter_turns
    return (width, height) if turns % 2 else (height, width)


def _graph(frame: "VideoFrame", size: tuple[int, int], upright: Upright) -> "Graph":
    from av.filter import Graph

    graph = Graph()
    height, width = size if upright.quarter_turns % 2 == 0 else size[::-1]
    source = {"video_size": f"{frame.width}x{frame.height}", "pix_fmt": frame.format.name, "time_base": "1/1000000"}
    if frame.colorspace in _MATRICES:
        source["colorspace"] = _MATRICES[frame.colorspace]
    if frame.color_range in _RANGES:
        source["range"] = _RANGES[frame.color_range]
    nodes = [graph.add("buffer", pixel_aspect="1/1", **source)]
    nodes += [graph.add("scale", f"{width}:{height}:flags={_FLAGS}")]
    nodes += [graph.add("format", "rgb24"), *(graph.add(name, how) for name, how in upright.filters)]
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph


def _mirrors(frame: "VideoFrame", turns: int) -> tuple[int, int, int]:
    """Entries 0, 4 and 3 of the display matrix: do x, y or the turned x run backwards?"""
    plain = ((1, 1, 0), (0, 0, 1), (-1, -1, 0), (0, 0, -1))[turns]
    try:
        matrix = np.frombuffer(bytes(cast(Any, frame.side_data)["DISPLAYMATRIX"]), np.int32)
    except (KeyError, ValueError):
        return plain
    return (int(matrix[0]), int(matrix[4]), int(matrix[3])) if matrix.size >= 9 else plain
