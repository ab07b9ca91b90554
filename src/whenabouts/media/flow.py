"""Optical flow: how far the picture moves from each frame to the next, as small pictures of two channels.

Needs OpenCV, which only the extra `flow` brings: it is imported where flow is computed.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.media.parts import Part, chunked, cropped
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.media.resizing import target_size
from whenabouts.media.scaling import Pixels

FlowMethod = Literal["dis", "tvl1"]
Field = NDArray[np.float32]

# Below this OpenCV's DIS refuses a picture.
LEAST_SIDE = 16


@dataclass(frozen=True, slots=True)
class FlowForm:
    """How flow is measured and kept.

    `method` is "dis" (Kroeger et al., ECCV 2016; OpenCV's preset "medium") or "tvl1" (Zach et al., DAGM 2007; OpenCV's
    defaults). It works on grey pictures whose short side has `side` pixels, or those of the wanted size where that is
    larger. Displacements are in pixels of those pictures, clipped to +-`bound` and kept in 256 values: 0 becomes 128.
    """

    method: FlowMethod = "dis"
    side: int = 128
    bound: float = 20.0

    def working_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the pictures on which flow is measured, for fields of (height, width) `size`."""
        scale = max(1.0, self.side / min(size))
        return round(size[0] * scale), round(size[1] * scale)


def check_flow(method: FlowMethod) -> None:
    """Raise SettingsError, with what to install, where flow can't be computed here."""
    try:
        import cv2
    except ImportError as error:
        raise SettingsError(
            f"Motion needs OpenCV, which is not there ({error}). Install it with: pip install 'whenabouts[flow]'"
        ) from None
    if method == "tvl1" and not hasattr(cv2, "optflow"):
        raise SettingsError(
            "TV-L1 is only in OpenCV's contrib build, but another one is installed. Replace it by "
            'opencv-contrib-python-headless (never keep both), or choose backbone.flow.method = "dis".'
        )


def flow_between(method: FlowMethod) -> Callable[[Pixels, Pixels], Field]:
    """A function from two grey pictures (H, W) uint8 to the displacement (H, W, 2) of each pixel of the first.

    Channel 0 is how many pixels it moves to the right, channel 1 how many down, float32. Two equal pictures give 0.
    """
    check_flow(method)
    import cv2

    made: Any = cv2
    if method == "tvl1":
        solver = made.optflow.DualTVL1OpticalFlow_create()
    else:
        solver = made.DISOpticalFlow_create(made.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(first: Pixels, second: Pixels) -> Field:
        field: Field = solver.calc(first, second, None)
        return field

    return between


def quantised(field: Field, bound: float) -> Pixels:
    """Displacements to uint8 as two-stream nets keep them: -bound or less is 0, 0 is 128, bound or more is 255."""
    values = np.rint((field + np.float32(bound)) * np.float32(255 / (2 * bound)))
    kept: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return kept


def flow_fields(
    frames: Iterable[tuple[float, Pixels]], form: FlowForm, size: tuple[int, int]
) -> Iterator[tuple[float, Pixels]]:
    """RGB frames of one size with their times -> for each the quantised flow (H, W, 2) to the next, of (H, W) `size`.

    There are as many fields as frames: the last frame has the field of the one before, as if its motion went on, and
    a lone frame does not move.
    """
    import cv2

    between = flow_between(form.method)
    field = np.full((*size, 2), 128, np.uint8)
    before: tuple[float, Pixels] | None = None
    for seconds, pixels in frames:
        grey: Pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        if before is not None:
            found = between(before[1], grey)
            if found.shape[:2] != size:
                found = np.asarray(cv2.resize(found, size[::-1], interpolation=cv2.INTER_AREA), np.float32)
            field = quantised(found, form.bound)
            yield before[0], field
        before = seconds, grey
    if before is not None:
        yield before[0], field


def flow_parts(
    path: Path,
    *,
    size: Sequence[int] | int,
    flow: Mapping[str, Any],
    crop: int | None = None,
    video_id: str | None = None,
    rate: float | None = None,
    until_seconds: float | None = None,
) -> Iterator[Part]:
    """What `video_parts` gives, for a job in a child process, with fields (N, H, W, 2) in place of frames.

    `flow` holds the arguments of a `FlowForm`.
    """
    import cv2

    cv2.setNumThreads(1)  # Workers are processes; and no result depends on a number of threads.
    form = FlowForm(**flow)
    described = probe(path, video_id=video_id)
    yield described
    wanted = target_size(size, described.height, described.width, crop=crop) or (form.side, form.side)
    reader = VideoReader(path, rate=rate, size=form.working_size(wanted), threads=1, video_id=described.id)
    end = math.inf if until_seconds is None else until_seconds
    fields = flow_fields(reader, form, wanted)
    yield from cropped(chunked(itertools.takewhile(lambda field: field[0] < end, fields), 64), crop)
    yield reader.outcome
