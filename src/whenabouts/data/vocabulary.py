"""From the names that people use to a vocabulary of concepts, and from entries to labels over it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.labels import Absent, SegmentLabels, VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary_report import Concept, Dropped, VocabularyReport, always_together, near_duplicates

_SEPARATORS = re.compile(r"[\s_\-]+")


@settings
class VocabularySettings:
    """Which names become concepts.

    A concept needs `min_count` training videos; of more than `max_concepts` the most frequent stay. Spellings that
    differ in case, `_`, `-` and spaces are one. `aliases` maps a name to the one that stands for it; `drop` lists names
    that are no concepts; with `only`, nothing but the names in it is one. `absent` says what follows from a label that
    a video does not have: "negative" (labels are complete) or "unknown" (people tag what they like). It bears on
    reports, and on training where there is one concept; several are learned against each other all the same.
    """

    min_count: int = Field(default=5, ge=1)
    max_concepts: int = Field(default=1000, ge=1)
    aliases: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    absent: Absent = "negative"


def spelling(name: str) -> str:
    """One form for spellings that differ in case, width of characters, `_`, `-` and spaces only."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _SEPARATORS.sub(" ", folded).strip() or name


def names_of(entry: Entry) -> set[str]:
    """Names, as written, that the entry's labels and its segments rated present say of the whole video."""
    segments = {segment.name for segment in entry.segments if segment.present}
    return {label.name for label in entry.labels} | segments


def build_vocabulary(entries: Iterable[Entry], settings: VocabularySettings) -> tuple[Vocabulary, VocabularyReport]:
    """The vocabulary of the training entries that can be used, and the report to review before training.

    Entries of other splits are only counted: a name that stands nowhere but there is no concept.
    """
    gathered = _Names(settings)
    for entry in entries:
        gathered.take(entry)
    kept, dropped = gathered.choose()
    aliases = {
        other: name
        for name in kept
        for other in (*sorted(gathered.written[name]), *(old for old in settings.aliases if gathered.form(old) == name))
        if other not in kept
    }
    vocabulary = Vocabulary(tuple(kept), aliases=aliases)
    videos = {name: gathered.videos[name] for name in kept}
    report = VocabularyReport(
        videos=gathered.total,
        unlabelled=gathered.unlabelled,
        unusable=gathered.unusable,
        absent=settings.absent,
        min_count=settings.min_count,
        concepts=tuple(gathered.concept(name) for name in kept),
        dropped=tuple(dropped),
        near_duplicates=near_duplicates(gathered.videos, set(kept)),
        together=always_together(videos),
    )
    return vocabulary, report


@dataclass
class _Names:
    """What training entries say: per concept its videos, spellings, segments and uploaders."""

    settings: VocabularySettings
    total: int = 0
    unlabelled: int = 0
    unusable: int = 0
    videos: dict[str, set[str]] = field(default_factory=dict)
    written: dict[str, Counter[str]] = field(default_factory=dict)
    segments: Counter[str] = field(default_factory=Counter)
    uploaders: dict[str, Counter[str]] = field(default_factory=dict)
    held_out: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._aliases = {spelling(old): spelling(new) for old, new in self.settings.aliases.items()}

    def form(self, name: str) -> str:
        """The concept that a written name stands for."""
        plain = spelling(name)
        return self._aliases.get(plain, plain)

    def take(self, entry: Entry) -> None:
        """Count one entry."""
        names = names_of(entry)
        if entry.split != "train":
            for name in names:
                self.held_out.setdefault(self.form(name), set()).add(entry.id)
            return
        self.total += 1
        self.unusable += not entry.usable
        self.unlabelled += not names
        if not entry.usable:
            return
        for name in names:
            concept = self.form(name)
            self.videos.setdefault(concept, set()).add(entry.id)
            self.written.setdefault(concept, Counter())[name] += 1
        for concept in {self.form(name) for name in names}:
            self.uploaders.setdefault(concept, Counter())[entry.uploader] += 1
        for segment in entry.segments:
            self.segments[self.form(segment.name)] += 1

    def choose(self) -> tuple[list[str], list[Dropped]]:
        """Names of the concepts in order of the alphabet, and what was dropped, the most frequent first."""
        unwanted = {self.form(name) for name in self.settings.drop}
        wanted = {self.form(name) for name in self.settings.only}
        ordered = sorted(self.videos, key=lambda name: (-len(self.videos[name]), name))
        kept: list[str] = []
        dropped = []
        for name in ordered:
            count = len(self.videos[name])
            if name in unwanted:
                dropped.append(Dropped(name, count, "on the drop list"))
            elif wanted and name not in wanted:
                dropped.append(Dropped(name, count, "not among the names wanted"))
            elif count < self.settings.min_count:
                dropped.append(Dropped(name, count, f"fewer than {self.settings.min_count} training videos"))
            elif len(kept) == self.settings.max_concepts:
                dropped.append(Dropped(name, count, f"beyond the {self.settings.max_concepts} most frequent"))
            else:
                kept.append(name)
        strangers = sorted(self.held_out.keys() - self.videos.keys())
        dropped += [Dropped(name, 0, "named in held-out videos only") for name in strangers]
        return sorted(kept), dropped

    def concept(self, name: str) -> Concept:
        """The report's row of one concept."""
        uploaders = Counter({uploader: count for uploader, count in self.uploaders[name].items() if uploader})
        top = min(uploaders.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        return Concept(
            name=name,
            videos=len(self.videos[name]),
            held_out_videos=len(self.held_out.get(name, ())),
            segments=self.segments[name],
            uploaders=len(uploaders),
            top_uploader=top[0],
            top_uploader_videos=top[1],
            spellings=tuple(sorted(self.written[name])),
        )


def class_of(name: str, vocabulary: Vocabulary) -> int | None:
    """The class of a name as it is written, or in the one form of its spellings; None where the vocabulary has none."""
    for form in (name, spelling(name)):
        if form in vocabulary:
            return vocabulary.index(form)
    return None


def labels_of(entry: Entry, vocabulary: Vocabulary, absent: Absent) -> VideoLabels:
    """Labels of one video over the vocabulary; names outside it are left out, of two weights the greater counts.

    A segment rated as present says that the video holds the concept, with weight 1; one that covers the whole video
    and is rated as absent makes the concept a known negative. `absent` is the policy for classes nobody named.
    """
    weights: dict[int, float] = {}
    negatives: set[int] = set()
    said = [(label.name, label.weight) for label in entry.labels]
    said += [(segment.name, 1.0) for segment in entry.segments if segment.present]
    for name, weight in said:
        index = class_of(name, vocabulary)
        if index is not None:
            weights[index] = max(weight, weights.get(index, 0.0))
    for segment in entry.segments:
        whole = segment.start_seconds <= 0 and segment.end_seconds >= entry.video.duration_seconds
        index = class_of(segment.name, vocabulary) if whole and not segment.present else None
        if index is not None and index not in weights:
            negatives.add(index)
    classes = sorted(weights)
    return VideoLabels(
        np.asarray(classes, np.int64),
        np.asarray([weights[index] for index in classes], np.float64),
        np.asarray(sorted(negatives), np.int64),
        absent,
    )


def segments_of(entry: Entry, vocabulary: Vocabulary) -> SegmentLabels:
    """Rated segments of one video over the vocabulary, in order of time; names outside it are left out."""
    rows = []
    for segment in entry.segments:
        index = class_of(segment.name, vocabulary)
        if index is not None:
            rows.append((segment.start_seconds, segment.end_seconds, index, segment.present))
    rows.sort()
    return SegmentLabels(
        (entry.id,) * len(rows),
        np.asarray([row[:2] for row in rows], np.float64).reshape(-1, 2),
        np.asarray([row[2] for row in rows], np.int64),
        np.asarray([row[3] for row in rows], bool),
    )
