"""What `train_head` takes, checked before anything is learned of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from whenabouts.core.errors import InvalidData
from whenabouts.nets.activity_net import ActivityNet

Features = Tensor | Sequence[Tensor]


def check_inputs(features: Features, labels: Tensor, extras: Tensor | None, video_labels: Tensor | None) -> None:
    """Raise InvalidData where features, labels and extras do not fit, or hold what can't be computed with."""
    _check_labels(labels, len(features), video_labels)
    _check_features(features)
    if extras is None:
        return
    if extras.ndim not in (2, 3) or len(extras) != len(labels):
        raise InvalidData(
            f"Extra inputs need a row for each of {len(labels)} clips, (B, E) or (B, M, E), but have shape "
            f"{tuple(extras.shape)}."
        )
    if bool(extras.isinf().any()):
        raise InvalidData("Extra inputs hold infinite numbers. Give NaN where one is missing.")


def check_start(net: ActivityNet, features: Features, labels: Tensor, extras: Tensor | None) -> None:
    """Raise InvalidData where a net to go on from was made for other features, activities or extras."""
    made = (net.head.width, net.head.activities, None if net.extras is None else net.extras.project.in_features)
    asked = (features[0].shape[0], labels.shape[1], None if extras is None else extras.shape[-1])
    if made != asked:
        raise InvalidData(
            "The head to go on from was made for features of width {}, {} activities and extras of width {}, but "
            "these have {}, {} and {}. Give it the same.".format(*made, *asked)
        )


def _check_labels(labels: Tensor, clips: int, video_labels: Tensor | None) -> None:
    if labels.ndim != 2 or not labels.numel() or len(labels) != clips:
        raise InvalidData(
            f"Labels need one row of activities for each of {clips} clips, but have shape "
            f"{tuple(labels.shape)}. Give (B, A), NaN where a label is unknown."
        )
    if not bool(((labels == 0) | (labels == 1) | labels.isnan()).all()):
        raise InvalidData("Labels are 1, 0, or NaN where unknown, but there are others. Cut them at a threshold first.")
    if not bool((labels == 1).any()):
        raise InvalidData("No clip has any activity, so there is nothing to learn. Give labels.")
    if video_labels is not None and (video_labels.ndim != 2 or video_labels.shape[1] != labels.shape[1]):
        raise InvalidData(
            f"Labels of videos need a column for each of {labels.shape[1]} activities, but have shape "
            f"{tuple(video_labels.shape)}. Give (V, A)."
        )


def _check_features(features: Features) -> None:
    rows: Sequence[Tensor] = list(features)
    if any(not isinstance(row, Tensor) for row in rows):
        raise InvalidData(f"Features are tensors, but one is a {type(rows[0]).__name__}: torch.from_numpy makes one.")
    batch = isinstance(features, Tensor)
    wrong = [tuple(row.shape) for row in rows if (row.ndim < 2 if batch else row.ndim != 2)]
    if wrong or len({row.shape[0] for row in rows}) > 1:
        seen = wrong[0] if wrong else sorted({row.shape[0] for row in rows})
        raise InvalidData(
            "Features are one tensor (B, C, N) or (B, C, T, H, W), or a list of tensors (C, N) of one width C, but "
            f"{'a clip has shape' if wrong else 'there are the widths'} {seen}."
        )
    broken = [place for place, row in enumerate(rows) if not bool(torch.isfinite(row.float()).all())]
    if broken:
        raise InvalidData(
            f"Features of {len(broken)} of {len(rows)} clips hold what is no finite number; the first is clip "
            f"{broken[0]}. Leave those clips out."
        )
