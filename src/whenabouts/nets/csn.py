"""Channel-separated nets: bottlenecks whose (3, 3, 3) convolution looks at each channel by itself.

Tran et al., "Video Classification with Channel-Separated Convolutional Networks" (ICCV 2019).
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from torch import nn

from whenabouts.nets.residual import (
    EXPANSION,
    Bottleneck,
    Reach,
    VideoResNet,
    batch_norm_relu,
    blocks_of,
    reaches,
    shortcut,
    stage,
    stem_convolution,
    stem_pool,
    volume_convolution,
)

Interaction = Literal["preserved", "reduced"]


def csn(
    depth: int,
    in_channels: int = 3,
    *,
    interaction: Interaction = "reduced",
    widths: Sequence[int] = (64, 128, 256, 512),
    last_stride: int = 2,
    epsilon: float = 1e-3,
) -> VideoResNet:
    """ir-CSN or ip-CSN of depth 50, 101 or 152: clips (B, C, T, H, W) -> features (B, 4 widths[-1]).

    `interaction` "reduced" (ir-CSN) has the depthwise convolution alone; "preserved" (ip-CSN) puts a 1x1x1 convolution
    and a batch norm, without ReLU, before it. Blocks per stage follow `depth`; see `csn_of` for other numbers.
    """
    return csn_of(
        blocks_of(depth), in_channels, interaction=interaction, widths=widths, last_stride=last_stride, epsilon=epsilon
    )


def csn_of(
    blocks: Sequence[int],
    in_channels: int = 3,
    *,
    interaction: Interaction = "reduced",
    widths: Sequence[int] = (64, 128, 256, 512),
    last_stride: int = 2,
    epsilon: float = 1e-3,
) -> VideoResNet:
    """A channel-separated net of `blocks[i]` blocks in stage i; widths and the rest as in `csn`."""
    if not widths or len(widths) != len(blocks):
        raise ValueError(f"A net needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
    stem = nn.Sequential(
        stem_convolution(in_channels, widths[0], 3),
        *batch_norm_relu(widths[0], epsilon),
        stem_pool(),
    )
    moves = reaches(len(widths), time=(1, *[2] * (len(widths) - 1)), last_stride=last_stride)
    block = partial(_block, interaction=interaction, epsilon=epsilon)
    stages, before = [], widths[0]
    for width, count, move in zip(widths, blocks, moves, strict=True):
        stages.append(stage(block, before, EXPANSION * width, count, move))
        before = EXPANSION * width
    return VideoResNet(stem, stages, before)


def _block(
    inputs: int, width: int, number: int, reach: Reach, *, interaction: Interaction, epsilon: float
) -> Bottleneck:
    narrow = width // EXPANSION
    inner: nn.Module = volume_convolution(narrow, narrow, reach, groups=narrow)
    if interaction == "preserved":
        inner = nn.Sequential(nn.Conv3d(narrow, narrow, 1, bias=False), nn.BatchNorm3d(narrow, eps=epsilon), inner)
    return Bottleneck(
        nn.Conv3d(inputs, narrow, 1, bias=False),
        inner,
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )
