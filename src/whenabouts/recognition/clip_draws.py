"""Which clips and labels make up each batch of pre-training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.frame_cache import Cached, clip_at
from whenabouts.recognition.label_draws import LabelDraws
from whenabouts.recognition.pretrain_settings import PretrainSettings


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Clips (B, C, T, H, W) float32, one class (B,) each, and all `labels` of the video that each is from."""

    clips: Tensor
    classes: Tensor
    labels: tuple[IntArray, ...]


class ClipDraws:
    """Which clips and labels make up each batch: a pure function of the seed and the step."""

    def __init__(
        self,
        cached: Sequence[Cached],
        labels: Sequence[VideoLabels],
        shape: BackboneSettings,
        plan: PretrainSettings,
        seed: int,
    ) -> None:
        self.cached, self.labels, self.shape, self.plan, self.seed = cached, labels, shape, plan, seed
        self._transform = shape.transform(shift=plan.shift, colour=plan.colour)
        self._pairs = LabelDraws(labels, seed, plan)

    def batch(self, step: int) -> ClipBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 1, step])
        pairs = [self.pair(step * self.plan.batch + place, random) for place in range(self.plan.batch)]
        clips = np.stack([self._clip(self.cached[video], random) for video, _ in pairs])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        classes = torch.tensor([index for _, index in pairs])
        labels = tuple(self.labels[video].classes for video, _ in pairs)
        return ClipBatch(self._transform.train(torch.from_numpy(clips), generator), classes, labels)

    def identity(self, vocabulary: Vocabulary) -> str:
        """Hash of all that decides the draws, beside the loop's plan: data, settings, vocabulary."""
        digest = hashlib.sha256(repr((self.shape, self.plan, self.seed, vocabulary.names)).encode())
        for item, row in zip(self.cached, self.labels, strict=True):
            file = (item.path.name, size_and_time(item.video.path), item.frames)
            digest.update(repr((*file, row.classes.tolist(), row.weights.tolist())).encode())
        return digest.hexdigest()

    def pair(self, place: int, random: np.random.Generator) -> tuple[int, int]:
        """A video and one of its classes."""
        return self._pairs.pair(place, random)

    def _clip(self, cached: Cached, random: np.random.Generator) -> NDArray[np.uint8]:
        first = int(random.integers(max(1, cached.frames - self.shape.pictures + 1)))
        clip, crop = clip_at(cached, first, self.shape.pictures), self.shape.crop
        if crop is None:
            return clip
        top, left = (int(random.integers(side - crop + 1)) for side in clip.shape[1:3])
        return clip[:, top : top + crop, left : left + crop]
