"""Moments as ActivityNet's challenge takes them: `{"version", "results", "external_data"}`."""

from pathlib import Path

from whenabouts.core.files import write_json
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.protocol import Exported, ExportSettings, by_video, moments_of
from whenabouts.data.project import Project


def export_activitynet(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one JSON file."""
    moments, how = moments_of(project, settings), settings.activitynet
    names, spans, scores = moments.vocabulary.names, moments.spans.tolist(), moments.scores.tolist()
    classes = moments.classes.tolist()
    results = {
        video_id: [{"label": names[classes[row]], "score": scores[row], "segment": spans[row]} for row in rows]
        for video_id, rows in by_video(moments).items()
    }
    external = {"used": bool(how.external_data), "details": how.external_data}
    write_json(target, {"version": how.version, "results": results, "external_data": external}, indent=None)
    return Exported({"moments": len(moments), "videos": len(results)})
