"""Moments inside videos: copies with chapters, and clips that are cut out."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.data.exporters.lines import one_line
from whenabouts.data.exporters.marked import Marked, marked_videos
from whenabouts.data.exporters.protocol import Exported, ExportSettings, moments_of
from whenabouts.data.exporters.webvtt import file_name
from whenabouts.data.project import Project
from whenabouts.media.chapters import SEPARATOR

Chapter = tuple[float, float, str]


def export_chapters(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Copy each video that has moments into a folder, its moments as chapters; no stream is encoded anew.

    Players show one chapter at a time, so time is cut where a moment begins or ends: a chapter is named after all
    moments that it is part of, joined by " | ", or has no name where there is none.
    """
    from whenabouts.media.cutting import chaptered_parts, container_for

    moments = moments_of(project, settings)
    work = [
        _Work(chaptered_parts, each.video, target / (file_name(each.video.id) + container_for(each.video.path)[1]),
              {"chapters": chapters_of(each)})
        for each in marked_videos(project, moments)
    ]  # fmt: skip
    done, notes = _run(work, target, progress)
    return Exported({"moments": len(moments), "files": done, "failed": len(work) - done}, notes)


def export_clips(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Cut each moment out of its video into a folder of files, named by concept, rank, video and time."""
    from whenabouts.media.cutting import clip_parts, container_for

    moments, how = moments_of(project, settings), settings.clips
    videos = {each.video.id: each.video for each in marked_videos(project, moments)}
    ranked = sorted(moments, key=lambda row: (-row.score, row.video_id, row.start_seconds))[: how.top or None]
    places: dict[str, int] = {}
    work = []
    for row in ranked:
        places[row.concept] = places.get(row.concept, 0) + 1
        video = videos[row.video_id]
        name = _clip_name(row, places[row.concept]) + container_for(video.path)[1]
        start, end = _handled(row, video, how.handles)
        work.append(_Work(clip_parts, video, target / file_name(row.concept) / name,
                          {"start": start, "end": end, "exact": how.how == "exact"}))  # fmt: skip
    done, notes = _run(work, target, progress)
    return Exported({"moments": len(ranked), "files": done, "failed": len(work) - done}, notes)


def chapters_of(marked: Marked) -> list[Chapter]:
    """The parts of a video's time `(start, end, title)`, from 0 on, each with the names of the moments that it is in.

    An empty moment gets a chapter of a millisecond.
    """
    opening: dict[float, list[str]] = {}
    closing: dict[float, list[str]] = {}
    for row in marked.moments:
        opening.setdefault(row.start_seconds, []).append(one_line(row.concept))
        closing.setdefault(max(row.end_seconds, row.start_seconds + 0.001), []).append(one_line(row.concept))
    edges = sorted({0.0, *opening, *closing})
    active: Counter[str] = Counter()
    chapters: list[Chapter] = []
    for start, end in itertools.pairwise([*edges, max(edges[-1], marked.video.duration_seconds)]):
        active.subtract(closing.get(start, ()))
        active.update(opening.get(start, ()))
        if end > start:
            chapters.append((start, end, SEPARATOR.join(sorted(+active))))
    return chapters


@dataclass(frozen=True, slots=True)
class _Work:
    function: Any
    video: Video
    target: Path
    arguments: dict[str, Any]


def _run(work: list[_Work], target: Path, progress: Progress) -> tuple[int, tuple[str, ...]]:
    """Write all files in child processes; returns how many are there, and a line for each that is not."""
    if target.exists() and not target.is_dir():
        raise ProjectError(f"{target} is a file. Videos are written into a folder: give another name.")
    problems = []
    for one, failure in progress.track(_written(work), total=len(work), title="Writing videos"):
        if failure:
            problems.append(f"{one.video.id}: {one.target.name} was not written: {failure}")
    if work and len(problems) == len(work):
        raise InvalidData(f"None of {len(work)} videos could be written. The first: {problems[0]}")
    return len(work) - len(problems), tuple(problems)


def _written(work: Iterable[_Work]) -> Iterator[tuple[_Work, str]]:
    from whenabouts.media.watch import Limits
    from whenabouts.media.workers import Job, decoding

    limits = Limits(silence_seconds=3600.0, total_seconds=24 * 3600.0)
    for one in work:
        if not one.video.path.is_file():
            yield one, f"there is no file {one.video.path}"
            continue
        one.target.parent.mkdir(parents=True, exist_ok=True)
        job = Job(one.function, one.video.path, {"target": one.target, **one.arguments}, one.video.id)
        with decoding(job, limits=limits) as working:
            for _ in working.parts():
                pass
            yield one, working.failure or ("" if one.target.is_file() else "nothing came of it")


def _clip_name(row: Moment, place: int) -> str:
    return f"{place:04d} {file_name(row.video_id)} {row.start_seconds:.2f}-{row.end_seconds:.2f}"


def _handled(row: Moment, video: Video, handles: float) -> tuple[float, float]:
    end = max(row.end_seconds, row.start_seconds + 0.04) + handles
    return max(0.0, row.start_seconds - handles), min(end, video.duration_seconds) if video.duration_seconds else end
