"""From the names that people use to a vocabulary of concepts, and from entries to labels over it."""

import re
import unicodedata

import numpy as np

from whenabouts.core.labels import Absent, SegmentLabels, VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry

_SEPARATORS = re.compile(r"[\s_\-]+")


def spelling(name: str) -> str:
    """One form for spellings that differ in case, width of characters, `_`, `-` and spaces only."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _SEPARATORS.sub(" ", folded).strip()


def _class_of(name: str, vocabulary: Vocabulary) -> int | None:
    for form in (name, spelling(name)):
        if form in vocabulary:
            return vocabulary.index(form)
    return None


def labels_of(entry: Entry, vocabulary: Vocabulary, absent: Absent) -> VideoLabels:
    """Labels of one video over the vocabulary; names outside it are left out, of two weights the greater counts.

    A segment rated as present says that the video holds the concept, with weight 1. `absent` is the policy for
    classes nobody named.
    """
    weights: dict[int, float] = {}
    said = [(label.name, label.weight) for label in entry.labels]
    said += [(segment.name, 1.0) for segment in entry.segments if segment.present]
    for name, weight in said:
        index = _class_of(name, vocabulary)
        if index is not None:
            weights[index] = max(weight, weights.get(index, 0.0))
    classes = sorted(weights)
    return VideoLabels(np.asarray(classes, np.int64), np.asarray([weights[index] for index in classes]), absent=absent)


def segments_of(entry: Entry, vocabulary: Vocabulary) -> SegmentLabels:
    """Rated segments of one video over the vocabulary, in order of time; names outside it are left out."""
    rows = []
    for segment in entry.segments:
        index = _class_of(segment.name, vocabulary)
        if index is not None:
            rows.append((segment.start_seconds, segment.end_seconds, index, segment.present))
    rows.sort()
    return SegmentLabels(
        (entry.id,) * len(rows),
        np.asarray([row[:2] for row in rows], np.float64).reshape(-1, 2),
        np.asarray([row[2] for row in rows], np.int64),
        np.asarray([row[3] for row in rows], bool),
    )
