"""Laying moments out on a timeline."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, clock, temporal_iou


@dataclass(frozen=True, slots=True)
class Bar:
    """One moment as drawn: place in percent of the lane, row within it, strength in [0, 1] by its score's rank."""

    concept: str
    left: float
    width: float
    row: int
    strength: float
    told: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Bars that share a lane, and how many rows they need so that none covers another."""

    name: str
    bars: tuple[Bar, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Curve:
    """One concept's score over a video as the points of an SVG polyline in a box of 1000 x 100."""

    concept: str
    points: str


def ranks(moments: Moments) -> FloatArray:
    """Share (M,) of all moments that score no better than each: 1 for the best; equal scores share a rank."""
    ordered = np.sort(moments.scores)
    return np.searchsorted(ordered, moments.scores, side="right") / max(1, len(moments))


def lane(name: str, moments: Moments, strengths: FloatArray, duration_seconds: float) -> Lane:
    """Lay moments (M,) of one video out, the best first, each in the first row that has room; `strengths` (M,)."""
    ends: list[list[tuple[float, float]]] = []
    bars = []
    order = np.lexsort((moments.spans[:, 0], -strengths))
    rows = list(moments)
    for index in order.tolist():
        moment = rows[index]
        start, end = (min(max(at, 0.0), duration_seconds) for at in (moment.start_seconds, moment.end_seconds))
        row = _free_row(ends, start, end)
        told = f"{moment.concept}, {clock(moment.start_seconds)} to {clock(moment.end_seconds)}"
        if moment.kind == "found":
            told += f", score {moment.score:.3g}"
        elif moment.kind != "truth":
            told += f", {moment.kind}"
        share = 100 / duration_seconds if duration_seconds > 0 else 0.0
        bars.append(Bar(moment.concept, start * share, (end - start) * share, row, float(strengths[index]), told))
    in_time = sorted(bars, key=lambda bar: (bar.left, bar.row))
    return Lane(name, tuple(in_time), max(1, len(ends)))


def _free_row(taken: list[list[tuple[float, float]]], start: float, end: float) -> int:
    for row, spans in enumerate(taken):
        if all(end <= other_start or start >= other_end for other_start, other_end in spans):
            spans.append((start, end))
            return row
    taken.append([(start, end)])
    return len(taken) - 1


def hits(truth: Moments, found: Moments, tiou: float) -> int:
    """How many true moments of one video some found moment of the same concept meets with at least `tiou`."""
    met = 0
    for name in {moment.concept for moment in truth}:
        true, guessed = truth.of_class(name), found[_rows_of(found, name)]
        if len(guessed):
            met += int((temporal_iou(true.spans, guessed.spans).max(axis=1) >= tiou).sum())
    return met


def _rows_of(moments: Moments, name: str) -> np.ndarray:
    names = np.asarray(moments.vocabulary.names)
    return names[moments.classes] == name if len(moments) else np.zeros(0, bool)


def curves(scores: ScoreSequence, tops: Mapping[str, float], *, points: int = 240) -> tuple[Curve, ...]:
    """A curve for each concept in `tops`, which tells the score drawn at full height; long videos keep their peaks."""
    found = []
    edges = scores.grid.edges()
    length = max(scores.grid.duration_seconds, 1e-9)
    parts = np.array_split(np.arange(scores.grid.steps), min(points, scores.grid.steps)) if scores.grid.steps else []
    for index, name in enumerate(scores.vocabulary.names):
        if name not in tops or not parts:
            continue
        heights = np.asarray([scores.scores[part, index].max() for part in parts], np.float64)
        height = 100 - 96 * np.clip(np.nan_to_num(heights) / max(tops[name], 1e-9), 0, 1)
        middles = np.asarray([(edges[part[0]] + edges[part[-1] + 1]) / 2 for part in parts]) / length * 1000
        found.append(Curve(name, " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(middles, height, strict=True))))
    return tuple(found)
