"""AVA: atomic actions of persons in boxes, once a second of films."""

from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.annotations.ava import read_ava
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

SOURCE = "ava"


def import_ava(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read the folder of the annotations; boxes come beside the labels of whole videos. See `read_ava`."""
    how = settings.ava
    found = read_ava(root, least_score=how.least_score, start_seconds=how.start_seconds)
    made = imported_of(found.annotations, root, SOURCE, settings, media=how.media, known=known, progress=progress)
    boxes = {(split, "people"): rows for split, rows in found.boxes.items()}
    boxes |= {(split, "found"): rows for split, rows in found.found.items()}
    counts = {f"boxes_{split}_{kind}": len(rows) for (split, kind), rows in boxes.items()}
    return replace(made, boxes=boxes, counts={**made.counts, **counts})
