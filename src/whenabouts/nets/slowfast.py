"""SlowFast: a wide pathway over few frames and a narrow one over all of them (Feichtenhofer et al., ICCV 2019)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.nonlocal_block import Affinity
from whenabouts.nets.pathways import NonLocals, PathShape, pathway
from whenabouts.nets.residual import EXPANSION, TimeConvolution, batch_norm_relu, blocks_of, initialise

SlowFrames = Literal["spread", "every"]


def spread_frames(frames: int, count: int) -> list[int]:
    """`count` of `frames` frames from the first to the last, rounded down, as PySlowFast chooses: not a plain stride.

    `floor(i (T - 1) / (count - 1))`, in exact integers; one frame is the first.
    """
    return [i * (frames - 1) // max(count - 1, 1) for i in range(count)]


class SlowFast(ClipNet):
    """Clips (B, C, T, H, W), all frames of the fast pathway -> features (B, D), the slow pathway's before the fast's.

    The slow pathway sees ceil(T / alpha) frames: `spread` from the first to the last, or `every` alpha-th as mmaction2
    does. Behind the stem and each stage but the last a (lateral_frames, 1, 1) convolution of stride alpha brings the
    fast pathway's maps to the slow one (with batch norm and ReLU, or bare). `width` is that of both together.
    """

    def __init__(
        self,
        slow: PathShape,
        fast: PathShape,
        in_channels: int = 3,
        *,
        alpha: int = 4,
        lateral_frames: int = 7,
        lateral_norm: bool = True,
        slow_frames: SlowFrames = "spread",
        nonlocals: NonLocals | None = None,
        last_stride: int = 2,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.slow_frames = slow_frames
        self.slow = pathway(slow, in_channels, nonlocals=nonlocals, last_stride=last_stride, epsilon=epsilon)
        self.fast = pathway(fast, in_channels, last_stride=last_stride, epsilon=epsilon)
        self.width = self.slow.width + self.fast.width
        self.laterals = nn.ModuleList()
        for width in lateral_widths(fast.widths):
            lateral = nn.Sequential(TimeConvolution(width, 2 * width, kernel=lateral_frames, stride=alpha))
            if lateral_norm:
                lateral.extend(batch_norm_relu(2 * width, epsilon))
            self.laterals.append(lateral)
        initialise(self.laterals)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> features (B, D): the means of either pathway's last stage, float32."""
        return torch.cat([maps.mean(dim=(2, 3, 4), dtype=torch.float32) for maps in self.pathways(clips)], dim=1)

    def maps(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> maps (B, D, T', H', W') at the slow pathway's times, the fast one's averaged."""
        slow, fast = self.pathways(clips)
        times = (slow.shape[2], slow.shape[3], slow.shape[4])
        return torch.cat([slow, functional.adaptive_avg_pool3d(fast, times)], dim=1)

    def pathways(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Clips (B, C, T, H, W) -> maps of the slow (B, D1, T / alpha, H', W') and fast (B, D2, T, H', W') pathway."""
        slow, fast = self.slow.stem(clips[:, :, self.slow_indices(clips.shape[2])]), self.fast.stem(clips)
        for number, lateral in enumerate(self.laterals, start=1):
            slow = torch.cat([slow, lateral(fast)], dim=1)
            slow = self.slow.get_submodule(f"layer{number}")(slow)
            fast = self.fast.get_submodule(f"layer{number}")(fast)
        return slow, fast

    def slow_indices(self, frames: int) -> list[int]:
        """Which of a clip's frames the slow pathway sees."""
        count = -(-frames // self.alpha)
        return spread_frames(frames, count) if self.slow_frames == "spread" else list(range(0, frames, self.alpha))


def slowfast(
    depth: int,
    in_channels: int = 3,
    *,
    alpha: int = 4,
    slow_time_blocks: int | None = 6,
    fast_time_blocks: int | None = 6,
    lateral_frames: int | None = None,
    lateral_norm: bool = True,
    slow_frames: SlowFrames = "spread",
    nonlocal_blocks: bool = False,
    affinity: Affinity = "dot_product",
    pool: tuple[int, int, int] = (1, 2, 2),
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> SlowFast:
    """SlowFast-50 or -101: clips of 32 frames (8x8 with alpha 4, 4x16 with alpha 8) or 64 (16x8), features of 2304.

    Of the third stage the first `slow_time_blocks` and `fast_time_blocks` blocks look at time (None: all): 6 and 6 is
    PySlowFast's "50_50", 6 and None "50_101", None and None "101_101", which is pytorchvideo's and mmaction2's.
    `lateral_frames` None is PySlowFast's own: 7 for the 8x8 net of depth 50, else 5. Non-local blocks stand in the
    slow pathway's third stage, behind blocks 6, 13 and 20: depth 101 alone has them.
    """
    if nonlocal_blocks and depth != 101:
        raise ValueError(f"SlowFast has non-local blocks at depth 101 alone, but depth is {depth}.")
    return slowfast_of(
        blocks_of(depth),
        in_channels,
        alpha=alpha,
        time_blocks=(slow_time_blocks, fast_time_blocks),
        lateral_frames=lateral_frames or (7 if depth == 50 and alpha == 4 else 5),
        lateral_norm=lateral_norm,
        slow_frames=slow_frames,
        nonlocals=NonLocals({3: (6, 13, 20)}, affinity, pool) if nonlocal_blocks else None,
        last_stride=last_stride,
        epsilon=epsilon,
    )


def slowfast_of(
    blocks: Sequence[int],
    in_channels: int = 3,
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    beta: int = 8,
    alpha: int = 4,
    time_blocks: tuple[int | None, int | None] = (6, 6),
    lateral_frames: int = 7,
    lateral_norm: bool = True,
    slow_frames: SlowFrames = "spread",
    nonlocals: NonLocals | None = None,
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> SlowFast:
    """SlowFast of other numbers; the fast pathway is `beta` times narrower; the rest as in `slowfast`."""
    narrow = [max(1, width // beta) for width in widths]
    slow_kernels = [_frames(3 if i >= 2 else 1, i, count, time_blocks[0]) for i, count in enumerate(blocks)]
    fast_kernels = [_frames(3, i, count, time_blocks[1]) for i, count in enumerate(blocks)]
    extra = [2 * width for width in lateral_widths(narrow)]
    return SlowFast(
        PathShape(widths, blocks, slow_kernels, stem_frames=1, extra_widths=extra),
        PathShape(narrow, blocks, fast_kernels, stem_frames=5),
        in_channels,
        alpha=alpha,
        lateral_frames=lateral_frames,
        lateral_norm=lateral_norm,
        slow_frames=slow_frames,
        nonlocals=nonlocals,
        last_stride=last_stride,
        epsilon=epsilon,
    )


def lateral_widths(widths: Sequence[int]) -> list[int]:
    """Channels of the fast pathway behind its stem and each stage but the last, for the widths inside its stages."""
    return [widths[0], *(EXPANSION * width for width in widths[:-1])]


def _frames(kernel: int, number: int, count: int, time_blocks: int | None) -> tuple[int, ...]:
    limit = count if number != 2 or time_blocks is None else time_blocks
    return tuple(kernel if index < limit else 1 for index in range(count))
