"""I3D: a residual net inflated in time, with non-local blocks or without (Wang et al., "Non-local Neural Networks")."""

from collections.abc import Sequence

from whenabouts.nets.nonlocal_block import Affinity
from whenabouts.nets.pathways import NonLocals, PathShape, pathway
from whenabouts.nets.residual import VideoResNet, blocks_of


def i3d(
    depth: int,
    in_channels: int = 3,
    *,
    nonlocal_blocks: bool = True,
    time_blocks: int | None = None,
    affinity: Affinity = "softmax",
    pool: tuple[int, int, int] = (1, 2, 2),
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """I3D-50 or -101: clips (B, C, T, H, W) -> features (B, 2048).

    In the third stage every other one of the first `time_blocks` blocks looks at time (None: of all). The published
    54.3 million parameters of the non-local I3D-101 are those of `time_blocks` 6. Non-local blocks stand behind
    blocks 1 and 3 of the second stage and 1, 3 and 5 of the third.
    """
    return i3d_of(
        blocks_of(depth),
        in_channels,
        nonlocals=NonLocals({2: (1, 3), 3: (1, 3, 5)}, affinity, pool) if nonlocal_blocks else None,
        time_blocks=time_blocks,
        last_stride=last_stride,
        epsilon=epsilon,
    )


def i3d_of(
    blocks: Sequence[int],
    in_channels: int = 3,
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    nonlocals: NonLocals | None = None,
    time_blocks: int | None = None,
    last_stride: int = 2,
    epsilon: float = 1e-5,
) -> VideoResNet:
    """I3D of other numbers; the rest as in `i3d`."""
    kernels = [_frames(number, count, time_blocks) for number, count in enumerate(blocks)]
    shape = PathShape(widths, blocks, kernels, stem_frames=5, time_pool=True)
    return pathway(shape, in_channels, nonlocals=nonlocals, last_stride=last_stride, epsilon=epsilon)


def _frames(number: int, count: int, time_blocks: int | None) -> tuple[int, ...]:
    """Frames that each block of a stage sees: always 3 in the first; 1, 3, 1 in the fourth; else 3, 1, 3, 1..."""
    if number == 0:
        return (3,) * count
    odd = number == 3
    limit = count if number != 2 or time_blocks is None else time_blocks
    return tuple(3 if index < limit and index % 2 == odd else 1 for index in range(count))
