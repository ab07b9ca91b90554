"""Moments for people who code behaviour: ELAN's documents and tables that BORIS writes and reads."""

import csv
from pathlib import Path

from whenabouts.core.errors import ProjectError
from whenabouts.core.files import replacing, replacing_folder
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.lines import one_line, whole
from whenabouts.data.exporters.marked import Marked, layers, marked_videos
from whenabouts.data.exporters.protocol import Exported, ExportSettings, free_folder, moments_of
from whenabouts.data.exporters.webvtt import file_name
from whenabouts.data.project import Project

BORIS_COLUMNS = (
    "Observation id", "Observation date", "Description", "Observation type", "Source", "Media duration (s)", "FPS",
    "Subject", "Behavior", "Behavioral category", "Behavior type", "Start (s)", "Stop (s)", "Duration (s)",
    "Media file name", "Comment start", "Comment stop",
)  # fmt: skip


def export_elan(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a folder of `.eaf` documents: a tier per concept, in milliseconds; what overlaps goes to a second tier.

    A tier "concept" holds values `concept [score]`.
    """
    try:
        from pympi import Eaf
    except ImportError:
        raise ProjectError("ELAN's format needs pympi-ling: pip install 'whenabouts[formats]'.") from None
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    with replacing_folder(free_folder(target, ".eaf")) as part:
        for each in videos:
            document = Eaf(author="whenabouts")
            document.adocument["DATE"] = "1970-01-01T00:00:00+00:00"  # The same moments are the same bytes.
            document.remove_tier("default")
            document.add_linked_file(one_line(str(each.video.path)), mimetype=_media_kind(each.video.path))
            for tier, rows in _tiers(each):
                document.add_tier(tier)
                for start, stop, row in rows:
                    document.add_annotation(tier, start, stop, f"{one_line(row.concept)} [{row.score!r}]")
            document.to_file(str(part / f"{file_name(each.video.id)}.eaf"))
    return Exported({"moments": len(moments), "files": len(videos)})


def export_boris(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one table of aggregated events, as BORIS has it: a row per moment; scores are comments."""
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    with replacing(target) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(BORIS_COLUMNS)
        for each in videos:
            writer.writerows(_event(each, row) for row in each.moments)
    return Exported({"moments": len(moments), "videos": len(videos)})


def _tiers(each: Marked) -> list[tuple[str, list[tuple[int, int, Moment]]]]:
    of_concept: dict[str, list[tuple[int, int, Moment]]] = {}
    for row in each.moments:
        start = round(row.start_seconds * 1000)
        stop = max(start + 1, round(row.end_seconds * 1000))
        of_concept.setdefault(one_line(row.concept), []).append((start, stop, row))
    tiers: dict[str, list[tuple[int, int, Moment]]] = {}
    for concept, rows in sorted(of_concept.items()):
        for number, places in enumerate(layers([(start, stop) for start, stop, _ in rows]), start=1):
            name = concept if number == 1 else f"{concept} ({number})"
            while name in tiers or (number > 1 and name in of_concept):
                name += "'"
            tiers[name] = [rows[place] for place in places]
    return list(tiers.items())


def _media_kind(path: Path) -> str:
    import mimetypes

    return mimetypes.guess_type(path.name)[0] or "video/mp4"


def _event(each: Marked, row: Moment) -> tuple[object, ...]:
    video = each.video
    kind = "POINT" if row.end_seconds == row.start_seconds else "STATE"
    rate = "" if video.fps is None else f"{float(video.fps):.6g}"
    path = whole(str(video.path))
    return (whole(video.id), "", "", "Media file(s)", path, video.duration_seconds, rate, "No focal subject",
            whole(row.concept), "", kind, row.start_seconds, row.end_seconds, row.end_seconds - row.start_seconds,
            path, f"score {row.score!r}", "")  # fmt: skip
