"""The desk: the project in memory with what was decided about it, kept up to date while files and reviews change."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from whenabouts.core.errors import ProjectError
from whenabouts.core.moments import KINDS
from whenabouts.core.timing import FloatArray, IntArray, temporal_iou
from whenabouts.data.decisions import Decided, Review, standing
from whenabouts.data.project import Project
from whenabouts.data.reviews import ReviewStore
from whenabouts.page.review.queue import Judged, usefulness
from whenabouts.page.server.library import Library, stamp_of
from whenabouts.page.server.table import Table

HELD_OUT_SHARE = 0.2
SAME_MOMENT = 0.5
"""A found moment counts as decided where a decision on its concept overlaps it by at least this tIoU."""


@dataclass
class Snapshot:
    """One state of the project: the library, standing reviews by video, and which found row each of them judges."""

    library: Library
    stamp: object
    step: int = -1
    reviews: dict[str, list[Review]] = field(default_factory=dict)
    judging: dict[int, Review] = field(default_factory=dict)
    held_out: frozenset[str] = frozenset()
    passed_over: dict[int, str] = field(default_factory=dict)
    _useful: FloatArray | None = None
    _by_use: IntArray | None = None
    _lock: Any = field(default_factory=threading.RLock)
    """Some read while others decide."""

    def standing(self) -> list[Review]:
        """All decisions that count, in the order of their making."""
        with self._lock:
            return sorted((review for each in self.reviews.values() for review in each), key=lambda review: review.id)

    def table_of_reviews(self, kinds: Sequence[str], video: int | None = None) -> tuple[Table, list[Review]]:
        """Decisions as moments of the kinds "confirmed" (and corrected, added) and "rejected", with their reviews."""
        told = self.standing() if video is None else self.reviews.get(self.library.entries[video].id, [])
        kept = [
            review for review in told
            if ("confirmed" if review.decided.present else "rejected") in kinds
            and review.decided.video_id in self.library.numbers
        ]  # fmt: skip
        parts = []
        for review in kept:
            said = review.decided
            row = (self.library.numbers[said.video_id], self.library.names.number(said.concept), said.start_seconds,
                   said.end_seconds, said.found_score or 0.0, said.present)  # fmt: skip
            parts.append(Table.of([row], "confirmed" if said.present else "rejected"))
        return (Table.joined(parts) if parts else Table.empty()), kept

    def useful(self) -> FloatArray:
        """How much a decision would teach (M,), for every row of the table: 0 where it is no question."""
        with self._lock:
            if self._useful is None:
                self._useful, self._by_use = self._usefulness(), None
            return self._useful

    def _usefulness(self) -> FloatArray:
        library = self.library
        rows, table = library.found_rows, library.table
        place = np.full(len(table), -1, np.int64)
        place[rows] = np.arange(len(rows))
        judged = [(place[row], review.decided.present) for row, review in self.judging.items()]
        known = Judged.of(judged, [row for review in self.standing() for row in self._asked_by(review)])
        values = np.zeros(len(table))
        values[rows] = usefulness(library.candidates, known)
        return values

    def _asked_by(self, review: Review) -> list[tuple[int, int, float, float]]:
        """A row (video, concept, start, end) of what was asked and answered; none of a video that is not here."""
        said = review.decided
        video, (start, end) = self.library.numbers.get(said.video_id), said.subject[2:]
        span = min(start, said.start_seconds), max(end, said.end_seconds)
        return [] if video is None else [(video, self.library.names.number(said.concept), *span)]

    def by_use(self) -> IntArray:
        """Rows of the table, most useful first, then best score first."""
        with self._lock:
            useful = self.useful()
            if self._by_use is None:
                first = self.library.by_score
                self._by_use = first[np.argsort(-useful[first], kind="stable")]
            return self._by_use

    def asking(self) -> FloatArray:
        """`useful`, but only where a decision would be learned from: in training videos that are not held out."""
        library = self.library
        asked = [entry.split == "train" and entry.usable and entry.id not in self.held_out for entry in library.entries]
        table = library.table
        return self.useful() * np.asarray(asked, bool)[table.videos] if len(table) else np.zeros(0)

    def take(self, video_id: str, reviews: list[Review]) -> None:
        """What counts now of one video."""
        with self._lock:
            self._take(video_id, reviews)

    def _take(self, video_id: str, reviews: list[Review]) -> None:
        self.reviews.pop(video_id, None)
        if reviews:
            self.reviews[video_id] = reviews
        self._useful = None
        number = self.library.numbers.get(video_id)
        if number is None:
            return
        rows = self.library.table.of_video(number)
        rows = rows[self.library.table.kinds[rows] == KINDS.index("found")]
        for row in rows.tolist():
            self.judging.pop(row, None)
        for review in reviews:
            for row in self._judged_by(review, rows).tolist():
                self.judging[row] = review

    def _judged_by(self, review: Review, rows: IntArray) -> IntArray:
        said, table = review.decided, self.library.table
        concept = self.library.names.number(said.concept)
        rows = rows[table.concepts[rows] == concept]
        spans = np.asarray([said.subject[2:], (said.start_seconds, said.end_seconds)])
        return rows[(temporal_iou(table.spans[rows], spans) >= SAME_MOMENT).any(axis=1)]


class Desk:
    """Answers from memory; decisions go to disk first. Safe to use from several threads."""

    def __init__(self, project: Project, *, truth: Path | None = None, seed: int = 0) -> None:
        self.project, self.truth = project, truth
        self.notes: list[str] = []
        self.reviews = self._opened()
        self._lock = threading.RLock()
        self._snapshot = self._read()
        self._draw_held_out(seed)

    def current(self) -> Snapshot:
        """The project as it is now; files or decisions that others changed are read first."""
        with self._lock:
            stamp = stamp_of(self.project)
            if stamp != self._snapshot.stamp:
                self._snapshot = self._read()
            self._follow(self._snapshot)
            return self._snapshot

    def decide(self, decisions: Sequence[Decided], *, seen: Mapping[int, int] = MappingProxyType({})) -> list[Review]:
        """Store decisions; they are on disk when this returns (`seen`: see `ReviewStore.add`)."""
        return self.reviews.add(decisions, seen=seen)

    def _opened(self) -> ReviewStore:
        """The reviews, for reading alone where nothing may be written."""
        try:
            return ReviewStore(self.project.reviews_path)
        except ProjectError as error:
            self.notes.append(f"Nothing can be decided here, only looked at. {error}")
            return ReviewStore(self.project.reviews_path, writable=False)

    def _read(self) -> Snapshot:
        stamp = stamp_of(self.project)
        return Snapshot(Library.read(self.project, self.truth), stamp)

    def _follow(self, snapshot: Snapshot) -> None:
        step = self.reviews.step()
        if step == snapshot.step:
            return
        if snapshot.step < 0:
            read, history = self.reviews.read(), dict[str, list[Review]]()
            snapshot.passed_over = read.passed_over
            for review in read.reviews:
                history.setdefault(review.decided.video_id, []).append(review)
            for video_id, reviews in history.items():
                snapshot.take(video_id, standing(reviews))
        else:
            for video_id in self.reviews.touched_since(snapshot.step):
                read = self.reviews.read(video_id)
                snapshot.passed_over |= read.passed_over
                snapshot.take(video_id, standing(read.reviews))
        snapshot.step, snapshot.held_out = step, frozenset(self.reviews.held_out())

    def _draw_held_out(self, seed: int) -> None:
        """Hold videos out before the first decision, from a split that no training sees, where there is one."""
        if not self.reviews.writable:
            return
        library = self._snapshot.library
        others = [entry.id for entry in library.entries if entry.usable and entry.split != "train"]
        usual = [entry.id for entry in library.entries if entry.usable and entry.split == "train"]
        try:
            self.reviews.draw_held_out(others or usual, share=1.0 if others else HELD_OUT_SHARE, seed=seed)
        except ProjectError as error:
            self.notes.append(str(error))
