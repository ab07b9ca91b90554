"""Moments in the shape of Google's Video Intelligence answers (REST): for programs that were written for it."""

from pathlib import Path
from typing import Any

from whenabouts.core.files import write_json
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.marked import Marked, marked_videos
from whenabouts.data.exporters.protocol import Exported, ExportSettings, moments_of
from whenabouts.data.project import Project


def export_google_video(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one JSON file: an `annotationResults` item per video, moments as `shotLabelAnnotations`.

    Confidences lie in [0, 1]: scores as they are where all do, else divided by the largest of their concept.
    """
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    largest: dict[str, float] = {}
    for row in moments:
        largest[row.concept] = max(largest.get(row.concept, 0.0), row.score)
    plain = all(0 <= row.score <= 1 for row in moments)
    results = [_result(each, {} if plain else largest) for each in videos]
    write_json(target, {"name": "", "done": True, "response": {"annotationResults": results}}, indent=None)
    note = "Scores are no probabilities: confidences are shares of the largest score of each concept."
    return Exported({"moments": len(moments), "videos": len(videos)}, () if plain else (note,))


def offset(seconds: float) -> str:
    """Seconds as a protobuf duration in JSON, to the nanosecond: `1.5s`."""
    text = f"{seconds:.9f}".rstrip("0").rstrip(".")
    return f"{text}s"


def _result(each: Marked, largest: dict[str, float]) -> dict[str, Any]:
    of_concept: dict[str, list[Moment]] = {}
    for row in each.moments:
        of_concept.setdefault(row.concept, []).append(row)
    labels = [
        {
            "entity": {"entityId": "", "description": concept, "languageCode": ""},
            "segments": [
                {"segment": _span(row.start_seconds, row.end_seconds), "confidence": _share(row, largest)}
                for row in rows
            ],
        }
        for concept, rows in of_concept.items()
    ]
    return {"inputUri": str(each.video.path), "segment": _span(0.0, each.video.duration_seconds),
            "shotLabelAnnotations": labels}  # fmt: skip


def _span(start: float, end: float) -> dict[str, str]:
    return {"startTimeOffset": offset(start), "endTimeOffset": offset(end)}


def _share(row: Moment, largest: dict[str, float]) -> float:
    if not largest:
        return row.score
    return max(0.0, row.score / largest[row.concept]) if largest[row.concept] > 0 else 0.0
