"""W-TALC's annotation folder (Thumos14reduced-Annotations): arrays with a row for each video.

As published, `labels.npy` and `segments.npy` hold Python lists, which only pickle reads; those are refused, and the
message says how to write them as plain arrays.
"""

from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import (
    AnnotatedVideo,
    AnnotationSet,
    Fault,
    Instance,
    Span,
    checked,
    seconds_or_zero,
)
from whenabouts.data.annotations.thumos14 import LABELS, Variant, chosen, text_rows
from whenabouts.data.feature_files.arrays import plain_array

_SPLIT = {"validation": "train", "train": "train", "training": "train", "test": "test"}
CONVERT_LISTS = """python - FOLDER <<'END'
import sys, pathlib, numpy as np
here = pathlib.Path(sys.argv[1])
for name in ("labels", "segments"):
    rows = np.load(here / f"{name}.npy", allow_pickle=True)
    most = max(len(row) for row in rows)
    text = name == "labels"
    plain = np.full((len(rows), most) if text else (len(rows), most, 2), "" if text else np.nan, "U40" if text else float)
    for place, row in enumerate(rows):
        for k, item in enumerate(row):
            plain[place, k] = item.decode() if isinstance(item, bytes) else item
    np.save(here / f"{name}.npy", plain)
END"""  # noqa: E501
"""A script that pads the lists to plain arrays: labels (V, P) of text, segments (V, P, 2) in seconds."""
CONVERT_FEATURES = """python - FEATURES.npy ANNOTATIONS OUT <<'END'
import sys, pathlib, numpy as np
features, annotations, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(exist_ok=True)
names = np.load(annotations / "videoname.npy")
for name, matrix in zip(names, np.load(features, allow_pickle=True, encoding="bytes")):
    np.save(out / f"{name.decode() if isinstance(name, bytes) else name}.npy", np.asarray(matrix, np.float32))
END"""
"""A script that writes the one file of all videos as one plain file a video."""


def is_wtalc_folder(path: Path) -> bool:
    """True for a folder as W-TALC's annotations are."""
    return path.is_dir() and (path / "videoname.npy").is_file()


def read_wtalc(folder: Path, ground_truth: Variant = "") -> AnnotationSet:
    """Read videoname (V,), subset (V,), labels (V, P), segments (V, P, 2) and, if there, duration (V,).

    Raises InvalidData for arrays of objects, with the script that converts them, and for rows that do not match.
    """
    names, subsets, labels = (_texts(folder / f"{name}.npy") for name in ("videoname", "subset", "labels"))
    segments = _plain(folder / "segments.npy")
    times = folder / "duration.npy"
    durations = _plain(times) if times.is_file() else np.zeros(len(names))
    columns = {"subset": subsets, "labels": labels, "segments": segments, "duration": durations}
    wrong = [name for name, column in columns.items() if len(column) != len(names)]
    if wrong:
        raise InvalidData(f"{folder}: {wrong[0]}.npy has {len(columns[wrong[0]])} rows for {len(names)} videos.")
    if labels.ndim != 2 or segments.shape != (*labels.shape, 2):
        raise InvalidData(
            f"{folder}: labels {labels.shape} and segments {segments.shape} must be (V, P) and (V, P, 2).\n"
            f"{CONVERT_LISTS}"
        )
    faults: list[Fault] = []
    vague = _ambiguous(folder, faults)
    videos = [
        AnnotatedVideo(
            str(name), _SPLIT.get(str(subset).casefold(), str(subset)), _instances(str(name), said, spans, faults),
            tuple(vague.get(str(name), ())),
            seconds_or_zero(length), None, seconds_or_zero(length),
        )
        for name, subset, said, spans, length in zip(names, subsets, labels, segments, durations, strict=True)
    ]  # fmt: skip
    kept, truth = chosen(checked(videos, str(folder)), ground_truth, folder)
    return AnnotationSet("THUMOS14", truth, "test", kept, tuple(faults), LABELS)


def _instances(name: str, labels: Any, spans: Any, faults: list[Fault]) -> tuple[Instance, ...]:
    found = []
    for number, (label, (start, end)) in enumerate(zip(labels.tolist(), spans.tolist(), strict=True)):
        if not label:
            continue
        if not np.isfinite([start, end]).all():
            faults.append(Fault(f"{name} instance {number}", "an instance can't be read", f"{label} {start}..{end}"))
            continue
        found.append(Instance(label, float(start), float(end)))
    return tuple(found)


def _ambiguous(folder: Path, faults: list[Fault]) -> dict[str, list[Span]]:
    """The spans of Ambiguous_test.txt, where it lies beside the arrays."""
    vague: dict[str, list[Span]] = {}
    file = folder / "Ambiguous_test.txt"
    for video_id, start, end in text_rows(file, faults) if file.is_file() else ():
        vague.setdefault(video_id, []).append((start, end))
    return vague


def _texts(path: Path) -> Any:
    array = _plain(path)
    if array.dtype.kind not in "US":
        raise InvalidData(f"{path} holds {array.dtype}, not text.")
    return array.astype(np.str_)


def _plain(path: Path) -> Any:
    try:
        return np.array(plain_array(path))
    except InvalidData as error:
        raise InvalidData(
            f"{error} If you trust the file, convert {path.parent} once (this unpickles it):\n{CONVERT_LISTS}"
        ) from None
