"""What the relevance model is told of a class, omega(c) (Ma et al., 2019, section 3.4): one plug-in a feature.

Each is fitted on the vocabulary and on labels of training videos alone, and says what it has to say of pairs of a
segment and a class. A new one is a class here and a line in `CLASS_FEATURES`; contract tests run over that dict.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from whenabouts.core.timing import IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.class_facts import ClassFacts, ClassFeature, ColumnKind, Stored
from whenabouts.localizers.concepts.described import Described
from whenabouts.localizers.concepts.words import cosines, embedded, reduced, word_vectors
from whenabouts.localizers.segments import Matrix

_WORD_WIDTH = 16
_NEIGHBOURS = 5


@dataclass(frozen=True)
class ClassTable(Stored):
    """A row of `values` (C, k) for each class, whatever the segment."""

    values: Matrix

    def names(self) -> tuple[str, ...]:
        """Numbers of the columns."""
        width = self.values.shape[1]
        return ("",) if width == 1 else tuple(str(column) for column in range(width))

    def columns(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Values (P, k) of the pairs' classes."""
        return self.values[classes]


class ClassIndex(ClassTable):
    """The class's number as a category, of which a split puts some on either side: the paper's implicit hierarchy.

    Missing for a class without ratings, of whose number nothing was learned.
    """

    kind: ClassVar[ColumnKind] = "c"

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Number the classes."""
        return cls(np.where(facts.rated, np.arange(len(facts.rated)), np.nan).astype(np.float32)[:, None])


class OneHot(ClassTable):
    """One column for each rated class, as in the paper."""

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """A column for each rated class."""
        return cls(np.eye(len(facts.rated), dtype=np.float32)[:, facts.rated])


class ParentIndex(ClassTable):
    """The class's parent, or vertical, as a category; missing without one."""

    kind: ClassVar[ColumnKind] = "c"

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Number the parents in order of their names."""
        return cls(
            np.where(_groups(facts.vocabulary) < 0, np.nan, _groups(facts.vocabulary)).astype(np.float32)[:, None]
        )


class Prior(ClassTable):
    """Logarithm of the share of training videos with the class's label; missing where there is none."""

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Count labels."""
        shares = np.zeros(len(facts.vocabulary))
        for labels in facts.labels:
            shares[labels.classes] += 1.0 / len(facts.labels)
        with np.errstate(divide="ignore"):
            logs = np.log(shares)
        return cls(np.where(shares > 0, logs, np.nan).astype(np.float32)[:, None])


class Words(ClassTable):
    """Name, parent and description as a bag of words (TF-IDF), in its few strongest directions."""

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Weigh words by how few classes use them."""
        return cls(reduced(word_vectors(facts.vocabulary), _WORD_WIDTH))


class Embedding(ClassTable):
    """Name and description in the words of a text encoder, in their few strongest directions.

    Needs the package `transformers`, and the folder of an encoder (`words.py: embedded`); SettingsError without.
    """

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Ask the text encoder."""
        return cls(reduced(embedded(facts.vocabulary), _WORD_WIDTH))


@dataclass(frozen=True)
class ParentScore(Stored):
    """What models say of the class's parent in the segment: of the class of that name, else the best of its siblings.

    `parents` (C,) are classes or -1, `groups` (C,) numbers of parents that are no class, as verticals are, or -1.
    """

    parents: IntArray
    groups: IntArray

    def names(self) -> tuple[str, ...]:
        """One column."""
        return ("",)

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Look parents up."""
        names = facts.vocabulary.names
        told = [facts.vocabulary.parents.get(name) for name in names]
        parents = [facts.vocabulary.index(name) if name is not None and name in names else -1 for name in told]
        own = np.asarray(parents, np.int64)
        return cls(own, np.where(own < 0, _groups(facts.vocabulary), -1))

    def columns(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Scores (P, 1); missing without parent or sibling."""
        result = np.full(len(rows), np.nan, np.float32)
        scores, parents = segments.mean_scores, self.parents[classes]
        has = parents >= 0
        result[has] = scores[rows[has], parents[has]]
        for group in np.unique(self.groups[classes[~has]]):
            members = np.flatnonzero(self.groups == group)
            if group < 0 or len(members) < 2:
                continue
            mine = np.flatnonzero(self.groups[classes] == group)
            result[mine] = _best_sibling(scores, members, rows[mine], classes[mine])
        return result[:, None]


@dataclass(frozen=True)
class Cooccurrence(Stored):
    """What models say in the segment of the classes that are most often labelled together with the class.

    `others` (C, K) are these classes, `weights` (C, K) the shares of their videos that have the class too.
    """

    others: IntArray
    weights: Matrix

    def names(self) -> tuple[str, ...]:
        """One column."""
        return ("",)

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Count pairs of labels."""
        count = len(facts.vocabulary)
        together, alone = np.zeros((count, count), np.float32), np.zeros(count, np.float32)
        for labels in facts.labels:
            together[np.ix_(labels.classes, labels.classes)] += 1
            alone[labels.classes] += 1
        np.fill_diagonal(together, 0)
        return cls(*_strongest((together / np.maximum(alone, 1)[None, :]).astype(np.float32)))

    def columns(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Weighted mean scores (P, 1); missing where no class is ever labelled together with it."""
        return _weighted(segments.mean_scores, self.others, self.weights, rows, classes)


@dataclass(frozen=True)
class Neighbours(Stored):
    """What models say in the segment of the classes whose descriptions are nearest, never of the class itself.

    `others` (C, K) are labelled classes, `weights` (C, K) cosines of bags of words.
    """

    others: IntArray
    weights: Matrix

    def names(self) -> tuple[str, ...]:
        """Their mean score, and how near the nearest is."""
        return ("score", "nearness")

    @classmethod
    def fit(cls, facts: ClassFacts) -> Self:
        """Compare descriptions."""
        near = cosines(word_vectors(facts.vocabulary))
        near[:, ~facts.labelled] = 0
        np.fill_diagonal(near, 0)
        return cls(*_strongest(near))

    def columns(self, segments: Described, rows: IntArray, classes: IntArray) -> Matrix:
        """Weighted mean score and largest weight (P, 2); missing where nothing is near."""
        mean = _weighted(segments.mean_scores, self.others, self.weights, rows, classes)[:, 0]
        best = self.weights.max(axis=1, initial=0.0)[classes]
        return np.stack([mean, np.where(best > 0, best, np.nan)], axis=1).astype(np.float32)


CLASS_FEATURES: dict[str, type[ClassFeature]] = {
    "index": ClassIndex,
    "onehot": OneHot,
    "parent": ParentScore,
    "parent-index": ParentIndex,
    "prior": Prior,
    "words": Words,
    "embedding": Embedding,
    "cooccurrence": Cooccurrence,
    "neighbours": Neighbours,
}


def _groups(vocabulary: Vocabulary) -> IntArray:
    """The number (C,) of each class's parent in order of names, -1 without."""
    known = {name: number for number, name in enumerate(sorted(set(vocabulary.parents.values())))}
    told = [known[vocabulary.parents[name]] if name in vocabulary.parents else -1 for name in vocabulary.names]
    return np.asarray(told, np.int64)


def _best_sibling(scores: Matrix, members: IntArray, rows: IntArray, classes: IntArray) -> Matrix:
    """The best score (P,) among `members` but the class itself, from the two best of each row."""
    own = scores[np.unique(rows)][:, members]
    place = np.searchsorted(np.unique(rows), rows)
    own = np.where(np.isnan(own), -np.inf, own)
    order = np.argpartition(-own, 1, axis=1)[:, :2]
    pair = np.take_along_axis(own, order, axis=1)
    swap = pair[:, 0] < pair[:, 1]
    order[swap], pair[swap] = order[swap][:, ::-1], pair[swap][:, ::-1]
    first = members[order[place, 0]]
    best = np.where(first == classes, pair[place, 1], pair[place, 0])
    told: Matrix = np.where(np.isfinite(best), best, np.nan).astype(np.float32)
    return told


def _strongest(weights: Matrix) -> tuple[IntArray, Matrix]:
    """The classes (C, K) of the largest weights (C, C) of each row, ties by their order, and these."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :_NEIGHBOURS].astype(np.int64)
    return order, np.take_along_axis(weights, order, axis=1).astype(np.float32)


def _weighted(scores: Matrix, others: IntArray, weights: Matrix, rows: IntArray, classes: IntArray) -> Matrix:
    """Weighted means (P, 1) of scores of other classes; those without a score do not count; NaN without weight."""
    values, parts = scores[rows[:, None], others[classes]], weights[classes]
    parts = np.where(np.isnan(values), 0, parts)
    total = parts.sum(axis=1)
    sums = (np.nan_to_num(values) * parts).sum(axis=1)
    means: Matrix = np.divide(sums, total, out=np.full(len(rows), np.nan, np.float32), where=total > 0)
    return means[:, None]
