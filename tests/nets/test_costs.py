"""Parameters and multiply-accumulates of the nets as published and as measured on the reference code, to the digit."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from whenabouts.nets.conv3d import R2Plus1D, r2plus1d, r3d
from whenabouts.nets.csn import csn
from whenabouts.nets.i3d import i3d
from whenabouts.nets.nonlocal_block import NonLocalBlock
from whenabouts.nets.residual import VideoResNet
from whenabouts.nets.slowfast import SlowFast, slowfast

Build = Callable[[], VideoResNet | SlowFast]
R34 = (3, 4, 6, 3)
all_time = partial(slowfast, slow_time_blocks=None, fast_time_blocks=None)


def counted(net: nn.Module, clip: tuple[int, ...]) -> int:
    """Multiply-accumulates of convolutions and of non-local products, as the papers count their "GFLOPs"."""
    total = 0

    def convolved(module: nn.Module, _: tuple[Tensor, ...], found: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv3d)
        total += found.numel() * module.weight[0].numel()

    def compared(module: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> None:
        nonlocal total
        assert isinstance(module, NonLocalBlock)
        places, seen = given[0][0, 0].numel(), module.pool(given[0])[0, 0].numel()
        total += 2 * places * seen * module.theta.out_channels

    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(convolved)
        if isinstance(module, NonLocalBlock):
            module.register_forward_hook(compared)
    with torch.device("meta"):
        net.eval()(torch.empty(1, 3, *clip))
    return total


def test_the_counter_counts() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3), bias=False), nn.Conv3d(4, 4, 1, groups=2))
    assert counted(net, (2, 5, 5)) == 2 * 3 * 3 * 4 * (3 * 9 + 2)
    with torch.device("meta"):
        block = nn.Sequential(nn.Conv3d(3, 8, 1), NonLocalBlock(8))
    places, seen = 2 * 4 * 4, 2 * 2 * 2
    assert counted(block, (2, 4, 4)) == places * (3 * 8 + 8 * 4 + 4 * 8) + 2 * seen * 8 * 4 + 2 * places * seen * 4


@pytest.mark.parametrize(
    ("build", "classes", "parameters"),
    [
        (lambda: r2plus1d(18), 359, 33_349_806),
        (lambda: r2plus1d(18), 400, 33_370_839),
        (R2Plus1D, 359, 31_484_292),
        (R2Plus1D, 400, 31_505_325),
        (lambda: r2plus1d(34), 359, 63_676_142),
        (lambda: r2plus1d(34), 400, 63_697_175),
        (lambda: r2plus1d(34), 487, 63_741_806),
        (lambda: r2plus1d(101), 359, 85_966_776),
        (lambda: r2plus1d(101), 400, 86_050_785),
        (lambda: r2plus1d(152), 359, 118_142_776),
        (lambda: r2plus1d(152), 400, 118_226_785),
        (r3d, 400, 33_371_472),
        (lambda: r3d(blocks=R34), 400, 63_681_104),
        (lambda: csn(152), 400, 29_703_568),
        (lambda: csn(152, interaction="preserved"), 400, 33_016_592),
        (lambda: csn(50), 400, 13_131_152),
        (lambda: csn(101), 400, 22_213_776),
        (lambda: slowfast(50, alpha=8), 400, 34_480_216),
        (lambda: slowfast(50), 400, 34_566_488),
        (lambda: slowfast(101), 400, 53_774_808),
        (lambda: slowfast(101, fast_time_blocks=None), 400, 53_914_072),
        (lambda: all_time(101), 400, 62_826_968),
        (lambda: slowfast(101, nonlocal_blocks=True), 400, 60_080_088),
        (lambda: i3d(101, time_blocks=6), 400, 54_394_064),
        (lambda: i3d(101), 400, 59_112_656),
        (lambda: i3d(50), 400, 35_401_936),
    ],
)
def test_parameters_are_the_published_ones(build: Build, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        net = build()
    assert sum(p.numel() for p in net.parameters()) + (net.width + 1) * classes == parameters


@pytest.mark.parametrize(
    ("build", "clip", "gmacs"),
    [
        (lambda: r2plus1d(18), (32, 112, 112), 82.99),
        (lambda: r2plus1d(18), (8, 112, 112), 20.75),
        (lambda: r2plus1d(18), (16, 112, 112), 41.50),
        (R2Plus1D, (32, 112, 112), 81.04),
        (R2Plus1D, (8, 112, 112), 20.26),
        (R2Plus1D, (16, 112, 112), 40.52),
        (lambda: r2plus1d(34), (32, 112, 112), 152.36),
        (lambda: r2plus1d(34), (8, 112, 112), 38.09),
        (lambda: r2plus1d(101), (32, 112, 112), 176.47),
        (lambda: r2plus1d(101), (16, 112, 112), 88.23),
        (lambda: r2plus1d(152), (32, 112, 112), 252.00),
        (lambda: r2plus1d(152), (8, 112, 112), 63.00),
        (lambda: r2plus1d(152, pool=True), (32, 112, 112), 64.66),
        (lambda: r2plus1d(34), (32, 128, 128), 199.0),
        (lambda: r2plus1d(152), (32, 128, 128), 329.1),
        (r3d, (32, 112, 112), 81.39),
        (lambda: r3d(blocks=R34), (32, 112, 112), 150.76),
        (lambda: r3d(blocks=R34), (16, 112, 112), 75.38),
        (lambda: csn(152), (32, 256, 256), 96.71),
        (lambda: csn(152), (32, 224, 224), 74.05),
        (lambda: csn(152, interaction="preserved"), (32, 256, 256), 108.79),
        (lambda: csn(152, interaction="preserved"), (32, 224, 224), 83.29),
        (lambda: csn(50), (32, 256, 256), 55.26),
        (lambda: csn(50), (32, 224, 224), 42.31),
        (lambda: csn(101), (32, 256, 256), 73.75),
        (lambda: csn(101), (32, 224, 224), 56.47),
        (lambda: slowfast(50, alpha=8), (32, 224, 224), 27.64),
        (lambda: slowfast(50, alpha=8), (32, 256, 256), 36.10),
        (lambda: slowfast(50), (32, 224, 224), 50.31),
        (lambda: slowfast(50), (32, 256, 256), 65.71),
        (lambda: slowfast(101), (32, 224, 224), 81.55),
        (lambda: slowfast(101), (32, 256, 256), 106.51),
        (lambda: slowfast(101, fast_time_blocks=None), (32, 256, 256), 107.7),
        (lambda: all_time(101), (32, 256, 256), 125.9),
        (lambda: slowfast(101), (64, 256, 256), 213.02),
        (lambda: slowfast(101, nonlocal_blocks=True, pool=(2, 2, 2)), (64, 256, 256), 233.96),
        (lambda: slowfast(101, nonlocal_blocks=True, pool=(2, 2, 2)), (32, 256, 256), 115.4),
        (lambda: i3d(101, time_blocks=6), (32, 224, 224), 241.4),
        (lambda: i3d(101, time_blocks=6), (32, 256, 256), 334.4),
        (lambda: i3d(101), (8, 224, 224), 55.1),
        (lambda: i3d(101), (8, 256, 256), 73.1),
        (lambda: i3d(50), (8, 224, 224), 36.5),
        (lambda: i3d(50), (8, 256, 256), 48.9),
        (lambda: i3d(50), (32, 224, 224), 182.0),
        (lambda: i3d(50), (32, 256, 256), 256.9),
    ],
)
def test_costs_are_the_measured_ones(build: Build, clip: tuple[int, ...], gmacs: float) -> None:
    with torch.device("meta"):
        net = build()
    digits = len(f"{gmacs}".partition(".")[2])
    assert round(counted(net, clip) / 1e9, digits) == gmacs
