"""Residual networks over clips: the blocks, stages and readings that all families of video nets share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.clip_net import ClipNet

BASIC: dict[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK: dict[int, tuple[int, ...]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
EXPANSION = 4


class Reach(NamedTuple):
    """How a block's inner convolution moves: strides in time and picture, and how far apart it looks in the picture.

    `spread` says that it looks further apart in place of a stride: its shortcut has the weights that one would need.
    """

    time: int = 1
    picture: int = 1
    dilation: int = 1
    spread: bool = False

    @property
    def stride(self) -> tuple[int, int, int]:
        """(time, height, width)."""
        return self.time, self.picture, self.picture


def blocks_of(depth: int) -> tuple[int, ...]:
    """Blocks per stage of the usual depths: 18, 34 (basic), 50, 101, 152 (bottleneck); others raise ValueError."""
    known = BASIC | BOTTLENECK
    if depth not in known:
        raise ValueError(f"There is no residual net of depth {depth}. Choose one of {sorted(known)}.")
    return known[depth]


class ClipConvolution(nn.Conv3d):
    """A convolution without bias, of odd kernel and padded to keep the size; with `groups` = inputs it is depthwise.

    On fewer frames than its kernel has it pads time by hand: there, oneDNN (as of torch 2.13) reads unset memory at
    bfloat16, on two frames for the gradient of (3, 1, 1) and depthwise (3, 3, 3) weights, on one for what (3, 7, 7)
    and (5, 7, 7) stems put out; it changed from run to run and now and then was NaN.

    On a CPU kernels of one frame, and of one pixel, are computed as convolutions of pictures. At bfloat16 with AMX,
    oneDNN's gradients of (1, 3, 3), (3, 1, 1) and strided (1, 1, 1) weights are NaN or noise for some sizes (from 128
    to 288 channels on 28 x 28 pixels, for one); those of pictures are right. At float32 with channels last in memory
    it is quicker: one thread of torch (as of 2.13) takes few clips' (3, 1, 1), and small (1, 3, 3), through a path of
    its own without oneDNN, which copies all channels first.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int],
        reach: Reach = Reach(),  # noqa: B008 (frozen)
        *,
        groups: int = 1,
    ) -> None:
        far = (1, reach.dilation, reach.dilation)
        padding = (kernel[0] // 2, kernel[1] // 2 * far[1], kernel[2] // 2 * far[2])
        super().__init__(
            inputs, outputs, kernel, stride=reach.stride, padding=padding, dilation=far, groups=groups, bias=False
        )
        self.ends = kernel[0] // 2
        self.aside = (0, padding[1], padding[2])

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T', H', W'), each side divided by its stride, rounded up."""
        if x.device.type == "cpu" and self._is_of_pictures(x):
            return self._over_pictures(x)
        if x.shape[2] > 2 * self.ends or x.device.type != "cpu":
            return super().forward(x)
        x = functional.pad(x, (0, 0, 0, 0, self.ends, self.ends))
        return functional.conv3d(x, self.weight, None, self.stride, self.aside, self.dilation, self.groups)

    def _is_of_pictures(self, x: Tensor) -> bool:
        """Is this a convolution of single frames, or of single pixels over time, that pictures do better?"""
        frame = self.kernel_size[0] == 1
        pixel = self.kernel_size[1:] == self.stride[1:] == (1, 1)
        exact = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return (frame or pixel) and (not exact or x.is_contiguous(memory_format=torch.channels_last_3d))

    def _over_pictures(self, x: Tensor) -> Tensor:
        """The same by conv2d: frames side by side in the batch, or each row's pixels in a line.

        With channels last in memory, nothing is copied.
        """
        stride, padding, dilation = self.stride, self.aside, self.dilation
        if self.kernel_size[0] == 1:
            x = x[:, :, :: stride[0]]
            frames, weight = x.transpose(1, 2).flatten(0, 1), self.weight.squeeze(2)
            made = functional.conv2d(frames, weight, None, stride[1:], padding[1:], dilation[1:], self.groups)
            return made.reshape(x.shape[0], x.shape[2], *made.shape[1:]).transpose(1, 2)
        time, ends = (stride[0], 1), (self.ends, 0)
        made = functional.conv2d(x.flatten(3), self.weight.squeeze(4), None, time, ends, (1, 1), self.groups)
        # By way of channels last, so that a batch of one has the strides that torch looks for.
        rows = made.permute(0, 2, 3, 1)
        return rows.reshape(*rows.shape[:2], *x.shape[3:], rows.shape[3]).permute(0, 4, 1, 2, 3)


class TimeConvolution(ClipConvolution):
    """(K, 1, 1) convolution over time."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (kernel, 1, 1), Reach(time=stride))


def picture_convolution(inputs: int, outputs: int, reach: Reach) -> ClipConvolution:
    """(1, 3, 3) convolution of each frame by itself."""
    return ClipConvolution(inputs, outputs, (1, 3, 3), reach)


def volume_convolution(inputs: int, outputs: int, reach: Reach, *, groups: int = 1) -> ClipConvolution:
    """(3, 3, 3) convolution over time and picture."""
    return ClipConvolution(inputs, outputs, (3, 3, 3), reach, groups=groups)


def stem_convolution(inputs: int, outputs: int, frames: int) -> ClipConvolution:
    """(frames, 7, 7) convolution that halves the picture."""
    return ClipConvolution(inputs, outputs, (frames, 7, 7), Reach(picture=2))


class LimitedPool(nn.Module):
    """Max pooling whose window (time, height, width) is its stride, and shrinks to the clip where that is smaller."""

    def __init__(self, window: tuple[int, int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T', H', W'), each side divided by its window, rounded down, and at least 1."""
        window = [min(side, size) for side, size in zip(self.window, x.shape[2:], strict=True)]
        return functional.max_pool3d(x, window, window)


def stem_pool() -> nn.MaxPool3d:
    """The (1, 3, 3) max pooling of stride 2 that many stems end with."""
    return nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))


def shortcut(inputs: int, outputs: int, reach: Reach, epsilon: float) -> nn.Sequential | None:
    """1x1x1 convolution and batch norm where stride or width changes, else None: the input itself.

    A block that is dilated instead of strided has them too: it runs under the weights of the strided one.
    """
    if inputs == outputs and reach.stride == (1, 1, 1) and not reach.spread:
        return None
    strided = Reach(reach.time, reach.picture)
    return nn.Sequential(ClipConvolution(inputs, outputs, (1, 1, 1), strided), nn.BatchNorm3d(outputs, eps=epsilon))


class BasicBlock(nn.Module):
    """Two convolutions, of which the first moves by `reach`, beside a shortcut."""

    def __init__(
        self, first: nn.Module, second: nn.Module, around: nn.Sequential | None, *, width: int, epsilon: float
    ):
        super().__init__()
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(width, eps=epsilon), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(second, nn.BatchNorm3d(width, eps=epsilon))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = around

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T / stride, H / stride, W / stride), rounded up."""
        beside = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(self.conv2(self.conv1(x)) + beside)
        return result


class Bottleneck(nn.Module):
    """A convolution to a quarter of the width, an inner one there, a 1x1x1 back, beside a shortcut."""

    def __init__(self, first: nn.Module, inner: nn.Module, around: nn.Sequential | None, *, width: int, epsilon: float):
        super().__init__()
        narrow = width // EXPANSION
        self.conv1 = nn.Sequential(first, nn.BatchNorm3d(narrow, eps=epsilon), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(inner, nn.BatchNorm3d(narrow, eps=epsilon), nn.ReLU(inplace=True))
        self.conv3 = nn.Sequential(nn.Conv3d(narrow, width, 1, bias=False), nn.BatchNorm3d(width, eps=epsilon))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = around

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T', H', W'), each side divided by its stride, rounded up."""
        beside = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(self.conv3(self.conv2(self.conv1(x))) + beside)
        return result


Block = Callable[[int, int, int, Reach], nn.Module]
"""(inputs, width of the stage, number of the block within it, reach) -> a block; see `stage`."""


def reaches(stages: int, *, time: Sequence[int], last_stride: int = 2, first_stride: int = 1) -> tuple[Reach, ...]:
    """Reach of each stage's first block: pictures are halved by every stage but the first.

    `last_stride` 1 keeps the last stage's pictures at twice the size, for boxes, and spreads its convolutions by 2
    instead, so that they look as far as they were trained to (as SlowFast's detectors do); time is as it was.
    """
    if last_stride not in (1, 2):
        raise ValueError(f"last_stride is 1 (dilated) or 2, but got {last_stride}.")
    found = [Reach(step, first_stride if number == 0 else 2) for number, step in enumerate(time[:stages])]
    if last_stride == 1 and found[-1].picture == 2:
        found[-1] = Reach(found[-1].time, 1, 2, spread=True)
    return tuple(found)


def stage(block: Block, inputs: int, width: int, count: int, reach: Reach) -> nn.Sequential:
    """`count` blocks, of which the first alone strides and widens."""
    after = Reach(dilation=reach.dilation)
    return nn.Sequential(
        *(block(inputs if i == 0 else width, width, i, reach if i == 0 else after) for i in range(count))
    )


class VideoResNet(ClipNet):
    """A stem and stages `layer1`, `layer2`...: clips (B, C, T, H, W) -> features (B, width).

    Any clip of at least one frame and pixel passes. A classifier is not part of it.
    """

    def __init__(self, stem: nn.Sequential, stages: Sequence[nn.Sequential], width: int) -> None:
        super().__init__()
        self.width = width
        self.stem = stem
        self.stages = len(stages)
        for number, part in enumerate(stages, start=1):
            self.add_module(f"layer{number}", part)
        initialise(self)

    def maps(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> feature maps (B, D, T', H', W') of the last stage."""
        x: Tensor = self.stem(clips)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x


def initialise(net: nn.Module) -> None:
    """He initialisation by fan-out, as torchvision does; batch norms keep scale 1 and shift 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def batch_norm_relu(width: int, epsilon: float) -> tuple[nn.BatchNorm3d, nn.ReLU]:
    """What follows a convolution in every stem."""
    return nn.BatchNorm3d(width, eps=epsilon), nn.ReLU(inplace=True)
