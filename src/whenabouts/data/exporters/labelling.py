"""Moments for labelling tools: Label Studio's tasks, FiftyOne's temporal detections, VIA 3's projects."""

import hashlib
import json
from pathlib import Path
from typing import Any

from whenabouts.core.files import replacing_folder, write_json, write_text
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.marked import Marked, frames_of, marked_videos, rate_of
from whenabouts.data.exporters.protocol import Exported, ExportSettings, free_folder, moments_of
from whenabouts.data.project import Project

FROM_NAME, TO_NAME = "moments", "video"
SET_UP = (
    '<TimelineLabels name="moments" toName="video"> with the concepts, and '
    '<Video name="video" value="$video" frameRate="$fps">'
)
_VIDEO = 4
_LOCAL_FILE = 1
_SELECT = 4


def export_label_studio(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a list of tasks with predictions, one region a moment: frames from 1 on, both ends included.

    The labelling set-up is `SET_UP`. Exact seconds stand in each region's `meta`.
    """
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    tasks = [_task(each, float(settings.edit.rate)) for each in videos]
    write_text(target, json.dumps(tasks, indent=1, allow_nan=False))
    note = f"Label Studio's set-up needs {SET_UP}."
    return Exported({"moments": len(moments), "videos": len(videos)}, (note,))


def export_fiftyone(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a folder in the layout FiftyOneTemporalDetectionDataset: `data.json` names files, `labels.json` moments.

    Moments are in seconds (`timestamps`), which FiftyOne turns into frames by each video's own metadata.
    """
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    labels = {
        _key(each.video.id): [
            {"label": row.concept, "timestamps": [row.start_seconds, row.end_seconds], "confidence": row.score,
             "attributes": {"kind": row.kind}}
            for row in each.moments
        ]
        for each in videos
    }  # fmt: skip
    with replacing_folder(free_folder(target, ".json")) as part:
        write_json(part / "data.json", {_key(each.video.id): str(each.video.path) for each in videos})
        write_json(part / "labels.json", {"classes": None, "labels": labels})
    return Exported({"moments": len(moments), "videos": len(videos)})


def export_via(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a project of the VGG Image Annotator 3 (video): a temporal segment per moment, its concept an option."""
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    numbers = {name: str(place) for place, name in enumerate(moments.vocabulary.names)}
    files, metadata, views = {}, {}, {}
    for number, each in enumerate(videos, start=1):
        name = str(number)
        files[name] = {"fid": name, "fname": each.video.path.name, "type": _VIDEO, "loc": _LOCAL_FILE,
                       "src": str(each.video.path)}  # fmt: skip
        views[name] = {"fid_list": [name]}
        metadata.update(_segments(name, each.moments, numbers))
    attributes = {
        "1": {"aname": "concept", "anchor_id": "FILE1_Z2_XY0", "type": _SELECT, "desc": "what happens",
              "options": {number: label for label, number in numbers.items()}, "default_option_id": ""},
        "2": {"aname": "score", "anchor_id": "FILE1_Z2_XY0", "type": 1, "desc": "trust in it", "options": {},
              "default_option_id": ""},
    }  # fmt: skip
    about = {"pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__", "rev_timestamp": "0",
             "pname": project.folder.resolve().name, "creator": "whenabouts", "created": 0, "vid_list": list(views),
             "data_format_version": "3.1.1"}  # fmt: skip
    write_json(target, {"project": about, "config": _via_config(), "attribute": attributes, "file": files,
                        "metadata": metadata, "view": views}, indent=None)  # fmt: skip
    return Exported({"moments": len(moments), "videos": len(videos)})


def _key(video_id: str) -> str:
    return hashlib.sha256(video_id.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _task(each: Marked, fallback: float) -> dict[str, Any]:
    rate = rate_of(each.video, fallback)
    regions: list[dict[str, Any]] = []
    for row in each.moments:
        first, stop = frames_of(row.start_seconds, row.end_seconds, rate)
        regions.append({
            "id": _key(f"{row.video_id} {row.start_seconds} {row.end_seconds} {row.concept} {len(regions)}")[:10],
            "from_name": FROM_NAME,
            "to_name": TO_NAME,
            "type": "timelinelabels",
            "score": row.score,
            "value": {"ranges": [{"start": first + 1, "end": stop}], "timelinelabels": [row.concept]},
            "meta": {"start": row.start_seconds, "end": row.end_seconds, "kind": row.kind},
        })  # fmt: skip
    best = max((row.score for row in each.moments), default=0.0)
    data = {"video": str(each.video.path), "id": each.video.id, "fps": float(rate),
            "fps_exact": f"{rate.numerator}/{rate.denominator}"}  # fmt: skip
    return {"data": data, "predictions": [{"model_version": "whenabouts", "score": best, "result": regions}]}


def _segments(file: str, moments: tuple[Moment, ...], numbers: dict[str, str]) -> dict[str, Any]:
    return {
        f"{file}_{number}": {"vid": file, "flg": 0, "z": [row.start_seconds, row.end_seconds], "xy": [],
                             "av": {"1": numbers[row.concept], "2": repr(row.score)}}
        for number, row in enumerate(moments, start=1)
    }  # fmt: skip


def _via_config() -> dict[str, Any]:
    return {
        "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
        "ui": {"file_content_align": "center", "file_metadata_editor_visible": True,
               "spatial_metadata_editor_visible": False, "temporal_segment_metadata_editor_visible": True,
               "spatial_region_label_attribute_id": "", "gtimeline_visible_row_count": "4"},
    }  # fmt: skip
