"""Videos that show the same as one of a target set, edited: by hashes of their frames and by features of their clips.

"To err on the side of caution, we adopt an aggressive low-precision high-recall strategy and remove any potential
duplicates" (Ghadiyaram et al., 2019, 3.2): what either way of looking finds is a copy, and each pair is reported with
its evidence. Different takes of one scene are not meant.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.timing import FloatArray
from whenabouts.media.perceptual import BITS, Bits, signs

_BLOCK = 4096
# Views of ours and of the target's that are compared: the whole pictures, either one's middle with the other's whole,
# where borders were cut off, and what is left of both without their corners, where logos stand.
_COMPARED = ((0, 0), (0, 1), (1, 0), (2, 2))


@settings
class NearCopySettings:
    """When two videos count as copies.

    By frames: at least `share` of the shorter video's frames (one each 1 / `rate` seconds; those with less than
    `least_quality` to see are left out, and videos with fewer than `least_frames` others) have a frame in the other
    that differs in at most `radius` of 256 bits, in one of the pairs of views, mirrored or not. By clips: at least
    `share` of the shorter video's clips have one in the other with a cosine of at least `cosine`.
    """

    rate: float = Field(default=1.0, gt=0)
    radius: int = Field(default=70, ge=0, le=BITS)
    share: float = Field(default=0.7, gt=0, le=1)
    least_quality: float = Field(default=2.0, ge=0)
    least_frames: int = Field(default=2, ge=1)
    cosine: float = Field(default=0.97, gt=0, le=1)


@dataclass(frozen=True)
class HashedVideo:
    """One video's frames: hashes (N, V, 32) of their views, the same mirrored, quality (N,)."""

    video_id: str
    hashes: Bits
    mirrored: Bits
    quality: FloatArray


@dataclass(frozen=True)
class NearCopy:
    """A video of ours and the target that it copies, with the evidence.

    `how` is "frames", "mirrored" or "clips"; `matched` of `compared` frames (or clips) of the shorter one have a
    counterpart, at a mean `distance` of so many bits (or a mean cosine below 1 of so much).
    """

    source: str
    target: str
    how: str
    matched: int
    compared: int
    distance: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "share": self.matched / self.compared}


def copies_by_frames(
    sources: Sequence[HashedVideo], targets: Sequence[HashedVideo] | None, how: NearCopySettings
) -> list[NearCopy]:
    """Pairs whose frames look alike, the strongest evidence of each; without `targets`, among the sources themselves.

    Ids of sources and targets may be the same: they are of two collections.
    """
    ours = _seen(sources, how)
    theirs = ours if targets is None else _seen(targets, how)
    found: dict[tuple[str, str], NearCopy] = {}
    for name in ("frames", "mirrored"):
        for one, other in _COMPARED:
            rows = [signs(video.hashes[:, one]) for video in ours]
            columns = [signs((video.hashes if name == "frames" else video.mirrored)[:, other]) for video in theirs]
            ids = [[video.video_id for video in videos] for videos in (ours, theirs)]
            nearest = _Nearest(ids[0], rows, ids[1], columns, within=targets is None)
            for pair in nearest.pairs(least=BITS - 2 * how.radius, share=how.share, how=name):
                _keep(found, pair, lambda product: (BITS - product) / 2)
    return sorted(found.values(), key=lambda pair: (pair.source, pair.target))


def copies_by_clips(
    sources: Mapping[str, NDArray[np.floating]], targets: Mapping[str, NDArray[np.floating]], how: NearCopySettings
) -> list[NearCopy]:
    """Pairs whose clips' features (T, D), of one backbone, point the same way; give them centred on the target's mean.

    Videos without a clip are left out.
    """
    ours = {name: _units(values) for name, values in sources.items() if len(values)}
    theirs = {name: _units(values) for name, values in targets.items() if len(values)}
    found: dict[tuple[str, str], NearCopy] = {}
    nearest = _Nearest(list(ours), list(ours.values()), list(theirs), list(theirs.values()))
    for pair in nearest.pairs(least=how.cosine, share=how.share, how="clips"):
        _keep(found, pair, lambda product: 1 - product)
    return sorted(found.values(), key=lambda pair: (pair.source, pair.target))


@dataclass(frozen=True)
class _Pair:
    source: str
    target: str
    how: str
    matched: int
    compared: int
    product: float


class _Nearest:
    """For every pair of videos, how many rows of the shorter have a row in the other with so great a product.

    All rows against all, in blocks: exact, and memory does not grow with the number of videos.
    """

    def __init__(
        self,
        source_ids: Sequence[str],
        sources: Sequence[NDArray[np.floating]],
        target_ids: Sequence[str],
        targets: Sequence[NDArray[np.floating]],
        *,
        within: bool = False,
    ) -> None:
        self.within = within
        self.source_ids, self.sources = source_ids, sources
        self.target_ids, self.targets = target_ids, targets

    def pairs(self, *, least: float, share: float, how: str) -> Iterator[_Pair]:
        """Pairs in which at least `share` of the shorter one's rows reach `least`."""
        for rows_of in _blocks(self.sources):
            for columns_of in _blocks(self.targets):
                rows = np.concatenate([self.sources[index] for index in rows_of])
                columns = np.concatenate([self.targets[index] for index in columns_of])
                products = rows @ columns.T
                row_edges = np.cumsum([0, *(len(self.sources[index]) for index in rows_of)])
                column_edges = np.cumsum([0, *(len(self.targets[index]) for index in columns_of)])
                best_rows = np.maximum.reduceat(products, column_edges[:-1], axis=1)
                best_columns = np.maximum.reduceat(products, row_edges[:-1], axis=0)
                counts = np.add.reduceat((best_rows >= least).astype(np.int64), row_edges[:-1], axis=0)
                for one, other in np.argwhere(counts > 0).tolist():
                    source, target = rows_of[one], columns_of[other]
                    if self.within and source == target:
                        continue
                    if len(self.sources[source]) <= len(self.targets[target]):
                        best = best_rows[row_edges[one] : row_edges[one + 1], other]
                    else:
                        best = best_columns[one, column_edges[other] : column_edges[other + 1]]
                    reached = best[best >= least]
                    if len(reached) >= share * len(best):
                        yield _Pair(
                            self.source_ids[source], self.target_ids[target], how, len(reached), len(best),
                            float(reached.mean()),
                        )  # fmt: skip


def _blocks(rows: Sequence[NDArray[np.floating]]) -> Iterator[list[int]]:
    """Numbers of videos that have about so many rows together; a long one stands alone."""
    block: list[int] = []
    size = 0
    for index, values in enumerate(rows):
        if block and size + len(values) > _BLOCK:
            yield block
            block, size = [], 0
        block.append(index)
        size += len(values)
    if block:
        yield block


def _seen(videos: Iterable[HashedVideo], how: NearCopySettings) -> list[HashedVideo]:
    """Videos with frames enough that show something, and these frames alone."""
    kept = []
    for video in videos:
        good = video.quality >= how.least_quality
        if good.sum() >= how.least_frames:
            kept.append(HashedVideo(video.video_id, video.hashes[good], video.mirrored[good], video.quality[good]))
    return kept


def _keep(found: dict[tuple[str, str], NearCopy], pair: _Pair, distance: Callable[[float], float]) -> None:
    """Keep the strongest evidence for a pair of videos; `distance` is of a mean product."""
    key = (pair.source, pair.target)
    known = found.get(key)
    if known is None or pair.matched / pair.compared > known.matched / known.compared:
        found[key] = NearCopy(*key, pair.how, pair.matched, pair.compared, distance(pair.product))


def _units(values: NDArray[np.floating]) -> NDArray[np.floating]:
    rows = np.asarray(values, np.float32)
    units: NDArray[np.floating] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return units
