"""Ways out: what was found, and what it was found with, in the formats of other programs."""

from collections.abc import Mapping
from pathlib import Path

from whenabouts.core.errors import SettingsError
from whenabouts.data.exporters.activitynet import export_activitynet
from whenabouts.data.exporters.ava import export_ava
from whenabouts.data.exporters.behaviour import export_boris, export_elan
from whenabouts.data.exporters.charades import export_charades_classify, export_charades_localize
from whenabouts.data.exporters.edl import export_edl
from whenabouts.data.exporters.epic_kitchens import export_epic_kitchens
from whenabouts.data.exporters.fcpxml import export_fcpxml
from whenabouts.data.exporters.films import export_chapters, export_clips
from whenabouts.data.exporters.google_video import export_google_video
from whenabouts.data.exporters.labelling import export_fiftyone, export_label_studio, export_via
from whenabouts.data.exporters.otio import export_otio
from whenabouts.data.exporters.protocol import Exported, Exporter, ExportSettings
from whenabouts.data.exporters.submission import export_submission
from whenabouts.data.exporters.subtitles import export_srt
from whenabouts.data.exporters.tables import export_csv, export_parquet
from whenabouts.data.exporters.thumos import export_thumos
from whenabouts.data.exporters.webvtt import export_webvtt
from whenabouts.data.exporters.youtube8m import export_youtube8m

EXPORTERS: Mapping[str, Exporter] = {
    "activitynet": export_activitynet,
    "ava": export_ava,
    "boris": export_boris,
    "chapters": export_chapters,
    "charades-classify": export_charades_classify,
    "charades-localize": export_charades_localize,
    "clips": export_clips,
    "csv": export_csv,
    "edl": export_edl,
    "elan": export_elan,
    "epic-kitchens": export_epic_kitchens,
    "fcpxml": export_fcpxml,
    "fiftyone": export_fiftyone,
    "google-video": export_google_video,
    "label-studio": export_label_studio,
    "otio": export_otio,
    "parquet": export_parquet,
    "srt": export_srt,
    "thumos": export_thumos,
    "via": export_via,
    "webvtt": export_webvtt,
    "youtube8m": export_youtube8m,
    "youtube8m-submission": export_submission,
}
ENDINGS: Mapping[str, str] = {".csv": "csv", ".fcpxml": "fcpxml", ".otio": "otio", ".parquet": "parquet",
                              ".txt": "thumos"}  # fmt: skip
"""Formats that a target's name tells."""


def format_of(target: Path, told: str | None) -> str:
    """The format that was `told`, else the one that the target's ending tells; SettingsError where there is none."""
    name = told or ENDINGS.get(target.suffix.lower(), "")
    if name in EXPORTERS:
        return name
    known = ", ".join(EXPORTERS)
    if told:
        raise SettingsError(f"There is no format {told!r}. Known: {known}.")
    raise SettingsError(f"{target.name} does not tell which format is meant. Say it with --format: {known}.")


__all__ = ["ENDINGS", "EXPORTERS", "ExportSettings", "Exported", "Exporter", "format_of"]
