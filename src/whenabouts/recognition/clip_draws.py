"""Which clips and labels make up each batch of pre-training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.frame_cache import Cached, clip_at


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
        carriers: dict[int, list[tuple[int, float]]] = {}
        for video, row in enumerate(labels):
            for index, weight in zip(row.classes.tolist(), row.weights.tolist(), strict=True):
                carriers.setdefault(index, []).append((video, weight))
        if len(carriers) < 2:
            raise InvalidData(
                f"Training needs labels of at least 2 concepts, but the {len(labels)} readable videos carry "
                f"{len(carriers)}. Import more videos or a vocabulary that fits them."
            )
        self._carriers = {index: np.asarray(pairs).T for index, pairs in sorted(carriers.items())}
        roots = np.sqrt([weights.sum() for _, weights in self._carriers.values()])
        self._class_shares = roots / roots.sum()
        self._order = lru_cache(maxsize=4)(self._shuffled)

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
        if self.plan.sampling == "videos":
            epoch, position = divmod(place, len(self.labels))
            video = int(self._order(epoch)[position])
            row = self.labels[video]
            return video, int(random.choice(row.classes, p=row.weights / row.weights.sum()))
        index = int(random.choice(list(self._carriers), p=self._class_shares))
        videos, weights = self._carriers[index]
        return int(random.choice(videos, p=weights / weights.sum())), index

    def _clip(self, cached: Cached, random: np.random.Generator) -> NDArray[np.uint8]:
        first = int(random.integers(max(1, cached.frames - self.shape.pictures + 1)))
        clip, crop = clip_at(cached, first, self.shape.pictures), self.shape.crop
        if crop is None:
            return clip
        top, left = (int(random.integers(side - crop + 1)) for side in clip.shape[1:3])
        return clip[:, top : top + crop, left : left + crop]

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.labels))
