"""What a relevance model learns from: rated pairs, weak negatives beside them, and the blocks of their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.video import recording_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.average_precision import not_interpolated, per_group
from whenabouts.localizers.concepts.boosting import Blocks, Lesson
from whenabouts.localizers.concepts.described import OutOfFold, Ratings
from whenabouts.localizers.concepts.pair_features import Columns, PairFeatures, as_bytes, below, from_bytes
from whenabouts.localizers.concepts.weak_negatives import lacked, some_of
from whenabouts.localizers.segments import Matrix

KEPT_BYTES = 1_000_000_000  # rows up to this size are made once; more are made anew at each pass
RATING_BOUND = ("similarity", "class.index", "class.onehot")
LABEL_BOUND = ("scores", "class.prior", "class.cooccurrence")
_LEAST_HELD_OUT = 5
_SINGLE = "single."
_DRAW_HELD_OUT, _DRAW_WEAK, _DRAW_UNSEEN = 1, 2, 3


class Wanted(Protocol):
    """Those settings of a relevance model that decide its rows."""

    @property
    def class_features(self) -> tuple[str, ...]:
        """Names of class features."""
        ...

    @property
    def compared(self) -> Literal["other videos", "other folds"]:
        """Which rated segments a row is compared with."""
        ...

    @property
    def without(self) -> tuple[str, ...]:
        """Columns that are left out."""
        ...

    @property
    def unseen(self) -> float:
        """The share of pairs that are seen again as of an unseen class."""
        ...

    @property
    def block_pairs(self) -> int:
        """Pairs in a block."""
        ...


@dataclass(frozen=True)
class Pairs:
    """Pairs of a row (P,) of the table of segments and a class (P,): targets and weights (P,), rated (P,) or weak."""

    rows: IntArray
    classes: IntArray
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    rated: BoolArray

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, kept: BoolArray | IntArray) -> "Pairs":
        """Those pairs alone."""
        return Pairs(self.rows[kept], self.classes[kept], self.targets[kept], self.weights[kept], self.rated[kept])


@dataclass(frozen=True)
class HeldOut:
    """Rated pairs (P,) of held-out videos with the scores (P,) of a model that has not learned from them.

    `singles` are scores (P,) of the same pairs by the models that the relevance model hears, out of fold by video too;
    NaN where a model knows nothing of a class. There are none in models saved before these were kept.
    """

    video_ids: NDArray[np.str_]
    rows: IntArray
    classes: IntArray
    present: BoolArray
    scores: NDArray[np.float32]
    singles: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def state(self) -> dict[str, NDArray[Any]]:
        """All columns as arrays by name."""
        columns = {name: getattr(self, name) for name in ("rows", "classes", "present", "scores")}
        columns |= {f"{_SINGLE}{name}": values for name, values in self.singles.items()}
        return {"video_ids": as_bytes(self.video_ids.tolist()), **columns}

    @classmethod
    def of_state(cls, state: Mapping[str, NDArray[Any]], classes_known: int) -> "HeldOut | None":
        """What `state` gave, back, None where nothing is there; InvalidData where it doesn't fit together.

        Nor may it speak of other classes than those known, or give scores that are no probabilities.
        """
        if not state:
            return None
        try:
            rows, classes, present, scores = (state[name] for name in ("rows", "classes", "present", "scores"))
            singles = below(state, _SINGLE)
            ids = np.asarray(from_bytes(state["video_ids"]), np.str_)
        except (KeyError, ValueError) as error:
            raise InvalidData(f"Held-out pairs can't be read: {error}. Train again.") from None
        columns = (rows, classes, present, scores, *singles.values())
        if any(column.shape != ids.shape for column in columns) or present.dtype != bool:
            raise InvalidData("Held-out pairs do not go together. Train again.")
        if classes.dtype.kind != "i" or not ((classes >= 0) & (classes < classes_known)).all():
            raise InvalidData(f"Held-out pairs are of {classes_known} classes, but some are of others. Train again.")
        probable = [((each >= 0) & (each <= 1)) | np.isnan(each) for each in (scores, *singles.values())]
        if np.isnan(scores).any() or not all(each.all() for each in probable):
            raise InvalidData("Scores of held-out pairs are probabilities, but some are not. Train again.")
        return cls(ids, rows, classes, present, scores, singles)

    @property
    def loss(self) -> float:
        """Mean cross-entropy, NaN without pairs."""
        if not len(self.scores):
            return float("nan")
        likely = np.where(self.present, self.scores, 1 - self.scores).astype(np.float64)
        return float(-np.log(np.maximum(likely, 1e-7)).mean())


def pairs_of(
    ratings: Ratings, video_ids: NDArray[np.str_], classes: int, weak: int, weak_weight: float, *, seed: int
) -> Pairs:
    """Rated pairs, and for each rated segment `weak` classes as negatives that its video's labels and ratings lack.

    video_ids (N,) are those of all segments.
    """
    rows, of = [ratings.rows], [ratings.classes]
    if weak and ratings.labels:
        more = _weak_pairs(ratings, video_ids, classes, weak, np.random.default_rng([seed, _DRAW_WEAK]))
        rows, of = [*rows, more[0]], [*of, more[1]]
    lacking = sum(map(len, rows)) - len(ratings)
    return Pairs(
        np.concatenate(rows),
        np.concatenate(of),
        np.concatenate([ratings.present, np.zeros(lacking)]).astype(np.float32),
        np.concatenate([np.ones(len(ratings)), np.full(lacking, weak_weight)]).astype(np.float32),
        np.arange(len(ratings) + lacking) < len(ratings),
    )


def shared_out(video_ids: NDArray[np.str_], share: float, seed: int) -> BoolArray:
    """(P,) True for the pairs of a `share` of the videos, but of five at least and half at most.

    Clips of one recording count as one video. InvalidData for a single one.
    """
    recordings = np.asarray([recording_of(video_id) for video_id in video_ids.tolist()], np.str_)
    videos = np.unique(recordings)
    if len(videos) < 2:
        raise InvalidData(
            f"Rated segments lie in {len(videos)} video, or in clips of one, so that none is left to judge by. Rate "
            "segments of more videos."
        )
    count = min(max(_LEAST_HELD_OUT, round(share * len(videos))), len(videos) // 2)
    chosen = np.random.default_rng([seed, _DRAW_HELD_OUT]).permutation(videos)[:count]
    return np.isin(recordings, chosen)


def pair_precision(judged: HeldOut) -> float:
    """Mean average precision over the classes with a pair rated relevant; NaN without any."""
    order = np.lexsort((np.arange(len(judged.scores)), -judged.scores, judged.classes))
    classes, hits = judged.classes[order], judged.present[order]
    known, starts, groups = np.unique(classes, return_index=True, return_inverse=True)
    positives = np.bincount(groups[hits], minlength=len(known))
    if not positives.any():
        return float("nan")
    ranks = np.arange(len(order)) - starts[groups]
    found = per_group(groups[hits], ranks[hits], np.maximum(positives, 1), not_interpolated)
    return float(found[positives > 0].mean())


class Lessons:
    """Makes rows of pairs, each in the words of the fold that has not seen its video."""

    def __init__(self, told: OutOfFold, features: Sequence[PairFeatures], how: Wanted) -> None:
        self._told, self._features, self._how = told, features, how
        self._fold = np.zeros(len(told), np.int64)
        for number, fold in enumerate(told.folds):
            self._fold[fold.rows] = number

    @classmethod
    def of(cls, told: OutOfFold, ratings: Ratings, how: Wanted, vocabulary: Vocabulary) -> "Lessons":
        """Fit the features of each fold on its own account, with these ratings to compare with."""
        if how.compared == "other folds" and len(told.folds) < 2:
            raise SettingsError(
                'There is one fold, so no rated segment lies in another one. Choose compared = "other videos".'
            )
        features = []
        for fold in told.folds:
            others = ~np.isin(ratings.rows, fold.rows) if how.compared == "other folds" else np.ones(len(ratings), bool)
            features.append(
                PairFeatures.fit(
                    fold.account, ratings, vocabulary=vocabulary, class_features=how.class_features,
                    without=how.without, compared=ratings.only(others),
                )
            )  # fmt: skip
        return cls(told, features, how)

    @property
    def columns(self) -> Columns:
        """Names and kinds of the columns."""
        return self._features[0].columns

    def scored(self, pairs: Pairs, predict: Callable[[Matrix], NDArray[np.float32]]) -> NDArray[np.float32]:
        """What a model predicts for pairs (P,)."""
        result = np.zeros(len(pairs), np.float32)
        for places, rows in self._rows(pairs):
            result[places] = predict(rows)
        return result

    def blocks(self, pairs: Pairs, seed: int, *, unseen: bool = True) -> Blocks:
        """Blocks of the pairs' rows, which are kept if they are not too large; with copies as of unseen classes."""
        share = self._how.unseen if unseen else 0.0
        copies = 1 + 2 * (share > 0)
        if copies * len(pairs) * len(self.columns) * 4 <= KEPT_BYTES:
            kept = list(self._lessons(pairs, share, seed))
            return lambda: kept
        return lambda: self._lessons(pairs, share, seed)

    def _lessons(self, pairs: Pairs, share: float, seed: int) -> Iterable[Lesson]:
        for number, (places, rows) in enumerate(self._rows(pairs)):
            yield Lesson(rows, pairs.targets[places], pairs.weights[places])
            rng = np.random.default_rng([seed, _DRAW_UNSEEN, number])
            for hidden in (RATING_BOUND, RATING_BOUND + LABEL_BOUND):
                again = np.flatnonzero(rng.random(len(places)) < share)
                if len(again):
                    copy = as_unseen(rows[again], self.columns, hidden)
                    yield Lesson(copy, pairs.targets[places[again]], pairs.weights[places[again]])

    def _rows(self, pairs: Pairs) -> Iterable[tuple[IntArray, Matrix]]:
        folds = self._fold[pairs.rows]
        for number, (fold, features) in enumerate(zip(self._told.folds, self._features, strict=True)):
            mine = np.flatnonzero(folds == number)
            mine = mine[np.argsort(pairs.rows[mine], kind="stable")]
            for first in range(0, len(mine), self._how.block_pairs):
                places = mine[first : first + self._how.block_pairs]
                yield places, features.matrix(fold.account.segments, pairs.rows[places], pairs.classes[places])


def as_unseen(rows: Matrix, columns: Columns, hidden: Sequence[str]) -> Matrix:
    """Rows as they would be if their class had nothing to show in `hidden` groups: missing, and counts of 0."""
    result = rows.copy()
    for place, name in enumerate(columns.names):
        if any(name == group or name.startswith(f"{group}.") for group in hidden):
            result[:, place] = 0.0 if name.endswith(".count") else np.nan
    return result


def _weak_pairs(
    ratings: Ratings, video_ids: NDArray[np.str_], classes: int, weak: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    rows, of = list[int](), list[int]()
    owner: dict[int, set[int]] = {}
    shown: dict[str, set[int]] = {}
    for row, index, there in zip(
        ratings.rows.tolist(), ratings.classes.tolist(), ratings.present.tolist(), strict=True
    ):
        owner.setdefault(row, set()).add(index)
        if there:
            shown.setdefault(str(video_ids[row]), set()).add(index)
    for row, rated in sorted(owner.items()):
        there = lacked(ratings.labels[row], rated | shown.get(str(video_ids[row]), set()), classes)
        some = some_of(there, weak, rng)
        rows += [row] * len(some)
        of += some.tolist()
    return np.asarray(rows, np.int64), np.asarray(of, np.int64)
