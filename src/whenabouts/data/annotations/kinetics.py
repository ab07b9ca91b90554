"""Kinetics-400, -600 and -700 from their official lists: tables, or JSON by YouTube id."""

import math
import re
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.clip_lists import (
    ClipList,
    Line,
    ListedClip,
    Reading,
    Refused,
    lists_at,
    read_object,
    table_lines,
)

SPLIT_OF = {"train": "train", "training": "train", "validate": "validation", "validation": "validation",
            "val": "validation", "test": "test", "testing": "test", "holdout": "test"}  # fmt: skip
_ID = re.compile(r"[\w-]{11}")
_WORDS = re.compile(r"[a-z]+")


def read_kinetics(root: Path) -> ClipList:
    """The clips of a list, or of all lists in a folder: train.csv, validate.csv, kinetics_val.json and so on.

    A table has columns label (or class), youtube_id (or video_id), time_start, time_end and split; where it has no
    split, the file's name says it. Files may be called ID_000004_000014 as the official crawler does, ID_4_14, or ID.
    """
    reading = Reading()
    paths = [path for path in lists_at(root, (".csv", ".json")) if root.is_file() or _named_split(path)]
    for path in paths:
        if path.suffix.lower() == ".json":
            _read_json(path, reading)
        else:
            _read_table(path, reading)
    if not reading.clips:
        raise InvalidData(
            f"{root} holds no clip of Kinetics. Give train.csv, or a folder with train.csv, validate.csv."
        )
    labels = tuple(sorted({label for clip in reading.clips for label in clip.labels}))
    return ClipList(f"Kinetics, {len(labels)} labels", labels, tuple(reading.clips), tuple(reading.faults),
                    dict(reading.counts))  # fmt: skip


def _read_table(path: Path, reading: Reading) -> None:
    for line in table_lines(path, reading):
        try:
            if not {"youtube_id", "video_id"} & set(line.cells):
                raise Refused("there is no column youtube_id", ", ".join(line.cells))
            _take(path, line, reading)
        except Refused as refusal:
            reading.refuse(line.where, refusal)


def _take(path: Path, line: Line, reading: Reading) -> None:
    label = line.first("label", "class", "label_name")
    split = line.first("split", "subset") or _named_split(path)
    span = (line.first("time_start", "start", "start_time"), line.first("time_end", "end", "end_time"))
    _add(line.first("youtube_id", "video_id"), label, split, span, line.where, reading)


def _read_json(path: Path, reading: Reading) -> None:
    """`{id: {"annotations": {"label", "segment": [start, end]}, "subset", ...}}`."""
    for video_id, entry in read_object(path).items():
        reading.counts["rows"] += 1
        try:
            told: Any = entry.get("annotations") if isinstance(entry, dict) else None
            segment = told.get("segment") if isinstance(told, dict) else None
            if not isinstance(segment, list) or len(segment) != 2:
                raise Refused("it has no annotations.segment of two times", str(entry))
            split = str(entry.get("subset") or _named_split(path))
            span = (str(segment[0]), str(segment[1]))
            _add(video_id, str(told.get("label") or ""), split, span, f"{path.name} {video_id}", reading)
        except Refused as refusal:
            reading.refuse(f"{path.name} {video_id}", refusal)


def _add(video_id: str, label: str, split: str, span: tuple[str, str], where: str, reading: Reading) -> None:
    if not _ID.fullmatch(video_id):
        raise Refused("the id is not one of YouTube's, of 11 signs", video_id)
    known = SPLIT_OF.get(split.casefold())
    if known is None:
        raise Refused("the split is not train, validate or test", split)
    try:
        start, end = (float(text) for text in span)
    except ValueError:
        raise Refused("the times are not numbers", f"{span[0]}..{span[1]}") from None
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise Refused("the clip does not end after its start", f"{start:g}..{end:g} s")
    label = " ".join(label.replace("_", " ").split())
    if not label and known == "train":
        raise Refused("a training clip without a label")
    first, last = round(start), round(end)
    names = (f"{video_id}_{first:06d}_{last:06d}", f"{video_id}_{first}_{last}")
    clip = ListedClip(names, known, (label,) if label else (), where, (video_id, f"v_{video_id}"), (start, end))
    reading.add(clip, f"{video_id} {first} {last}")


def _named_split(path: Path) -> str:
    """`kinetics-400_val.csv` -> validation; "" where the name says nothing."""
    words = [word for word in _WORDS.findall(path.stem.casefold()) if word in SPLIT_OF]
    return SPLIT_OF[words[-1]] if words else ""
