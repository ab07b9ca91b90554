"""Which clips and labels make up each batch of pre-training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from whenabouts.config import settings
from whenabouts.core.labels import VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.frame_cache import Cached, clip_at
from whenabouts.recognition.label_draws import LabelDraws


@settings
class PretrainSettings:
    """How a backbone is trained. `sampling` draws every video equally often, or classes by the root of their counts.

    `shift` and `colour` are changes at random (see ClipTransform). Of videos longer than `longest_seconds` the
    beginning counts. The work is a number of steps, never a time, so that a busy machine learns the same.
    """

    steps: int = Field(default=400, ge=1)
    batch: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: int = Field(default=10, ge=0)
    drops: tuple[int, ...] = ()
    sampling: Literal["videos", "square_root"] = "videos"
    shift: float = Field(default=0.1, ge=0, le=1)
    colour: float = Field(default=0.3, ge=0, le=1)
    longest_seconds: float = Field(default=1200.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: int = Field(default=100, ge=1)


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Clips (B, C, T, H, W) float32 and one class (B,) each."""

    clips: Tensor
    classes: Tensor


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
        self._pairs = LabelDraws(labels, seed, square_root=plan.sampling == "square_root")

    def batch(self, step: int) -> ClipBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 1, step])
        pairs = [self.pair(step * self.plan.batch + place, random) for place in range(self.plan.batch)]
        clips = np.stack([self._clip(self.cached[video], random) for video, _ in pairs])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        classes = torch.tensor([index for _, index in pairs])
        return ClipBatch(self._transform.train(torch.from_numpy(clips), generator), classes)

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
