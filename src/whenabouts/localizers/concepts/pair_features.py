"""Rows for pairs of a segment and a class, as the relevance model reads them (Ma et al., 2019, sections 3.3 and 3.4).

A row holds what each candidate model says of the pair (`scores.MODEL`), how similar the segment is to segments rated
relevant and irrelevant for the class in other videos (`similarity.ENCODER.positive.sum`, `.mean`; `.negative.`), of
how many (`similarity.positive.count`), and what is known of the class (`class.FEATURE`). What is missing is NaN.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, InvalidData, SettingsError
from whenabouts.core.timing import IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.class_facts import ClassFacts, ClassFeature, ColumnKind
from whenabouts.localizers.concepts.class_features import CLASS_FEATURES
from whenabouts.localizers.concepts.described import Account, Described, Ratings
from whenabouts.localizers.concepts.similarity import RatedSegments, Similarity
from whenabouts.localizers.segments import Matrix

SIGNS = ("positive", "negative")
BLOCK_SEGMENTS = 2048  # segments whose similarities to all classes are in memory at a time
STRANGER = -1  # the number of a video without rated segments


@dataclass(frozen=True)
class Columns:
    """Names (F,) and kinds (F,) of the columns of a matrix of pairs."""

    names: tuple[str, ...]
    kinds: tuple[ColumnKind, ...]

    def __len__(self) -> int:
        return len(self.names)

    def kept(self, without: Sequence[str]) -> NDArray[np.bool_]:
        """(F,) False for columns that a pattern of `without` names.

        SettingsError for a pattern that names none, and where none is left.
        """
        gone = np.zeros(len(self), bool)
        for pattern in without:
            hit = np.array([_named(name, pattern) for name in self.names], bool)
            if not hit.any():
                raise SettingsError(f"{pattern!r} names no column. There are: {', '.join(self.names)}.")
            gone |= hit
        if gone.all():
            raise SettingsError(f"Without {', '.join(without)} no column is left. There are: {', '.join(self.names)}.")
        return ~gone

    def taken(self, kept: NDArray[np.bool_]) -> "Columns":
        """Those columns alone."""
        chosen = np.flatnonzero(kept).tolist()
        return Columns(tuple(self.names[each] for each in chosen), tuple(self.kinds[each] for each in chosen))


@dataclass(frozen=True)
class References:
    """Rated segments in the words of one set of models: by encoder, those rated relevant and those rated irrelevant.

    `videos` numbers the videos that hold them.
    """

    rated: Mapping[str, tuple[RatedSegments, RatedSegments]]
    videos: Mapping[str, int]

    @classmethod
    def of(cls, segments: Described, ratings: Ratings) -> "References":
        """Sum the encodings of rated segments, class by class."""
        ids = segments.video_ids[ratings.rows]
        videos = {video_id: number for number, video_id in enumerate(np.unique(ids).tolist())}
        numbers = np.array([videos[video_id] for video_id in ids.tolist()], np.int64)
        rated = {}
        for name, encodings in segments.encodings.items():
            positive, negative = (
                RatedSegments(
                    encodings[ratings.rows[chosen]], numbers[chosen], ratings.classes[chosen], count=segments.classes
                )
                for chosen in (ratings.present, ~ratings.present)
            )
            rated[name] = (positive, negative)
        return cls(rated, videos)

    def numbers(self, video_ids: NDArray[np.str_]) -> IntArray:
        """The number (N,) of each video, STRANGER where it holds no rated segment."""
        return np.array([self.videos.get(video_id, STRANGER) for video_id in video_ids.tolist()], np.int64)

    def similarities(self, name: str, segments: Described) -> tuple[Similarity, Similarity]:
        """Similarity of segments to those rated relevant, and irrelevant, for each class, by one encoder."""
        numbers, encodings = self.numbers(segments.video_ids), segments.encodings[name]
        positive, negative = self.rated[name]
        return positive.similarity(encodings, numbers), negative.similarity(encodings, numbers)


class PairFeatures:
    """Makes rows (P, F) for pairs of a segment and a class, in the words of one set of models.

    `models` and `encoders` are the names that segments have to be described by, else FeatureMismatch.
    """

    def __init__(
        self,
        models: Sequence[str],
        references: References,
        class_features: Mapping[str, ClassFeature],
        without: Sequence[str] = (),
    ) -> None:
        self.models, self.references = tuple(models), references
        self.class_features, self.without = dict(class_features), tuple(without)
        every = _columns(self.models, list(references.rated), class_features)
        self._kept = every.kept(without)
        self.columns = every.taken(self._kept)

    @classmethod
    def fit(
        cls,
        account: Account,
        ratings: Ratings,
        *,
        vocabulary: Vocabulary,
        class_features: Sequence[str],
        without: Sequence[str] = (),
        compared: Ratings | None = None,
    ) -> "PairFeatures":
        """Learn all that rows need from an account of rated segments, their ratings, and training videos' labels.

        Segments are compared with those that all ratings speak of, or `compared` alone.
        """
        rated = ratings.rated_classes(len(vocabulary))
        facts = ClassFacts(vocabulary, account.labels, rated)
        made = {name: _feature_named(name).fit(facts) for name in class_features}
        references = References.of(account.segments, ratings if compared is None else compared)
        return cls(tuple(account.segments.scores), references, made, without)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that it has learned, as arrays by name."""
        arrays = {"names": as_bytes([self.models, list(self.references.rated), self.references.videos])}
        for name, both in self.references.rated.items():
            for sign, each in zip(SIGNS, both, strict=True):
                arrays |= {f"rated.{name}.{sign}.{key}": values for key, values in each.state().items()}
        for name, feature in self.class_features.items():
            arrays |= {f"class.{name}.{key}": values for key, values in feature.state().items()}
        return arrays

    @classmethod
    def of_state(
        cls, state: Mapping[str, NDArray[Any]], *, class_features: Sequence[str], without: Sequence[str]
    ) -> "PairFeatures":
        """What `state` gave, back; InvalidData where it doesn't fit together."""
        try:
            models, encoders, videos = from_bytes(state["names"])
            rated = {
                name: (RatedSegments.of_state(below(state, f"rated.{name}.{SIGNS[0]}.")),
                       RatedSegments.of_state(below(state, f"rated.{name}.{SIGNS[1]}.")))
                for name in encoders
            }  # fmt: skip
            made = {name: _feature_named(name).of_state(below(state, f"class.{name}.")) for name in class_features}
            return cls(models, References(rated, videos), made, without)
        except InvalidData:  # it is a ValueError, and says itself what is wrong
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(f"The relevance model's features can't be read: {error}. Train again.") from None

    def matrix(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Rows (P, F) for pairs of a row (P,) of `segments` and a class (P,)."""
        self._check(segments)
        result = np.empty((len(rows), len(self.columns)), np.float32)
        used, place = np.unique(rows, return_inverse=True)
        order = np.argsort(place, kind="stable")
        borders = np.searchsorted(place[order], np.arange(0, len(used) + BLOCK_SEGMENTS, BLOCK_SEGMENTS))
        for number, (first, stop) in enumerate(pairwise(borders)):
            chosen = order[first:stop]
            begin = number * BLOCK_SEGMENTS
            block = segments.taken(used[begin : begin + BLOCK_SEGMENTS])
            result[chosen] = self._block(block, place[chosen] - begin, classes[chosen])[:, self._kept]
        return result

    def blocks(self, segments: Described, *, classes: IntArray, size: int) -> Iterator[tuple[slice, Matrix]]:
        """Rows of all pairs of segments and `classes` (K,), segment by segment: the segments, and rows (n K, F).

        At most about `size` pairs are in memory at a time.
        """
        step = max(1, min(size // max(len(classes), 1), BLOCK_SEGMENTS))
        for first in range(0, len(segments), step):
            chosen = slice(first, min(first + step, len(segments)))
            rows = np.repeat(np.arange(chosen.stop - first), len(classes))
            part = segments.taken(np.arange(chosen.start, chosen.stop))
            yield chosen, self.matrix(part, rows, np.tile(classes, chosen.stop - first))

    def check_classes(self, count: int) -> None:
        """Raise InvalidData where anything that was learned is not of `count` classes."""
        sizes = {len(each.counts) for both in self.references.rated.values() for each in both}
        for feature in self.class_features.values():
            sizes |= {len(values) for values in feature.state().values()}
            for name, least in (("others", 0), ("parents", -1)):
                told = feature.state().get(name, np.zeros(0))
                if told.size and not (told.min() >= least and told.max() < count):
                    raise InvalidData(f"Class features speak of class {told.max()}, of {count}. Train again.")
        if sizes - {count}:
            raise InvalidData(f"The relevance model is of {sorted(sizes)} classes, not {count}. Train again.")

    def _check(self, segments: Described) -> None:
        lacking = [name for name in self.models if name not in segments.scores]
        lacking += [name for name in self.references.rated if name not in segments.encodings]
        if lacking:
            raise FeatureMismatch(
                f"The relevance model reads {', '.join((*self.models, *self.references.rated))}, but segments come "
                f"without {', '.join(lacking)}."
            )

    def _block(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """All columns of pairs of few segments."""
        parts = [segments.scores[name][rows, classes][:, None] for name in self.models]
        counts: list[Matrix] = []
        for name in self.references.rated:
            both = self.references.similarities(name, segments)
            parts += [matrix[rows, classes][:, None] for each in both for matrix in (each.sums, each.means)]
            counts = counts or [each.counts[rows, classes][:, None].astype(np.float32) for each in both]
        parts += counts
        parts += [feature.columns(segments, rows, classes) for feature in self.class_features.values()]
        return np.concatenate([part.astype(np.float32, copy=False) for part in parts], axis=1)


def as_bytes(values: Any) -> NDArray[np.uint8]:
    """Plain JSON values as an array of bytes, to stand among arrays."""
    return np.frombuffer(json.dumps(values).encode("utf-8"), np.uint8).copy()


def from_bytes(stored: NDArray[np.uint8]) -> Any:
    """What `as_bytes` made; ValueError where it is no JSON."""
    return json.loads(stored.tobytes().decode("utf-8"))


def below(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Those arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}


def check_columns(
    models: Sequence[str],
    encoders: Sequence[str],
    facts: ClassFacts,
    *,
    class_features: Sequence[str],
    without: Sequence[str],
) -> None:
    """Raise SettingsError where rows of such models and encoders can't be made, or would have no column."""
    _columns(models, encoders, {name: _feature_named(name).fit(facts) for name in class_features}).kept(without)


def _columns(models: Sequence[str], encoders: Sequence[str], class_features: Mapping[str, ClassFeature]) -> Columns:
    names = [f"scores.{name}" for name in models]
    names += [f"similarity.{name}.{sign}.{form}" for name in encoders for sign in SIGNS for form in ("sum", "mean")]
    if encoders:
        names += [f"similarity.{sign}.count" for sign in SIGNS]
    kinds: list[ColumnKind] = ["q"] * len(names)
    for name, feature in class_features.items():
        own = [f"class.{name}.{column}".removesuffix(".") for column in feature.names()]
        names += own
        kinds += [feature.kind] * len(own)
    return Columns(tuple(names), tuple(kinds))


def _feature_named(name: str) -> type[ClassFeature]:
    if name not in CLASS_FEATURES:
        raise SettingsError(f"There is no class feature {name!r}. Choose of: {', '.join(CLASS_FEATURES)}.")
    return CLASS_FEATURES[name]


def _named(name: str, pattern: str) -> bool:
    """Whether a pattern such as `similarity.lstm` or `similarity.*.sum` names a column, or a group that holds it."""
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)
