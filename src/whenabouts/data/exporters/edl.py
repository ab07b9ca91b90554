"""Moments as CMX 3600 edit decision lists: one list per video (and per 999 events), for every editing program."""

from fractions import Fraction
from pathlib import Path

from whenabouts.core.files import replacing_folder
from whenabouts.core.moments import Moment
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.editing import Cut, cuts_of
from whenabouts.data.exporters.lines import one_line
from whenabouts.data.exporters.marked import marked_videos, rate_of
from whenabouts.data.exporters.protocol import Exported, ExportSettings, free_folder, moments_of
from whenabouts.data.exporters.webvtt import file_name
from whenabouts.data.project import Project

MOST_EVENTS = 999
LEGAL = tuple(Fraction(*rate) for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1),
                                           (60000, 1001), (60, 1)))  # fmt: skip
"""Rates that a list's time code can count in."""


def export_edl(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a folder of lists; sources start at 00:00:00:00, records follow each other from 01:00:00:00 on."""
    moments, edit = moments_of(project, settings), settings.edit
    files, moved = 0, set()
    with replacing_folder(free_folder(target, ".edl")) as part:
        for each in marked_videos(project, moments):
            own = rate_of(each.video, edit.rate)
            rate = legal_rate(own)
            if rate != own:
                moved.add(f"{float(own):g}")
            cuts = cuts_of(each, rate, edit)
            for number, first in enumerate(range(0, len(cuts), MOST_EVENTS), start=1):
                name = file_name(each.video.id) + (f" {number}" if number > 1 else "")
                (part / f"{name}.edl").write_text(
                    _list(name, cuts[first : first + MOST_EVENTS], rate, each.video.path), encoding="utf-8"
                )
                files += 1
    note = f"No edit list counts {', '.join(sorted(moved))} frames a second: the next rate that fits was taken."
    return Exported({"moments": len(moments), "files": files}, (note,) if moved else ())


def legal_rate(rate: Fraction) -> Fraction:
    """The rate itself where lists count in it, else the smallest multiple of it that they count in, else the next."""
    if rate in LEGAL:
        return rate
    multiples = [legal for legal in LEGAL if (legal / rate).denominator == 1]
    above = [legal for legal in LEGAL if legal >= rate]
    return min(multiples or above or LEGAL[-1:])


def time_code(frame: int, rate: Fraction) -> str:
    """The non-drop time code of a frame: NTSC rates count 24, 30 or 60 frames to its second."""
    base = round(rate)
    seconds, frames = divmod(frame, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"


def _list(name: str, cuts: list[Cut], rate: Fraction, path: Path) -> str:
    record = 3600 * round(rate)
    lines = [f"TITLE: {one_line(name)}", "FCM: NON-DROP FRAME", ""]
    for number, cut in enumerate(cuts, start=1):
        length = cut.stop - cut.first
        times = (cut.first, cut.stop, record, record + length)
        lines.append(f"{number:03d}  AX       V     C        {' '.join(time_code(each, rate) for each in times)}")
        lines += [f"* FROM CLIP NAME: {one_line(path.name)}", *_told(cut.moment, record, rate), ""]
        record += length
    return "\r\n".join(lines)


def _told(moment: Moment, record: int, rate: Fraction) -> list[str]:
    return [f"* LOC: {time_code(record, rate)} GREEN   {one_line(moment.concept)}",
            f"* SCORE: {moment.score!r}"]  # fmt: skip
