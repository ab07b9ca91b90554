"""Losses of multi-label classifiers with labels that are sparse, weak, or a teacher's guess."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def weighted_bce(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of logits, targets and weights (B, C): summed over classes, mean over examples.

    A weight of 0 leaves a pair out: what is not known is no negative.
    """
    return (weights * _entropy(logits, targets)).sum() / len(logits)


def rated_bce(logits: Tensor, targets: Tensor, rated: Tensor, weak: Tensor | None = None) -> Tensor:
    """Binary cross-entropy over rated pairs alone (Ma et al., 2019, Eq. 3), as their mean.

    logits, targets, rated (B, C), the last 1 where a pair is rated and else 0. `weak` (B, C) adds unrated pairs with
    weights of their own, taken to be negative whatever stands in `targets`; they do not enter the divisor. Without a
    rated pair it is their sum that counts.
    """
    total = (rated * _entropy(logits, targets)).sum()
    if weak is not None:
        total = total + (weak * functional.softplus(logits.float())).sum()
    return total / rated.sum().clamp_min(1)


def mixed_distillation(
    logits: Tensor, teacher: Tensor, targets: Tensor, weights: Tensor, *, share: float = 0.5
) -> Tensor:
    """`share` of the cross-entropy to a teacher's probabilities, the rest of that to labels (Skalic & Austin, 2018).

    logits, teacher in [0, 1], targets and weights (B, C). Weights hold back labels alone: of an unknown label the
    teacher still has an opinion.
    """
    told = _entropy(logits, teacher).sum() / len(logits)
    return share * told + (1 - share) * weighted_bce(logits, targets, weights)


def known_bce(outputs: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Binary cross-entropy of each output's logits (B, C), a mean over known pairs, summed over outputs.

    labels (B, C): 1 there, 0 not, NaN unknown. Without a known pair it is 0, and so are its gradients.
    """
    known = ~labels.isnan()
    targets = labels.nan_to_num(0.0)
    losses = torch.stack([(_entropy(logits, targets) * known).sum() for logits in outputs])
    return losses.sum() / known.sum().clamp_min(1)


def one_of_many(outputs: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Softmax cross-entropy of each output's logits (B, C), a mean over the rows with a label, summed over outputs.

    labels (B, C) as in `known_bce`. A row with several labels shares its target among them; one without says nothing.
    """
    there = labels.nan_to_num(0.0).float()
    counts = there.sum(dim=1, keepdim=True)
    targets = there / counts.clamp_min(1e-12)
    losses = torch.stack([-(targets * logits.float().log_softmax(dim=1)).sum() for logits in outputs])
    return losses.sum() / (counts > 0).sum().clamp_min(1)


def _entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Entropy (B, C) in float32, exact for logits of any size."""
    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
