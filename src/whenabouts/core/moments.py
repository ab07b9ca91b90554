"""Moments: the result. Parallel columns, one row per (video, concept, start, end, score)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.suppression import kept_spans, softened_scores
from whenabouts.core.timing import FloatArray, IntArray, as_spans, union_of
from whenabouts.core.vocabulary import Vocabulary

Kind = Literal["truth", "ambiguous", "found", "confirmed", "rejected", "imported"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMAT = "whenabouts moments 1"


@dataclass(frozen=True)
class Moment:
    """One row of `Moments`, for loops and messages."""

    video_id: str
    start_seconds: float
    end_seconds: float
    concept: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class Moments:
    """video_ids (M,), spans (M, 2) in seconds, classes (M,), scores (M,), kinds (M,), over one vocabulary.

    Index with a boolean mask, a slice or an array of row numbers to get other `Moments`. `cut` counts those that a
    bound on their number left out when they were found.

    >>> found = Moments.build(["a", "b"], [[1, 3], [2, 8]], [0, 0], Vocabulary(("dive",)), scores=[0.5, 0.75])
    >>> found.ranked(1)
    Moments(1 in 1 videos, 1 concepts)
    >>> [(moment.video_id, moment.score) for moment in found[found.scores > 0.6]]
    [('b', 0.75)]
    """

    video_ids: NDArray[np.str_]
    spans: FloatArray
    classes: IntArray
    scores: FloatArray
    kinds: NDArray[np.str_]
    vocabulary: Vocabulary
    cut: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_ids", np.asarray(self.video_ids, np.str_))
        object.__setattr__(self, "spans", as_spans(self.spans))
        object.__setattr__(self, "classes", np.asarray(self.classes, np.int64))
        object.__setattr__(self, "scores", np.asarray(self.scores, np.float64))
        object.__setattr__(self, "kinds", np.asarray(self.kinds, np.str_))
        columns = (self.video_ids, self.spans, self.classes, self.scores, self.kinds)
        if len({len(column) for column in columns}) != 1:
            raise InvalidData(f"Moments need columns of one length, but got {[len(column) for column in columns]}.")
        if not np.isfinite(self.scores).all():
            raise InvalidData(f"Scores must be finite, but row {np.flatnonzero(~np.isfinite(self.scores))[0]} is not.")
        if len(self) and not (self.classes.min() >= 0 and self.classes.max() < len(self.vocabulary)):
            raise InvalidData(f"Classes must lie in 0..{len(self.vocabulary) - 1}, but reach {self.classes.max()}.")
        strangers = set(self.kinds.tolist()) - set(KINDS)
        if strangers:
            raise InvalidData(f"A moment's kind is one of {KINDS}, but got {sorted(strangers)}.")

    @classmethod
    def build(
        cls,
        video_ids: Sequence[str],
        spans: ArrayLike,
        classes: ArrayLike,
        vocabulary: Vocabulary,
        *,
        scores: ArrayLike = 1.0,
        kind: Kind = "found",
    ) -> "Moments":
        """Make moments of one kind; one score may serve all rows."""
        count = len(video_ids)
        every = np.broadcast_to(np.asarray(scores, np.float64), (count,))
        return cls(np.asarray(video_ids, np.str_), np.asarray(spans, np.float64).reshape(-1, 2), np.asarray(classes),
                   every, np.full(count, kind), vocabulary)  # fmt: skip

    @classmethod
    def empty(cls, vocabulary: Vocabulary) -> "Moments":
        """No moment."""
        return cls.build([], np.zeros((0, 2)), np.zeros(0, np.int64), vocabulary)

    @classmethod
    def concatenate(cls, parts: Iterable["Moments"], vocabulary: Vocabulary) -> "Moments":
        """Join moments over the same names; another vocabulary raises InvalidData."""
        kept = [part for part in parts if len(part)]
        if any(part.vocabulary.names != vocabulary.names for part in kept):
            raise InvalidData("Only moments over the same vocabulary can be joined.")
        if not kept:
            return cls.empty(vocabulary)
        return cls(
            np.concatenate([part.video_ids for part in kept]),
            np.concatenate([part.spans for part in kept]),
            np.concatenate([part.classes for part in kept]),
            np.concatenate([part.scores for part in kept]),
            np.concatenate([part.kinds for part in kept]),
            vocabulary,
        )

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, rows: Any) -> "Moments":
        return Moments(self.video_ids[rows], self.spans[rows], self.classes[rows], self.scores[rows], self.kinds[rows],
                       self.vocabulary)  # fmt: skip

    def __iter__(self) -> Iterator[Moment]:
        names = self.vocabulary.names
        for video_id, (start, end), index, score, kind in zip(
            self.video_ids.tolist(), self.spans.tolist(), self.classes.tolist(), self.scores.tolist(),
            self.kinds.tolist(), strict=True,
        ):  # fmt: skip
            yield Moment(video_id, start, end, names[index], score, kind)

    def __repr__(self) -> str:
        return f"Moments({len(self)} in {len(set(self.video_ids.tolist()))} videos, {len(self.vocabulary)} concepts)"

    @property
    def durations(self) -> FloatArray:
        """Length (M,) of each moment in seconds."""
        return self.spans[:, 1] - self.spans[:, 0]

    def of_class(self, name: str) -> "Moments":
        """Only the moments of one concept (name or alias)."""
        return self[self.classes == self.vocabulary.index(name)]

    def ranked(self, top: int | None = None) -> "Moments":
        """Best score first; ties by video, start, end and class, so that the order never depends on the input's."""
        order = np.lexsort((self.classes, self.spans[:, 1], self.spans[:, 0], self.video_ids, -self.scores))
        return self[order if top is None else order[:top]]

    def suppressed(self, tiou: float) -> "Moments":
        """Greedy non-maximum suppression per video and class: drop what overlaps a better one by more than `tiou`."""
        ordered = self.ranked()
        keep = np.ones(len(ordered), bool)
        for rows in _groups(ordered):
            keep[rows] = kept_spans(ordered.spans[rows], ordered.scores[rows], tiou)
        return ordered[keep]

    def softened(self, sigma: float, *, least: float = 0.0) -> "Moments":
        """Soft suppression per video and class (`softened_scores`), without those that fall to `least` or below.

        Scores below 0 are left as they are and lower nothing.
        """
        ordered = self.ranked()
        scores = ordered.scores.copy()
        for rows in _groups(ordered):
            lowered = rows[scores[rows] >= 0]
            scores[lowered] = softened_scores(ordered.spans[lowered], scores[lowered], sigma)
        keep = (scores > least) | (ordered.scores <= least)
        return replace(ordered, scores=scores)[keep].ranked()

    def merged(self) -> "Moments":
        """Join overlapping or touching moments of one video, class and kind; the best score of each group remains."""
        groups: dict[tuple[str, int, str], list[int]] = {}
        columns = zip(self.video_ids.tolist(), self.classes.tolist(), self.kinds.tolist(), strict=True)
        for row, key in enumerate(columns):
            groups.setdefault(key, []).append(row)
        parts = []
        for (video_id, index, kind), rows in groups.items():
            spans = union_of(self.spans[rows])
            owner = np.searchsorted(spans[:, 0], self.spans[rows, 0], side="right") - 1
            best = np.full(len(spans), -np.inf)
            np.maximum.at(best, owner, self.scores[rows])
            count = len(spans)
            parts.append(Moments(np.full(count, video_id), spans, np.full(count, index), best, np.full(count, kind),
                                 self.vocabulary))  # fmt: skip
        return Moments.concatenate(parts, self.vocabulary)

    def to_json(self) -> dict[str, Any]:
        """An ActivityNet results object (`version`, `external_data`, `results`) that also keeps kind and vocabulary."""
        results: dict[str, list[dict[str, Any]]] = {}
        for moment in self:
            results.setdefault(moment.video_id, []).append(
                {
                    "label": moment.concept,
                    "score": moment.score,
                    "segment": [moment.start_seconds, moment.end_seconds],
                    "kind": moment.kind,
                }
            )
        return {"version": FORMAT, "external_data": {}, "vocabulary": self.vocabulary.to_json(), "results": results}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Moments":
        """Read what `to_json` wrote; a plain ActivityNet result gets its vocabulary from its labels in sorted order."""
        if not isinstance(values.get("results"), dict):
            raise InvalidData(f"Moments need an object 'results', but the file has the keys {sorted(values)}.")
        try:
            rows = [(video_id, row) for video_id, listed in values["results"].items() for row in listed]
            labels = [str(row["label"]) for _, row in rows]
            spans = np.asarray([row["segment"] for _, row in rows], np.float64).reshape(-1, 2)
            scores = np.asarray([row["score"] for _, row in rows], np.float64)
            kinds = np.asarray([row.get("kind", "found") for _, row in rows], np.str_)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidData(
                f"A row of the results can't be read ({type(error).__name__}: {error}); each needs a label, a score "
                "and a segment of two times."
            ) from None
        names = values.get("vocabulary") or {"names": sorted(set(labels))}
        vocabulary = Vocabulary.from_json(names)
        video_ids = np.asarray([video_id for video_id, _ in rows], np.str_)
        return cls(video_ids, spans, vocabulary.encode(labels), scores, kinds, vocabulary)


def _groups(moments: Moments) -> list[IntArray]:
    """Rows of each video and class, in order."""
    groups: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(moments.video_ids.tolist(), moments.classes.tolist(), strict=True)):
        groups.setdefault(key, []).append(row)
    return [np.asarray(rows, np.int64) for rows in groups.values()]
