"""Residual networks on single pictures, for clips by averaging over their frames."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from whenabouts.nets.clip_net import ClipNet

BlockKind = Literal["basic", "bottleneck"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where stride or width changes."""

    expansion = 1

    def __init__(self, inputs: int, width: int, *, stride: int, epsilon: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=epsilon)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, width, H / stride, W / stride), rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu(inner + shortcut)
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3 (which carries the stride) and 1x1 to four times the width, beside a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, *, stride: int, epsilon: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=epsilon)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width, eps=epsilon)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, 4 * width, stride, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 4 width, H / stride, W / stride), rounded up."""
        shortcut = x if self.downsample is None else self.downsample(x)
        inner = self.relu(self.bn1(self.conv1(x)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        result: Tensor = self.relu(self.bn3(self.conv3(inner)) + shortcut)
        return result


BLOCKS: dict[BlockKind, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


class ResNet2D(ClipNet):
    """A ResNet of any depth and width on every frame: clips (B, C, T, H, W) -> features (B, D), the mean over frames.

    The stem is a 7x7 convolution of stride 2 to `stem` channels, with `pool` followed by a 3x3 max pool of stride 2;
    stage i holds `blocks[i]` blocks of `widths[i]` channels, and every stage but the first halves height and width,
    rounding up. With `pool`, `stem=64`, widths (64, 128, 256, 512) and blocks (2, 2, 2, 2) or (3, 4, 6, 3) it is
    ResNet-18, -34 or, with "bottleneck" blocks, -50, under torchvision's names; without `pool` it is the R2D of the
    pre-training paper (Tran et al., "A Closer Look at Spatiotemporal Convolutions", section 3.1).
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        stem: int = 64,
        block: BlockKind = "basic",
        pool: bool = True,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(blocks):
            raise ValueError(f"A ResNet needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
        kind = BLOCKS[block]
        self.width = kind.expansion * widths[-1]
        self.conv1 = nn.Conv2d(in_channels, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem, eps=epsilon)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()
        self.stages = len(widths)
        before = stem
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            stage = nn.Sequential()
            for place in range(count):
                stage.append(kind(before, width, stride=2 if number > 1 and place == 0 else 1, epsilon=epsilon))
                before = kind.expansion * width
            self.add_module(f"layer{number}", stage)
        self._initialise()

    def maps(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> feature maps (B, D, T, H', W'), those of each frame as if it were alone."""
        frames = clips.transpose(1, 2)
        x = self.maxpool(self.relu(self.bn1(self.conv1(frames.flatten(0, 1)))))
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
        made: Tensor = x.unflatten(0, frames.shape[:2]).transpose(1, 2)
        return made

    def _initialise(self) -> None:
        """He initialisation by fan-out, as torchvision does; batch norms keep scale 1 and shift 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _shortcut(inputs: int, outputs: int, stride: int, epsilon: float) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs, eps=epsilon))
