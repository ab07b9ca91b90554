"""Bottleneck pathways whose first convolutions may look at time: the parts of I3D and of SlowFast."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from whenabouts.nets.nonlocal_block import Affinity, NonLocalBlock
from whenabouts.nets.residual import (
    EXPANSION,
    Bottleneck,
    LimitedPool,
    Reach,
    TimeConvolution,
    VideoResNet,
    batch_norm_relu,
    picture_convolution,
    reaches,
    shortcut,
    stage,
    stem_convolution,
    stem_pool,
)


@dataclass(frozen=True)
class NonLocals:
    """After which blocks of which stage (from 1) non-local blocks stand, and of which kind they are."""

    after: Mapping[int, Collection[int]]
    affinity: Affinity = "softmax"
    pool: tuple[int, int, int] = (1, 2, 2)


@dataclass(frozen=True)
class PathShape:
    """Numbers of one pathway.

    widths: of the stages, inside their bottlenecks; blocks: per stage; kernels: frames that each block's first
    convolution sees, one row a stage; stem_frames: that the stem sees; extra: channels that come in from beside, as
    a multiple of what comes out of the stem and of each stage but the last, with `extra_widths` to say how many.
    """

    widths: Sequence[int]
    blocks: Sequence[int]
    kernels: Sequence[Sequence[int]]
    stem_frames: int
    extra_widths: Sequence[int] = ()
    time_pool: bool = False

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(
                f"A net needs as many widths as numbers of blocks, but got {self.widths} and {self.blocks}."
            )
        if [len(row) for row in self.kernels] != list(self.blocks):
            raise ValueError(f"Each block needs its frames, but {self.blocks} blocks have {self.kernels}.")


def pathway(
    shape: PathShape,
    in_channels: int,
    *,
    nonlocals: NonLocals | None = None,
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """A net of one pathway; with `shape.time_pool` time is halved between the first two stages, else never."""
    first = shape.widths[0]
    stem = nn.Sequential(
        stem_convolution(in_channels, first, shape.stem_frames),
        *batch_norm_relu(first, epsilon),
        stem_pool(),
    )
    moves = reaches(len(shape.widths), time=(1,) * len(shape.widths), last_stride=last_stride)
    extra = [*shape.extra_widths, *[0] * (len(shape.widths) - len(shape.extra_widths))]
    stages, before = [], first
    for number, (width, count, kernels) in enumerate(zip(shape.widths, shape.blocks, shape.kernels, strict=True)):
        block = partial(_block, kernels=kernels, epsilon=epsilon)
        part = stage(block, before + extra[number], EXPANSION * width, count, moves[number])
        before = EXPANSION * width
        stages.append(_completed(part, number + 1, before, shape.time_pool, nonlocals, epsilon))
    net = VideoResNet(stem, stages, before)
    for module in net.modules():
        if isinstance(module, NonLocalBlock):
            module.reset()
    return net


def _completed(
    part: nn.Sequential, number: int, width: int, time_pool: bool, nonlocals: NonLocals | None, epsilon: float
) -> nn.Sequential:
    """The blocks of a stage, with the pooling before the second stage and the non-local blocks in their places."""
    whole = nn.Sequential()
    if time_pool and number == 2:
        whole.add_module("pool", LimitedPool((2, 1, 1)))
    after = nonlocals.after.get(number, ()) if nonlocals else ()
    for index, block in enumerate(part):
        whole.add_module(str(index), block)
        if nonlocals and index in after:
            added = NonLocalBlock(width, affinity=nonlocals.affinity, pool=nonlocals.pool, epsilon=epsilon)
            whole.add_module(f"nonlocal{index}", added)
    return whole


def _block(inputs: int, width: int, number: int, reach: Reach, *, kernels: Sequence[int], epsilon: float) -> Bottleneck:
    narrow = width // EXPANSION
    return Bottleneck(
        TimeConvolution(inputs, narrow, kernel=kernels[number]),
        picture_convolution(narrow, narrow, reach),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )
