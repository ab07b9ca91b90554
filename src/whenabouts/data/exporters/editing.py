"""Moments as cuts: frames of a source, in the order in which an editor wants them."""

from dataclasses import dataclass
from fractions import Fraction

from whenabouts.core.moments import Moment
from whenabouts.data.exporters.marked import Marked, frames_of
from whenabouts.data.exporters.protocol import EditSettings


@dataclass(frozen=True, slots=True)
class Cut:
    """Frames `[first, stop)` of a video, counted from its start, and the moment that they show."""

    first: int
    stop: int
    moment: Moment


def cuts_of(marked: Marked, rate: Fraction, edit: EditSettings) -> list[Cut]:
    """A cut for each moment, with handles that do not leave the video, in the order asked for."""
    moments = marked.moments
    if edit.order == "score":
        moments = tuple(sorted(moments, key=lambda each: -each.score))
    return [Cut(*handled(moment, marked.video.duration_seconds, rate, edit.handles), moment) for moment in moments]


def handled(moment: Moment, duration_seconds: float, rate: Fraction, handles: float) -> tuple[int, int]:
    """Frames `[first, stop)` of a moment with `handles` seconds on both sides, kept within a known duration."""
    first, stop = frames_of(moment.start_seconds, moment.end_seconds, rate)
    extra = round(Fraction(handles) * rate)
    last = max(stop, round(Fraction(duration_seconds) * rate)) if duration_seconds > 0 else stop + extra
    return max(0, first - extra), min(stop + extra, last)
