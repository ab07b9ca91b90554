"""Which videos and labels make up the batches of pre-training."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels


class LabelDraws:
    """Draws a video and one of its classes: a pure function of the seed and the place in the sequence.

    `square_root` draws classes by the root of their counts, else every video equally often. Fewer than two classes
    with a video raise InvalidData.
    """

    def __init__(self, labels: Sequence[VideoLabels], seed: int, *, square_root: bool) -> None:
        self._labels, self._seed, self._by_class = labels, seed, square_root
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

    def pair(self, place: int, random: np.random.Generator) -> tuple[int, int]:
        """A video and one of its classes."""
        if not self._by_class:
            epoch, position = divmod(place, len(self._labels))
            video = int(self._order(epoch)[position])
            row = self._labels[video]
            return video, int(random.choice(row.classes, p=row.weights / row.weights.sum()))
        index = int(random.choice(list(self._carriers), p=self._class_shares))
        videos, weights = self._carriers[index]
        return int(random.choice(videos, p=weights / weights.sum())), index

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, 2, epoch]).permutation(len(self._labels))
