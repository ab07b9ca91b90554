"""Kinetics, Something-Something and EPIC-KITCHENS: official lists of labelled clips, joined to the files there are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.annotations.clip_lists import ClipList, ListedClip
from whenabouts.data.annotations.epic_kitchens import read_epic_kitchens
from whenabouts.data.annotations.kinetics import read_kinetics
from whenabouts.data.annotations.something import read_something
from whenabouts.data.importers.media_files import MediaFile, catalogue, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings, Problem
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel

# What happens in a part of a video where the list keeps it back; it is no label of the data set.
UNTOLD = "(not told)"

# A file that is longer than its clip by more than this holds more than the clip.
_SLACK_SECONDS = 2.0


def import_kinetics(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read Kinetics; see `read_kinetics`."""
    return _joined(read_kinetics(root), "kinetics", root, settings.kinetics.media, (settings, known, progress))


def import_something(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read Something-Something; see `read_something`."""
    return _joined(read_something(root), "something", root, settings.something.media, (settings, known, progress))


def import_epic_kitchens(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read EPIC-KITCHENS; see `read_epic_kitchens`."""
    how = settings.epic_kitchens
    listed = read_epic_kitchens(root, how.task, how.validation_participants)
    return _joined(listed, "epic-kitchens", root, how.media, (settings, known, progress))


def _joined(
    listed: ClipList, source: str, root: Path, media: str, how: tuple[ImportSettings, Manifest, Progress]
) -> Imported:
    settings, known, progress = how
    folder = checked_root(Path(media) if media else root if root.is_dir() else root.parent)
    problems = [Problem(fault.where, fault.what, fault.seen) for fault in listed.faults]
    files = media_among(files_below(folder, problems), folder, settings)
    found = _Files(files)
    matched = [(clip, *found.of(clip, problems)) for clip in listed.clips]
    used = {file.path for _, file, _ in matched if file is not None}
    catalogued = catalogue([file for file in files if file.path in used], settings, known, progress)
    entries = _Entries(catalogued, source, problems)
    for clip, file, whole in matched:
        if file is not None:
            entries.take(clip, file, whole=whole)
    missing = [clip for clip, file, _ in matched if file is None]
    counts = {**listed.counts, "clips_without_file": len(missing), "files_without_row": len(files) - len(used)}
    if not entries.made:
        looked = ", ".join(listed.clips[0].names + listed.clips[0].whole)
        raise InvalidData(
            f"None of the {len(listed.clips)} clips of {listed.dataset} has a file below {folder} (looked for, of the "
            f"first: {looked}, with an ending of a video). Name their folder with "
            f"--set 'import.{source.replace('-', '_')}.media=\"FOLDER\"'."
        )
    return Imported(
        tuple(entries.made.values()),
        tuple(problems),
        folder,
        source,
        counts | dict(entries.counts),
        Vocabulary(listed.labels),
        facts={"dataset": listed.dataset, **_first_missing(missing)},
    )


def _first_missing(missing: Sequence[ListedClip], most: int = 5) -> dict[str, list[str]]:
    return {"first_clips_without_file": [f"{clip.names[0]} ({clip.where})" for clip in missing[:most]]}


class _Files:
    """Media files by name without ending."""

    def __init__(self, files: Sequence[MediaFile]) -> None:
        self._by_stem: dict[str, list[MediaFile]] = {}
        for file in files:
            self._by_stem.setdefault(file.path.stem, []).append(file)

    def of(self, clip: ListedClip, problems: list[Problem]) -> tuple[MediaFile | None, bool]:
        """The clip's file, and whether its name is that of a file that may hold more than the clip.

        Of several with one name, the one is taken whose folders are named after most of the clip's split and labels.
        """
        for names, whole in ((clip.names, False), (clip.whole, True)):
            for name in names:
                files = self._by_stem.get(name, [])
                if len(files) > 1:
                    shared = [len(_folders(file) & _wanted(clip)) for file in files]
                    files = [file for file, count in zip(files, shared, strict=True) if count == max(shared)]
                if len(files) > 1:
                    seen = ", ".join(file.relative for file in files[:3])
                    problems.append(
                        Problem(clip.where, "several files bear this clip's name: the first is taken", seen)
                    )
                if files:
                    return files[0], whole
        return None, False


def _folders(file: MediaFile) -> set[str]:
    return {part.casefold().replace("_", " ") for part in file.relative.split("/")[:-1]}


def _wanted(clip: ListedClip) -> set[str]:
    shorter = {"validation": "val"}.get(clip.split, clip.split)
    return {clip.split, shorter, *(label.casefold() for label in clip.labels)}


@dataclass
class _Entries:
    """The entries made so far, by the path of their file; `catalogued` knows what is in each file."""

    catalogued: dict[Path, Entry]
    source: str
    problems: list[Problem]

    def __post_init__(self) -> None:
        self.made: dict[Path, Entry] = {}
        self.counts: Counter[str] = Counter()

    def take(self, clip: ListedClip, file: MediaFile, *, whole: bool) -> None:
        """Give a file what the list says of it; a row that its file contradicts is a problem."""
        entry = self.made.get(file.path) or replace(self.catalogued[file.path], split=clip.split)
        if entry.split != clip.split:
            self._problem(clip, "another row puts this file in another split", f"{entry.split} and {clip.split}")
            return
        duration = entry.video.duration_seconds
        if whole and clip.span is not None and duration > clip.span[1] - clip.span[0] + _SLACK_SECONDS:
            entry = self._within(entry, clip, clip.span, duration)
        else:
            entry = replace(entry, labels=(*entry.labels, *self._labels(entry, clip)))
        self.made[file.path] = entry

    def _within(self, entry: Entry, clip: ListedClip, span: tuple[float, float], duration: float) -> Entry:
        """The entry with what happens in a part of it."""
        start, end = span
        if start >= duration or end > duration + _SLACK_SECONDS:
            self._problem(clip, "the clip reaches beyond its video", f"{start:g}..{end:g} s of {duration:g} s")
            return entry
        self.counts["clips_within_longer_files"] += 1
        names = clip.labels or (UNTOLD,)
        parts = [RatedSegment(name, start, min(end, duration), True, self.source) for name in names]
        return replace(entry, segments=(*entry.segments, *parts))

    def _labels(self, entry: Entry, clip: ListedClip) -> list[WeakLabel]:
        there = {label.name for label in entry.labels}
        return [WeakLabel(name, 1.0, self.source, clip.where) for name in clip.labels if name not in there]

    def _problem(self, clip: ListedClip, what: str, seen: str) -> None:
        self.counts["clips_contradicted_by_files"] += 1
        self.problems.append(Problem(clip.where, what, seen))
