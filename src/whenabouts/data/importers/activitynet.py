"""ActivityNet 1.2 and 1.3, and any data set in their JSON layout."""

from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.annotations.activitynet import read_activitynet
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

SOURCE = "activitynet"


def import_activitynet(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read a JSON file of annotations; see `read_activitynet`."""
    how = settings.activitynet
    annotations = read_activitynet(root, how.measured)
    return imported_of(annotations, root, SOURCE, settings, media=how.media, known=known, progress=progress)
