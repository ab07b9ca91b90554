"""Charades: activities of daily life, several at once, with their times."""

from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.annotations.charades import read_charades
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

SOURCE = "charades"


def import_charades(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read the folder of the annotations, or one table; see `read_charades`."""
    how = settings.charades
    return imported_of(
        read_charades(root), root, SOURCE, settings,
        media=how.media, known=known, progress=progress, segments=how.segments,
    )  # fmt: skip
