"""A project's boxes: CSV files with a row for each box and label."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts.core.boxes import Boxes
from whenabouts.core.errors import ProjectError
from whenabouts.core.files import write_text
from whenabouts.core.texts import file_name_of, named_rows
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.vocabulary import class_of

COLUMNS = ("video", "seconds", "x1", "y1", "x2", "y2", "label", "score", "person")


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One row as it is written: a label "" says that somebody is there, and no more."""

    video: str
    seconds: float
    box: tuple[float, float, float, float]
    label: str = ""
    score: float = 1.0
    person: str = ""


def boxes_path(folder: Path, split: str, kind: str = "people") -> Path:
    """Where a project keeps boxes of a split: boxes/train-people.csv (annotated), boxes/test-found.csv (detected)."""
    return folder / "boxes" / f"{file_name_of(split)}-{kind}.csv"


def write_boxes(path: Path, rows: Iterable[BoxRow]) -> None:
    """Write boxes, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        corners = [f"{value:.8g}" for value in row.box]
        writer.writerow([row.video, f"{row.seconds:.10g}", *corners, row.label, f"{row.score:.9g}", row.person])
    write_text(path, text.getvalue())


def read_boxes(path: Path, vocabulary: Vocabulary) -> tuple[Boxes, tuple[str, ...]]:
    """Boxes with their labels over a vocabulary, and what could not be used, each with its line.

    Corners are clipped to the picture; a box with no area there can't be used. Labels are found in any spelling; those
    outside the vocabulary count as none. A missing file raises ProjectError.
    """
    if not path.is_file():
        raise ProjectError(f"There are no boxes {path}. Import a data set with boxes: ava or volleyball.")
    places: dict[str, int | None] = {"": None}
    ids, seconds, corners, classes, scores, persons = [], [], [], [], [], []
    problems = []
    for line, row in named_rows(path, frozenset(COLUMNS[:6])):
        place, wrong = _placed(row)
        if place is None:
            problems.append(f"{path.name} line {line}: {wrong}")
            continue
        ids.append(place.video)
        seconds.append(place.seconds)
        corners.append(place.box)
        label = row.get("label", "")
        if label not in places:
            places[label] = class_of(label, vocabulary)
        index = places[label]
        classes.append(-1 if index is None else index)
        scores.append(place.score)
        persons.append(row.get("person", ""))
    boxes = Boxes(
        tuple(ids), np.asarray(seconds), np.asarray(corners).reshape(-1, 4), np.asarray(classes, np.int64),
        np.asarray(scores), tuple(persons),
    )  # fmt: skip
    return boxes, tuple(problems)


def _placed(row: Mapping[str, str]) -> tuple[BoxRow | None, str]:
    """A row's time, score and box within the picture; None, and what is wrong with it."""
    try:
        seconds, *corners = (float(row[name]) for name in COLUMNS[1:6])
        score = float(row.get("score") or 1.0)
    except (KeyError, ValueError):
        return None, "not video, seconds and four corners"
    if not all(math.isfinite(number) for number in (seconds, *corners, score)):
        return None, "a number is not finite"
    video = row.get("video", "")
    if not video or seconds < 0:
        return None, "a box before its video begins" if video else "a box of no video"
    x1, y1, x2, y2 = (min(max(corner, 0.0), 1.0) for corner in corners)
    if x1 >= x2 or y1 >= y2:
        return None, "a box without area in the picture"
    return BoxRow(video, seconds, (x1, y1, x2, y2), score=score), ""
