"""Chapters inside video files, as rated segments."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whenabouts.core.progress import Progress
from whenabouts.data.importers.annotation_files import Mark, Unreadable, Videos, import_marks
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest
from whenabouts.media.chapters import SEPARATOR, chapter_parts

_UNNAMED = ("chapter", "kapitel", "chapitre", "capitulo", "capítulo", "part", "track", "")


def import_chapters(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read the chapters of the videos below `root`; "a | b" is in both, and numbered chapters say nothing."""
    return import_marks(root, settings.endings, "chapters", _chapters, settings=settings, known=known,
                        progress=progress)  # fmt: skip


def _chapters(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    from whenabouts.media.watch import Limits
    from whenabouts.media.workers import Job, decoding

    name = next((file.relative for file in videos.files if file.path == path), "")
    told: list[Any] = []
    with decoding(Job(chapter_parts, path), limits=Limits(silence_seconds=120.0, total_seconds=600.0)) as working:
        for part in working.parts():
            told = json.loads(part["chapters"].tobytes())
    if working.failure:
        raise Unreadable("its chapters can't be read", working.failure)
    for number, (start, end, title) in enumerate(told, start=1):
        labels = tuple(label for label in title.split(SEPARATOR) if not _says_nothing(label))
        if labels:
            yield Mark(name, labels, (start, end), where=f"chapter {number}")


def _says_nothing(title: str) -> bool:
    return title.casefold().strip(" .:#0123456789") in _UNNAMED
