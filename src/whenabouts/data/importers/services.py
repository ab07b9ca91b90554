"""What paid services found, as teacher labels: Google Video Intelligence, Amazon Rekognition, Azure Video Indexer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.progress import Progress
from whenabouts.core.timing import seconds_of
from whenabouts.data.importers.annotation_files import Mark, Unreadable, Videos, finite, import_marks, json_of, listed
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

_SAMPLE_SECONDS = 0.5
"""Rekognition looks at instants: its labels hold so long around them, and join where they meet."""


def import_teacher(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read a service's JSON answers: labels of videos, weighed by confidence, and segments where it tells times.

    A file is of the video that it names, else of the one beside it. They are for training alone: asked for another
    split, SettingsError says so, and videos of other splits are left as they are.
    """
    if settings.split != "train":
        raise SettingsError(
            f"What a service found is no truth: teacher labels are for split train alone, not for {settings.split!r}."
        )
    return import_marks(root, (".json",), "teacher", _answer, settings=settings, known=known, progress=progress)


def _answer(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    told = json_of(path)
    told = told if isinstance(told, dict) else {}
    response = told.get("response")
    body = response if isinstance(response, dict) else told
    results = body.get("annotationResults") or body.get("annotation_results")
    if isinstance(results, list):
        marks = _google(results)
    elif isinstance(told.get("Labels"), list):
        marks = _rekognition(told)
    elif isinstance(told.get("videos"), list):
        marks = _azure(told["videos"])
    else:
        raise Unreadable("it is no answer of a service that is known", f"keys {', '.join(map(str, told))}"[:100])
    beside = videos.beside(path)
    for name, label, span, confidence in marks:
        if confidence >= settings.annotations.min_confidence and confidence > 0:
            video = name if name and videos.named(name) is not None else beside or name
            yield Mark(video, (label,), weight=min(1.0, confidence), where=repr(label))
            if span is not None:
                yield Mark(video, (label,), span, where=repr(label))


Found = tuple[str, str, tuple[float, float] | None, float]
"""Video ("": the one beside), label, span, confidence."""


def _google(results: list[Any]) -> Iterator[Found]:
    for result in listed(results):
        name = str(_either(result, "inputUri", "input_uri") or "")
        for kind in ("segmentLabelAnnotations", "shotLabelAnnotations"):
            for each in listed(_either(result, kind, _snake(kind))):
                entity = each.get("entity")
                label = str(entity.get("description") or "") if isinstance(entity, dict) else ""
                for part in listed(each.get("segments")):
                    span = _google_span(part.get("segment")) if kind.startswith("shot") else None
                    yield name, label, span, finite(part.get("confidence")) or 0.0


def _google_span(segment: Any) -> tuple[float, float]:
    segment = segment if isinstance(segment, dict) else {}
    return (_offset(_either(segment, "startTimeOffset", "start_time_offset")),
            _offset(_either(segment, "endTimeOffset", "end_time_offset")))  # fmt: skip


def _offset(told: Any) -> float:
    """`"1.5s"`, or `{"seconds": 1, "nanos": 500000000}`; 0 where it is missing, as protobuf leaves zeros out."""
    if isinstance(told, dict):
        return (finite(told.get("seconds")) or 0.0) + (finite(told.get("nanos")) or 0.0) / 1e9
    return finite(told.removesuffix("s")) or 0.0 if isinstance(told, str) else 0.0


def _rekognition(told: dict[str, Any]) -> Iterator[Found]:
    video = told.get("Video")
    object_ = video.get("S3Object") if isinstance(video, dict) else None
    name = str(object_.get("Name") or "") if isinstance(object_, dict) else ""
    runs: dict[str, list[list[float]]] = {}
    for each in listed(told["Labels"]):
        label = each.get("Label")
        at, first, last = (finite(each.get(key)) for key in ("Timestamp", "StartTimestampMillis", "EndTimestampMillis"))
        if not isinstance(label, dict) or (at is None and first is None):
            continue
        start = (first if first is not None else at or 0.0) / 1000
        end = last / 1000 if last is not None else start + _SAMPLE_SECONDS
        sure = (finite(label.get("Confidence")) or 0.0) / 100
        spans = runs.setdefault(str(label.get("Name") or ""), [])
        if spans and start <= spans[-1][1] + 1e-9:
            spans[-1][1:] = [max(spans[-1][1], end), max(spans[-1][2], sure)]
        else:
            spans.append([start, end, sure])
    for label, spans in runs.items():
        for start, end, sure in spans:
            yield name, label, (start, end), sure


def _azure(videos: list[Any]) -> Iterator[Found]:
    for video in listed(videos):
        insights = video.get("insights")
        for each in listed(insights.get("labels") if isinstance(insights, dict) else None):
            for part in listed(each.get("instances")):
                try:
                    span = seconds_of(str(part.get("start"))), seconds_of(str(part.get("end")))
                except InvalidData:
                    span = (0.0, 0.0)
                yield (
                    str(video.get("name") or ""),
                    str(each.get("name") or ""),
                    span,
                    finite(part.get("confidence")) or 0.0,
                )


def _either(values: dict[str, Any], camel: str, snake: str) -> Any:
    return values.get(camel, values.get(snake))


def _snake(camel: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in camel)
