"""Boxes of persons or things in pictures, at seconds of videos."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Boxes:
    """Rows of one box with one label each: video_ids (N,), seconds (N,), xyxy (N, 4) x1 y1 x2 y2 in fractions of the
    picture, classes (N,) (-1: without a label), scores (N,); persons (N,) as text, "" where nobody says.

    A person with several labels has several rows.
    """

    video_ids: tuple[str, ...]
    seconds: FloatArray
    xyxy: FloatArray
    classes: IntArray
    scores: FloatArray
    persons: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", np.asarray(self.xyxy, np.float64).reshape(-1, 4))
        for name, kind in (("seconds", np.float64), ("classes", np.int64), ("scores", np.float64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
        columns = (self.video_ids, self.seconds, self.xyxy, self.classes, self.scores, self.persons)
        if len({len(column) for column in columns}) != 1:
            raise InvalidData(f"Boxes need one row each, but the columns hold {[len(column) for column in columns]}.")
        if not np.isfinite(self.xyxy).all() or not np.isfinite(self.seconds).all():
            raise InvalidData("Boxes need finite seconds and corners. Leave out the rows that have none.")

    def __len__(self) -> int:
        return len(self.video_ids)

    def __getitem__(self, kept: BoolArray | IntArray) -> "Boxes":
        rows = np.arange(len(self))[kept]
        ids, persons = ([column[row] for row in rows] for column in (self.video_ids, self.persons))
        return Boxes(
            tuple(ids), self.seconds[rows], self.xyxy[rows], self.classes[rows], self.scores[rows], tuple(persons)
        )


@dataclass(frozen=True)
class Keyframe:
    """Everybody at one second of a video: boxes (P, 4), labels (P, A) 1 or 0, the detector's scores (P,)."""

    video_id: str
    seconds: float
    boxes: FloatArray
    labels: NDArray[np.float64]
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)


def keyframes_of(boxes: Boxes, activities: int) -> list[Keyframe]:
    """Rows joined to keyframes, in order of video and time; rows of one person and one box are one person's labels."""
    at = sorted(zip(boxes.video_ids, boxes.seconds.tolist(), range(len(boxes)), strict=True))
    groups = itertools.groupby(at, key=lambda place: place[:2])
    return [_keyframe(boxes, [row for _, _, row in group], activities) for _, group in groups]


def usable(xyxy: FloatArray) -> BoolArray:
    """(N,) True for boxes that have an area within the picture."""
    held = np.clip(np.nan_to_num(xyxy, nan=0.0), 0.0, 1.0)
    return (held[:, 2] > held[:, 0]) & (held[:, 3] > held[:, 1]) & np.isfinite(xyxy).all(axis=1)


def _keyframe(boxes: Boxes, rows: Sequence[int], activities: int) -> Keyframe:
    people: dict[tuple[str, tuple[float, ...]], list[int]] = {}
    for row in rows:
        people.setdefault((boxes.persons[row], tuple(boxes.xyxy[row])), []).append(row)
    labels = np.zeros((len(people), activities))
    for person, own in enumerate(people.values()):
        named = boxes.classes[own]
        labels[person, named[named >= 0]] = 1.0
    first = [own[0] for own in people.values()]
    return Keyframe(
        boxes.video_ids[rows[0]], float(boxes.seconds[rows[0]]), boxes.xyxy[first], labels, boxes.scores[first]
    )
