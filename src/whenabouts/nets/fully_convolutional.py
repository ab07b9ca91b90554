"""A classifier as a convolution over a larger picture's maps, as Ghadiyaram et al. (2019) test, section 4.4."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

Link = Literal["softmax", "sigmoid"]


def fully_convolutional(
    maps: Tensor,
    weight: Tensor,
    bias: Tensor,
    window: tuple[int, int, int],
    *,
    link: Link = "softmax",
    joint: bool = False,
) -> Tensor:
    """Maps (B, D, T, H, W) of the last stage -> probabilities (B, L), the mean over the places of the classifier.

    The average pool keeps the `window` (time, height, width) that maps have in training, and moves by 1: there are
    (T - t + 1)(H - h + 1)(W - w + 1) places. At each the classifier's weights (L, D) and bias (L,) are a convolution of
    1 x 1 x 1, then a softmax (or sigmoids) over the classes. With `joint` the softmax is over classes and places at
    once, as Caffe2's `Softmax` takes it by default, and a class has what it gathers over all places.
    A window that is larger than the maps raises ValueError.
    """
    if any(side < wanted for side, wanted in zip(maps.shape[2:], window, strict=True)):
        raise ValueError(f"maps of {tuple(maps.shape[2:])} (time, height, width) are smaller than the pool's {window}")
    pooled = functional.avg_pool3d(maps.float(), window, stride=1)
    scores = functional.conv3d(pooled, weight.float()[:, :, None, None, None], bias.float())
    if link == "sigmoid":
        return scores.sigmoid().mean((2, 3, 4))
    if joint:
        return scores.flatten(1).softmax(1).view_as(scores).sum((2, 3, 4))
    return scores.softmax(1).mean((2, 3, 4))


def pool_window(maps: Tensor) -> tuple[int, int, int]:
    """The window of a pool that takes in all of the maps (B, D, T, H, W) that clips as in training have."""
    time, height, width = maps.shape[2:]
    return int(time), int(height), int(width)
