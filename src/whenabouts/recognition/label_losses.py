"""What the labels of drawn videos ask of scores: softmax on one label or on all, or a sigmoid for each."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.core.timing import IntArray
from whenabouts.recognition.clip_draws import ClipBatch
from whenabouts.recognition.pretrain_settings import Loss
from whenabouts.training.devices import Compute
from whenabouts.training.loop import Measured


def measure_on(compute: Compute, loss: Loss) -> Callable[[nn.Module, ClipBatch], Measured]:
    """The loss of a batch, and its accuracy: the share of clips whose best class is the drawn one, or one of all.

    One such function is for one model: where `compute` compiles nets, that is done at the first batch.
    """
    quick = lru_cache(maxsize=1)(compute.quick)

    def measure(model: nn.Module, batch: ClipBatch) -> Measured:
        scores = quick(model)(compute.place(batch.clips)).float()
        if loss == "softmax":
            classes = compute.place(batch.classes)
            right = scores.argmax(1) == classes
            return Measured(functional.cross_entropy(scores, classes), {"accuracy": right.float().mean()})
        carried = compute.place(carried_by(batch.labels, scores.shape[1]))
        right = carried.gather(1, scores.argmax(1, keepdim=True)) > 0
        return Measured(label_loss(scores, carried, loss), {"accuracy": right.float().mean()})

    return measure


def label_loss(scores: Tensor, carried: Tensor, loss: Loss) -> Tensor:
    """Loss of scores (B, L) for videos that carry labels (B, L), 1 or 0, as a mean over the clips.

    "softmax_all" is the cross-entropy with equal shares of all labels of a video (Mahajan et al. 2018, section 2.3),
    "sigmoid" the sum of the logistic losses of all classes: what a video does not carry counts as absent.
    """
    if loss == "softmax_all":
        return functional.cross_entropy(scores, carried / carried.sum(1, keepdim=True))
    return functional.binary_cross_entropy_with_logits(scores, carried, reduction="sum") / len(scores)


def carried_by(labels: tuple[IntArray, ...], classes: int) -> Tensor:
    """The labels of each video as 1 (B, L), all else 0."""
    rows = np.zeros((len(labels), classes), np.float32)
    for row, carried in zip(rows, labels, strict=True):
        row[carried] = 1.0
    return torch.from_numpy(rows)
