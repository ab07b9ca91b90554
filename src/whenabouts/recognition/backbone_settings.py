"""The shape of a backbone and of its clips, and the nets that a shape may name."""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from whenabouts.config import as_table, settings
from whenabouts.core.errors import SettingsError
from whenabouts.media.flow import LEAST_SIDE, FlowForm, FlowMethod
from whenabouts.media.transforms import ClipTransform, FrameOrder
from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.conv2d import BlockKind
from whenabouts.nets.conv3d import MidChannels
from whenabouts.nets.nonlocal_block import Affinity
from whenabouts.nets.slowfast import SlowFrames
from whenabouts.recognition.families import FAMILIES, OF_FAMILIES
from whenabouts.recognition.frame_cache import FrameFormat
from whenabouts.recognition.window_encoder import Resize, WindowForm

# No net has more than these; a file that asks for more is not to take time and memory before it is refused.
Count = Annotated[int, Field(ge=1, le=65_536)]
Widths = Annotated[tuple[Count, ...], Field(max_length=16)]
Blocks = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(max_length=16)]
Side = Annotated[int, Field(ge=2, le=4096)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Input = Literal["rgb", "rgb+differences", "flow"]
Modality = Literal["rgb", "flow"]


@settings
class FlowSettings:
    """How motion is measured where a backbone's `input` is "flow": see `FlowForm`, and `ClipTransform` for `stack`.

    Displacements are those from one picture to the next at the backbone's `rate`: at the rate of the videos for the
    two-stream nets of the literature, which measure them with "tvl1" and `side` 256.
    """

    method: FlowMethod = "dis"
    side: Annotated[int, Field(ge=LEAST_SIDE, le=4096)] = 128
    bound: Positive = 20.0
    stack: Count = 5


@settings
class SlowFastSettings:
    """What SlowFast has beside widths and blocks: see `nets/slowfast.py`.

    Of the third stage's blocks the first `slow_time_blocks` and `fast_time_blocks` look at time.
    """

    alpha: Count = 4
    slow_time_blocks: Count = 6
    fast_time_blocks: Count = 6
    lateral_frames: Count = 7
    lateral_norm: bool = True
    slow_frames: SlowFrames = "spread"


@settings
class NonLocalSettings:
    """Behind which blocks (from 0) of each stage non-local blocks stand, and their kind; none by default."""

    after: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = ()
    affinity: Affinity = "softmax"
    pool: tuple[Count, Count, Count] = (1, 2, 2)


@settings
class BackboneSettings:
    """Which net, its shape, and the clips that it takes.

    `name` is one of `FAMILIES`. A net that has no use for a setting refuses any value but the default: `mid` is of
    "r2plus1d", `stem` of that and of "resnet", `block` and `pool` (a max pool behind the stem) of both and of "r3d",
    `slowfast` of that net, `nonlocals` of it and of "i3d". `last_stride` 1 keeps the last stage's pictures at twice the
    size, for boxes: all nets on clips have it.

    A clip is `frames` pictures at `rate` a second, each scaled to `height` x `width` pixels whatever its own shape:
    one box for all videos, so that nothing is cut off and clips stack. Where height and width are not given, the
    box has `short_side` and the median shape of the archive's pictures. `input` says what the net sees of a picture:
    its colours, or beside them what changed since the picture before, or in their place motion: "flow", for which
    each of the `frames` inputs is a stack of `flow.stack` fields, one begun at each picture. `mean` and `std` of red,
    green and blue in [0, 1], both or neither, are what published weights were trained with; so are `colours` ("bgr":
    blue comes first) and `resize`. With `own_shape` the shorter side of each video has `short_side` pixels and the
    other what its shape asks for: for extraction alone. The net sees the middle `crop` x `crop` pixels, in training a
    square of that size anywhere; None: all of the picture.
    """

    name: str = "r2plus1d"
    widths: Widths = (16, 32, 64)
    blocks: Blocks = (1, 1, 1)
    stem: Count = 16
    mid: MidChannels = "per_convolution"
    block: BlockKind = "basic"
    pool: bool = False
    epsilon: Positive = 1e-5
    frames: Count = 8
    rate: Positive = 6.0
    short_side: Side = 48
    height: Side | None = None
    width: Side | None = None
    input: Input = "rgb+differences"
    order: FrameOrder = "ordered"
    flow: FlowSettings = FlowSettings()
    mean: tuple[float, float, float] | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    colours: Literal["rgb", "bgr"] = "rgb"
    resize: Resize = "area"
    crop: Side | None = None
    own_shape: bool = False
    last_stride: Literal[1, 2] = 2
    slowfast: SlowFastSettings = SlowFastSettings()
    nonlocals: NonLocalSettings = NonLocalSettings()

    @property
    def modality(self) -> Modality:
        """The stream of features that a net of this input makes."""
        return "flow" if self.input == "flow" else "rgb"

    @property
    def pictures(self) -> int:
        """Pictures, or fields of flow, that a clip is made from."""
        return self.frames + self.flow.stack - 1 if self.input == "flow" else self.frames

    @property
    def form(self) -> WindowForm:
        """The windows that extraction cuts for this net."""
        size = self.short_side if self.own_shape else self.box
        return WindowForm(
            pictures=self.pictures,
            rate=self.rate,
            size=size,
            crop=self.crop,
            resize=self.resize,
            flow=self._flow_form,
        )

    @property
    def _flow_form(self) -> FlowForm | None:
        if self.input != "flow":
            return None
        return FlowForm(self.flow.method, self.flow.side, self.flow.bound)

    def frame_format(self, longest_seconds: float = math.inf) -> FrameFormat:
        """The pictures or fields that clips are cut from, of the first `longest_seconds` of a video.

        With `own_shape` each video has its own, of which clips for training see `crop` x `crop` pixels.
        """
        if self.own_shape and self.crop is not None:
            return FrameFormat(self.rate, self.short_side, None, longest_seconds, self._flow_form, self.resize)
        return FrameFormat(self.rate, *self.box, longest_seconds, self._flow_form, self.resize)

    def boxed(self, aspect: float) -> "BackboneSettings":
        """The same with height and width settled, for pictures of this width over height; sides are even."""
        if self.own_shape or (self.height is not None and self.width is not None):
            return self
        long = 2 * round(self.short_side * max(aspect, 1 / aspect) / 2)
        height, width = (self.short_side, long) if aspect >= 1 else (long, self.short_side)
        return dataclasses.replace(self, height=height, width=width)

    @property
    def box(self) -> tuple[int, int]:
        """(height, width) in pixels; raises SettingsError while they are not settled."""
        if self.own_shape:
            raise SettingsError(
                "backbone.own_shape leaves each video its shape, but a training needs clips of one. Leave it out here, "
                "or say with backbone.crop which square of each picture the net is to see."
            )
        if self.height is None or self.width is None:
            raise SettingsError("backbone.height and backbone.width are not settled. Give both, or train a backbone.")
        return self.height, self.width

    @property
    def window_seconds(self) -> float:
        """Time that a clip looks at."""
        return self.pictures / self.rate

    def transform(self, *, shift: float = 0.0, colour: float = 0.0) -> ClipTransform:
        """How this backbone's clips become tensors; shift and colour matter for training only."""
        differences = self.input == "rgb+differences"
        stack = self.flow.stack if self.input == "flow" else 0
        made = ClipTransform(differences=differences, frames=self.order, shift=shift, colour=colour, stack=stack)
        made = dataclasses.replace(made, blue_first=self.colours == "bgr")
        if self.mean is None or self.std is None:
            return made
        return dataclasses.replace(made, mean=self.mean, std=self.std)

    def prepared(self, clips: NDArray[np.uint8], device: torch.device) -> Tensor:
        """Windows (B, F, H, W, C) -> what the net takes, (B, C', F', H, W), on a device."""
        return self.transform().test(torch.from_numpy(clips).to(device))

    @property
    def channels(self) -> int:
        """Channels of the tensors that the net takes."""
        return self.transform().channels

    def build(self) -> ClipNet:
        """A fresh net of this shape, with random weights; raises SettingsError for a shape that can't be."""
        if self.name not in FAMILIES:
            near = difflib.get_close_matches(self.name, FAMILIES, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Choose from: {', '.join(FAMILIES)}."
            raise SettingsError(f"backbone.name is {self.name!r}, but there is no such net. {hint}")
        try:
            if self.input != "flow":
                _refuse(self, "flow")
            else:
                _refuse(self, "colours", "resize")
            _refuse(self, *(name for name in OF_FAMILIES if name not in FAMILIES[self.name].has))
            self._check_crop()
            if (self.mean is None) != (self.std is None):
                raise ValueError("mean and std go together, but one of them is missing. Give both, or neither.")
            return FAMILIES[self.name].build(self)
        except ValueError as error:
            raise SettingsError(f"backbone: {error}") from None

    def _check_crop(self) -> None:
        least = self.short_side if self.height is None or self.width is None else min(self.height, self.width)
        if self.crop is not None and self.crop > least:
            raise ValueError(f"crop {self.crop} is more than the {least} pixels of a picture's shorter side.")

    @classmethod
    def upgraded(cls, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """A table that an earlier version wrote, in today's names: `differences` was what `input` is now."""
        if not isinstance(table, Mapping) or "differences" not in table:
            return table
        others = {name: value for name, value in table.items() if name != "differences"}
        return {"input": "rgb+differences" if table["differences"] else "rgb", **others}

    def identity(self) -> dict[str, Any]:
        """What decides features beside the weights, for checksums: settings that came later count where they are used.

        So features of a backbone stay its own when a version adds a setting.
        """
        usual = as_table(BackboneSettings())
        table = {name: value for name, value in as_table(self).items() if name not in _LATER or value != usual[name]}
        if self.input != "flow":
            table.pop("input", None)
        else:
            table["flow"] = as_table(self.flow)
        return {**table, "differences": self.input == "rgb+differences"}


_LATER = (
    "block",
    "pool",
    "input",
    "flow",
    "mean",
    "std",
    "colours",
    "resize",
    "crop",
    "own_shape",
    "last_stride",
    "slowfast",
    "nonlocals",
)


def _refuse(shape: BackboneSettings, *names: str) -> None:
    """Settings that a net does not have stay at their defaults: else they would change nothing, in silence."""
    usual = BackboneSettings()
    for name in names:
        if getattr(shape, name) != getattr(usual, name):
            owner = f"input {shape.input!r}" if name in ("flow", "colours", "resize") else repr(shape.name)
            raise ValueError(f"{owner} has no {name!r}, but it is {getattr(shape, name)!r}. Leave it out.")
