"""The clips that a published encoder takes: its own preprocessor's sizes, crop and colours, and windows in seconds."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from whenabouts.core.errors import InvalidData
from whenabouts.recognition.window_encoder import WindowForm

MOST_FRAMES, MOST_RATE, MOST_PIXELS = 1024, 1000.0, 4096
Colours = tuple[float, float, float]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole picture at one size, whatever its shape was."""

    height: int
    width: int

    def of(self, height: int, width: int) -> Pair:
        """(height, width) of a picture once it is resized."""
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class ShortSide:
    """The shorter side at `pixels`, the longer one in proportion, rounded down as Hugging Face's preprocessors do."""

    pixels: int

    def of(self, height: int, width: int) -> Pair:
        """(height, width) of a picture once it is resized."""
        if height <= width:
            return self.pixels, max(self.pixels, self.pixels * width // height)
        return max(self.pixels, self.pixels * height // width), self.pixels


@dataclass(frozen=True, slots=True)
class Patches:
    """At most `most` square patches of `side` pixels, the picture's shape kept as well as they can (SigLIP 2, NaFlex).

    The scale is found as in Hugging Face's preprocessor, by bisection between 1e-6 and 100 down to 1e-5.
    """

    side: int
    most: int

    def of(self, height: int, width: int) -> Pair:
        """(height, width) of a picture once it is resized."""
        low, high, close = 1e-6, 100.0, 1e-5
        while high - low >= close:
            scale = (low + high) / 2
            rows, columns = self._scaled(height, scale), self._scaled(width, scale)
            if (rows / self.side) * (columns / self.side) <= self.most:
                low = scale
            else:
                high = scale
        return self._scaled(height, low), self._scaled(width, low)

    def _scaled(self, side: int, scale: float) -> int:
        return max(self.side, math.ceil(side * scale / self.side) * self.side)


Size = Whole | ShortSide | Patches | None


@dataclass(frozen=True, slots=True)
class EncoderClips:
    """How videos become an encoder's tensors: `frames` pictures at `rate` a second make one window.

    Pictures are resized to `size` (None: not at all), then cut to the middle `crop` (height, width; black is added
    where they are smaller), multiplied by `scale`, and `mean` and `std` of red, green and blue are taken out. The
    stream of features is called `modality`.
    """

    modality: str
    frames: int
    rate: float
    size: Size
    crop: Pair | None = None
    mean: Colours = (0.0, 0.0, 0.0)
    std: Colours = (1.0, 1.0, 1.0)
    scale: float = 1 / 255

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MOST_FRAMES or not 0 < self.rate <= MOST_RATE:
            raise InvalidData(
                f"An encoder's windows need 1 to {MOST_FRAMES} frames at a rate above 0, up to {MOST_RATE:g} a second, "
                f"but got {self.frames} at {self.rate}."
            )
        numbers = (*self.mean, *self.std, self.scale)
        if not all(math.isfinite(number) for number in numbers) or min(*self.std, self.scale) <= 0:
            raise InvalidData(
                f"Colours need finite means, and spreads and a scale above 0, but got {self.mean}, {self.std} and "
                f"{self.scale}. The preprocessor's file is damaged."
            )
        sides = (*(self.crop or ()), *(dataclasses.astuple(self.size) if self.size is not None else ()))
        if any(not 1 <= side <= MOST_PIXELS for side in sides):
            raise InvalidData(
                f"Pictures have sides of 1 to {MOST_PIXELS} pixels, but the preprocessor's file makes {self.size} and "
                f"crops {self.crop}."
            )

    @property
    def form(self) -> WindowForm:
        """The windows that it takes: decoded at the preprocessor's size, and cut to the middle by `decoded_crop`.

        Pictures are averaged as they get smaller, as near as the decoder comes to the smoothed resizing of Hugging
        Face's preprocessors.
        """
        if self.size is None:
            raise InvalidData(
                "The preprocessor's file says that pictures are not resized, so they have no size in common. Give the "
                "encoder one whose file has do_resize and size."
            )
        size = (self.size.height, self.size.width) if isinstance(self.size, Whole) else self.size
        return WindowForm(pictures=self.frames, rate=self.rate, size=size, crop=self.decoded_crop)

    @property
    def decoded_crop(self) -> int | None:
        """The side of the middle that the decoder cuts out; None where nothing is cut, or `test` has to do it.

        The decoder cuts squares out of pictures that are large enough, and leaves that out where the whole picture is
        wanted (`extract.whole`); to other crops, and where black has to be added, `test` sees.
        """
        if self.crop is None or self.crop[0] != self.crop[1] or not isinstance(self.size, Whole | ShortSide):
            return None
        return self.crop[0] if self.crop[0] <= min(dataclasses.astuple(self.size)) else None

    def test(self, clips: Tensor) -> Tensor:
        """Windows of `form`, uint8 (B, T, H, W, 3) -> float32 (B, 3, T, H', W'), colours scaled; see `decoded_crop`."""
        pictures = clips if self.crop is None or self.decoded_crop is not None else middle(clips, self.crop)
        centre, spread = (torch.tensor(three, device=clips.device) for three in (self.mean, self.std))
        scaled = pictures.float().mul_(self.scale / spread).sub_(centre / spread)
        return scaled.permute(0, 4, 1, 2, 3)

    def identity(self) -> dict[str, Any]:
        """Plain values of all that decides the pixels, for checksums and cards."""
        kind = {"size_kind": type(self.size).__name__ if self.size is not None else "as decoded"}
        return {**dataclasses.asdict(self), **kind}


def middle(clips: Tensor, size: Pair) -> Tensor:
    """The middle (height, width) of pictures (..., H, W, 3), black where they are smaller."""
    for axis, wanted in ((-3, size[0]), (-2, size[1])):
        have = clips.shape[axis]
        if have < wanted:
            before = math.ceil((wanted - have) / 2)
            after = wanted - have - before
            clips = functional.pad(clips, (0, 0, before, after) if axis == -2 else (0, 0, 0, 0, before, after))
        else:
            clips = clips.narrow(axis, (have - wanted) // 2, wanted)
    return clips


def read_clips(told: Mapping[str, Any], *, modality: str, frames: int, rate: float) -> EncoderClips:
    """Clips from a preprocessor's own file (its values laid over those of its family); InvalidData where it is odd."""
    normal = told.get("do_normalize", True)
    try:
        return EncoderClips(
            modality=modality,
            frames=frames,
            rate=rate,
            size=_size(told) if told.get("do_resize", True) else None,
            crop=_pair(told["crop_size"]) if told.get("do_center_crop") else None,
            mean=_three(told["image_mean"]) if normal else (0.0, 0.0, 0.0),
            std=_three(told["image_std"]) if normal else (1.0, 1.0, 1.0),
            scale=float(told.get("rescale_factor", 1 / 255)) if told.get("do_rescale", True) else 1.0,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"The preprocessor's file can't be understood: {type(error).__name__} {error}.") from None


def _size(told: Mapping[str, Any]) -> Size:
    if "max_num_patches" in told:
        return Patches(int(told["patch_size"]), int(told["max_num_patches"]))
    size = told["size"]
    if isinstance(size, Mapping) and size.get("shortest_edge") is not None and size.get("longest_edge") is None:
        return ShortSide(int(size["shortest_edge"]))
    return Whole(*_pair(size))


def _pair(size: Any) -> Pair:
    if isinstance(size, Mapping):
        return int(size["height"]), int(size["width"])
    return int(size), int(size)


def _three(values: Any) -> Colours:
    if isinstance(values, int | float):
        return (float(values),) * 3
    if not isinstance(values, Sequence) or len(values) != 3:
        raise ValueError(f"three numbers were expected, but it says {values!r}")
    return float(values[0]), float(values[1]), float(values[2])
