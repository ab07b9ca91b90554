"""AVA's own files: boxes with actions at keyframes, detections, excluded keyframes, and the list of actions."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.texts import csv_rows, text_of
from whenabouts.core.timing import FloatArray, IntArray

# The 60 of 80 actions that the challenge of 2018 and everybody since measures.
MEASURED = (
    1, *range(3, 16), 17, 20, 22, 24, *range(26, 31), 34, *range(36, 39), 41, 43, *range(45, 50), 51, 52, 54,
    *range(56, 71), *range(72, 75), *range(76, 81),
)  # fmt: skip
_LARGEST_ID = 2**31
_ITEM = re.compile(r"item\s*\{(.*?)\}", re.DOTALL)
_ID = re.compile(r"\b(?:label_)?id\s*:\s*(\d+)")
_NAME = re.compile(r"\bname\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')")
_LINE = re.compile(r"\s*(\d+)\s*:\s*(\S.*)")


@dataclass(frozen=True)
class BoxRows:
    """Boxes in the order of the file: keyframes (N,) as (video, seconds), boxes (N, 4) x1 y1 x2 y2 in fractions of the
    picture, classes (N,) ids, scores (N,); `empty` keyframes are annotated and hold nobody.
    """

    keyframes: tuple[tuple[str, float], ...]
    boxes: FloatArray
    classes: IntArray
    scores: FloatArray
    empty: tuple[tuple[str, float], ...] = ()
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.keyframes)


def read_boxes(path: Path, *, scores: bool) -> BoxRows:
    """Rows `video,seconds,x1,y1,x2,y2,class`, then a score (with `scores`) or a person's id (without), if any.

    Where there are more columns, the last is the score. Rows of two columns, or without a class, say that a keyframe is
    annotated and empty. Rows that can't be read become problems.
    """
    keyframes, boxes, classes, values = [], [], [], []
    empty: list[tuple[str, float]] = []
    problems: list[str] = []
    for line, row in csv_rows(path):
        try:
            keyframe = (row[0], _finite(row[1]))
            if len(row) == 2 or (len(row) > 6 and not row[6]):
                empty.append(keyframe)
                continue
            box = [_finite(word) for word in row[2:6]]
            label = _class_id(row[6])
            score = _finite(row[-1]) if scores and len(row) > 7 else 1.0
        except (ValueError, IndexError):
            wanted = "video,seconds,x1,y1,x2,y2,class" + (",score" if scores else "")
            problems.append(f"{path.name} line {line}: not {wanted}: {','.join(row)[:80]!r}")
            continue
        keyframes.append(keyframe)
        boxes.append(box)
        classes.append(label)
        values.append(score)
    return BoxRows(
        tuple(keyframes), np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(classes, np.int64),
        np.asarray(values, np.float64), tuple(empty), tuple(problems),
    )  # fmt: skip


def read_keyframes(path: Path) -> tuple[tuple[tuple[str, float], ...], tuple[str, ...]]:
    """Rows `video,seconds` of keyframes that don't count, and what could not be read."""
    found, problems = [], []
    for line, row in csv_rows(path):
        try:
            found.append((row[0], _finite(row[1])))
        except (ValueError, IndexError):
            problems.append(f"{path.name} line {line}: not video,seconds: {','.join(row)[:80]!r}")
    return tuple(found), tuple(problems)


def read_actions(path: Path) -> dict[int, str]:
    """Ids and names of the actions that are measured: AVA's `.pbtxt`, or lines "1: bend/bow (at the waist)".

    One without a name is called by its id, and names that stand there twice have their ids behind them.
    """
    text = text_of(path)
    found: dict[int, str] = {}
    for item in _ITEM.findall(text):
        number, name = _ID.search(item), _NAME.search(item)
        if number is None:
            raise InvalidData(f"{path}: an item has no id: {item.strip()[:60]!r}.")
        found[int(number[1])] = (name[1][1:-1].strip() if name else "") or number[1]
    if not found:
        found = {int(match[1]): match[2].strip() for match in map(_LINE.fullmatch, text.splitlines()) if match}
    if not found:
        raise InvalidData(f"{path} lists no action. Give AVA's .pbtxt, or lines like '1: bend/bow'.")
    counts = Counter(found.values())
    return {number: name if counts[name] == 1 else f"{name} ({number})" for number, name in found.items()}


def _class_id(text: str) -> int:
    value = int(text)
    if abs(value) > _LARGEST_ID:
        raise ValueError(text)
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
