"""Labels from the names of folders."""

import re
from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import (
    NOTHING_KNOWN,
    SILENT,
    FolderSettings,
    Imported,
    ImportSettings,
    Problem,
)
from whenabouts.data.importers.tags import clean
from whenabouts.data.manifest import Manifest, WeakLabel

SOURCE = "folders"
SPLITS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_CAMERA = re.compile(r"\d{3}[A-Z0-9_]{5}")  # DCF: 100GOPRO, 101CANON, 100APPLE


def import_folders(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read videos below `root`; the folders that a video lies in are its labels."""
    root = checked_root(root)
    problems: list[Problem] = []
    files = media_among(files_below(root, problems), root, settings)
    splitting = settings.folders.split_folders and _splits({file.relative.split("/")[0] for file in files})
    entries, ignored = [], set()
    unlabelled = catalogue(files, settings, known, progress)
    for file in files:
        entry, parts = unlabelled[file.path], file.relative.split("/")[:-1]
        if splitting and parts and parts[0].casefold() in SPLITS:
            entry = replace(entry, split=SPLITS[parts.pop(0).casefold()])
        names: dict[str, str] = {}
        for part in _chosen(parts, settings.folders.levels):
            found = _names(part, settings.folders)
            names.update(dict.fromkeys(found, part))
            ignored.update([] if found else [part])
        labels = tuple(WeakLabel(name, 1.0, SOURCE, part) for name, part in names.items())
        entries.append(replace(entry, labels=labels))
    return Imported(tuple(entries), tuple(problems), root, SOURCE, {"ignored_folders": len(ignored)})


def _splits(tops: set[str]) -> bool:
    """Folders name splits only where there is a split to learn from and another: a lone `test` may be a concept."""
    found = {SPLITS[top.casefold()] for top in tops if top.casefold() in SPLITS}
    return "train" in found and len(found) > 1


def _chosen(parts: list[str], levels: tuple[int, ...]) -> list[str]:
    if not levels:
        return parts
    places = {level - 1 if level > 0 else len(parts) + level for level in levels}
    return [part for place, part in enumerate(parts) if place in places]


def _names(part: str, settings: FolderSettings) -> list[str]:
    cut = re.split(f"[{re.escape(settings.separators)}]", part) if settings.separators else [part]
    cleaned = [clean(name) for name in cut]
    return [
        name
        for name in cleaned
        if any(sign.isalpha() for sign in name)
        and name.casefold() not in settings.ignored
        and not _CAMERA.fullmatch(name)
    ]
