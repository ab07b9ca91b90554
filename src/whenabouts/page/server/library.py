"""A project as the server holds it in memory: read once, and again when files of it have changed."""

import contextlib
import gc
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData, WhenaboutsError
from whenabouts.core.files import read_json
from whenabouts.core.moments import KINDS, Moments
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import spelling
from whenabouts.evaluation.every_subset import true_rows
from whenabouts.page.review.trust import Candidates
from whenabouts.page.server.table import Table
from whenabouts.page.server.words import WordIndex, folded

FOUND = KINDS.index("found")


def key_of(video_id: str) -> str:
    """How a video is named in addresses, whatever its id holds: 16 hexadecimal digits."""
    return hashlib.sha256(video_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass
class Names:
    """Concepts by number, the first `own` of them from the project's files; new ones may join by decisions."""

    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    own: int = 0

    def number(self, name: str) -> int:
        """The number of a name, a new one where it is unknown."""
        found = self.numbers.get(name)
        if found is None:
            found = self.numbers[name] = len(self.names)
            self.names.append(name)
        return found

    def meant(self, name: str) -> str:
        """The known name that another spelling means, else the name as it is."""
        for form in (name, spelling(name)):
            for known in (form, self.aliases.get(form, form)):
                if known in self.numbers:
                    return known
        return name


@dataclass(frozen=True)
class Library:
    """Videos (V,) in order of ids, and what is known of their moments apart from reviews.

    `notes` tell what could not be read.
    """

    project: Project
    entries: tuple[Entry, ...]
    names: Names
    table: Table
    model_names: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, project: Project, truth: Path | None = None) -> "Library":
        """Read manifest, vocabulary, moments and truth (the project's own unless another file is given).

        Without a manifest it raises ProjectError; else what is missing or broken is noted, not fatal.
        """
        with _without_collection():
            return cls._read(project, truth)

    @classmethod
    def _read(cls, project: Project, truth: Path | None) -> "Library":
        entries = tuple(entry for entry in project.manifest() if not entry.removed)
        numbers = {entry.id: number for number, entry in enumerate(entries)}
        notes = list[str]()
        names = _names(project, notes)
        found, model_names = _found(project, numbers, names, notes)
        parts = [found, _imported(entries, names), _truth(truth or project.truth_path, numbers, names, notes)]
        names.own = len(names.names)
        return cls(project, entries, names, Table.joined(parts), model_names, tuple(notes))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Videos' numbers by id."""
        return {entry.id: number for number, entry in enumerate(self.entries)}

    @cached_property
    def by_key(self) -> dict[str, int]:
        """Videos' numbers by the key that names them in addresses."""
        return {key_of(entry.id): number for number, entry in enumerate(self.entries)}

    @cached_property
    def keys(self) -> list[str]:
        """The key of each video."""
        return list(self.by_key)

    @cached_property
    def words(self) -> WordIndex:
        """What is written about each video: title, id, uploader, labels."""
        return WordIndex(
            f"{entry.title} {entry.id} {entry.uploader} {' '.join(label.name for label in entry.labels)}"
            for entry in self.entries
        )

    def name_words(self) -> WordIndex:
        """The words of the concepts' names."""
        if self._name_words[0].size != len(self.names.names):  # New concepts may have joined.
            self._name_words[0] = WordIndex(self.names.names)
        return self._name_words[0]

    def warm(self) -> None:
        """Make what first questions need, so that they need not wait for it."""
        for part in (self.words, self.by_title, self.candidates, self.table.of_video(0), self.by_key, self.by_date):
            assert part is not None

    @cached_property
    def _name_words(self) -> list[WordIndex]:
        return [WordIndex(self.names.names)]

    @cached_property
    def by_title(self) -> IntArray:
        """Videos in the order of their titles."""
        titles = [folded(entry.title or entry.id) for entry in self.entries]
        return np.asarray(sorted(range(len(titles)), key=titles.__getitem__), np.int64)

    @cached_property
    def by_score(self) -> IntArray:
        """Rows of the table, best score first."""
        return np.argsort(-self.table.scores, kind="stable")

    @cached_property
    def by_date(self) -> IntArray:
        """Rows of the table, newest file first, then best score first."""
        return self.by_score[np.argsort(-self.dates[self.table.videos[self.by_score]], kind="stable")]

    @cached_property
    def dates(self) -> FloatArray:
        """When each file was changed last, in seconds since 1970; 0 where unknown."""
        return np.asarray([entry.stamp.modified_ns / 1e9 if entry.stamp else 0.0 for entry in self.entries])

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, sorted."""
        return tuple(sorted({entry.split for entry in self.entries}))

    @cached_property
    def tags(self) -> list[tuple[str, int]]:
        """Labels with the number of videos that have them, most frequent first."""
        counts = Counter(name for entry in self.entries for name in {label.name for label in entry.labels})
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    @cached_property
    def labelled(self) -> dict[int, int]:
        """How many videos have a label of each concept."""
        counts: Counter[int] = Counter()
        for name, videos in self.tags:
            meant = self.names.numbers.get(self.names.meant(name))
            if meant is not None:
                counts[meant] += videos
        return dict(counts)

    @cached_property
    def candidates(self) -> Candidates:
        """What was found, with what labels say of it."""
        rows, count = self.found_rows, len(self.names.names)
        videos, concepts = self.table.videos[rows], self.table.concepts[rows]
        pairs = {
            number * count + concept
            for number, entry in enumerate(self.entries)
            for concept in {self.names.numbers.get(self.names.meant(label.name), -1) for label in entry.labels}
            if 0 <= concept < count
        }
        labelled = np.isin(videos * count + concepts, np.fromiter(pairs, np.int64, len(pairs)))
        expected = np.zeros(count)
        for concept, labelled_videos in self.labelled.items():
            expected[concept] = labelled_videos
        unknown = expected == 0  # No label at all, as of a concept that was saved from examples.
        expected[unknown] = np.sqrt(np.bincount(concepts, minlength=count))[unknown]
        return Candidates(self.table.scores[rows], self.table.spans[rows], videos, concepts, labelled, expected)

    @cached_property
    def found_rows(self) -> IntArray:
        """Rows of the table that were found."""
        return np.flatnonzero(self.table.kinds == FOUND)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage among hundreds of thousands of new objects, again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def stamp_of(project: Project) -> tuple[tuple[int, int], ...]:
    """Changes whenever a file that `Library.read` reads does."""
    files = (
        project.manifest_path,
        project.vocabulary_path,
        project.moments_folder / "moments.json",
        project.truth_path,
    )
    return tuple(_stat(path) for path in files)


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def _names(project: Project, notes: list[str]) -> Names:
    try:
        vocabulary = project.vocabulary()
    except WhenaboutsError as error:
        notes.append(str(error))
        return Names()
    names = Names(aliases=vocabulary.aliases)
    for name in vocabulary.names:
        names.number(name)
    return names


def _found(project: Project, numbers: dict[str, int], names: Names, notes: list[str]) -> tuple[Table, tuple[str, ...]]:
    path = project.moments_folder / "moments.json"
    try:
        moments = Moments.from_json(read_json(path))
    except FileNotFoundError:
        notes.append("No moments were found yet. Run `whenabouts train`, then `whenabouts find`.")
        return Table.empty(), ()
    except (InvalidData, OSError) as error:
        notes.append(f"{path.name} can't be read: {error} Run `whenabouts find` again.")
        return Table.empty(), ()
    if names.names and moments.vocabulary.names != tuple(names.names):
        notes.append(
            "The vocabulary has changed since moments were found: run `whenabouts train` and `whenabouts find`."
        )
    videos = np.asarray([numbers.get(video_id, -1) for video_id in moments.video_ids.tolist()], np.int64)
    concept = np.asarray([names.number(name) for name in moments.vocabulary.names], np.int64)
    kept = (videos >= 0) & (moments.kinds == "found")
    if strangers := int((videos < 0).sum()):
        notes.append(f"{strangers} moments are of videos that the manifest does not name any more.")
    found = Table(videos, concept[moments.classes] if len(moments) else moments.classes, moments.spans, moments.scores,
                  np.full(len(moments), FOUND, np.int8), np.ones(len(moments), bool))  # fmt: skip
    return found[kept], moments.vocabulary.names


def _imported(entries: Iterable[Entry], names: Names) -> Table:
    rows = []
    for number, entry in enumerate(entries):
        for segment in entry.segments:
            concept = names.number(names.meant(segment.name))
            rows.append((number, concept, segment.start_seconds, segment.end_seconds, 1.0, segment.present))
    return Table.of(rows, "imported")


def _truth(path: Path, numbers: dict[str, int], names: Names, notes: list[str]) -> Table:
    try:
        told = true_rows(path)
    except FileNotFoundError:
        return Table.empty()
    except (InvalidData, OSError) as error:
        notes.append(f"The truth can't be read: {error}")
        return Table.empty()
    rows = [(numbers[video_id], names.number(names.meant(label)), start, end, 1.0, True)
            for video_id, label, start, end in told if video_id in numbers]  # fmt: skip
    return Table.of(rows, "truth")
