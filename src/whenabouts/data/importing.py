"""The whole of an import: read, join, build the vocabulary, report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from whenabouts.config import as_table
from whenabouts.core.addresses import place_of
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.files import read_json, write_json
from whenabouts.core.locks import locked
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.box_files import boxes_path, write_boxes
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.hashtags import Index, ProductIndex, SeedIndex, read_seeds, relabelled_entries
from whenabouts.data.importers import IMPORTERS, Imported, ImportSettings
from whenabouts.data.importers.protocol import FeatureSupply
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.merging import Merged, merged
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings, build_vocabulary, spelling
from whenabouts.data.vocabulary_report import VocabularyReport

_CATEGORIES = ":categories"
_SPLITS = ("train", "val", "validation", "test")
_LABELS = {
    "ytdlp": "tags stand in the sidecars that `yt-dlp --write-info-json` puts beside each video.",
    "folders": "put videos into folders that are named after what happens in them.",
    "hashtags": "put #tags or [tags] into file names, or into a text of the same name beside the video.",
    "csv": "name the column of labels with --map label=COLUMN.",
}


@dataclass(frozen=True)
class ImportOutcome:
    """What an import read, what joining it did, and the vocabulary after it."""

    kind: str
    split: str
    imported: Imported
    merged: Merged
    manifest: Manifest
    vocabulary: Vocabulary
    report: VocabularyReport

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: what this import read, what it could not use, and what joining it did."""
        return {
            "kind": self.kind,
            "source": self.imported.source,
            "root": str(self.imported.root).encode("utf-8", "backslashreplace").decode(),
            "split": self.split,
            **self.figures(),
            "counts": dict(self.imported.counts),
            "facts": dict(self.imported.facts),
            "merged": self.merged.to_json(),
            "problems": [asdict(problem) for problem in self.imported.problems],
        }

    def figures(self) -> dict[str, Any]:
        """The figures that fit on a line; `unreadable` and `unlabelled` speak of this import's videos."""
        entries = self.imported.entries
        return {
            "videos": len(entries),
            "new": len(self.merged.new),
            "changed": len(self.merged.changed),
            "removed": len(self.merged.removed),
            "in_other_split": len(self.merged.in_other_split),
            "unreadable": sum(entry.video.status == "unreadable" for entry in entries),
            "unlabelled": sum(not entry.labels and not entry.segments for entry in entries),
            "segments": sum(len(entry.segments) for entry in entries),
            "problem_count": len(self.imported.problems),
            "videos_in_project": len(self.manifest),
            "concepts": len(self.vocabulary),
        }

    def to_text(self, most: int = 5) -> str:
        """What a person should read: the vocabulary, counts, and the first problems of each kind."""
        counts = [f"{name.replace('_', ' ')}: {count}" for name, count in self.imported.counts.items() if count]
        whole = self.vocabulary is self.imported.vocabulary
        lines = [f"concepts: all {len(self.vocabulary)} of the data set" if whole else self.report.to_text()]
        lines += [", ".join(counts)] if counts else []
        lines += [f"{name.replace('_', ' ')}: {fact}" for name, fact in self.imported.facts.items()]
        unreadable = [entry for entry in self.imported.entries if entry.video.status == "unreadable"]
        lines += [f"unreadable: {entry.id}: {entry.video.reason}" for entry in unreadable[:most]]
        lines += [f"... and {len(unreadable) - most} more unreadable files"] if len(unreadable) > most else []
        lines += self._hints()
        kinds = Counter(problem.what for problem in self.imported.problems)
        shown: Counter[str] = Counter()
        for problem in self.imported.problems:
            shown[problem.what] += 1
            if shown[problem.what] <= most:
                lines.append(f"problem: {problem}")
            elif shown[problem.what] == kinds[problem.what]:
                lines.append(f"... and {kinds[problem.what] - most} more: {problem.what}")
        return "\n".join(lines)

    def _hints(self) -> list[str]:
        """What to do where the import went well, but is not what people want."""
        entries, hints = self.imported.entries, []
        bare = not any(entry.labels or entry.segments for entry in entries)
        if self.split not in _SPLITS:
            told = ", ".join(self.manifest.splits)
            hints.append(
                f"hint: {self.split!r} is no usual name of a split ({', '.join(_SPLITS)}); now there are: {told}"
            )
        if self.split == "train" and bare and self.kind in _LABELS:
            hints.append(f"hint: none of the {len(entries)} videos has a label: {_LABELS[self.kind]}")
        said = [(spelling(label.name), label.source) for entry in entries for label in entry.labels]
        filed = {name for name, source in said if source.endswith(_CATEGORIES)}
        filed -= {name for name, source in said if not source.endswith(_CATEGORIES)}
        found = sorted(filed & set(self.vocabulary.names))
        if found:
            do = 'leave them out with --set \'import.ytdlp.fields=["tags", "title", "description"]\''
            told = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
            hints.append(f"hint: concepts that are only the site's categories, which hardly name moments: {told}; {do}")
        return hints


def import_into(
    project: Project,
    kind: str,
    root: Path,
    settings: ImportSettings,
    labels: VocabularySettings,
    *,
    now_ns: int,
    progress: Progress,
) -> ImportOutcome:
    """Import `root` with the importer `kind` into the project; writes manifest, vocabulary, reports/import.json, and
    the truth.json of a data set that brings one.

    An unknown kind raises SettingsError; a root without any video raises InvalidData and changes nothing. Several
    imports into one project may run at once: each joins what it found to what stands there by then.
    """
    if kind not in IMPORTERS:
        raise SettingsError(f"There is no importer {kind!r}. Known: {', '.join(IMPORTERS)}.")
    seeds = _seeds(settings)
    imported = IMPORTERS[kind](place_of(root), settings, known=_known(project), progress=progress)
    if not imported.entries:
        raise InvalidData(
            f"There is no video below {imported.root} (endings looked for: {', '.join(settings.endings)}). "
            "Check the folder, --include and --exclude, or add an ending with --set import.endings=[...]."
        )
    imported = imported if seeds is None else _by_seeds(imported, seeds)
    store = project.features()
    with locked(project.folder):
        # Features written before are stale for changed files, even if the clock was set back since.
        joining = replace(settings, move_splits=True) if imported.truth is not None else settings
        manifest, report = merged(_known(project), imported, joining, max(now_ns, store.newest_ns + 1))
        vocabulary, vocabulary_report = build_vocabulary(manifest, labels)
        if imported.vocabulary is not None and not labels.only and all(_says(entry, imported) for entry in manifest):
            vocabulary = imported.vocabulary  # a data set's own classes, in its order, rare ones included
        elif _features_alone(imported) and project.vocabulary_path.is_file():
            vocabulary = project.vocabulary()  # nothing was said that could change it
        project.write_manifest(manifest)
        project.write_vocabulary(vocabulary, labels)
        if imported.truth is not None:
            write_json(project.truth_path, imported.truth)
        _write_boxes(imported, manifest, project.folder)
    imported = _store_features(imported, manifest, store, progress)
    outcome = ImportOutcome(kind, settings.split, imported, report, manifest, vocabulary, vocabulary_report)
    told = {**outcome.to_json(), "settings": {"import": as_table(settings), "vocabulary": as_table(labels)}}
    path = project.reports_folder / "import.json"
    with locked(project.folder):
        write_json(path, {"imports": [*_earlier(path, told), told], "vocabulary": vocabulary_report.to_json()})
    return outcome


def _write_boxes(imported: Imported, manifest: Manifest, folder: Path) -> None:
    """Keep boxes that came with the import, under the ids that their videos have in the project."""
    by_path = {entry.video.path: entry.id for entry in manifest}
    ids = {entry.id: by_path[entry.video.path] for entry in imported.entries}
    for (split, kind), rows in imported.boxes.items():
        kept = [replace(row, video=ids[row.video]) for row in rows if row.video in ids]
        write_boxes(boxes_path(folder, split, kind), kept)


def _seeds(settings: ImportSettings) -> Index | None:
    """What the settings take as seed labels: those of one file, or the products of two."""
    if not settings.seeds:
        if settings.seed_nouns:
            raise SettingsError("import.seed_nouns are joined to verbs. Name a file of verbs with --seeds.")
        return None
    seeds = read_seeds(Path(settings.seeds))
    if settings.seed_nouns:
        return ProductIndex(seeds, read_seeds(Path(settings.seed_nouns)), settings.seed_tags)
    return SeedIndex(seeds, settings.seed_tags)


def _by_seeds(imported: Imported, seeds: Index) -> Imported:
    """The import with seed labels in the place of tags."""
    done = relabelled_entries(imported.entries, seeds)
    facts = {name: _short(listed) for name, listed in done.facts.items()}
    return replace(
        imported, entries=done.entries, counts={**imported.counts, **done.counts}, facts={**imported.facts, **facts}
    )


def _short(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} ({', '.join(names[:most])}{more})"


def _known(project: Project) -> Manifest:
    return project.manifest() if project.manifest_path.is_file() else Manifest()


def _says(entry: Entry, imported: Imported) -> bool:
    """True where this import's source says all that is said of the entry."""
    sources = [label.source for label in entry.labels] + [segment.source for segment in entry.segments]
    return all(source == imported.source for source in sources)


def _features_alone(imported: Imported) -> bool:
    """True where an import says nothing of what happens in videos, and brings features."""
    return imported.supply is not None and not any(entry.labels or entry.segments for entry in imported.entries)


def _store_features(imported: Imported, manifest: Manifest, store: FeatureStore, progress: Progress) -> Imported:
    """Keep the features that came with the import, where the store lacks them or has those of older content.

    Returns the import with what was found wrong in them.
    """
    supply = imported.supply
    if supply is None:
        return imported
    by_path = {entry.video.path: entry for entry in manifest}
    entries = {entry.id: by_path[entry.video.path] for entry in imported.entries}
    due = {given: _due(supply, given, entry.changed_ns) for given, entry in entries.items()}
    kept = {given: _kept(supply, given, entry.id, store) for given, entry in entries.items()}
    lacking = {
        given for given, times in due.items() if any(kept[given].get(name, 0) <= time for name, time in times.items())
    }
    total = sum(len(due[given]) for given in lacking)
    newest_ns = max((time_ns for times in due.values() for time_ns in times.values()), default=0)
    with store.writer(flush_count=1024, after_ns=newest_ns) as writer:
        for features in progress.track(supply.read(lacking), total=total, title="Keeping features"):
            writer.add(replace(features, video_id=entries[features.video_id].id))
    counts = {**imported.counts, **supply.report.counts}
    return replace(imported, problems=(*imported.problems, *supply.report.problems), counts=counts)


def _due(supply: FeatureSupply, given: str, changed_ns: int) -> dict[str, int]:
    """The modalities that a video should have, and the time after which their features must be written."""
    files = dict.fromkeys(supply.sources, 0) if supply.newest is None else supply.newest.get(given, {})
    return {modality: max(changed_ns, time_ns) for modality, time_ns in files.items()}


def _kept(supply: FeatureSupply, given: str, video_id: str, store: FeatureStore) -> dict[str, int]:
    """The modalities that the store has of a video as they would be written now, and when they were written."""
    return {
        modality: store.written_ns(video_id, modality)
        for modality, source in supply.sources.items()
        if store.has(video_id, modality, source=source) and supply.fits(given, modality, store.grid(video_id, modality))
    }


def reported_imports(path: Path) -> list[dict[str, Any]]:
    """The imports that reports/import.json tells of, the latest last; none where the file is missing or broken."""
    try:
        listed = read_json(path)["imports"]
    except (OSError, InvalidData, KeyError):
        return []
    return [told for told in listed if isinstance(told, dict)] if isinstance(listed, list) else []


def _earlier(path: Path, latest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Imports told before, without those that the latest repeats."""
    same = ("source", "root", "split")
    return [told for told in reported_imports(path) if any(told.get(key) != latest[key] for key in same)]
