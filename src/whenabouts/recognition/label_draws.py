"""Which videos and labels make up the batches of pre-training."""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.data.subsets import repeat_factors, repeated
from whenabouts.recognition.pretrain_settings import PretrainSettings


class LabelDraws:
    """Draws a video and one of its classes: a pure function of the seed and the place in the sequence.

    See `PretrainSettings.sampling` for the ways. Fewer than two classes with a video raise InvalidData.
    """

    def __init__(self, labels: Sequence[VideoLabels], seed: int, plan: PretrainSettings) -> None:
        self.labels, self._seed, self._plan = labels, seed, plan
        carriers: dict[int, list[tuple[int, float]]] = {}
        for video, row in enumerate(labels):
            for index, weight in zip(row.classes.tolist(), row.weights.tolist(), strict=True):
                carriers.setdefault(index, []).append((video, weight))
        if len(carriers) < 2:
            raise InvalidData(
                f"Training needs labels of at least 2 concepts, but the {len(labels)} readable videos carry "
                f"{len(carriers)}. Import more videos or a vocabulary that fits them."
            )
        self.classes = sorted(carriers)
        self._carriers = [np.asarray(carriers[index]).T for index in self.classes]
        self._heaps = [_summed(weights) for _, weights in self._carriers]
        self._class_heap = _summed(self.class_shares)
        self._epoch = lru_cache(maxsize=4)(self._drawn_epoch)
        self._starts, self._counting = [0], threading.Lock()

    @cached_property
    def class_shares(self) -> FloatArray:
        """How often each of `classes` is drawn where classes are drawn: by weighted count to the plan's exponent."""
        powers = np.asarray([weights.sum() for _, weights in self._carriers]) ** self._plan.exponent
        shares: FloatArray = powers / powers.sum()
        return shares

    @cached_property
    def repeats(self) -> FloatArray:
        """How often a video of each class (0 to the last one) comes in an epoch, where videos are repeated."""
        counts = np.zeros(self.classes[-1] + 1, np.int64)
        counts[self.classes] = [carriers.shape[1] for carriers in self._carriers]
        return repeat_factors(counts, self._plan.repeat_threshold)

    def pair(self, place: int, random: np.random.Generator) -> tuple[int, int]:
        """A video and one of its classes."""
        if self._plan.sampling == "classes":
            index = _one_of(self._class_heap, random)
            video = int(self._carriers[index][0][_one_of(self._heaps[index], random)])
            return video, self.classes[index]
        video = self._video_at(place)
        row = self.labels[video]
        return video, int(row.classes[_one_of(_summed(row.weights), random)])

    def _video_at(self, place: int) -> int:
        """Epoch by epoch, each in an order of its own; with repeats epochs differ in length."""
        if self._plan.sampling == "videos":
            epoch, position = divmod(place, len(self.labels))
            return int(self._epoch(epoch)[position])
        with self._counting:
            while self._starts[-1] <= place:
                self._starts.append(self._starts[-1] + len(self._epoch(len(self._starts) - 1)))
            epoch = bisect_right(self._starts, place) - 1
            return int(self._epoch(epoch)[place - self._starts[epoch]])

    def _drawn_epoch(self, epoch: int) -> IntArray:
        random = np.random.default_rng([self._seed, 2, epoch])
        if self._plan.sampling == "videos":
            return random.permutation(len(self.labels))
        rows = [row.classes.tolist() for row in self.labels]
        return random.permutation(repeated(self.repeats, rows, random))


def _summed(weights: FloatArray) -> FloatArray:
    """Where each of some weights ends on a line from 0 to 1."""
    ends = np.cumsum(weights)
    shares: FloatArray = ends / ends[-1]
    return shares


def _one_of(ends: FloatArray, random: np.random.Generator) -> int:
    """A number drawn by weight, as `Generator.choice` does it, but without a pass over all weights."""
    return int(np.searchsorted(ends, random.random(), side="right"))
