"""What models say of segments, and from which videos these models have learned: the ground of pairwise relevance.

A relevance model that trains on what models say of their own training videos learns to trust them too much: the models
have seen the answers. So rows to learn from come as `OutOfFold`, which can't be made of anything else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.localizers.segments import Matrix


class Leak(InvalidData):
    """What should be learned from was made by something that has seen the answer."""


@dataclass(frozen=True)
class Described:
    """N segments in the words of one set of models.

    video_ids (N,); scores: probabilities (N, C) by model, NaN where a model knows nothing of a class; encodings (N, d)
    by encoder. `learned_from` names the videos whose labels or ratings the models have learned from; None says that
    nobody knows, as after loading, so that nothing may be learned from these rows.
    """

    video_ids: NDArray[np.str_]
    scores: Mapping[str, Matrix]
    encodings: Mapping[str, Matrix]
    learned_from: frozenset[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_ids", np.asarray(self.video_ids, np.str_))
        tables = {**self.scores, **{f"encoding {name}": rows for name, rows in self.encodings.items()}}
        for name, rows in tables.items():
            if rows.ndim != 2 or len(rows) != len(self.video_ids):
                raise InvalidData(f"{len(self)} segments need a row each, but {name} has shape {rows.shape}.")
        if len({rows.shape[1] for rows in self.scores.values()}) != 1:
            raise InvalidData(
                "Models score the same classes, and one at least does, but the scores have shapes "
                f"{[rows.shape for rows in self.scores.values()]}."
            )

    def __len__(self) -> int:
        return len(self.video_ids)

    def __repr__(self) -> str:
        return f"Described({len(self)} segments, {', '.join(self.scores)}; {', '.join(self.encodings)})"

    @property
    def classes(self) -> int:
        """How many classes the scores tell of (C)."""
        return int(next(iter(self.scores.values())).shape[1])

    @cached_property
    def mean_scores(self) -> Matrix:
        """Mean probabilities (N, C) of the models that look at segments, not at whole videos; of all if none does."""
        own = [rows for name, rows in self.scores.items() if not name.endswith(WHOLE)] or list(self.scores.values())
        if len(own) == 1:
            return own[0]
        total = np.zeros_like(own[0])
        for rows in own:
            total += rows
        total /= len(own)
        return total

    def taken(self, rows: ArrayLike) -> "Described":
        """These rows alone."""
        chosen = np.asarray(rows)
        scores = {name: values[chosen] for name, values in self.scores.items()}
        encodings = {name: values[chosen] for name, values in self.encodings.items()}
        return Described(self.video_ids[chosen], scores, encodings, self.learned_from)

    @classmethod
    def joined(cls, parts: Sequence["Described"]) -> "Described":
        """The rows of several, in order; who has made any of them has made the whole."""
        if len({(tuple(part.scores), tuple(part.encodings)) for part in parts}) != 1:
            raise InvalidData("Only segments in the words of the same models can be joined, and one part at least.")
        known = [part.learned_from for part in parts]
        learned = None if None in known else frozenset().union(*(each for each in known if each is not None))
        return cls(
            np.concatenate([part.video_ids for part in parts]),
            {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores},
            {name: np.concatenate([part.encodings[name] for part in parts]) for name in parts[0].encodings},
            learned,
        )


WHOLE = ".whole"  # ends the names of scores of the whole video that a segment lies in


@dataclass(frozen=True)
class Ratings:
    """R rated pairs of N segments: rows (R,) of the table of segments, classes (R,), present (R,).

    `labels` are those of each segment's video (N,), from which weak negatives are drawn; empty: there are none.
    """

    rows: IntArray
    classes: IntArray
    present: BoolArray
    labels: tuple[VideoLabels, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.asarray(self.rows, np.int64))
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int64))
        object.__setattr__(self, "present", np.asarray(self.present, bool))
        if not len(self.rows) == len(self.classes) == len(self.present):
            raise InvalidData(
                f"Rated pairs need one row each, but got {len(self.rows)}, {len(self.classes)}, {len(self.present)}."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, kept: ArrayLike) -> "Ratings":
        """Those ratings (R,) that are kept; the table of segments stays."""
        chosen = np.asarray(kept)
        return Ratings(self.rows[chosen], self.classes[chosen], self.present[chosen], self.labels)

    def rated_classes(self, count: int) -> BoolArray:
        """(C,) True for classes with any rating."""
        there = np.zeros(count, bool)
        there[self.classes] = True
        return there


@dataclass(frozen=True)
class Account:
    """All rated segments in the words of one set of models, and the labels (V,) of videos that these learned from."""

    segments: Described
    labels: tuple[VideoLabels, ...] = ()


@dataclass(frozen=True)
class Fold:
    """One fold: an account of all rated segments, and the rows (n,) of those whose videos its models have not seen."""

    account: Account
    rows: IntArray


class OutOfFold:
    """Accounts of the rated segments in which each segment is told of by models that have not seen its video.

    All segments stand in the account of each fold: those of its own `rows` are learned from, the others are what they
    are compared with, for encodings by different models can't be compared. Raises Leak where the models of a fold have
    learned from a video of its rows or nobody knows, InvalidData where a segment is in no fold or in several.
    """

    def __init__(self, folds: Iterable[Fold]) -> None:
        self.folds = tuple(folds)
        if not self.folds:
            raise InvalidData("Out-of-fold rows need one fold at least.")
        ids = self.folds[0].account.segments.video_ids
        for number, fold in enumerate(self.folds):
            segments = fold.account.segments
            if not np.array_equal(segments.video_ids, ids):
                raise InvalidData(f"All folds tell of the same segments, but fold {number} tells of others.")
            if segments.learned_from is None:
                raise Leak(
                    f"Nobody knows which videos the models of fold {number} have learned from (models that were loaded "
                    "do not tell), so nothing can be learned from what they say. Train models for each fold."
                )
            seen = sorted(set(segments.video_ids[fold.rows].tolist()) & segments.learned_from)
            if seen:
                raise Leak(
                    f"Fold {number}: its models have learned from {len(seen)} videos of its rows, such as {seen[0]}, "
                    "so what they say of these is no forecast. Give rows to models that have not seen their videos."
                )
        told = np.bincount(np.concatenate([fold.rows for fold in self.folds]), minlength=len(ids))
        if len(told) != len(ids) or (told != 1).any():
            raise InvalidData(
                f"Each of {len(ids)} segments is in one fold, but {int((told == 0).sum())} are in none and "
                f"{int((told > 1).sum())} in several."
            )

    def __len__(self) -> int:
        return len(self.folds[0].account.segments)

    @property
    def video_ids(self) -> NDArray[np.str_]:
        """The video (N,) of each segment."""
        return self.folds[0].account.segments.video_ids

    def honest(self) -> Described:
        """All segments in order, each as its own fold tells of it; encodings of different folds can't be compared."""
        order = np.argsort(np.concatenate([fold.rows for fold in self.folds]), kind="stable")
        joined = Described.joined([fold.account.segments.taken(fold.rows) for fold in self.folds])
        return joined.taken(order)
