"""How far each of several workers is: a file for each below a project's reports, so that all are seen in one place."""

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json, write_json
from whenabouts.core.progress import Progress
from whenabouts.recognition.shares import Share

Item = TypeVar("Item")

_PAUSE_SECONDS, _LINES = 10.0, 100


def worker_name() -> str:
    """The node and process that this is."""
    return f"{socket.gethostname()}/{os.getpid()}"


class WorkerNotes:
    """A `Progress` that also notes stages and remarks of the worker of one share; remarks begin with its name.

    The file is written as the work begins and ends, and at most every ten seconds between.
    """

    def __init__(self, folder: Path, share: Share, progress: Progress) -> None:
        self._path = folder / f"{share.number}-of-{share.count}.json"
        self._progress = progress
        self._written_at = 0.0
        self._stages: list[dict[str, Any]] = []
        self._told: deque[str] = deque(maxlen=_LINES)
        self._fixed = {"worker": worker_name(), "share": f"{share.number}/{share.count}", "began": _now()}

    def __enter__(self) -> Self:
        self._write("")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):  # The error under way is the one to tell: the disk may be full.
            self._write("finished" if kind is None else f"{kind.__name__}: {error}".strip(": "))

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Yield `items`, and count those that are done."""
        stage: dict[str, Any] = {"title": title, "done": 0, "total": total}
        self._stages.append(stage)
        for item in self._progress.track(items, total=total, title=title):
            yield item
            stage["done"] += 1
            if time.monotonic() - self._written_at > _PAUSE_SECONDS:
                self._write("")

    def say(self, text: str) -> None:
        """Show a remark, under the worker's name, and keep the last hundred."""
        self._told.append(text)
        self._progress.say(f"{self._fixed['worker']}: {text}")

    def _write(self, ended: str) -> None:
        values = {**self._fixed, "seen": _now(), "ended": ended, "stages": self._stages, "told": list(self._told)}
        write_json(self._path, values)
        self._written_at = time.monotonic()


@dataclass(frozen=True)
class WorkerState:
    """What one worker noted last: times in ISO 8601, `ended` as "" while it is at work, remarks oldest first."""

    worker: str
    share: str
    began: str
    seen: str
    ended: str
    stages: tuple[dict[str, Any], ...]
    told: tuple[str, ...]

    @property
    def done(self) -> tuple[int, int]:
        """Steps done and steps in all, of all stages that were begun."""
        return sum(stage["done"] for stage in self.stages), sum(stage["total"] or 0 for stage in self.stages)


def workers_of(folder: Path) -> list[WorkerState]:
    """All workers that noted anything, in order of their shares; files that can't be read are left out."""
    found = []
    for path in folder.glob("*-of-*.json"):
        with contextlib.suppress(OSError, InvalidData, KeyError, TypeError):
            noted = read_json(path)
            stages, told = tuple(noted.pop("stages")), tuple(noted.pop("told"))
            found.append(WorkerState(**noted, stages=stages, told=told))
    return sorted(found, key=lambda state: [int(part) for part in reversed(state.share.split("/"))])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
