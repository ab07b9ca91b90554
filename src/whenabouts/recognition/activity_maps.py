"""Where a head for activities looks: maps of each activity over a clip, the boxes of what they activate, and measures.

After Zhang, Li & Marsic (CVPR 2021), section 7 and Fig. 4: attentions applied to the backbone's features, brought to
the range from 0 to 1 over the clip, and cut at 0.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.nets.activity_heads import ActivityOutcome

Maps = NDArray[np.float64]
THRESHOLD = 0.5


@dataclass(frozen=True)
class ClipMaps:
    """Maps over the places (T, H, W) of one clip, none below 0.

    activities (A, T, H, W): the features' strength times where each activity looks; observations (K, T, H, W): the same
    of each observation; backbone (T, H, W): the features' strength alone.
    """

    activities: Maps
    observations: Maps
    backbone: Maps


def clip_maps(outcome: ActivityOutcome, features: Tensor, row: int = 0) -> ClipMaps:
    """Maps of one clip from what a head said of features (B, C, T, H, W).

    The strength of a place is the mean of its channels' sizes; attention is over the positions in their order.
    """
    if features.ndim != 5 or outcome.attention.shape[2] != features[0, 0].numel():
        raise InvalidData(
            f"Maps need the features (B, C, T, H, W) that the head has seen, but they have shape "
            f"{tuple(features.shape)} and the attention has {outcome.attention.shape[2]} positions."
        )
    shape = features.shape[2:]
    strength = features[row].detach().abs().mean(dim=0).double().cpu().numpy()
    seen = outcome.attention[row].detach().double().cpu().numpy().reshape(-1, *shape)
    mixing = outcome.mixing[row].detach().double().cpu().numpy()
    return ClipMaps(np.einsum("ak,kthw->athw", mixing, seen) * strength, seen * strength, strength)


def normalised(maps: Maps) -> Maps:
    """Each map of (..., T, H, W) brought to 0 to 1 over its clip; one that is the same everywhere becomes 0."""
    axes = (-3, -2, -1)
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    found: Maps = (maps - low) / np.where(high > low, high - low, 1.0)
    return found


def activated_boxes(picture: Maps, threshold: float = THRESHOLD) -> FloatArray:
    """Boxes (R, 4), x0 y0 x1 y1 in [0, 1], of the connected regions of a picture (H, W) at or above a threshold.

    Cells that touch at a side belong together; the largest region comes first, of equal ones the upper, then the left.
    """
    labels, count = ndimage.label(picture >= threshold)
    rows, columns = picture.shape
    sizes: IntArray = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    found = [(places[1].start / columns, places[0].start / rows, places[1].stop / columns, places[0].stop / rows)
             for places in ndimage.find_objects(labels)]  # fmt: skip
    order = np.argsort(-sizes, kind="stable")
    return np.asarray(found, np.float64).reshape(-1, 4)[order]


def share_inside(activity: Maps, region: BoolArray) -> float:
    """Share of a map (T, H, W) that lies in a region (T, H, W); NaN for a map of zeros."""
    total = float(activity.sum())
    return float(activity[region].sum()) / total if total > 0 else float("nan")


def heights(activity: Maps, region: BoolArray) -> tuple[float, float]:
    """Mean over times of the highest place of a map (T, H, W), over its highest of all: at times at which
    the region (T, H, W) is somewhere, and at times at which it is nowhere; NaN where there are none.
    """
    peaks = activity.max(axis=(1, 2)) / max(float(activity.max()), 1e-300)
    there = region.any(axis=(1, 2))
    with_it = float(peaks[there].mean()) if there.any() else float("nan")
    without = float(peaks[~there].mean()) if not there.all() else float("nan")
    return with_it, without
