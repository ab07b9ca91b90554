"""Which clips of the examples make up each batch of fine-tuning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.nets.fully_convolutional import Link
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.finetune_settings import FinetuneSettings
from whenabouts.recognition.target_examples import Cut, present_in
from whenabouts.training.devices import Compute
from whenabouts.training.loop import Measured


@dataclass(frozen=True, slots=True)
class TargetBatch:
    """Clips (B, C, T, H, W) float32, and what is wanted of each (B, L): shares of 1, or 0 and 1 by label."""

    clips: Tensor
    targets: Tensor


class TargetDraws:
    """A random clip of every example, once in an epoch: a pure function of the seed and the step."""

    def __init__(
        self, cuts: Sequence[Cut], classes: int, shape: BackboneSettings, how: FinetuneSettings, seed: int
    ) -> None:
        self.cuts, self.shape, self.how, self.seed = cuts, shape, how, seed
        self._transform = shape.transform(shift=how.shift, colour=how.colour)
        self._targets = torch.from_numpy(targets_of(cuts, classes, how.link)).float()
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def batch(self, step: int) -> TargetBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 5, step])
        places = range(step * self.how.batch, (step + 1) * self.how.batch)
        rows = [int(self._order(place // len(self.cuts))[place % len(self.cuts)]) for place in places]
        clips = np.stack([self._clip(self.cuts[row], random) for row in rows])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        return TargetBatch(self._transform.train(torch.from_numpy(clips), generator), self._targets[rows])

    def _clip(self, cut: Cut, random: np.random.Generator) -> NDArray[np.uint8]:
        start = int(random.integers(max(1, cut.frames - self.shape.pictures + 1)))
        clip, crop = cut.clip(start, self.shape.pictures), self.shape.crop
        if crop is not None:
            top, left = (int(random.integers(side - crop + 1)) for side in clip.shape[1:3])
            clip = clip[:, top : top + crop, left : left + crop]
        if self.how.mirror and random.random() < 0.5:
            clip = _mirrored(clip)
        return clip

    def _shuffled(self, epoch: int) -> IntArray:
        return np.random.default_rng([self.seed, 6, epoch]).permutation(len(self.cuts))


def _mirrored(clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A clip with left and right exchanged; in fields of flow what went right then goes left."""
    flipped = np.ascontiguousarray(clip[:, :, ::-1])
    if flipped.shape[-1] == 2:
        flipped[..., 0] = np.minimum(256 - flipped[..., 0].astype(np.int64), 255).astype(np.uint8)
    return flipped


def targets_of(cuts: Sequence[Cut], classes: int, link: Link) -> FloatArray:
    """What is wanted of each example (N, L): its labels in equal shares under "softmax", else 1 for each."""
    present = present_in(cuts, classes).astype(np.float64)
    return present / present.sum(1, keepdims=True) if link == "softmax" else present


def measure_on(compute: Compute, link: Link) -> Callable[[nn.Module, TargetBatch], Measured]:
    """The loss of a batch, and the share of clips whose best label is right."""

    def measure(model: nn.Module, batch: TargetBatch) -> Measured:
        scores, targets = model(compute.place(batch.clips)).float(), compute.place(batch.targets)
        right = targets.gather(1, scores.argmax(1, keepdim=True)) > 0
        if link == "softmax":
            loss = functional.cross_entropy(scores, targets)
        else:
            loss = functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum") / len(scores)
        return Measured(loss, {"accuracy": right.float().mean()})

    return measure
