"""Charades' own files: annotations (CSV), lists of classes, and submissions, with all that is wrong in them."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.texts import named_rows, text_of
from whenabouts.core.timing import FloatArray

CLASSES = 157


@dataclass(frozen=True)
class CharadesVideo:
    """One row: actions as (class, start, end) in seconds, as they stand; length in seconds (NaN: missing); its line."""

    video_id: str
    actions: tuple[tuple[int, float, float], ...]
    length_seconds: float
    line: int = 0


@dataclass(frozen=True)
class CharadesTruth:
    """Videos in the order of the file, names of the classes, and findings, each with its line."""

    videos: tuple[CharadesVideo, ...]
    classes: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """Scores by video, or by (video, frame from 1 on), (L,) each, and findings, each with its line."""

    scores: dict[tuple[str, int], FloatArray]
    problems: tuple[str, ...]


def read_truth(path: Path, classes: Path | None = None) -> CharadesTruth:
    """Read annotations; `classes` is the data set's list ("c000 Holding some clothes"), else there are 157.

    Rows and actions that can't be read become problems; a file without the columns id and actions raises InvalidData.
    """
    names = tuple(f"c{index:03d}" for index in range(CLASSES)) if classes is None else read_classes(classes)
    numbers = {name.split()[0]: index for index, name in enumerate(names)}
    videos: dict[str, CharadesVideo] = {}
    problems: list[str] = []
    for line, row in named_rows(path, frozenset({"id", "actions"})):
        name = (row.get("id") or "").strip()
        if not name:
            problems.append(f"{path.name} line {line}: no id")
        elif name in videos:
            problems.append(f"{path.name} line {line}: {name} stands there twice; the first row counts")
        elif "actions" not in row:  # A quote that is never closed takes the rows behind it along, too.
            problems.append(f"{path.name} line {line}: {name[:60]!r} ends after {len(row)} columns; it is left out")
        else:
            actions, wrong = _actions(row.get("actions"), numbers)
            problems += [f"{path.name} line {line}: {told}" for told in wrong]
            videos[name] = CharadesVideo(name, tuple(actions), _number(row.get("length")), line)
    if not videos:
        raise InvalidData(f"{path} holds no video. Give Charades' annotations, for example Charades_v1_test.csv.")
    return CharadesTruth(tuple(videos.values()), names, tuple(problems))


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of the classes, "c000 Holding some clothes" a line, in the order of their numbers."""
    names = tuple(line.strip() for line in text_of(path).splitlines() if line.strip())
    wrong = [name for index, name in enumerate(names) if name.split()[0] != f"c{index:03d}"]
    if wrong or not names:
        raise InvalidData(f"{path}: classes stand in order, 'c000 NAME' a line, but got {wrong[:1] or 'no line'}.")
    return names


def read_submission(path: Path, classes: int, *, frames: bool) -> Submission:
    """Read lines `id score score ...`, or with `frames` `id frame score score ...`; one score more is left out.

    A file whose smallest frame is 0 counts from 0. Lines that can't be read become problems, of repeated ones the last
    counts; a score that is no number ranks last.
    """
    scores: dict[tuple[str, int], FloatArray] = {}
    problems: list[str] = []
    first = 2 if frames else 1
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = np.asarray(words[first:], np.float64)
            frame = _frame_number(words[1]) if frames else 0
        except (ValueError, IndexError, OverflowError):
            problems.append(
                f"{path.name} line {number}: not {'id, frame' if frames else 'id'} and numbers: {line[:60]!r}"
            )
            continue
        if len(values) not in (classes, classes + 1):
            problems.append(f"{path.name} line {number}: {len(values)} scores, but there are {classes} classes")
            continue
        if np.isnan(values).any():
            problems.append(f"{path.name} line {number}: a score is no number; it ranks last")
            values = np.where(np.isnan(values), -np.inf, values)
        if (words[0], frame) in scores:
            problems.append(f"{path.name} line {number}: {' '.join(words[:first])} again; the last counts")
        scores[words[0], frame] = values[:classes]
    if frames and scores and min(frame for _, frame in scores) == 0:
        scores = {(name, frame + 1): values for (name, frame), values in scores.items()}
    return Submission(scores, tuple(problems))


def _actions(text: str | None, numbers: dict[str, int]) -> tuple[list[tuple[int, float, float]], list[str]]:
    """`c092 11.90 21.20;c147 0.00 12.60` -> the actions, and what could not be read."""
    actions, problems = [], []
    for part in (piece.strip() for piece in (text or "").split(";")):
        words = part.split()
        if not words:
            continue
        start, end = (_number(word) for word in words[1:3]) if len(words) == 3 else (math.nan, math.nan)
        if words[0] not in numbers or math.isnan(start) or math.isnan(end):
            problems.append(f"no action 'cNNN start end' of a known class: {part!r}")
        else:
            actions.append((numbers[words[0]], start, end))
    return actions, problems


def _frame_number(text: str) -> int:
    """A whole number, as 7 or 7.0; ValueError for another."""
    value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


def _number(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
