"""Which windows of sound, with which labels, make up each batch of pre-training."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.core.labels import VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.fingerprints import size_and_time
from whenabouts.media.mel import LOG_OFFSET
from whenabouts.recognition.clip_draws import ClipBatch
from whenabouts.recognition.label_draws import LabelDraws
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.sound_cache import CachedSound
from whenabouts.recognition.sound_settings import SoundSettings
from whenabouts.recognition.window_encoder import SOUND_BANDS


class SoundDraws:
    """Windows (B, 1, rows, 64) and labels of each batch: a pure function of the seed and the step.

    `parts` are the rows of each video that count; without them all do.
    """

    def __init__(
        self,
        cached: Sequence[CachedSound],
        labels: Sequence[VideoLabels],
        shape: SoundSettings,
        plan: PretrainSettings,
        seed: int,
        *,
        parts: Sequence[range] = (),
    ) -> None:
        self.cached, self.labels, self.shape, self.plan, self.seed = cached, labels, shape, plan, seed
        self._pairs = LabelDraws(labels, seed, plan)
        self._parts = parts or [range(item.rows) for item in cached]

    def batch(self, step: int) -> ClipBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 1, step])
        pairs = [self._pairs.pair(step * self.plan.batch + place, random) for place in range(self.plan.batch)]
        windows = np.stack([self._window(self.cached[video], self._parts[video], random) for video, _ in pairs])
        classes = torch.tensor([index for _, index in pairs])
        labels = tuple(self.labels[video].classes for video, _ in pairs)
        return ClipBatch(torch.from_numpy(windows).unsqueeze(1), classes, labels)

    def identity(self, vocabulary: Vocabulary) -> str:
        """Hash of all that decides the draws, beside the loop's plan: data, settings, vocabulary."""
        digest = hashlib.sha256(repr((self.shape, self.plan, self.seed, vocabulary.names)).encode())
        for item, row, part in zip(self.cached, self.labels, self._parts, strict=True):
            file = (item.path.name, size_and_time(item.video.path), item.rows, part)
            digest.update(repr((*file, row.classes.tolist(), row.weights.tolist())).encode())
        return digest.hexdigest()

    def _window(self, cached: CachedSound, part: range, random: np.random.Generator) -> NDArray[np.float32]:
        """A window of a video at random; one that is shorter ends in silence."""
        rows = self.shape.rows
        first = part.start + int(random.integers(max(1, len(part) - rows + 1)))
        made = np.full((rows, SOUND_BANDS), math.log(LOG_OFFSET), np.float32)
        heard = cached.read(first, min(first + rows, cached.rows))
        made[: len(heard)] = heard
        return made
