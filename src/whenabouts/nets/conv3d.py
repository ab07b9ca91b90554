"""R(2+1)D: residual networks whose 3D convolutions are a picture part followed by a time part."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.clip_net import ClipNet

MidChannels = Literal["per_convolution", "per_block"]


def mid_channels(inputs: int, outputs: int) -> int:
    """Width between the (1, 3, 3) and the (3, 1, 1) part that keeps the parameter count of one (3, 3, 3) convolution.

    `floor(27 Ci Co / (9 Ci + 3 Co))`: Tran et al., "A Closer Look at Spatiotemporal Convolutions", section 3.5.
    """
    return (27 * inputs * outputs) // (9 * inputs + 3 * outputs)


class TimeConvolution(nn.Conv3d):
    """(3, 1, 1) convolution over time, padded by one frame at either end, without bias.

    On two frames it pads by hand: there, oneDNN (as of torch 2.13) reads unset memory for the bfloat16 gradient of the
    weights, which so changed from run to run and now and then was NaN.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, ceil(T / stride), H, W)."""
        if x.shape[2] != 2 or x.device.type != "cpu":
            return super().forward(x)
        return functional.conv3d(functional.pad(x, (0, 0, 0, 0, 1, 1)), self.weight, stride=self.stride)


class FactorisedConvolution(nn.Sequential):
    """(1, 3, 3) convolution to `mid` channels, batch norm, ReLU, (3, 1, 1) convolution; no bias.

    (B, inputs, T, H, W) -> (B, outputs, ceil(T / stride), ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, inputs: int, outputs: int, mid: int, *, stride: int, epsilon: float) -> None:
        super().__init__(
            nn.Conv3d(inputs, mid, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(mid, eps=epsilon),
            nn.ReLU(inplace=True),
            TimeConvolution(mid, outputs, stride=stride),
        )


class BasicBlock(nn.Module):
    """Two factorised convolutions beside a shortcut, which is a 1x1x1 convolution where stride or width changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, mid: MidChannels, epsilon: float) -> None:
        super().__init__()
        first = mid_channels(inputs, outputs)
        second = first if mid == "per_block" else mid_channels(outputs, outputs)
        self.conv1 = nn.Sequential(
            FactorisedConvolution(inputs, outputs, first, stride=stride, epsilon=epsilon),
            nn.BatchNorm3d(outputs, eps=epsilon),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(
            FactorisedConvolution(outputs, outputs, second, stride=1, epsilon=epsilon),
            nn.BatchNorm3d(outputs, eps=epsilon),
        )
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm3d(outputs, eps=epsilon)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, H, W) -> (B, outputs, T / stride, H / stride, W / stride), rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(self.conv2(self.conv1(x)) + shortcut)
        return result


class R2Plus1D(ClipNet):
    """R(2+1)D of any depth and width: clips (B, C, T, H, W) -> features (B, widths[-1]).

    The stem is a (1, 7, 7) convolution of spatial stride 2 to `stem` channels and a (3, 1, 1) convolution to
    `widths[0]`; stage i holds `blocks[i]` blocks of `widths[i]` channels, and every stage but the first halves time,
    height and width (rounding up), so that any clip of at least one frame passes. `mid` says whether the inner width
    of a factorised convolution follows that convolution's own widths, as in the pre-training paper (Table 2), or its
    block's, as in torchvision. With the defaults the parameters bear torchvision's names and shapes of
    `r2plus1d_18`; `blocks=(3, 4, 6, 3)` is R(2+1)D-34. A classifier is not part of it.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        stem: int = 45,
        mid: MidChannels = "per_block",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(blocks):
            raise ValueError(f"R(2+1)D needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
        self.width = widths[-1]
        self.stem = nn.Sequential(
            nn.Conv3d(in_channels, stem, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(stem, eps=epsilon),
            nn.ReLU(inplace=True),
            TimeConvolution(stem, widths[0]),
            nn.BatchNorm3d(widths[0], eps=epsilon),
            nn.ReLU(inplace=True),
        )
        self.stages = len(widths)
        before = widths[0]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            stage = nn.Sequential()
            for block in range(count):
                stride = 2 if number > 1 and block == 0 else 1
                stage.append(BasicBlock(before, width, stride=stride, mid=mid, epsilon=epsilon))
                before = width
            self.add_module(f"layer{number}", stage)
        self._initialise()

    def maps(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> feature maps (B, D, T', H', W') of the last stage."""
        x: Tensor = self.stem(clips)
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x

    def _initialise(self) -> None:
        """He initialisation by fan-out, as torchvision does; batch norms keep scale 1 and shift 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
