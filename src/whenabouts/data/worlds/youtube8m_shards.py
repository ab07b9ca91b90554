"""Planted YouTube-8M shards of any size: real classes and counts of ratings, drawn videos, made-up features.

For correctness, scale and speed. Not for claims of accuracy: what is planted is linear and additive, so simple models
do on it what they never would on real videos.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.data.worlds.youtube8m_plan import LABELS_A_VIDEO, ClassPlan, RatingPlan, ShardWorldSettings
from whenabouts.data.youtube8m.frames import quantised
from whenabouts.data.youtube8m.reader import (
    OFFICIAL,
    SEGMENT_SECONDS,
    ByteArray,
    Float32Array,
    FrameRecord,
    SegmentRatings,
)
from whenabouts.data.youtube8m.shards import ENDING
from whenabouts.data.youtube8m.tfrecord import write_records
from whenabouts.data.youtube8m.vocabulary import write_class_table

_LOOKS, _VIDEO = 1, 2
_DEVIATION = 0.5
_TURN = 0.25  # chance that a class that is on goes off from one segment to the next, and the other way round


@dataclass(frozen=True)
class ShardWorld:
    """A world of videos in shards; each shard depends on the settings and its number alone, not on who writes it."""

    plan: ClassPlan
    settings: ShardWorldSettings

    def __post_init__(self) -> None:
        if self.settings.least_seconds > self.settings.most_seconds:
            raise InvalidData("The shortest video of a world can't be longer than the longest.")

    def __repr__(self) -> str:
        return (
            f"ShardWorld({self.settings.videos} videos, {self.settings.shards} shards, {len(self.plan.table)} classes)"
        )

    def write(self, folder: Path, *, split: str = "validate", shards: Iterable[int] | None = None) -> list[Path]:
        """Write shards (all, or those of the numbers given) as `validate0000.tfrecord`, ..., with `vocabulary.csv`."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number in range(self.settings.shards) if shards is None else shards:
            paths.append(folder / f"{split}{number:04d}{ENDING}")
            write_records(paths[-1], (video.to_bytes() for video in self.videos(number)))
        counts = [row.train_videos for row in self.plan.table.rows]
        write_class_table(folder / "vocabulary.csv", self.plan.table.vocabulary, counts)
        return paths

    def videos(self, shard: int) -> Iterator[FrameRecord]:
        """The videos of one shard, one at a time; InvalidData for a shard that the world does not have."""
        if not 0 <= shard < self.settings.shards:
            raise InvalidData(f"There is no shard {shard}: the world has {self.settings.shards}, counted from 0.")
        first = shard * self.settings.videos_per_shard
        for number in range(first, min(first + self.settings.videos_per_shard, self.settings.videos)):
            yield self.video(number)

    def video(self, number: int) -> FrameRecord:
        """One video: the classes that are there, when, and what is said of it."""
        rng = np.random.default_rng([self.settings.seed, _VIDEO, number])
        seconds = int(rng.integers(self.settings.least_seconds, self.settings.most_seconds + 1))
        rated = int(self._ratings.classes[number])
        classes = self._classes(rated, rng)
        there = _presence(len(classes), seconds // SEGMENT_SECONDS, rng)
        ratings = SegmentRatings()
        if rated >= 0:
            asked, yes = int(self._ratings.rated[number]), int(self._ratings.yes[number])
            starts, answers = rated_segments(there[:, 0], asked, yes, rng)
            ratings = SegmentRatings(
                starts, starts + SEGMENT_SECONDS, np.full(len(starts), rated), answers.astype(np.float32)
            )
        labels = self._labels(classes, rated, rng)
        return FrameRecord(f"{number:06x}", labels, *self._frames(classes, there, seconds, rng), ratings)

    @cached_property
    def _ratings(self) -> RatingPlan:
        return self.plan.ratings(self.settings)

    @cached_property
    def _looks(self) -> Float32Array:
        """What each class adds to a frame (L, 1152): a part is its vertical's, the rest its own."""
        rng = np.random.default_rng([self.settings.seed, _LOOKS])
        width = OFFICIAL.rgb + OFFICIAL.audio
        kinds = rng.standard_normal((int(self.plan.verticals.max()) + 1, width), np.float32)
        own = rng.standard_normal((len(self.plan.table), width), np.float32)
        share = self.settings.vertical
        looks: Float32Array = (np.sqrt(share) * kinds[self.plan.verticals] + np.sqrt(1 - share) * own).astype(
            np.float32
        )
        looks *= _DEVIATION * self.settings.signal / np.linalg.norm(looks, axis=1, keepdims=True)
        return looks

    @cached_property
    def _sums(self) -> tuple[FloatArray, dict[int, tuple[IntArray, FloatArray]]]:
        """Running sums of the prior, over all classes and within each vertical."""
        within = {}
        for kind in np.unique(self.plan.verticals).tolist():
            mine = np.flatnonzero(self.plan.verticals == kind)
            within[kind] = mine, np.cumsum(self.plan.prior[mine])
        return np.cumsum(self.plan.prior), within

    def _classes(self, rated: int, rng: np.random.Generator) -> IntArray:
        """Classes (P,) of a video, each once; the rated one or the first drawn leads, and draws its kind after it."""
        everywhere, within = self._sums
        chosen = [rated if rated >= 0 else _drawn(everywhere, rng)]
        mine, sums = within[int(self.plan.verticals[chosen[0]])]
        for _ in range(int(rng.poisson(LABELS_A_VIDEO - 1))):
            kindred = rng.random() < self.settings.kindred
            chosen.append(int(mine[_drawn(sums, rng)]) if kindred else _drawn(everywhere, rng))
        return np.asarray(list(dict.fromkeys(chosen)), np.int64)

    def _labels(self, classes: IntArray, rated: int, rng: np.random.Generator) -> IntArray:
        """What is said of a video: true labels, less some, and some wrong ones; one that is rated is always said."""
        kept = classes[(rng.random(len(classes)) >= self.settings.dropped) | (classes == rated)]
        everywhere, _ = self._sums
        wrong = [_drawn(everywhere, rng) for _ in range(int(rng.poisson(self.settings.spurious)))]
        return np.unique(np.concatenate([kept, np.asarray(wrong, np.int64)]))

    def _frames(
        self, classes: IntArray, there: BoolArray, seconds: int, rng: np.random.Generator
    ) -> tuple[ByteArray, ByteArray]:
        """Bytes rgb (T, 1024) and audio (T, 128): the video's own look, noise, and the classes of each second."""
        segment = np.minimum(np.arange(seconds) // SEGMENT_SECONDS, len(there) - 1)
        width = OFFICIAL.rgb + OFFICIAL.audio
        scene = rng.standard_normal(width, np.float32) * np.float32(_DEVIATION / 2)
        values = rng.standard_normal((seconds, width), np.float32) * np.float32(_DEVIATION)
        values += scene + there[segment].astype(np.float32) @ self._looks[classes]
        levels = quantised(values)
        return levels[:, : OFFICIAL.rgb], levels[:, OFFICIAL.rgb :]


def rated_segments(present: BoolArray, asked: int, yes: int, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Starts in seconds (asked,) of rated segments and the answers, `yes` of them yes, in order of time.

    Where `present` (S,) has too few of either, segments are made so: then the truth follows the answers.
    """
    order = rng.permutation(len(present))
    ranked = np.concatenate([order[present[order]], order[~present[order]]])  # those that are there come first
    chosen = np.concatenate([ranked[:yes], ranked[::-1][: asked - yes]])
    answers = np.arange(asked) < yes
    present[chosen] = answers
    time = np.argsort(chosen)
    return chosen[time].astype(np.int64) * SEGMENT_SECONDS, answers[time]


def _presence(classes: int, segments: int, rng: np.random.Generator) -> BoolArray:
    """(S, P) where each class is there: runs of 20 s on average, at least one segment."""
    turns = rng.random((segments, classes)) < _TURN
    turns[0] = rng.random(classes) < 0.5
    there: BoolArray = np.cumsum(turns, axis=0) % 2 == 1
    nowhere = np.flatnonzero(~there.any(axis=0))
    there[rng.integers(0, segments, len(nowhere)), nowhere] = True
    return there


def _drawn(sums: FloatArray, rng: np.random.Generator) -> int:
    return int(min(np.searchsorted(sums, rng.random() * sums[-1], side="right"), len(sums) - 1))
