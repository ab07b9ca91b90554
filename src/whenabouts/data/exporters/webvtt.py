"""Moments as WebVTT: one file per video, one cue per moment; every web player and most desktop players show them."""

import hashlib
import json
from pathlib import Path
from urllib.parse import quote

from whenabouts.core.files import replacing_folder
from whenabouts.core.moments import Moment, Moments
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.lines import one_line
from whenabouts.data.exporters.protocol import Exported, ExportSettings, by_video, free_folder, moments_of
from whenabouts.data.project import Project

LONGEST_NAME = 150


def export_webvtt(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a folder of subtitles; a folder that holds anything else raises ProjectError."""
    moments = moments_of(project, settings)
    with replacing_folder(free_folder(target, ".vtt")) as part:
        files = write_webvtt(moments, part, kind=settings.webvtt.kind)
    return Exported({"moments": len(moments), "files": files})


def to_webvtt(moments: Moments, *, kind: str = "captions") -> str:
    """The moments of one video as a WebVTT file, in order of time; text is escaped, so that nothing acts as markup.

    A cue of "captions" shows concept and score, one of "chapters" names the concept, one of "metadata" holds
    `{"label", "score", "start", "end", "kind"}` as JSON, with all digits.
    """
    rows = sorted(moments, key=lambda row: (row.start_seconds, row.end_seconds, row.concept))
    return "\n".join(["WEBVTT", "", *(_cue(number, row, kind) for number, row in enumerate(rows, start=1))])


def write_webvtt(moments: Moments, folder: Path, *, kind: str = "captions") -> int:
    """Write one file per video into a folder that exists; return how many."""
    rows = by_video(moments)
    for video_id, of_video in rows.items():
        (folder / f"{file_name(video_id)}.vtt").write_text(to_webvtt(moments[of_video], kind=kind), encoding="utf-8")
    return len(rows)


def file_name(video_id: str) -> str:
    """A name for files about a video that every system takes: no separators, not too long, no two alike."""
    name = quote(video_id, safe=" ()[],;=+@!'", errors="surrogatepass").replace("~", "%7E")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 17]}~{hashlib.sha256(video_id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def stamp(milliseconds: int, sign: str) -> str:
    """Milliseconds as `01:02:03`, then `sign` and the thousandths."""
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{sign}{rest % 1000:03d}"


def _cue(number: int, row: Moment, kind: str) -> str:
    start = round(row.start_seconds * 1000)
    end = max(start + 1, round(row.end_seconds * 1000))
    return f"{number}\n{stamp(start, '.')} --> {stamp(end, '.')}\n{_payload(row, kind)}\n"


def _payload(row: Moment, kind: str) -> str:
    if kind == "metadata":
        told = {"label": row.concept, "score": row.score, "start": row.start_seconds, "end": row.end_seconds,
                "kind": row.kind}  # fmt: skip
        return json.dumps(told, ensure_ascii=False).replace(">", "\\u003e").replace("\u2028", "\\u2028")
    text = one_line(row.concept).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text if kind == "chapters" else f"{text} ({row.score:.3g})"
