"""Label Studio's exports and VIA 3's projects."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from whenabouts.core.progress import Progress
from whenabouts.data.importers.annotation_files import Mark, Unreadable, Videos, finite, import_marks, json_of, listed
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest


def import_label_studio(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read tasks (JSON): timeline labels become rated segments, choices become labels of the whole video.

    Frames are counted from 1, at the task's `fps_exact` or `fps`, else at the video's own rate.
    """
    return import_marks(root, (".json",), "label-studio", _tasks, settings=settings, known=known, progress=progress)


def import_via(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read projects of the VGG Image Annotator 3: temporal segments become rated segments."""
    return import_marks(root, (".json",), "via", _via, settings=settings, known=known, progress=progress)


def _tasks(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    tasks = json_of(path)
    if not isinstance(tasks, list):
        raise Unreadable("it is no export of Label Studio: a JSON list of tasks", type(tasks).__name__)
    for number, task in enumerate(listed(tasks), start=1):
        data = task.get("data")
        data = data if isinstance(data, dict) else {}
        name = _video_of(data)
        rate = _rate(data, name, videos)
        answers = [each for each in listed(task.get("annotations")) if not each.get("was_cancelled")]
        if not answers and settings.annotations.predictions:
            answers = list(listed(task.get("predictions")))
        for answer in answers:
            for region in listed(answer.get("result")):
                yield from _regions(region, name, rate, f"task {number}")


def _video_of(data: dict[str, Any]) -> str:
    """The name of a task's video; Label Studio puts eight signs and a dash before what was uploaded."""
    texts = [data.get(key) for key in ("video", "video_url", "url", "file")]
    text = next((each for each in [*texts, *data.values()] if isinstance(each, str) and each), "")
    text = text.partition("?d=")[2] or text.partition("?")[0]
    folder, _, name = text.rpartition("/")
    if "upload" in folder.split("/") and name[8:9] == "-":
        return name[9:]
    return text


def _rate(data: dict[str, Any], name: str, videos: Videos) -> Fraction | None:
    for told in (data.get("fps_exact"), data.get("fps")):
        try:
            rate = Fraction(str(told)) if isinstance(told, str | int | float) else Fraction(0)
        except (ValueError, ZeroDivisionError):
            continue
        if 0 < rate <= 1000:
            return rate
    video = videos.named(name)
    return video.fps if video is not None else None


def _regions(region: dict[str, Any], name: str, rate: Fraction | None, where: str) -> Iterator[Mark]:
    value = region.get("value")
    value = value if isinstance(value, dict) else {}
    labels = _texts(value.get("timelinelabels")) or _texts(value.get("labels"))
    if choices := _texts(value.get("choices")):
        yield Mark(name, choices, where=where)
    for span in listed(value.get("ranges")):
        first, last = finite(span.get("start")), finite(span.get("end"))
        if first is None or last is None or rate is None:
            yield Mark(name, labels, (0.0, 0.0), where=where)  # A span without length: refused, and counted.
        else:
            yield Mark(name, labels, (float((Fraction(first) - 1) / rate), float(Fraction(last) / rate)), where=where)
    start, end = finite(value.get("start")), finite(value.get("end"))
    if not value.get("ranges") and labels and start is not None and end is not None:
        yield Mark(name, labels, (start, end), where=where)  # Of sound, in seconds.


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _via(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    told = json_of(path)
    parts = [told.get(key) for key in ("file", "view", "metadata", "attribute")] if isinstance(told, dict) else []
    files, views, metadata, attributes = (part if isinstance(part, dict) else {} for part in (parts or [None] * 4))
    if not files or not views:
        raise Unreadable("it is no project of VIA 3", "it has no files and views")
    for key, row in metadata.items():
        span = row.get("z") if isinstance(row, dict) else None
        if not isinstance(span, list) or len(span) != 2:
            continue  # A region of a picture.
        view = views.get(str(row.get("vid")))
        ids = view.get("fid_list") if isinstance(view, dict) else None
        file = files.get(str(ids[0])) if isinstance(ids, list) and ids else None
        name = str(file.get("src") or file.get("fname") or "") if isinstance(file, dict) else ""
        if isinstance(file, dict) and videos.named(name) is None:
            name = str(file.get("fname") or name)
        start, end = finite(span[0]), finite(span[1])
        known = start is not None and end is not None
        yield Mark(name, _options(row.get("av"), attributes), (start or 0.0, (end or 0.0) if known else 0.0),
                   where=f"metadata {key}")  # fmt: skip


def _options(values: Any, attributes: dict[str, Any]) -> tuple[str, ...]:
    """The chosen options of selections, and free text where no selection has any."""
    chosen, free = [], []
    for number, value in values.items() if isinstance(values, dict) else ():
        attribute = attributes.get(number)
        options = attribute.get("options") if isinstance(attribute, dict) else None
        if isinstance(options, dict) and options:
            chosen += [str(options[each]) for each in str(value).split(",") if each in options]
        elif isinstance(value, str):
            free.append(value)
    return tuple(chosen or free)
