"""THUMOS14's temporal annotations, in the forms in which they circulate, and the test sets that people measure on."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.activitynet import AMBIGUOUS, read_document, videos_of
from whenabouts.data.annotations.nouns import (
    AnnotatedVideo,
    AnnotationSet,
    Fault,
    checked,
    gathered,
    rate_of,
    seconds_or_zero,
)
from whenabouts.evaluation.thumos_text import OFFICIAL_NUMBERS

Variant = Literal["", "213", "212", "211", "210"]

LABELS = tuple(OFFICIAL_NUMBERS)
ONLY_AMBIGUOUS, WRONG = "video_test_0001292", ("video_test_0000270", "video_test_0001496")
MISSING: dict[str, frozenset[str]] = {
    "213": frozenset(),
    "212": frozenset({ONLY_AMBIGUOUS}),
    "211": frozenset(WRONG),
    "210": frozenset({ONLY_AMBIGUOUS, *WRONG}),
}
"""Ground truths by their number of test videos, and which of the official 213 each leaves out.

213: the official files. 212: without the one video that has only ambiguous spans (W-TALC). 211: without two whose
annotations are wrong. 210: without all three (STPN, G-TAD, AFSD).
"""
INSTANCES = {"213": 3358, "212": 3358, "211": 3311, "210": 3311}
_SUBSET = {"val": "train", "validation": "train", "train": "train", "training": "train", "test": "test"}
_FILE = re.compile(r"(?P<label>\w+)_(?P<subset>val|test)\.txt")
_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)")


def read_thumos14(path: Path, ground_truth: Variant = "") -> AnnotationSet:
    """Read the official folder of text files, a JSON file in ActivityNet's layout, or the test set's CSV table.

    The challenge's validation videos are in split train, its test videos in test. `ground_truth` chooses the test
    videos; "" takes those that are there, and names them. Raises InvalidData for a broken file, and where the test
    videos asked for are not all there.
    """
    faults: list[Fault] = []
    if path.is_dir():
        videos = _of_text(path, faults)
    elif path.suffix.lower() == ".csv":
        videos = _of_table(path, faults)
    else:
        document = read_document(path)
        said = videos_of(document, faults, lambda subset: _SUBSET.get(subset.casefold(), subset))
        videos = [replace(video, split=_split_by_name(video)) for video in said]
    kept, name = chosen(checked(videos, str(path)), ground_truth, path)
    return AnnotationSet("THUMOS14", name, "test", kept, tuple(faults), LABELS)


def is_thumos14(video_id: str) -> bool:
    """True for names as THUMOS14's videos have them."""
    return re.fullmatch(r"video_(test|validation)_\d{7}", video_id) is not None


def _split_by_name(video: AnnotatedVideo) -> str:
    """Names tell the challenge's parts apart; subsets do not: some files call its test videos "validation"."""
    if not is_thumos14(video.id):
        return video.split
    return "test" if video.id.startswith("video_test_") else "train"


def _of_text(folder: Path, faults: list[Fault]) -> list[AnnotatedVideo]:
    files = [(match, file) for file in sorted(folder.iterdir()) if (match := _FILE.fullmatch(file.name))]
    if not files:
        raise InvalidData(
            f"{folder} holds no file like BaseballPitch_val.txt or Ambiguous_test.txt. Give THUMOS14's annotation "
            "folder, a JSON file, or the CSV table of the test set."
        )
    split_of: dict[str, str] = {}
    rows = []
    for match, file in files:
        for video_id, start, end in text_rows(file, faults):
            rows.append((video_id, match["label"], start, end))
            split_of.setdefault(video_id, _SUBSET[match["subset"]])
    instances, vague = gathered(rows, AMBIGUOUS)
    return [
        AnnotatedVideo(name, split, tuple(instances.get(name, ())), tuple(vague.get(name, ())))
        for name, split in sorted(split_of.items())
    ]


def text_rows(file: Path, faults: list[Fault]) -> Iterator[tuple[str, float, float]]:
    """Lines `video start end` of one text file; those that can't be read join `faults`."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        found = _LINE.fullmatch(line.strip())
        try:
            start, end = (float(found[2]), float(found[3])) if found else (math.nan, math.nan)
        except ValueError:
            start = end = math.nan
        if found and math.isfinite(start) and math.isfinite(end):
            yield found[1], start, end
        elif line.strip():
            faults.append(Fault(f"{file.name} line {number}", "an instance can't be read", line[:80]))


def _of_table(path: Path, faults: list[Fault]) -> list[AnnotatedVideo]:
    """`video-name,t-init,t-end,f-init,f-end,video-duration,frame-rate,video-frames,label-idx`: labels by their place
    in order of the alphabet, -1 for ambiguous; test videos alone.
    """
    rows, known = [], dict[str, dict[str, str]]()
    for number, row in _table_rows(path):
        try:
            place = int(row["label-idx"])
            if not -1 <= place < len(LABELS):
                raise ValueError
            label = AMBIGUOUS if place < 0 else LABELS[place]
            rows.append((row["video-name"], label, float(row["t-init"]), float(row["t-end"])))
        except (KeyError, TypeError, ValueError):
            faults.append(Fault(f"{path.name} row {number}", "an instance can't be read", str(dict(row))[:80]))
            continue
        known.setdefault(row["video-name"], row)
    instances, vague = gathered(rows, AMBIGUOUS)
    return [
        AnnotatedVideo(
            name, "test", tuple(instances.get(name, ())), tuple(vague.get(name, ())),
            seconds_or_zero(row.get("video-duration")), rate_of(row.get("frame-rate")),
            seconds_or_zero(row.get("video-duration")),
        )
        for name, row in sorted(known.items())
    ]  # fmt: skip


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from enumerate(csv.DictReader(file), start=1)


def chosen(
    videos: tuple[AnnotatedVideo, ...], ground_truth: Variant, path: Path
) -> tuple[tuple[AnnotatedVideo, ...], str]:
    """The videos of the ground truth asked for, and its name; those that it leaves out move to split left-out.

    Raises InvalidData where the test videos asked for are not all there.
    """
    there = {video.id for video in videos if video.split == "test"}
    if ground_truth:
        dropped = MISSING[ground_truth]
        left = len(there - dropped)
        if left != int(ground_truth):
            raise InvalidData(
                f"{path} holds {left} of the {ground_truth} test videos of ground truth {ground_truth!r}. Give the "
                "official files, or leave import.thumos14.ground_truth empty to take the videos that are there."
            )
        videos = tuple(replace(video, split="left-out") if video.id in dropped else video for video in videos)
        there -= dropped
    instances = sum(len(video.instances) for video in videos if video.split == "test")
    names = [name for name, missing in MISSING.items() if len(there) == int(name) and not there & missing]
    what = f"{len(there)} videos, {instances:,} instances"
    if names and INSTANCES[names[0]] == instances:
        return videos, f"THUMOS14-{names[0]}: {what}"
    return videos, f"THUMOS14, own selection: {what}"
