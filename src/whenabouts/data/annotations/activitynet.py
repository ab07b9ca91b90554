"""ActivityNet's JSON layout, and what circulates in it: THUMOS14, ActionFormer's files, people's own data sets.

`{"version", "database": {video: {"subset", "duration", "fps", "annotations": [{"segment", "label"}], "ambiguous"}}}`.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import (
    AnnotatedVideo,
    AnnotationSet,
    Fault,
    Instance,
    Span,
    checked,
    rate_of,
    seconds_or_zero,
)

SPLIT_OF = {"training": "train", "train": "train", "validation": "validation", "val": "validation",
            "testing": "test", "test": "test"}  # fmt: skip
AMBIGUOUS = "Ambiguous"


def read_activitynet(path: Path, measured: str = "") -> AnnotationSet:
    """ActivityNet 1.2 or 1.3, or anything in its layout.

    Training videos are in split train, the others in validation and test. Measured is `measured`, or validation where
    it has instances, else test. Raises InvalidData for a broken file, and where the measured split has no instance.
    """
    document, faults = read_document(path), list[Fault]()
    videos = checked(videos_of(document, faults, lambda subset: SPLIT_OF.get(subset.casefold(), subset)), str(path))
    held = [name for name in ("validation", "test") if any(v.instances for v in videos if v.split == name)]
    chosen = measured or (held[0] if held else "validation")
    instances = sum(len(video.instances) for video in videos if video.split == chosen)
    if measured and not instances:
        seen = ", ".join(sorted({video.split for video in videos}))
        raise InvalidData(f"{path}: split {measured!r} has no instance to measure against. Splits there: {seen}.")
    name = str(document.get("version") or path.stem)
    name = name if "activitynet" in name.casefold() else f"ActivityNet {name.removeprefix('VERSION').strip()}"
    count = sum(video.split == chosen for video in videos)
    truth = f"{name}, {chosen}: {count:,} videos, {instances:,} instances"
    return AnnotationSet(name, truth, chosen, videos, tuple(faults))


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a file, with an object "database"; else InvalidData."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidData(f"There is no file {path}. Give the annotations' JSON file.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} can't be read as JSON: {error}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("database"), dict):
        seen = sorted(document)[:8] if isinstance(document, dict) else type(document).__name__
        raise InvalidData(f"{path} needs an object 'database' (ActivityNet's layout), but holds {seen}.")
    return document


def videos_of(document: Mapping[str, Any], faults: list[Fault], split_of: Callable[[str], str]) -> list[AnnotatedVideo]:
    """The videos of a document; entries and rows that can't be read join `faults`."""
    videos = []
    for video_id, entry in document["database"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("subset"), str):
            faults.append(Fault(video_id, "a video without a subset", str(entry)[:80]))
            continue
        rows = _rows(video_id, entry.get("annotations"), faults)
        vague = [*_rows(video_id, entry.get("ambiguous"), faults), *(row for row in rows if row.label == AMBIGUOUS)]
        spans: tuple[Span, ...] = tuple((row.start_seconds, row.end_seconds) for row in vague)
        duration = seconds_or_zero(entry.get("duration"))
        videos.append(
            AnnotatedVideo(
                video_id,
                split_of(entry["subset"]),
                tuple(row for row in rows if row.label != AMBIGUOUS),
                spans,
                duration,
                rate_of(entry.get("fps")),
                _covered(entry, duration),
            )
        )
    return videos


def _rows(video_id: str, rows: Any, faults: list[Fault]) -> list[Instance]:
    found = []
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            segment = row if isinstance(row, list) else row["segment"]
            start, end = (float(value) for value in segment)
            label = row.get("label", AMBIGUOUS) if isinstance(row, dict) else AMBIGUOUS
            if not (math.isfinite(start) and math.isfinite(end) and isinstance(label, str) and label):
                raise ValueError
        except (LookupError, TypeError, ValueError):
            faults.append(Fault(f"{video_id} instance {number}", "an instance can't be read", str(row)[:80]))
            continue
        found.append(Instance(label, start, end))
    return found


def _covered(entry: Mapping[str, Any], duration: float) -> float:
    seen, frames = seconds_or_zero(entry.get("feature_frame")), seconds_or_zero(entry.get("num_frames"))
    return duration * min(1.0, seen / frames) if seen and frames else duration
