"""The file of reviews: its tables, and connections to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from whenabouts.core.errors import ProjectError

TABLES = """
CREATE TABLE IF NOT EXISTS reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT, step INTEGER NOT NULL, at REAL NOT NULL, decision TEXT NOT NULL,
  video, concept, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL,
  found_start REAL, found_end REAL, found_score REAL, origin TEXT NOT NULL, undone_step INTEGER,
  touched INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_video ON reviews (video);
CREATE INDEX IF NOT EXISTS by_touched ON reviews (touched);
CREATE TABLE IF NOT EXISTS held_out (video PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


class Held:
    """A connection that is closed when the thread ends that had it: servers come and go with threads all day."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self.base = base

    def __del__(self) -> None:
        self.base.close()


def reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even the log beside the file; an empty one where there is no file."""
    for more in ("mode=ro", "mode=ro&immutable=1"):  # A log can't be read where none may be made: then without it.
        with suppress(sqlite3.Error):
            base = sqlite3.connect(f"{path.resolve().as_uri()}?{more}", uri=True, isolation_level=None,
                                   check_same_thread=False)  # fmt: skip
            try:
                base.execute("SELECT 1 FROM reviews LIMIT 1")
                return base
            except sqlite3.Error:
                base.close()
    base = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    base.executescript(TABLES)
    return base


@contextmanager
def told(path: Path) -> Iterator[None]:
    """ProjectError for what can't be written."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ProjectError(f"{path} can't be written: {error}. Nothing was stored.") from None


def identity(path: Path) -> tuple[int, int] | None:
    """Tells one file from another that has come to its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
