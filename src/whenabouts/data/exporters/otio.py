"""Moments as an OpenTimelineIO timeline: one clip each, one after the other, in their videos' own frames."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from whenabouts.core.errors import ProjectError
from whenabouts.core.files import write_text
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.data.exporters.editing import Cut, cuts_of
from whenabouts.data.exporters.lines import whole
from whenabouts.data.exporters.marked import Marked, marked_videos, rate_of
from whenabouts.data.exporters.protocol import EditSettings, Exported, ExportSettings, moments_of
from whenabouts.data.project import Project


def export_otio(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one `.otio` file; metadata under "whenabouts" keep the moment's exact seconds and score."""
    try:
        import opentimelineio as otio
    except ImportError:
        raise ProjectError("OpenTimelineIO is not here: pip install 'whenabouts[formats]'.") from None
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    timeline = otio.schema.Timeline(name=whole(project.folder.resolve().name))
    track = otio.schema.Track(name="moments", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for each in videos:
        track.extend(_clips(otio, each, settings.edit))
    write_text(target, otio.adapters.write_to_string(timeline, "otio_json"))
    return Exported({"moments": len(moments), "videos": len(videos)})


def _clips(otio: Any, marked: Marked, edit: EditSettings) -> list[Any]:
    rate = rate_of(marked.video, edit.rate)
    return [_clip(otio, marked.video, cut, rate) for cut in cuts_of(marked, rate, edit)]


def _clip(otio: Any, video: Video, cut: Cut, rate: Fraction) -> Any:
    moment = cut.moment
    told = {"video": whole(moment.video_id), "label": whole(moment.concept), "score": moment.score,
            "start": moment.start_seconds, "end": moment.end_seconds, "kind": moment.kind}  # fmt: skip
    frames = max(cut.stop, round(Fraction(video.duration_seconds) * rate))
    media = otio.schema.ExternalReference(
        target_url=video.path.resolve().as_uri() if video.path.is_absolute() else whole(str(video.path)),
        available_range=_range(otio, 0, frames, rate),
    )
    name = whole(f"{moment.concept} ({video.path.name})")
    return otio.schema.Clip(name=name, media_reference=media, metadata={"whenabouts": told},
                            source_range=_range(otio, cut.first, cut.stop, rate))  # fmt: skip


def _range(otio: Any, first: int, stop: int, rate: Fraction) -> Any:
    time = otio.opentime.RationalTime
    return otio.opentime.TimeRange(time(first, float(rate)), time(stop - first, float(rate)))
