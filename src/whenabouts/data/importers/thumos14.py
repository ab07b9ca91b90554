"""THUMOS14: 200 videos to train on, and a named ground truth."""

from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.annotations.thumos14 import read_thumos14
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

SOURCE = "thumos14"


def import_thumos14(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read the official folder of text files, a JSON file, or the test set's CSV table; see `read_thumos14`."""
    how = settings.thumos14
    annotations = read_thumos14(root, how.ground_truth)
    return imported_of(annotations, root, SOURCE, settings, media=how.media, known=known, progress=progress)
