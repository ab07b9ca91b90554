"""Truth and predictions as columns over one numbering of videos and classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.evaluation.rows import Problem, Rows


@dataclass(frozen=True)
class Truth:
    """What is true in one subset, row by row in file order.

    video_ids (V,), durations (V,) in seconds (NaN where unsaid), labels (L,) in order of appearance: the classes that
    averages run over. videos (G,), classes (G,) index into them; spans (G, 2) are seconds as written, zero-length and
    inverted ones included. ambiguous_videos (A,) and ambiguous_spans (A, 2) are THUMOS14's "ambiguous" intervals.
    other_video_ids are known, but belong to other subsets. `name` says which of a data set's ground truths it is.
    """

    video_ids: tuple[str, ...]
    durations: FloatArray
    labels: tuple[str, ...]
    videos: IntArray
    classes: IntArray
    spans: FloatArray
    ambiguous_videos: IntArray
    ambiguous_spans: FloatArray
    other_video_ids: frozenset[str] = frozenset()
    left_out: tuple[Problem, ...] = ()
    name: str = ""

    def __len__(self) -> int:
        return len(self.videos)

    def __repr__(self) -> str:
        return f"Truth({len(self)} moments of {len(self.labels)} classes in {len(self.video_ids)} videos)"

    @property
    def class_counts(self) -> IntArray:
        """Instances (L,) of each class."""
        return np.bincount(self.classes, minlength=len(self.labels))

    @classmethod
    def of(cls, moments: Moments, *, video_ids: Sequence[str] | None = None) -> "Truth":
        """Truth from `Moments` (kind "ambiguous" is held apart); `video_ids` also names videos in which nothing is.

        Raises InvalidData where nothing is true at all, or where a moment lies outside `video_ids`.
        """
        names = tuple(dict.fromkeys(moments.video_ids.tolist())) if video_ids is None else tuple(video_ids)
        strangers = set(moments.video_ids.tolist()) - set(names)
        if strangers:
            raise InvalidData(f"The truth speaks of videos that are not to be judged: {sorted(strangers)[:5]}.")
        number = {name: index for index, name in enumerate(names)}
        videos = np.asarray([number[name] for name in moments.video_ids.tolist()], np.int64)
        vague = moments.kinds == "ambiguous"
        labels = [moments.vocabulary.names[index] for index in moments.classes[~vague].tolist()]
        order, classes = numbered(labels)
        if not order:
            raise InvalidData("There is no true moment to measure against. Give truth with at least one row.")
        return cls(names, np.full(len(names), np.nan), order, videos[~vague], classes, moments.spans[~vague],
                   videos[vague], moments.spans[vague])  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """Scored spans in file order.

    video_ids begins with the truth's videos and goes on with those that the truth does not know; videos (P,), classes
    (P,) in the truth's numbering (-1: no label), spans (P, 2) in seconds as written, scores (P,).
    """

    video_ids: tuple[str, ...]
    videos: IntArray
    classes: IntArray
    spans: FloatArray
    scores: FloatArray
    left_out: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.videos)

    def __repr__(self) -> str:
        return f"Predictions({len(self)} over {len(self.video_ids)} videos)"

    def __getitem__(self, rows: IntArray) -> "Predictions":
        return Predictions(self.video_ids, self.videos[rows], self.classes[rows], self.spans[rows],
                           self.scores[rows], self.left_out)  # fmt: skip

    @classmethod
    def of(cls, moments: Moments, truth: Truth) -> "Predictions":
        """Predictions from `Moments`; a class that the truth lacks raises InvalidData, as in the official rules."""
        lost = {moments.vocabulary.names[index] for index in set(moments.classes.tolist())} - set(truth.labels)
        if lost:
            raise InvalidData(f"The truth has no instance of {sorted(lost)[:5]}. Leave these moments out first.")
        number = {name: index for index, name in enumerate(truth.labels)}
        video_ids, videos = renumbered(moments.video_ids.tolist(), truth.video_ids)
        classes = np.asarray([number.get(name, -1) for name in moments.vocabulary.names], np.int64)[moments.classes]
        return cls(video_ids, videos, classes, moments.spans, moments.scores)

    @classmethod
    def of_rows(cls, rows: Rows, truth: Truth) -> "Predictions":
        """Predictions from settled rows; labels that the truth lacks become -1."""
        video_ids, table = renumbered(rows.names, truth.video_ids)
        number = {name: index for index, name in enumerate(truth.labels)}
        classes = np.asarray([number.get(label, -1) for label in rows.labels.tolist()], np.int64)
        return cls(video_ids, table[rows.videos], classes, rows.spans, rows.scores, rows.problems)


def numbered(labels: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """Distinct labels in order of appearance, and the number (N,) of each row's label."""
    order: dict[str, int] = {}
    numbers = [order.setdefault(label, len(order)) for label in labels]
    return tuple(order), np.asarray(numbers, np.int64)


def renumbered(names: Sequence[str], known: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """`known` with the strangers among `names` behind it, and the number (N,) of each name."""
    order = {name: index for index, name in enumerate(known)}
    numbers = [order.setdefault(name, len(order)) for name in names]
    return tuple(order), np.asarray(numbers, np.int64)
