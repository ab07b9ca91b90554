"""Ways out: what was found, and what it was found with, in the formats of other programs."""

from collections.abc import Mapping

from whenabouts.data.exporters.activitynet import export_activitynet
from whenabouts.data.exporters.protocol import Exported, Exporter, ExportSettings
from whenabouts.data.exporters.submission import export_submission
from whenabouts.data.exporters.thumos import export_thumos
from whenabouts.data.exporters.webvtt import export_webvtt
from whenabouts.data.exporters.youtube8m import export_youtube8m

EXPORTERS: Mapping[str, Exporter] = {
    "activitynet": export_activitynet,
    "thumos": export_thumos,
    "webvtt": export_webvtt,
    "youtube8m": export_youtube8m,
    "youtube8m-submission": export_submission,
}

__all__ = ["EXPORTERS", "ExportSettings", "Exported", "Exporter"]
