"""Which clips and labels make up each batch of pre-training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.clip_source import Clip, Source, Taken
from whenabouts.recognition.label_draws import LabelDraws
from whenabouts.recognition.pretrain_settings import PretrainSettings

# So many videos in a row that can't be read end a training: something else is wrong.
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Clips (B, C, T, H, W) float32, one class (B,) each, and all `labels` of the video that each is from."""

    clips: Tensor
    classes: Tensor
    labels: tuple[IntArray, ...]


class ClipDraws:
    """Which clips and labels make up each batch: a pure function of the seed and the batch's number.

    `parts` are the frames of each source that count; without them all do.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        labels: Sequence[VideoLabels],
        shape: BackboneSettings,
        plan: PretrainSettings,
        seed: int,
        *,
        take: Taken,
        parts: Sequence[range] = (),
    ) -> None:
        self.sources, self.labels, self.shape, self.plan, self.seed = sources, labels, shape, plan, seed
        self._take, self._transform = take, shape.transform(shift=plan.shift, colour=plan.colour)
        self._pairs = LabelDraws(labels, seed, plan)
        self._parts = parts or [range(source.frames) for source in sources]

    def batch(self, number: int) -> ClipBatch:
        """The batch of this number."""
        random = np.random.default_rng([self.seed, 1, number])
        places = range(number * self.plan.batch, (number + 1) * self.plan.batch)
        pairs = [self._pairs.pair(place, random) for place in places]
        wanted = [(self.sources[video], self._first(video, random)) for video, _ in pairs]
        found = self._take(wanted)
        clips = []
        for place, clip in zip(places, found, strict=True):
            if clip is None:
                clip, pairs[place - places[0]] = self._another(place)
            clips.append(self._cropped(clip, random))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        classes = torch.tensor([index for _, index in pairs])
        labels = tuple(self.labels[video].classes for video, _ in pairs)
        return ClipBatch(self._transform.train(torch.from_numpy(np.stack(clips)), generator), classes, labels)

    def identity(self, vocabulary: Vocabulary) -> str:
        """Hash of all that decides the draws, beside the loop's plan: data, settings, vocabulary."""
        digest = hashlib.sha256(repr((self.shape, self.plan, self.seed, vocabulary.names)).encode())
        for item, row, part in zip(self.sources, self.labels, self._parts, strict=True):
            file = (item.path.name, size_and_time(item.video.path), item.frames, part)
            digest.update(repr((*file, row.classes.tolist(), row.weights.tolist())).encode())
        return digest.hexdigest()

    def _another(self, place: int) -> tuple[Clip, tuple[int, int]]:
        """A clip in the place of one whose file can't be read, of the next video in the order that can be."""
        for attempt in range(1, _ATTEMPTS):
            random = np.random.default_rng([self.seed, 3, place, attempt])
            pair = self._pairs.pair(place + attempt, random)
            (clip,) = self._take([(self.sources[pair[0]], self._first(pair[0], random))])
            if clip is not None:
                return clip, pair
        raise InvalidData(
            f"{_ATTEMPTS} videos that were drawn one after the other can't be read. Run `whenabouts check --files`."
        )

    def _first(self, video: int, random: np.random.Generator) -> int:
        part = self._parts[video]
        return part.start + int(random.integers(max(1, len(part) - self.shape.pictures + 1)))

    def _cropped(self, clip: Clip, random: np.random.Generator) -> Clip:
        crop = self.shape.crop
        if crop is None:
            return clip
        top, left = (int(random.integers(side - crop + 1)) for side in clip.shape[1:3])
        return clip[:, top : top + crop, left : left + crop]
