"""What the planted YouTube-8M world says of its classes and videos: labels, rated classes, how often, how often yes.

All numbers that could be real are: classes, verticals and training videos of each class from `vocabulary.csv`, ratings
of each class from `segment_vocabulary.csv`, 3.01 labels a video (all TrainVideoCounts over 3,888,919 training videos).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.data.worlds.ratings import PER_VIDEO
from whenabouts.data.youtube8m.vocabulary import ClassTable

LABELS_A_VIDEO = 11_711_620 / 3_888_919
_PLAN = 0


@settings
class ShardWorldSettings:
    """How many videos, in shards of how many, and how the world looks.

    A true label of a video lacks with probability `dropped`; `spurious` is the mean number of wrong ones. With
    probability `kindred` a further label of a video is of the same vertical as its first. `signal` is the length of a
    class's look where each number deviates by 1/2, `vertical` the share of it (squared) that is its vertical's.
    """

    videos: int = Field(default=47_894, ge=1)
    videos_per_shard: int = Field(default=256, ge=1)
    rated: bool = True
    least_seconds: int = Field(default=120, ge=25)
    most_seconds: int = Field(default=300, ge=25)
    dropped: float = Field(default=0.1, ge=0, le=1)
    spurious: float = Field(default=0.3, ge=0)
    kindred: float = Field(default=0.7, ge=0, le=1)
    signal: float = Field(default=8.0, gt=0)
    vertical: float = Field(default=0.3, ge=0, le=1)
    seed: int = Field(default=0, ge=0)

    @property
    def shards(self) -> int:
        """How many shards hold all videos."""
        return -(-self.videos // self.videos_per_shard)


@dataclass(frozen=True, slots=True)
class RatingCount:
    """How many segments of a class were rated, and how many of these with yes."""

    yes: int
    rated: int

    def __post_init__(self) -> None:
        if not 0 <= self.yes <= self.rated:
            raise InvalidData(f"Of {self.rated} ratings {self.yes} can't be yes.")


def read_rating_counts(path: Path) -> dict[int, RatingCount]:
    """Class number -> ratings, from a table with Index, PositiveSegmentCount, TotalSegmentCount; else InvalidData."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {
                int(row["Index"]): RatingCount(int(row["PositiveSegmentCount"]), int(row["TotalSegmentCount"]))
                for row in csv.DictReader(file)
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{path} holds no counts of ratings ({type(error).__name__}: {error}).") from None


@dataclass(frozen=True)
class RatingPlan:
    """Of each video (V,) the class that is rated there (-1: none), how many of its segments, and how many yes."""

    classes: IntArray
    rated: IntArray
    yes: IntArray


@dataclass(frozen=True)
class ClassPlan:
    """The classes of a world, and how ratings are shared out between its videos.

    The table must be whole: numbers 0, 1, 2, ... without a gap, as a record's labels are places in it.
    """

    table: ClassTable
    counts: Mapping[int, RatingCount]

    def __post_init__(self) -> None:
        if self.table.indices != tuple(range(len(self.table))) or not len(self.table):
            raise InvalidData(f"A world needs a class table without gaps, but got numbers {self.table.indices[:9]}.")
        strangers = sorted(set(self.counts) - set(self.table.indices))
        if strangers:
            raise InvalidData(f"Ratings are counted for classes {strangers[:5]}, which the table lacks.")

    @cached_property
    def verticals(self) -> IntArray:
        """The first vertical (L,) of each class, as a number; 0 stands for none."""
        names = sorted({row.verticals[0] for row in self.table.rows if row.verticals})
        place = {name: number for number, name in enumerate(names, start=1)}
        return np.asarray([place[row.verticals[0]] if row.verticals else 0 for row in self.table.rows])

    @cached_property
    def prior(self) -> FloatArray:
        """How often (L,) each class is among labels; sums to 1."""
        counts = np.asarray([max(row.train_videos, 1) for row in self.table.rows], np.float64)
        share: FloatArray = counts / counts.sum()
        return share

    def ratings(self, world: ShardWorldSettings) -> RatingPlan:
        """Share the ratings of all classes out between the videos, by five.

        With as many videos as the real ratings need, each class has exactly its real counts of ratings and of yes; with
        fewer or more, each video is one of these by chance, round by round.
        """
        nothing = np.zeros(world.videos, np.int64)
        if not world.rated or not any(count.rated for count in self.counts.values()):
            return RatingPlan(nothing - 1, nothing, nothing)
        rng = np.random.default_rng([world.seed, _PLAN])
        parts = np.asarray([part for index in sorted(self.counts) for part in self._parts(index, rng)], np.int64)
        rounds = [rng.permutation(parts) for _ in range(-(-world.videos // len(parts)))]
        rows = np.concatenate(rounds)[: world.videos]
        return RatingPlan(rows[:, 0], rows[:, 1], rows[:, 2])

    @property
    def whole(self) -> int:
        """How many videos hold exactly the real ratings."""
        return sum(-(-count.rated // PER_VIDEO) for count in self.counts.values())

    def _parts(self, index: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """Ratings of a class by five: class, how many, how many yes."""
        count = self.counts[index]
        answers = rng.permutation(np.arange(count.rated) < count.yes)
        cuts = np.split(answers, range(PER_VIDEO, count.rated, PER_VIDEO))
        return [(index, len(part), int(part.sum())) for part in cuts if len(part)]
