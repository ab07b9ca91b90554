"""Joining an import to what a project already holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from whenabouts.data.importers.media_files import free_id
from whenabouts.data.importers.protocol import Imported, ImportSettings
from whenabouts.data.manifest import SET_ASIDE, Entry, Manifest, file_of


@dataclass
class Merged:
    """What joining did, as video ids; `renamed` maps the id that a path gives to the one it got."""

    new: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    in_other_split: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def merged(manifest: Manifest, imported: Imported, settings: ImportSettings, now_ns: int) -> tuple[Manifest, Merged]:
    """Join `imported` to `manifest`: new videos join, and of known ones this source's labels are replaced.

    A known video is found by its path; or by its id, where its old path is gone and the content is the same (a moved
    archive), both are records of shards below the root, or it never had a file. Other content under the same path is
    noted at `now_ns`: older features are stale. Videos below the imported root whose files are gone are marked as
    removed. Videos that stand in another split are not touched, unless `settings.move_splits`; nothing in a split that
    the import does not name is touched at all. Videos that were set aside as copies of a target's stay set aside.
    """
    report = Merged()
    by_path = {entry.video.path: entry for entry in manifest}
    result = {entry.id: entry for entry in manifest}
    for entry in imported.entries:
        known = by_path.get(entry.video.path) or _moved(entry, result, imported.root)
        if known is None:
            video_id = free_id(entry.id, entry.video.path.suffix, result)
            if video_id != entry.id:
                report.renamed[entry.id] = video_id
            report.new.append(video_id)
            result[video_id] = replace(entry, video=replace(entry.video, id=video_id))
        elif known.split != entry.split and (known.split == SET_ASIDE or not settings.move_splits):
            report.in_other_split.append(known.id)
        else:
            result[known.id] = _joined(known, entry, imported.source, now_ns)
            _note(report, known, result[known.id])
    found = {entry.video.path for entry in imported.entries}
    _mark_removed(result, found, imported.root, settings.split, report)
    return Manifest(tuple(result.values())), report


def _moved(entry: Entry, known: Mapping[str, Entry], root: Path) -> Entry | None:
    earlier = known.get(entry.id)
    if earlier is None or earlier.video.path.exists():
        return None
    if earlier.stamp is None and earlier.video.status == "complete":
        return earlier  # Known from annotations or features alone: it never had a file.
    if earlier.stamp is None or entry.stamp is None:
        return None
    places = (earlier.video.path, entry.video.path)
    # In one folder of shards, an id means one video, whichever shard it stands in.
    records = all(file_of(path) != path and path.is_relative_to(root) for path in places)
    return earlier if records or earlier.stamp.fingerprint == entry.stamp.fingerprint else None


def _joined(known: Entry, fresh: Entry, source: str, now_ns: int) -> Entry:
    """The fresh entry under the known id, with what other sources say kept."""
    timed = {clock.modality for clock in fresh.clocks}
    other = known.stamp is not None and fresh.stamp is not None and known.stamp.fingerprint != fresh.stamp.fingerprint
    return replace(
        fresh,
        video=replace(fresh.video, id=known.id),
        labels=(*(label for label in known.labels if not _from(label.source, source)), *fresh.labels),
        segments=(*(part for part in known.segments if not _from(part.source, source)), *fresh.segments),
        title=fresh.title or known.title,
        uploader=fresh.uploader or known.uploader,
        clocks=(*(clock for clock in known.clocks if clock.modality not in timed), *fresh.clocks),
        changed_ns=now_ns if other else known.changed_ns,
    )


def _from(source: str, importer: str) -> bool:
    return source == importer or source.startswith(importer + ":")


def _note(report: Merged, known: Entry, joined: Entry) -> None:
    if joined.changed_ns != known.changed_ns:
        report.changed.append(known.id)
    elif known.removed:
        report.returned.append(known.id)
    elif known.video.path != joined.video.path:
        report.moved.append(known.id)
    else:
        report.unchanged.append(known.id)


def _mark_removed(result: dict[str, Entry], found: set[Path], root: Path, split: str, report: Merged) -> None:
    read = {file_of(path) for path in found}
    for entry in list(result.values()):
        path = entry.video.path
        gone = path not in found and path.is_relative_to(root) and not _there(path, read)
        if gone and entry.split == split and not entry.removed:
            report.removed.append(entry.id)
            result[entry.id] = replace(entry, removed=True)


def _there(path: Path, read: set[Path]) -> bool:
    """A record is gone with its shard, or where the shard was `read` and does not hold it any more."""
    file = file_of(path)
    return path.exists() if file == path else file not in read
