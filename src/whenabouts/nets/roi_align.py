"""Features of boxes: RoIAlign (He et al., "Mask R-CNN", ICCV 2017), over the pictures of a clip.

Each cell of a box's grid is the mean of samples at evenly spaced points, each read bilinearly between the four nearest
feature cells. With boxes in cells, `aligned`, this is torchvision's `roi_align(..., aligned=True)`.
"""

import torch
from torch import Tensor


def roi_align(maps: Tensor, boxes: Tensor, clips: Tensor, *, side: int = 7, samples: int = 2) -> Tensor:
    """Maps (B, C, T, H, W) in boxes (P, 4), x1 y1 x2 y2 in fractions of the picture, of clips (P,) -> (P, C, T, s, s).

    A box's cell is the mean over `samples` x `samples` points. Points more than a cell outside the maps read 0, others
    are moved to the border; a box without area reads its one point.
    """
    height, width = maps.shape[3:]
    rows = _points(boxes[:, 1] * height, boxes[:, 3] * height, side, samples)
    columns = _points(boxes[:, 0] * width, boxes[:, 2] * width, side, samples)
    down, across = _weights(rows, height), _weights(columns, width)  # (P, s, H), (P, s, W)
    chosen = maps[clips]
    lines = torch.einsum("pcthw,psw->pcths", chosen, across.to(maps.dtype))
    return torch.einsum("pcths,prh->pctrs", lines, down.to(maps.dtype))


def _points(low: Tensor, high: Tensor, side: int, samples: int) -> Tensor:
    """Points (P, side, samples) in cells, whose centres lie at whole numbers."""
    size = (high - low).clamp_min(0)
    steps = (torch.arange(side * samples, device=low.device, dtype=low.dtype) + 0.5) / (side * samples)
    return (low[:, None] + size[:, None] * steps - 0.5).reshape(len(low), side, samples)


def _weights(points: Tensor, count: int) -> Tensor:
    """What each grid cell (P, s) takes of each of `count` feature cells: the mean of its points' bilinear weights.

    The sums over rows and over columns separate, so that no sample is ever read by itself.
    """
    inside = (points >= -1) & (points <= count)
    held = points.clamp(0, count - 1)
    cells = torch.arange(count, device=points.device)
    near = (1 - (held[..., None] - cells).abs()).clamp_min(0)
    return (near * inside[..., None]).mean(dim=2)
