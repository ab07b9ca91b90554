"""The manifest: every video of a project, what was said about it, and by whom."""

import functools
import itertools
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from whenabouts.core.addresses import below
from whenabouts.core.clock import FeatureClock
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import replacing
from whenabouts.core.video import Video

SHARD_ENDING = ".tfrecord"

SET_ASIDE = "copies"
"""The split of videos that are copies of a target's: nothing learns from them."""


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """A name that a source (importer) gives to a whole video, with a weight in (0, 1] and the text that says so."""

    name: str
    weight: float = 1.0
    source: str = ""
    evidence: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidData(f"A label needs a name, but got an empty one from {self.source or 'an unnamed source'}.")
        if not 0 < self.weight <= 1:
            raise InvalidData(f"Label {self.name!r}: the weight lies in (0, 1], but got {self.weight}.")


@dataclass(frozen=True, slots=True)
class RatedSegment:
    """Someone says that `name` is (`present`) or is not there within [start, end) seconds."""

    name: str
    start_seconds: float
    end_seconds: float
    present: bool = True
    source: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidData(
                f"A segment needs a name, but got an empty one from {self.source or 'an unnamed source'}."
            )
        if not (math.isfinite(self.start_seconds) and math.isfinite(self.end_seconds)):
            raise InvalidData(f"Segment {self.name!r} needs finite seconds, but got {self}.")
        if not 0 <= self.start_seconds < self.end_seconds:
            raise InvalidData(
                f"Segment {self.name!r} must start at 0 s or later and end after its start, "
                f"but got {self.start_seconds}..{self.end_seconds}."
            )


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Tells one content of a file from another: size, time of change, fingerprint of all of it ("" where unread)."""

    bytes: int
    modified_ns: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One video with all that is said about it.

    `removed` says that an import did not find the file any more. `changed_ns` (nanoseconds since 1970; 0 = never)
    says when an import found other content in it: features written before that are stale. `clocks` say when the steps
    of imported features are.
    """

    video: Video
    labels: tuple[WeakLabel, ...] = ()
    segments: tuple[RatedSegment, ...] = ()
    split: str = "train"
    title: str = ""
    uploader: str = ""
    stamp: FileStamp | None = None
    removed: bool = False
    changed_ns: int = 0
    clocks: tuple[FeatureClock, ...] = ()

    def __post_init__(self) -> None:
        if not self.video.id:
            raise InvalidData(f"A video needs an id, but {self.video.path} has none.")
        if not self.split:
            raise InvalidData(f"{self.video.id}: the split is empty. Say train or test.")

    @property
    def id(self) -> str:
        """The video's id."""
        return self.video.id

    @property
    def usable(self) -> bool:
        """True where there is a file and at least a part of it can be decoded."""
        return not self.removed and self.video.status != "unreadable"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["video"] = self.video.to_json()
        values["labels"] = [_fields(label) for label in self.labels]
        values["segments"] = [_fields(segment) for segment in self.segments]
        values["stamp"] = None if self.stamp is None else _fields(self.stamp)
        values["clocks"] = [clock.to_json() for clock in self.clocks]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Entry":
        """Read what `to_json` wrote; wrong fields raise InvalidData."""
        try:
            known = {name: value for name, value in values.items() if name in cls.__slots__}
            known["video"] = Video.from_json(known["video"])
            known["labels"] = tuple(_label(**label) for label in known.get("labels", ()))
            known["segments"] = tuple(RatedSegment(**segment) for segment in known.get("segments", ()))
            known["clocks"] = tuple(FeatureClock.from_json(clock) for clock in known.get("clocks", ()))
            known.update((name, sys.intern(known[name])) for name in ("split", "uploader") if name in known)
            known["stamp"] = None if known.get("stamp") is None else FileStamp(**known["stamp"])
            return cls(**known)
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise InvalidData(f"An entry can't be read: {type(error).__name__}: {error}.") from None


# Of a million videos many say the same: it is kept once. Typed, for 1 and 1.0 are not written the same.
_label = functools.lru_cache(maxsize=100_000, typed=True)(WeakLabel)


def _fields(row: WeakLabel | RatedSegment | FileStamp) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies what it finds, in a fraction of the time."""
    return {name: getattr(row, name) for name in row.__slots__}


@dataclass(frozen=True)
class Manifest:
    """Entries (V,) in order of their ids, each id once."""

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.entries, key=lambda entry: entry.id))
        object.__setattr__(self, "entries", ordered)
        if len(self._by_id) != len(ordered):
            twice = sorted({one.id for one, other in itertools.pairwise(ordered) if one.id == other.id})
            raise InvalidData(f"A manifest names each video once, but {twice[:5]} stand there more often.")

    @cached_property
    def _by_id(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.entries}

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._by_id

    def __repr__(self) -> str:
        splits = sorted({entry.split for entry in self.entries})
        return f"Manifest({len(self)} videos, splits {splits})"

    @property
    def ids(self) -> tuple[str, ...]:
        """All video ids, sorted."""
        return tuple(self._by_id)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, sorted."""
        return tuple(sorted({entry.split for entry in self.entries}))

    def by_id(self, video_id: str) -> Entry:
        """The entry of a video; an unknown id raises InvalidData."""
        if video_id not in self._by_id:
            raise InvalidData(f"The manifest of {len(self)} videos has no {video_id!r}. Import its file first.")
        return self._by_id[video_id]

    def of_split(self, split: str) -> tuple[Entry, ...]:
        """Entries of one split, in order of their ids."""
        return tuple(entry for entry in self.entries if entry.split == split)

    def within(self, split: str) -> list[Entry]:
        """Entries of one split, or "all"; a split that no video is in raises ProjectError."""
        if split != "all" and split not in self.splits:
            raise ProjectError(f"No video is in split {split!r}. Choose all or one of: {', '.join(self.splits)}.")
        return [entry for entry in self.entries if split in ("all", entry.split)]

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read JSON lines; relative media paths start at the manifest's folder.

        A missing file raises ProjectError, a broken line InvalidData with its number.
        """
        try:
            with path.open(encoding="utf-8-sig") as lines:  # One by one: a million take 750 MB as text.
                return cls(tuple(_entries_of(lines, path)))
        except FileNotFoundError:
            raise ProjectError(f"There is no manifest {path}. Run `whenabouts import` first.") from None
        except UnicodeDecodeError as error:
            raise InvalidData(
                f"{path} is not UTF-8 text: {error}. Mend it, or remove the file and import again."
            ) from None

    def save(self, path: Path) -> None:
        """Write JSON lines, one entry a line in order of ids, whole or not at all.

        Media below the manifest's folder are named relative to it, so that such a project can be moved.
        """
        folder = path.parent.resolve()
        with replacing(path) as part, part.open("w", encoding="utf-8") as file:
            file.writelines(_line_of(entry, folder) + "\n" for entry in self.entries)


def file_of(path: Path) -> Path:
    """The file on disk that holds a video: `path` itself, or the shard in it (`.../train0000.tfrecord/id`)."""
    return next((parent for parent in path.parents if parent.suffix == SHARD_ENDING and parent.is_file()), path)


def _line_of(entry: Entry, folder: Path) -> str:
    values = entry.to_json()
    media = entry.video.path.absolute()
    values["video"]["path"] = (media.relative_to(folder) if media.is_relative_to(folder) else media).as_posix()
    line = json.dumps(values, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # A file name that is not Unicode: its bytes survive as escapes.
        line = json.dumps(values, allow_nan=False)
    return line


def _entries_of(lines: Iterable[str], path: Path) -> Iterator[Entry]:
    folder = path.parent.resolve()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield entry_of(line, f"{path} line {number}", folder)


def entry_of(line: str, where: str, folder: Path) -> Entry:
    """Read one line of a manifest in `folder`; a broken one raises InvalidData that says `where`."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidData(
            f"{where} is not JSON: {error}. Mend the line, or remove the file and import again."
        ) from None
    if not isinstance(values, dict):
        raise InvalidData(f"{where} is not a JSON object. Mend the line, or remove the file and import again.")
    try:
        values["video"]["path"] = below(folder, values["video"]["path"])
        return Entry.from_json(values)
    except (KeyError, TypeError):
        raise InvalidData(f"{where}: it names no video with a path. Mend the line, or import again.") from None
    except InvalidData as error:
        raise InvalidData(f"{where}: {error}") from None
