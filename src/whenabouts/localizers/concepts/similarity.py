"""Similarity of segments to the rated segments of classes in other videos: SIMpos and SIMneg (Ma et al., 2019, 3.4).

The paper, in a formula without a number, sums the cosine to every rated segment. Since a cosine is a product of vectors
of length 1, the sum over rated segments is the product with their sum: no pair of segments is ever looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray

_TINY = np.finfo(np.float64).tiny
_STATE = {"totals": "totals", "counts": "counts", "videos": "_videos", "classes": "_classes", "own": "_own",
          "own_counts": "_own_counts"}  # fmt: skip


@dataclass(frozen=True)
class Similarity:
    """Sums (N, C) of cosines to rated segments in other videos, and how many terms (N, C) each has.

    A sum without a term is NaN, never a rounding error of 0, on which trees would split.
    """

    sums: NDArray[np.floating]
    counts: IntArray

    @property
    def means(self) -> NDArray[np.floating]:
        """Mean cosines (N, C): they do not grow with the number of ratings; NaN without a term."""
        means: NDArray[np.floating] = self.sums / np.maximum(self.counts, 1).astype(self.sums.dtype)
        return means


class RatedSegments:
    """The rated segments of each class, summed over all videos and for each video apart.

    encodings (R, d), video_numbers (R,), classes (R,), one row for each rated pair of a segment and a class; give
    those rated relevant (SIMpos) and those rated irrelevant (SIMneg) apart. Sums are of the encodings' own precision.
    Raises InvalidData for columns of different lengths, classes outside `count`, and encodings that are not finite.
    """

    def __init__(self, encodings: ArrayLike, video_numbers: ArrayLike, classes: ArrayLike, *, count: int) -> None:
        units = unit_rows(encodings)
        videos, labels = np.asarray(video_numbers, np.int64), np.asarray(classes, np.int64)
        if not len(units) == len(videos) == len(labels):
            raise InvalidData(f"Rated pairs need one row each, but got {len(units)}, {len(videos)}, {len(labels)}.")
        if len(labels) and not (labels.min() >= 0 and labels.max() < count):
            raise InvalidData(f"Classes lie in 0..{count - 1}, but got {labels.min()} to {labels.max()}.")
        self.totals = np.zeros((count, units.shape[1]), units.dtype)
        np.add.at(self.totals, labels, units)
        self.counts = np.bincount(labels, minlength=count)
        pairs, place = np.unique(np.stack([videos, labels], axis=1), axis=0, return_inverse=True)
        self._videos, self._classes = pairs[:, 0], pairs[:, 1]
        self._own = np.zeros((len(pairs), units.shape[1]), units.dtype)
        np.add.at(self._own, place.ravel(), units)
        self._own_counts = np.bincount(place.ravel(), minlength=len(pairs))

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it holds, as arrays."""
        return {name: getattr(self, attribute) for name, attribute in _STATE.items()}

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """What `state` gave, back; InvalidData where it doesn't fit together."""
        made = cls(np.zeros((0, 1), np.float32), [], [], count=1)
        try:
            for name, attribute in _STATE.items():
                setattr(made, attribute, state[name])
            made._check_state()
        except (KeyError, IndexError) as error:
            raise InvalidData(f"Sums of rated segments lack {error}. Train again.") from None
        return made

    def _check_state(self) -> None:
        count, width = self.totals.shape
        pairs = len(self._videos)
        shapes = (self.counts.shape, self._classes.shape, self._own.shape, self._own_counts.shape)
        whole = [each.dtype == np.int64 for each in (self.counts, self._videos, self._classes, self._own_counts)]
        if shapes != ((count,), (pairs,), (pairs, width), (pairs,)) or not all(whole):
            raise InvalidData(f"Sums of rated segments do not go together: {shapes}. Train again.")
        numbers = [each.dtype.kind == "f" and bool(np.isfinite(each).all()) for each in (self.totals, self._own)]
        if not all(numbers) or (self.counts < 0).any() or (self._own_counts < 1).any():
            raise InvalidData("Sums of rated segments are finite, of one segment at least each. Train again.")
        keys = self._videos * count + self._classes
        if pairs and not (self._classes.min() >= 0 and self._classes.max() < count and (np.diff(keys) > 0).all()):
            raise InvalidData("Sums of rated segments are not in order of videos and classes. Train again.")
        of_own = np.zeros_like(self.totals, np.float64)
        np.add.at(of_own, self._classes, self._own.astype(np.float64))
        right = np.bincount(self._classes, self._own_counts, count) == self.counts
        if not right.all() or not np.allclose(of_own, self.totals, rtol=1e-3, atol=1e-3):
            raise InvalidData("Sums of rated segments are not those of all their videos. Train again.")

    def similarity(self, encodings: ArrayLike, video_numbers: ArrayLike) -> Similarity:
        """Similarity of segments, encodings (N, d) in videos (N,), to each class, without the segment's own video.

        Videos that hold no rated segment leave nothing out. An encoding of zeros has a cosine of 0 to all.
        """
        units, videos = unit_rows(encodings), np.asarray(video_numbers, np.int64)
        if units.shape[1:] != self.totals.shape[1:] or len(units) != len(videos):
            raise InvalidData(
                f"Segments are (N, {self.totals.shape[1]}) with a video each, but got {units.shape} and {videos.shape}."
            )
        sums = units @ self.totals.T
        counts = np.tile(self.counts, (len(units), 1))
        order = np.argsort(videos, kind="stable")
        _, starts = np.unique(videos[order], return_index=True)
        for rows in np.split(order, starts)[1:]:
            left, right = np.searchsorted(self._videos, [videos[rows[0]], videos[rows[0]] + 1])
            if left < right:
                columns = np.ix_(rows, self._classes[left:right])
                sums[columns] -= units[rows] @ self._own[left:right].T
                counts[columns] -= self._own_counts[left:right]
        sums[counts == 0] = np.nan
        return Similarity(sums, counts)


def unit_rows(values: ArrayLike) -> NDArray[np.floating]:
    """Rows (N, d) scaled to length 1, a row of zeros left as it is; float32 stays float32, all else is float64."""
    given = np.asarray(values)
    rows: FloatArray | NDArray[np.float32] = given if given.dtype == np.float32 else given.astype(np.float64)
    if rows.ndim != 2:
        raise InvalidData(f"Encodings are (N, d), but got shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InvalidData(f"Encodings must be finite, but row {np.argwhere(~np.isfinite(rows))[0][0]} is not.")
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    units: NDArray[np.floating] = rows / np.maximum(lengths, _TINY)[:, None].astype(np.float64)
    return units.astype(rows.dtype)
