"""Candidates: for each concept the best videos (or segments), kept while scores stream by; never a dense matrix.

Ma et al. (2019), section 3.1: video models score all videos, each class keeps its top K, and only their segments go on
to the segment models. What is kept never depends on the order of videos, nor on how they were dealt out to processes
and machines: of equal scores the smaller video id ranks first, then the earlier segment.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.config import Count, CountOrZero, Positive, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import IntArray
from whenabouts.evaluation.ranked_lists import RankedList

Scores = NDArray[np.float32]
Numbers = NDArray[np.uint32]

_WAITING = 1 << 22  # scores that wait to be looked at, class by class
_MOST_ITEMS = 1 << 32


@settings
class CandidateSettings:
    """How many videos a class keeps: `videos`, or if 0, `prior_multiple` times as many as should hold it."""

    videos: CountOrZero = 0
    prior_multiple: Positive = 3.0
    least: Count = 1


def candidate_limits(chosen: CandidateSettings, labelled: ArrayLike, *, labelled_videos: int, videos: int) -> IntArray:
    """How many of `videos` each class keeps (C,), from how many (C,) of `labelled_videos` training videos carry it."""
    carrying = np.asarray(labelled, np.float64)
    if chosen.videos:
        return np.full(len(carrying), min(max(chosen.videos, chosen.least), max(videos, 1)), np.int64)
    wanted = np.ceil(chosen.prior_multiple * carrying / max(labelled_videos, 1) * videos - 1e-9)
    return np.clip(wanted, chosen.least, max(videos, chosen.least)).astype(np.int64)


@dataclass(frozen=True)
class Best:
    """The best items of one class, best first: rows (K,) of the table of videos, segments (K,) in them, scores (K,)."""

    videos: IntArray
    segments: IntArray
    scores: Scores

    def __len__(self) -> int:
        return len(self.scores)


class Ranked(Protocol):
    """The best items of every class: of limits (C,), in videos (V,) that have so many items each."""

    @property
    def limits(self) -> IntArray:
        """How many items each class keeps at most."""
        ...

    @property
    def video_ids(self) -> Sequence[str]:
        """The table of videos."""
        ...

    @property
    def lengths(self) -> Sequence[int]:
        """How many items each of these videos has."""
        ...

    def of_class(self, index: int) -> Best:
        """The best items of one class."""
        ...


class BestOfClasses:
    """Keeps for each class c the best `limits[c]` of all items that are added: videos, or segments of videos.

    It holds about nine eighths of the limits at 8 bytes each, and the ids of all videos.
    """

    def __init__(self, limits: ArrayLike) -> None:
        self.limits: IntArray = np.asarray(limits, np.int64)
        if self.limits.ndim != 1 or not len(self.limits) or self.limits.min() < 1:
            raise InvalidData(f"Each class keeps at least 1 item, but the limits are {self.limits}.")
        self._kept = [_Kept(limit) for limit in self.limits.tolist()]
        self._waiting: list[Scores] = []
        self._waiting_rows = 0
        self._numbers: dict[str, int] = {}
        self.video_ids: list[str] = []
        self.lengths: list[int] = []
        self._first: list[int] = []
        self._items = 0
        self._ranks: IntArray = np.zeros(0, np.int64)
        self._begins: IntArray = np.zeros(0, np.int64)

    def __repr__(self) -> str:
        return f"BestOfClasses({len(self.limits)} classes, {len(self.video_ids)} videos, {self._items} items seen)"

    def add(self, video_id: str, scores: ArrayLike) -> None:
        """Take a video's scores (C,), or those of its segments (S, C), as float32.

        Raises InvalidData, and takes nothing, for what is no table of numbers, another shape, a score that is not
        finite, and a video that was there already.
        """
        rows = _as_scores(video_id, scores)
        rows = rows[None] if rows.ndim == 1 else rows
        if rows.ndim != 2 or rows.shape[1] != len(self.limits):
            raise InvalidData(f"{video_id}: {len(self.limits)} classes need as many scores, but got {rows.shape}.")
        if not np.isfinite(rows).all():
            row, index = np.argwhere(~np.isfinite(rows))[0]
            raise InvalidData(f"{video_id}: the score of class {index} is {rows[row, index]}, which has no rank.")
        if video_id in self._numbers:
            raise InvalidData(f"{video_id}: this video was scored already. Its first scores count.")
        self._enter(video_id, len(rows))
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows * len(self.limits) >= _WAITING:
            self._look()

    def merge(self, other: Ranked) -> None:
        """Take what another kept, as if its videos had been added here; a video that both know keeps its best scores.

        Raises InvalidData where limits differ, or one video has another number of segments there.
        """
        if not np.array_equal(self.limits, other.limits):
            raise InvalidData("Only what was kept under the same limits can be merged.")
        self._look()
        for video_id, length in zip(other.video_ids, other.lengths, strict=True):
            known = self._numbers.get(video_id)
            if known is not None and self.lengths[known] != length:
                raise InvalidData(f"{video_id} has {self.lengths[known]} segments here, but {length} there.")
        shared = any(video_id in self._numbers for video_id in other.video_ids)
        pairs = zip(other.video_ids, other.lengths, strict=True)
        mine = [self._number(video_id, length) for video_id, length in pairs]
        first = np.asarray(self._first, np.int64)[mine] if mine else np.zeros(0, np.int64)
        for index, kept in enumerate(self._kept):
            best = other.of_class(index)
            items = (first[best.videos] + best.segments).astype(np.uint32)
            kept.take(best.scores, items, self._precedence, shared=shared)

    def of_class(self, index: int) -> Best:
        """The best items of one class, sorted."""
        self._look()
        kept = self._kept[index]
        kept.trim(self._precedence)
        items, scores = kept.items[: kept.size], kept.scores[: kept.size]
        rank, place, videos = self._placed(items)
        order = np.lexsort((place, rank, -scores))
        return Best(videos[order], place[order], scores[order])

    def videos_of(self, index: int) -> IntArray:
        """Rows (K,) of the table of videos of one class's best items, in no order."""
        self._look()
        self._kept[index].trim(self._precedence)
        return self._placed(self._kept[index].items[: self._kept[index].size])[2]

    def size(self, index: int) -> int:
        """How many items one class has."""
        self._look()
        return min(self._kept[index].size, int(self.limits[index]))

    def _enter(self, video_id: str, length: int) -> None:
        if self._items + length > _MOST_ITEMS:
            raise InvalidData(f"{_MOST_ITEMS} items are the most for one pass. Deal the videos out, and merge.")
        self._numbers[video_id] = len(self.video_ids)
        self.video_ids.append(video_id)
        self.lengths.append(length)
        self._first.append(self._items)
        self._items += length

    def _number(self, video_id: str, length: int) -> int:
        if video_id not in self._numbers:
            self._enter(video_id, length)
        return self._numbers[video_id]

    def _look(self) -> None:
        """Sort what waits into the classes."""
        if not self._waiting:
            return
        block = np.ascontiguousarray(np.concatenate(self._waiting).T)
        begin = self._items - self._waiting_rows
        self._waiting, self._waiting_rows = [], 0
        for row, kept in zip(block, self._kept, strict=True):
            new = np.flatnonzero(row >= kept.floor)
            if len(new):
                kept.take(row[new], (begin + new).astype(np.uint32), self._precedence)

    def _placed(self, items: Numbers) -> tuple[IntArray, IntArray, IntArray]:
        """Of items (K,): the rank of their video's id, their place in it, and the video's number."""
        if len(self._ranks) != len(self.video_ids):
            self._begins = np.asarray(self._first, np.int64)
            self._ranks = np.empty(len(self.video_ids), np.int64)
            order = sorted(range(len(self.video_ids)), key=self.video_ids.__getitem__)
            self._ranks[order] = np.arange(len(order))
        videos = np.searchsorted(self._begins, items.astype(np.int64), side="right") - 1
        return self._ranks[videos], items - self._begins[videos], videos

    def _precedence(self, items: Numbers) -> IntArray:
        """Order (K,) in which items of one score rank."""
        rank, place, _ = self._placed(items)
        return np.lexsort((place, rank))


def _as_scores(video_id: str, scores: ArrayLike) -> Scores:
    try:
        with np.errstate(over="ignore"):  # what is too great for float32 becomes infinite, and is refused as such
            return np.asarray(scores, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"{video_id}: its scores are no table of numbers: {error}.") from None


_Precedence = Callable[[Numbers], IntArray]


@dataclass(slots=True)
class _Kept:
    """Items of one class, unsorted: sorting out now and then is cheaper than keeping a heap in order."""

    limit: int
    scores: Scores = field(default_factory=lambda: np.zeros(0, np.float32))
    items: Numbers = field(default_factory=lambda: np.zeros(0, np.uint32))
    size: int = 0
    floor: float = -np.inf  # no score below it can be among the best any more

    def take(self, scores: Scores, items: Numbers, precedence: _Precedence, *, shared: bool = False) -> None:
        """Add items; those of `shared` videos may be there already, then the better score stays."""
        total = self.size + len(scores)
        most = self.limit + self.limit // 8 + 1024
        if total <= most and not shared:
            self._make_room(total, most)
            self.scores[self.size : total], self.items[self.size : total] = scores, items
            self.size = total
            return
        scores = np.concatenate([self.scores[: self.size], scores])
        items = np.concatenate([self.items[: self.size], items])
        if shared:
            order = np.lexsort((-scores, items))
            first = np.flatnonzero(np.diff(items[order].astype(np.int64), prepend=-1))
            scores, items = scores[order[first]], items[order[first]]
        self._keep_best(scores, items, precedence)

    def trim(self, precedence: _Precedence) -> None:
        """Let go of what is not among the best."""
        if self.size > self.limit:
            self._keep_best(self.scores[: self.size], self.items[: self.size], precedence)

    def _keep_best(self, scores: Scores, items: Numbers, precedence: _Precedence) -> None:
        if len(scores) >= self.limit:
            last = np.partition(scores, len(scores) - self.limit)[len(scores) - self.limit]
            above, level = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
            free = self.limit - len(above)
            level = level if len(level) == free else level[precedence(items[level])[:free]]
            chosen = np.concatenate([above, level])
            scores, items, self.floor = scores[chosen], items[chosen], float(last)
        self._make_room(len(scores), len(scores))
        self.size = len(scores)
        self.scores[: self.size], self.items[: self.size] = scores, items

    def _make_room(self, wanted: int, most: int) -> None:
        if wanted <= len(self.scores):
            return
        room = min(max(2 * len(self.scores), wanted), max(most, wanted))
        for name in ("scores", "items"):
            old: NDArray[Any] = getattr(self, name)
            new = np.empty(room, old.dtype)
            new[: self.size] = old[: self.size]
            setattr(self, name, new)


def best_videos(stream: Iterable[tuple[str, ArrayLike]], limits: ArrayLike) -> tuple[BestOfClasses, Mapping[str, str]]:
    """Keep the best of a stream of (video id, scores (C,)); and which videos were left out, with the reason."""
    best, left_out = BestOfClasses(limits), dict[str, str]()
    for video_id, scores in stream:
        try:
            best.add(video_id, scores)
        except InvalidData as error:
            left_out[video_id] = str(error)
    return best, left_out


def ranked_segments(ranked: Ranked, index: int, class_id: int, *, hop_seconds: int = 5) -> RankedList:
    """The best segments of one class as a list for `write_submission` and `evaluate_ranking`."""
    best = ranked.of_class(index)
    rows = zip(best.videos.tolist(), best.segments.tolist(), strict=True)
    return RankedList(class_id, [f"{ranked.video_ids[video]}:{segment * hop_seconds}" for video, segment in rows])
