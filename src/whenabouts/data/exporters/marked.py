"""Moments video by video, and the frames that they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from whenabouts.core.moments import Moment, Moments
from whenabouts.core.video import Video
from whenabouts.data.exporters.protocol import by_video
from whenabouts.data.project import Project

_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120))


@dataclass(frozen=True, slots=True)
class Marked:
    """One video and its moments in order of time (then of score, best first)."""

    video: Video
    moments: tuple[Moment, ...]


def marked_videos(project: Project, moments: Moments) -> list[Marked]:
    """Videos that have moments, in their order; of a video that the manifest lacks only the id is known."""
    manifest = project.manifest()
    return [
        Marked(
            manifest.by_id(video_id).video if video_id in manifest else Video(video_id, Path(video_id)),
            tuple(sorted(moments[rows], key=lambda row: (row.start_seconds, row.end_seconds, -row.score, row.concept))),
        )
        for video_id, rows in by_video(moments).items()
    ]


def rate_of(video: Video, fallback: float) -> Fraction:
    """Frames a second as a fraction: 29.97 and 2997/100 are 30000/1001; `fallback` where the file says nothing."""
    rate = Fraction(fallback) if video.fps is None or video.fps <= 0 else video.fps
    near = min((*_NTSC, Fraction(round(rate))), key=lambda known: abs(known - rate))
    return near if abs(near - rate) <= rate / 10_000 else rate.limit_denominator(1001)


def frames_of(start_seconds: float, end_seconds: float, rate: Fraction) -> tuple[int, int]:
    """The frames `[first, stop)` of a span: edges go to the nearest frame, and there is always one frame at least."""
    first = round(Fraction(start_seconds) * rate)
    return first, max(first + 1, round(Fraction(end_seconds) * rate))


def layers(spans: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Places of spans `[start, stop)`, shared out so that within a list none overlaps: each joins the first that is
    free by then, in order of time.
    """
    lists: list[list[int]] = []
    free: list[int] = []
    for place in sorted(range(len(spans)), key=lambda each: spans[each]):
        start, stop = spans[place]
        row = next((number for number, until in enumerate(free) if until <= start), len(lists))
        if row == len(lists):
            lists.append([])
            free.append(stop)
        lists[row].append(place)
        free[row] = stop
    return lists
