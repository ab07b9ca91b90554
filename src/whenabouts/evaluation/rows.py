"""Rows of truth and prediction files as they stand, and what becomes of those that can't be judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray

Policy = Literal["official", "strict", "clean"]
Source = Literal["truth", "predictions"]
Reason = Literal[
    "malformed", "not finite", "other subset", "unknown video", "unknown label", "inverted", "zero-length"
]  # fmt: skip
FATAL: tuple[Reason, ...] = ("malformed", "unknown label")  # where the official code stops as well


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that can't be judged: place `row` in its video's list (-1: the whole video) and what stood there."""

    source: Source
    video_id: str
    row: int
    reason: Reason
    seen: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"source": self.source, "video": self.video_id, "row": self.row, "reason": self.reason,
                "seen": self.seen}  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """Which fields a row must have: detections all three, proposals no label, video labels no span, truth no score."""

    label: bool = True
    span: bool = True
    score: bool = True


@dataclass(frozen=True)
class Rows:
    """Columns in file order: videos (N,) into `names`, positions (N,) in the video's list, labels (N,), spans (N, 2)
    in seconds and scores (N,), unchecked; `problems` are the rows already left out.
    """

    source: Source
    names: tuple[str, ...]
    videos: IntArray
    positions: IntArray
    labels: NDArray[np.object_]
    spans: FloatArray
    scores: FloatArray
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.videos)

    def kept(self, mask: BoolArray, problems: Sequence[Problem]) -> "Rows":
        """The rows of `mask`, with the problems that the others had."""
        return Rows(self.source, self.names, self.videos[mask], self.positions[mask], self.labels[mask],
                    self.spans[mask], self.scores[mask], tuple(problems))  # fmt: skip

    def problem(self, row: int, reason: Reason) -> Problem:
        """What is wrong with one row."""
        start, end = self.spans[row].tolist()
        seen = f"label {self.labels[row]!r}, segment [{start}, {end}], score {self.scores[row]}"
        return Problem(self.source, self.names[self.videos[row]], int(self.positions[row]), reason, seen)


def gathered(source: Source, listed: Mapping[str, Any], needs: Needs, policy: Policy) -> Rows:
    """Read the lists of rows of each video; unreadable rows become problems (`settled` decides on them).

    Times may be numbers or numbers written as text, as in some published ground truths. The official code looks at
    the first two numbers of a segment only, and so do we under "official".
    """
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    problems: list[Problem] = []
    for video, (video_id, rows) in enumerate(listed.items()):
        if not isinstance(rows, list):
            problems.append(Problem(source, video_id, -1, "malformed", f"not a list: {str(rows)[:80]}"))
            continue
        for position, row in enumerate(rows):
            try:
                fields = _fields(row, needs, exact=policy != "official")
            except (LookupError, TypeError, ValueError, OverflowError):
                problems.append(Problem(source, video_id, position, "malformed", str(row)[:120]))
                continue
            for column, value in zip(columns, (video, position, *fields), strict=True):
                column.append(value)
    videos, positions, labels, spans, scores = columns
    names = np.empty(len(labels), object)
    names[:] = labels
    return Rows(source, tuple(listed), np.asarray(videos, np.int64), np.asarray(positions, np.int64), names,
                np.asarray(spans, np.float64).reshape(-1, 2), np.asarray(scores, np.float64),
                tuple(problems))  # fmt: skip


def _fields(row: Any, needs: Needs, *, exact: bool) -> tuple[str, tuple[float, float], float]:
    """Label, span and score of one row; a field that is not needed gets a blank."""
    label, span, score = "", (0.0, 1.0), 1.0
    if needs.label:
        label = row["label"]
        if not isinstance(label, str):
            raise TypeError
    if needs.span:
        start, end, *rest = row["segment"]
        if rest and exact:
            raise ValueError
        span = (float(start), float(end))
    if needs.score:
        if not isinstance(row["score"], int | float):
            raise TypeError
        score = float(row["score"])
    return label, span, score


def span_faults(rows: Rows) -> dict[Reason, BoolArray]:
    """Rows (N,) at fault by their own numbers."""
    starts, ends = rows.spans[:, 0], rows.spans[:, 1]
    finite = np.isfinite(rows.spans).all(axis=1) & np.isfinite(rows.scores)
    return {"not finite": ~finite, "inverted": ends < starts, "zero-length": ends == starts}


def settled(rows: Rows, faults: Mapping[Reason, BoolArray], policy: Policy) -> Rows:
    """Apply the policy: `official` and `strict` raise InvalidData where they forbid a row, `clean` leaves it out.

    Each row counts once, under the first reason that `faults` gives it.
    """
    faulty = np.zeros(len(rows), bool)
    problems = list(rows.problems)
    for reason, mask in faults.items():
        if policy == "official" and reason not in FATAL:
            continue
        problems += [rows.problem(row, reason) for row in np.flatnonzero(mask & ~faulty).tolist()]
        faulty |= mask
    if problems and policy != "clean":
        raise InvalidData(_refusal(problems, policy))
    return rows.kept(~faulty, problems)


def _refusal(problems: Sequence[Problem], policy: Policy) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(p.reason for p in problems).most_common())
    shown = "; ".join(f"{p.video_id} row {p.row}: {p.reason}, {p.seen}" for p in problems[:3])
    rules = "The official rules stop at such rows" if policy == "official" else "The strict policy allows no such row"
    rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
    return (
        f"{rows} of the {problems[0].source} can't be judged ({counts}). First: {shown}. "
        f"{rules}: mend the file, or leave such rows out, counted, with --policy clean."
    )


def as_json(problems: Sequence[Problem]) -> dict[str, Any]:
    """How many rows were left out, by reason, and each of them."""
    return {
        "count": len(problems),
        "by_reason": dict(Counter(problem.reason for problem in problems)),
        "rows": [problem.to_json() for problem in problems],
    }


def as_remarks(problems: Sequence[Problem], shown: int = 10) -> tuple[str, ...]:
    """The same in a few lines for people."""
    if not problems:
        return ()
    counts = ", ".join(f"{count} {reason}" for reason, count in Counter(p.reason for p in problems).most_common())
    lines = [f"  {p.source}, {p.video_id}, row {p.row}: {p.reason} ({p.seen})" for p in problems[:shown]]
    rest = [f"  and {len(problems) - shown} more: --json lists them all"] if len(problems) > shown else []
    return (f"rows left out: {len(problems)} ({counts})", *lines, *rest)
