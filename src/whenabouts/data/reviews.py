"""What people decided about moments: one SQLite file per project, each decision on disk before it is acknowledged."""

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.video import recording_of
from whenabouts.data.decisions import COLUMNS, Decided, History, Review, read_text, row_of, standing, stored_text
from whenabouts.data.review_file import TABLES, Held, identity, reading, told

WAIT_SECONDS = 30.0


class ReviewStore:
    """The decisions of one project; threads and processes may use it side by side.

    SQLite with a write-ahead log that is synced at each commit: what `add` returned survives the process and, as far as
    the disk keeps its word, the machine. Nothing is ever deleted; undoing marks.

    Rows that this program would not have stored, as others may have written them, are passed over: see `read`.

    A store that is not `writable` shows what is there, if anything is, and refuses decisions: for projects that lie
    where nothing may be written.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path, self.writable = path, writable
        self._here = threading.local()
        self._all: weakref.WeakSet[Held] = weakref.WeakSet()
        self._file: tuple[int, int] | None = None
        if writable:
            self._begin()

    def _begin(self) -> None:
        path = self.path
        try:
            with self._writing() as base:
                base.executescript(TABLES)
            self._file = identity(path)
        except (sqlite3.OperationalError, OSError) as error:
            raise ProjectError(
                f"{path} can't be opened for writing: {error}. Decisions are kept there: does another program hold it, "
                "is the disk full, or may nothing be written there?"
            ) from None
        except sqlite3.DatabaseError as error:
            raise InvalidData(
                f"{path} can't be used as a file of reviews: {error}. Move it away, or mend it."
            ) from None

    def add(self, decisions: Sequence[Decided], *, seen: Mapping[int, int] = MappingProxyType({})) -> list[Review]:
        """Store decisions, all or none; they are on disk when this returns.

        `seen` tells for a decision, by its place, which review of its subject was known to whoever decided (0 for
        none): where a later one stands by now, Overtaken is raised and nothing stored.
        """
        with self._writing() as base, told(self.path):
            base.execute("BEGIN IMMEDIATE")
            for place, known in seen.items():
                _check_overtaken(base, decisions[place].subject, known)
            at, step = time.time(), _next_step(base)
            numbers = [
                base.execute(f"INSERT INTO reviews (step, touched, {COLUMNS}) VALUES (?, ?, NULL{', ?' * 10})",
                             (step, step, at, *row_of(decided))).lastrowid
                for decided in decisions
            ]  # fmt: skip
            base.execute("COMMIT")
        return [Review(cast(int, number), at, each) for number, each in zip(numbers, decisions, strict=True)]

    def undo(self, review_id: int | None = None, *, alone: bool = False) -> Review | None:
        """Undo one decision, or the last that is not undone; None where there is none.

        With it goes what was stored together with it, for that was one deed (another concept for a moment is a
        rejection and an addition); `alone` leaves that as it is.
        """
        with self._writing() as base, told(self.path):
            base.execute("BEGIN IMMEDIATE")
            which = "undone_step IS NULL" + ("" if review_id is None else " AND id = ?")
            found = _first(base, f"{which} ORDER BY id DESC", [] if review_id is None else [review_id])
            if found is not None:
                step = _next_step(base)
                own = "id = ?" if alone else "step = (SELECT step FROM reviews WHERE id = ?)"
                base.execute(
                    f"UPDATE reviews SET undone_step = ?, touched = ? WHERE undone_step IS NULL AND {own}",
                    (step, step, found),
                )
            base.execute("COMMIT")
        return None if found is None else self.by_id(found)

    def redo(self) -> Review | None:
        """Take back the last undoing; None where there is none, or something was decided since."""
        with self._writing() as base, told(self.path):
            base.execute("BEGIN IMMEDIATE")
            last = "(SELECT MAX(step) FROM reviews WHERE typeof(step) = 'integer')"
            found = _first(base, f"undone_step > {last} ORDER BY undone_step DESC, id DESC")
            if found is not None:
                base.execute(
                    "UPDATE reviews SET undone_step = NULL, touched = ? "
                    "WHERE undone_step = (SELECT undone_step FROM reviews WHERE id = ?)",
                    (_next_step(base), found),
                )
            base.execute("COMMIT")
        return None if found is None else self.by_id(found)

    def by_id(self, review_id: int) -> Review:
        """One review; an unknown number raises InvalidData."""
        rows = self._read("WHERE id = ?", [review_id]).reviews
        if not rows:
            raise InvalidData(f"There is no review {review_id}.")
        return rows[0]

    def history(self, video_id: str | None = None) -> list[Review]:
        """All decisions, undone ones too, in the order in which they were made."""
        return self.read(video_id).reviews

    def read(self, video_id: str | None = None) -> History:
        """The same, and rows that are no decisions: what others wrote into the file is told and spoils nothing else."""
        return self._read() if video_id is None else self._read("WHERE video = ?", [stored_text(video_id)])

    def standing(self) -> list[Review]:
        """The decisions that count: not undone, and the last about their subject."""
        return standing(self.history())

    def step(self) -> int:
        """A number that grows with every change, by whatever process."""
        with self._base() as base:
            return _next_step(base) - 1

    def touched_since(self, step: int) -> tuple[str, ...]:
        """Videos about which something was decided, undone or redone after `step`."""
        with self._base() as base:
            rows = base.execute("SELECT DISTINCT video FROM reviews WHERE touched > ?", (step,)).fetchall()
        return _names(rows)

    def draw_held_out(self, video_ids: Iterable[str], *, share: float, seed: int) -> tuple[str, ...]:
        """Draw at random, once, the videos on which learning is measured, clips of one recording together.

        Later calls return those.
        Raises ProjectError where decisions were made before: what people chose to look at is no random sample.
        """
        candidates = sorted(video_ids)
        with self._writing() as base, told(self.path):
            base.execute("BEGIN IMMEDIATE")
            drawn = base.execute("SELECT 1 FROM facts WHERE name = 'held_out'").fetchone()
            begun = base.execute("SELECT 1 FROM reviews LIMIT 1").fetchone()
            if drawn is None and begun is None:
                recordings = sorted({recording_of(each) for each in candidates})
                count = round(share * len(recordings))
                rows = np.random.default_rng(seed).permutation(len(recordings))[:count].tolist()
                held = {recordings[row] for row in rows}
                drawn_ids = [(stored_text(each),) for each in candidates if recording_of(each) in held]
                base.executemany("INSERT INTO held_out VALUES (?)", drawn_ids)
                base.execute(
                    "INSERT INTO facts VALUES ('held_out', ?)", (f"{share} of {len(candidates)}, seed {seed}",)
                )
            base.execute("COMMIT")
        if drawn is None and begun is not None:
            raise ProjectError(
                f"{self.path} holds decisions, but no videos were held out before the first: what learning brings "
                "can't be measured on a random sample any more."
            )
        return self.held_out()

    def held_out(self) -> tuple[str, ...]:
        """The videos on which learning is measured, sorted; none where none were drawn."""
        with self._base() as base:
            return tuple(sorted(_names(base.execute("SELECT video FROM held_out"))))

    @property
    def drawn(self) -> bool:
        """Whether videos were held out before the first decision."""
        with self._base() as base:
            return base.execute("SELECT 1 FROM facts WHERE name = 'held_out'").fetchone() is not None

    def close(self) -> None:
        """Close all connections; nobody may be using them."""
        for held in list(self._all):
            held.base.close()
        self._all, self._here = weakref.WeakSet(), threading.local()

    def _read(self, where: str = "", values: Sequence[object] = ()) -> History:
        with self._base() as base:
            rows = base.execute(f"SELECT {COLUMNS}, undone_step FROM reviews {where} ORDER BY id", values).fetchall()
        return History.of(rows)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection; an error within undoes what was begun.

        An open file that was moved away takes everything, and nobody would find it there again.
        """
        self._check_place()
        with self._base() as base:
            try:
                yield base
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise

    def _check_place(self) -> None:
        if not self.writable:
            raise ProjectError(f"{self.path} was opened for reading alone: nothing can be decided here.")
        if self._file is not None and identity(self.path) != self._file:
            raise ProjectError(
                f"{self.path} was moved away or replaced while it was in use. Nothing was stored: put it back, or "
                "start this program again."
            )

    @contextmanager
    def _base(self) -> Iterator[sqlite3.Connection]:
        held: Held | None = getattr(self._here, "held", None)
        base = None if held is None else held.base
        if base is None and not self.writable:
            base = self._hold(reading(self.path))
        if base is None:
            self._check_place()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Each thread has its own; only `close` reaches across threads.
            base = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                base.execute("PRAGMA journal_mode = WAL")
                base.execute("PRAGMA synchronous = FULL")  # In WAL mode "NORMAL" may lose the last commits with power.
            except BaseException:
                base.close()
                raise
            self._hold(base)
        yield base

    def _hold(self, base: sqlite3.Connection) -> sqlite3.Connection:
        held = self._here.held = Held(base)
        self._all.add(held)
        return base


def rows_passed_over(path: Path) -> dict[int, str]:
    """The rows of a file of reviews that are no decisions, by number, and why not; none where there is no file."""
    store = ReviewStore(path, writable=False)
    try:
        return store.read().passed_over
    finally:
        store.close()


class Overtaken(InvalidData):
    """Another decision about the same moment was stored meanwhile: `review`."""

    def __init__(self, review: Review) -> None:
        self.review = review
        super().__init__(
            f"Somebody else has decided this moment meanwhile: {review.decided.decision}. Nothing was stored: look at "
            "it, and decide again if you see it otherwise."
        )


def _check_overtaken(base: sqlite3.Connection, subject: tuple[str, str, float, float], known: int) -> None:
    video_id = stored_text(subject[0])
    rows = base.execute(
        f"SELECT {COLUMNS}, undone_step FROM reviews "
        "WHERE video = ? AND undone_step IS NULL AND id > ? ORDER BY id DESC",
        (video_id, known),
    )
    for later in History.of(rows).reviews:
        if later.decided.subject == subject:
            raise Overtaken(later)


def _first(base: sqlite3.Connection, which: str, values: Sequence[object] = ()) -> int | None:
    """The number of the first row of these that is a decision."""
    for row in base.execute(f"SELECT {COLUMNS}, undone_step FROM reviews WHERE {which}", values):
        for review in History.of([row]).reviews:
            return review.id
    return None


def _names(rows: Iterable[tuple[object, ...]]) -> tuple[str, ...]:
    """Video ids of rows; what can be none is left out."""
    found = []
    for value in (row[0] for row in rows):
        with suppress(UnicodeDecodeError):
            if isinstance(value, str | bytes):
                found.append(read_text(value))
    return tuple(found)


def _next_step(base: sqlite3.Connection) -> int:
    greatest = "SELECT touched FROM reviews WHERE typeof(touched) = 'integer' ORDER BY touched DESC LIMIT 1"
    found = base.execute(greatest).fetchone()
    return 1 if found is None else int(found[0]) + 1
