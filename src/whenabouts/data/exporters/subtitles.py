"""Moments as SubRip subtitles (.srt): one file per video, one cue per moment."""

from pathlib import Path

from whenabouts.core.files import replacing_folder
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.lines import one_line
from whenabouts.data.exporters.marked import Marked, marked_videos
from whenabouts.data.exporters.protocol import Exported, ExportSettings, free_folder, moments_of
from whenabouts.data.exporters.webvtt import file_name, stamp
from whenabouts.data.project import Project

JOINER = "\u2060"
"""Stands after `<` and `{`, so that no player takes them for markup, which SubRip has no way to escape."""


def export_srt(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a folder of subtitles; a folder that holds anything else raises ProjectError."""
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    with replacing_folder(free_folder(target, ".srt")) as part:
        for each in videos:
            (part / f"{file_name(each.video.id)}.srt").write_text(_subtitles(each), encoding="utf-8")
    return Exported({"moments": len(moments), "files": len(videos)})


def _subtitles(each: Marked) -> str:
    return "\n".join(_cue(number, row) for number, row in enumerate(each.moments, start=1))


def _cue(number: int, row: Moment) -> str:
    start = round(row.start_seconds * 1000)
    end = max(start + 1, round(row.end_seconds * 1000))
    text = one_line(row.concept).replace("<", f"<{JOINER}").replace("{", f"{{{JOINER}")
    return f"{number}\n{stamp(start, ',')} --> {stamp(end, ',')}\n{text}\n"
