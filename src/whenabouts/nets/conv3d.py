"""R(2+1)D, R3D and MC3: residual nets of basic or bottleneck blocks that differ in their convolutions.

Tran et al., "A Closer Look at Spatiotemporal Convolutions" (CVPR 2018), and the nets of the pre-training paper
(Ghadiyaram et al., CVPR 2019, Table 2). Widths are those of the stages' basic blocks; bottlenecks put out 4 times that.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from torch import nn

from whenabouts.nets.residual import (
    BOTTLENECK,
    EXPANSION,
    BasicBlock,
    Block,
    Bottleneck,
    Reach,
    TimeConvolution,
    VideoResNet,
    batch_norm_relu,
    blocks_of,
    picture_convolution,
    reaches,
    shortcut,
    stage,
    stem_convolution,
    stem_pool,
    volume_convolution,
)

MidChannels = Literal["per_convolution", "per_block"]
WIDTHS = (64, 128, 256, 512)


def mid_channels(inputs: int, outputs: int) -> int:
    """Width between the (1, 3, 3) and the (3, 1, 1) part that keeps the parameter count of one (3, 3, 3) convolution.

    `floor(27 Ci Co / (9 Ci + 3 Co))`: Tran et al., "A Closer Look at Spatiotemporal Convolutions", section 3.5.
    """
    return (27 * inputs * outputs) // (9 * inputs + 3 * outputs)


class FactorisedConvolution(nn.Sequential):
    """(1, 3, 3) convolution to `mid` channels, batch norm, ReLU, (3, 1, 1) convolution; no bias.

    (B, inputs, T, H, W) -> (B, outputs, T', H', W'), each side divided by its stride, rounded up.
    """

    def __init__(self, inputs: int, outputs: int, mid: int, *, reach: Reach, epsilon: float) -> None:
        super().__init__(
            picture_convolution(inputs, mid, reach._replace(time=1)),
            *batch_norm_relu(mid, epsilon),
            TimeConvolution(mid, outputs, stride=reach.time),
        )


class TimeFirstConvolution(nn.Sequential):
    """(3, 1, 1) convolution, batch norm, ReLU, (1, 3, 3) convolution, all of one width: pytorchvideo's R(2+1)D."""

    def __init__(self, width: int, *, reach: Reach, epsilon: float) -> None:
        super().__init__(
            TimeConvolution(width, width, stride=reach.time),
            *batch_norm_relu(width, epsilon),
            picture_convolution(width, width, reach._replace(time=1)),
        )


class R2Plus1D(VideoResNet):
    """R(2+1)D of any depth and width: clips (B, C, T, H, W) -> features (B, D).

    The stem is a (1, 7, 7) convolution of spatial stride 2 to `stem` channels and a (3, 1, 1) convolution to
    `widths[0]`, with a pooling behind it where `pool` says so (the published costs are without); stage i holds
    `blocks[i]` blocks of `widths[i]` channels, and every stage but the first halves time, height and width (rounding
    up), so that any clip of at least one frame passes. `mid` says whether the inner width of a factorised convolution
    follows that convolution's own widths, as in the pre-training paper (Table 2), or its block's, as in torchvision.
    With the defaults the parameters bear torchvision's names and shapes of `r2plus1d_18`; `r2plus1d(34)` and the like
    are the paper's. `last_stride` 1 is for boxes: see `reaches`. A classifier is not part of it.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = (2, 2, 2, 2),
        stem: int = 45,
        mid: MidChannels = "per_block",
        bottleneck: bool = False,
        pool: bool = False,
        last_stride: int = 2,
        epsilon: float = 1e-5,
    ) -> None:
        if not widths or len(widths) != len(blocks):
            raise ValueError(f"R(2+1)D needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
        first = nn.Sequential(
            stem_convolution(in_channels, stem, 1),
            *batch_norm_relu(stem, epsilon),
            TimeConvolution(stem, widths[0]),
            *batch_norm_relu(widths[0], epsilon),
            *([stem_pool()] if pool else []),
        )
        block = partial(_factorised_bottleneck if bottleneck else _factorised_block, mid=mid, epsilon=epsilon)
        moves = reaches(len(widths), time=(1, *[2] * (len(widths) - 1)), last_stride=last_stride)
        wide = [width * (EXPANSION if bottleneck else 1) for width in widths]
        super().__init__(first, _stages(block, widths[0], wide, blocks, moves), wide[-1])


def r2plus1d(
    depth: int,
    in_channels: int = 3,
    *,
    mid: MidChannels = "per_convolution",
    pool: bool = False,
    last_stride: int = 2,
    epsilon: float = 1e-3,
) -> R2Plus1D:
    """R(2+1)D-18, -34, -50, -101 or -152 of the pre-training paper (its batch norms' epsilon is 1e-3)."""
    return R2Plus1D(
        in_channels,
        blocks=blocks_of(depth),
        mid=mid,
        bottleneck=depth in BOTTLENECK,
        pool=pool,
        last_stride=last_stride,
        epsilon=epsilon,
    )


def time_first_r2plus1d(
    in_channels: int = 3,
    *,
    widths: Sequence[int] = WIDTHS,
    blocks: Sequence[int] = (3, 4, 6, 3),
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """pytorchvideo's R(2+1)D-50: time before picture, one width inside, time halved by the last two stages alone.

    Its stem is one (1, 7, 7) convolution, and its first stage halves the picture where others pool.
    """
    stem = nn.Sequential(
        stem_convolution(in_channels, widths[0], 1),
        *batch_norm_relu(widths[0], epsilon),
    )
    late = max(len(widths) - 2, 0)
    moves = reaches(len(widths), time=(*[1] * late, 2, 2), last_stride=last_stride, first_stride=2)
    wide = [EXPANSION * width for width in widths]
    block = partial(_time_first_block, epsilon=epsilon)
    return VideoResNet(stem, _stages(block, widths[0], wide, blocks, moves), wide[-1])


def r3d(
    in_channels: int = 3,
    *,
    widths: Sequence[int] = WIDTHS,
    blocks: Sequence[int] = (2, 2, 2, 2),
    bottleneck: bool = False,
    pool: bool = False,
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """R3D: (3, 3, 3) convolutions throughout; `r3d_18` of torchvision with the defaults."""
    moves = reaches(len(widths), time=(1, *[2] * (len(widths) - 1)), last_stride=last_stride)
    return _whole(
        in_channels, widths, blocks, moves, (True,) * len(widths), bottleneck=bottleneck, pool=pool, epsilon=epsilon
    )


def mc3(
    in_channels: int = 3,
    *,
    widths: Sequence[int] = WIDTHS,
    blocks: Sequence[int] = (2, 2, 2, 2),
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """MC3: (3, 3, 3) convolutions in the first stage, frame by frame (1, 3, 3) after it, and time is never halved."""
    moves = reaches(len(widths), time=(1,) * len(widths), last_stride=last_stride)
    volumes = (True, *[False] * (len(widths) - 1))
    return _whole(in_channels, widths, blocks, moves, volumes, bottleneck=False, pool=False, epsilon=epsilon)


def _whole(
    in_channels: int,
    widths: Sequence[int],
    blocks: Sequence[int],
    moves: Sequence[Reach],
    volumes: Sequence[bool],
    *,
    bottleneck: bool,
    pool: bool,
    epsilon: float,
) -> VideoResNet:
    """A net of unfactorised convolutions: `volumes` says of each stage whether they look at time."""
    if not widths or len(widths) != len(blocks):
        raise ValueError(f"A net needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
    stem = nn.Sequential(
        stem_convolution(in_channels, widths[0], 3),
        *batch_norm_relu(widths[0], epsilon),
        *([stem_pool()] if pool else []),
    )
    wide = [width * (EXPANSION if bottleneck else 1) for width in widths]
    make = _whole_bottleneck if bottleneck else _whole_block
    stages, before = [], widths[0]
    for width, count, move, volume in zip(wide, blocks, moves, volumes, strict=True):
        stages.append(stage(partial(make, volume=volume, epsilon=epsilon), before, width, count, move))
        before = width
    return VideoResNet(stem, stages, wide[-1])


def _stages(
    block: Block, inputs: int, widths: Sequence[int], blocks: Sequence[int], moves: Sequence[Reach]
) -> list[nn.Sequential]:
    before = [inputs, *widths[:-1]]
    return [stage(block, *each) for each in zip(before, widths, blocks, moves, strict=True)]


def _factorised_block(
    inputs: int, width: int, number: int, reach: Reach, *, mid: MidChannels, epsilon: float
) -> BasicBlock:
    first = mid_channels(inputs, width)
    second = first if mid == "per_block" else mid_channels(width, width)
    return BasicBlock(
        FactorisedConvolution(inputs, width, first, reach=reach, epsilon=epsilon),
        FactorisedConvolution(width, width, second, reach=Reach(dilation=reach.dilation), epsilon=epsilon),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )


def _factorised_bottleneck(
    inputs: int, width: int, number: int, reach: Reach, *, mid: MidChannels, epsilon: float
) -> Bottleneck:
    narrow = width // EXPANSION
    between = mid_channels(inputs if mid == "per_block" else narrow, narrow)
    return Bottleneck(
        nn.Conv3d(inputs, narrow, 1, bias=False),
        FactorisedConvolution(narrow, narrow, between, reach=reach, epsilon=epsilon),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )


def _time_first_block(inputs: int, width: int, number: int, reach: Reach, *, epsilon: float) -> Bottleneck:
    narrow = width // EXPANSION
    return Bottleneck(
        nn.Conv3d(inputs, narrow, 1, bias=False),
        TimeFirstConvolution(narrow, reach=reach, epsilon=epsilon),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )


def _convolution(inputs: int, outputs: int, reach: Reach, *, volume: bool) -> nn.Conv3d:
    return volume_convolution(inputs, outputs, reach) if volume else picture_convolution(inputs, outputs, reach)


def _whole_block(inputs: int, width: int, number: int, reach: Reach, *, volume: bool, epsilon: float) -> BasicBlock:
    return BasicBlock(
        _convolution(inputs, width, reach, volume=volume),
        _convolution(width, width, Reach(dilation=reach.dilation), volume=volume),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )


def _whole_bottleneck(
    inputs: int, width: int, number: int, reach: Reach, *, volume: bool, epsilon: float
) -> Bottleneck:
    narrow = width // EXPANSION
    return Bottleneck(
        nn.Conv3d(inputs, narrow, 1, bias=False),
        _convolution(narrow, narrow, reach, volume=volume),
        shortcut(inputs, width, reach, epsilon),
        width=width,
        epsilon=epsilon,
    )
