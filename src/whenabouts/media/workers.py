"""Decoding in child processes that may hang, crash or be killed without harm to the run."""

import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from whenabouts.core.errors import InvalidData
from whenabouts.core.video import Video
from whenabouts.media.messages import Message
from whenabouts.media.parts import Arrays, Part
from whenabouts.media.probe import unreadable
from whenabouts.media.watch import Child, Limits


@dataclass(frozen=True, slots=True)
class Job:
    """A function at the top of a module that yields parts (see `parts.py`), and its arguments by name.

    Arguments are paths and plain JSON values. `video_id` and `path` name the video where the child can't.
    """

    function: Callable[..., Iterator[Part]]
    path: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    video_id: str = ""

    def __post_init__(self) -> None:
        name = self.function.__qualname__
        if self.function.__module__ == "__main__" or "<" in name:
            raise InvalidData(f"A child process can't import {name}: put it at the top of a module of its own.")
        try:
            json.dumps(self.request().values)
        except (TypeError, ValueError) as error:
            raise InvalidData(f"Arguments of a job are paths and plain JSON values, but {error}.") from error

    def request(self) -> Message:
        """The job as the child takes it."""
        arguments = {"path": self.path, **self.arguments}
        paths = [key for key, value in arguments.items() if isinstance(value, Path)]
        values = {key: str(value) if isinstance(value, Path) else value for key, value in arguments.items()}
        function = f"{self.function.__module__}:{self.function.__qualname__}"
        return Message("job", {"function": function, "paths": paths, "arguments": values}, {})


class Decoding:
    """One job under way: `parts` streams its arrays, then `outcome` tells how it ended."""

    def __init__(self, job: Job, buffer_bytes: int) -> None:
        self.job = job
        self.failure = ""
        self.passing = False
        self._video: Video | None = None
        self._reached = 0.0
        self._room, self._waiting = buffer_bytes, deque[Arrays]()
        self._held = 0
        self._changed = threading.Condition()
        self._ended = self._dropped = False

    def parts(self) -> Iterator[Arrays]:
        """The arrays in the order in which the job made them; waits for the child, and the child for us."""
        while (arrays := self._taken()) is not None:
            if len(arrays.get("seconds", ())):
                self._reached = float(arrays["seconds"][-1])
            yield arrays

    @property
    def outcome(self) -> Video:
        """The video, once all parts are taken: as the job described it last, or why it could not go on."""
        name = self.job.video_id or self.job.path.stem
        if not self.failure:
            return self._video or Video(name, self.job.path)
        if self._video is None or self._video.status == "unreadable" or self._reached <= 0:
            return unreadable(name, self.job.path, self.failure, passing=self.passing)
        share = self._reached / self._video.duration_seconds if self._video.duration_seconds > 0 else 0.0
        seen = replace(self._video, status="partial", coverage=min(share, 1.0), reason=self.failure)
        return replace(seen, passing=self.passing)

    def take_in(self, message: Message) -> None:
        """Keep what the child sent, as soon as there is room."""
        if message.kind == "video":
            self._video = Video.from_json(dict(message.values))
        elif message.kind == "arrays":
            with self._changed:
                self._changed.wait_for(lambda: self._has_room(message.size))
                if not self._dropped:
                    self._waiting.append(message.arrays)
                    self._held += message.size
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self._dropped or not self._held or self._held + size <= self._room

    def end(self, failure: str, *, passing: bool = False) -> None:
        """The job is over; `failure` says why, if not by itself, `passing` that the file may not be the reason."""
        with self._changed:
            self.failure, self.passing, self._ended = failure, passing, True
            self._changed.notify_all()

    @property
    def dropped(self) -> bool:
        """Whether nobody will take the rest."""
        return self._dropped

    def drop(self) -> None:
        """Throw away what is left and what still comes."""
        with self._changed:
            self._dropped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _taken(self) -> Arrays | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                return None
            arrays = self._waiting.popleft()
            self._held -= sum(array.nbytes for array in arrays.values())
            self._changed.notify_all()
            return arrays


def decode_many(
    jobs: Iterable[Job], *, workers: int = 2, limits: Limits | None = None, ahead: int = 0, buffer_bytes: int = 64 << 20
) -> Iterator[Decoding]:
    """Run jobs in `workers` child processes and yield them in their order; nothing depends on the number of workers.

    At most `ahead` jobs (0: twice the workers) are begun before their turn, each with at most `buffer_bytes` of
    arrays waiting. A child that crashes, hangs, or takes too much time or memory ends its own job only: the outcome
    says why. Take all parts of a job before the next; what is left is thrown away.
    """
    if workers < 1 or buffer_bytes < 1 or ahead < 0:
        raise InvalidData(
            f"Needs at least 1 worker and byte, but got {workers} workers, {buffer_bytes} bytes, {ahead}."
        )
    pool = _Pool(iter(jobs), limits or Limits(), ahead or 2 * workers, buffer_bytes)
    try:
        yield from pool.in_order(workers)
    finally:
        pool.close()


@contextlib.contextmanager
def decoding(job: Job, *, limits: Limits | None = None) -> Iterator[Decoding]:
    """One job in a child process of its own, which ends with the context."""
    with contextlib.closing(cast(Generator[Decoding], decode_many([job], workers=1, limits=limits))) as decodings:
        yield next(decodings)


class _Pool:
    """Threads that each feed one child; jobs are handed out, and come back, in order."""

    def __init__(self, jobs: Iterator[Job], limits: Limits, ahead: int, buffer_bytes: int) -> None:
        self._jobs, self._limits, self._buffer_bytes = jobs, limits, buffer_bytes
        self._places = threading.Semaphore(ahead)
        self._lock = threading.Lock()
        self._begun: deque[Decoding] = deque()
        self._known = threading.Condition(self._lock)
        self._exhausted = self._closed = False
        self._broken: BaseException | None = None
        self._children: list[Child] = []
        self._threads: list[threading.Thread] = []

    def in_order(self, workers: int) -> Iterator[Decoding]:
        for _ in range(workers):
            child = Child(self._limits)
            self._children.append(child)
            self._threads.append(threading.Thread(target=self._work, args=(child,), daemon=True))
            self._threads[-1].start()
        while (decoding := self._next()) is not None:
            yield decoding
            decoding.drop()
            self._places.release()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            begun = list(self._begun)
        for child in self._children:
            child.interrupt()
        for decoding in begun:
            decoding.drop()
        for _ in self._threads:
            self._places.release()
        for thread in self._threads:
            thread.join(timeout=10)

    def _next(self) -> Decoding | None:
        with self._known:
            self._known.wait_for(lambda: self._begun or self._exhausted)
            if self._begun:
                return self._begun.popleft()
            if self._broken is not None:
                raise self._broken
            return None

    def _work(self, child: "Child") -> None:
        while (decoding := self._begin()) is not None:
            try:
                child.run(decoding.job.request(), decoding)
            except Exception as error:  # a thread that died silently would leave the consumer waiting
                child.close()
                decoding.end(f"decoding failed: {type(error).__name__}: {error}", passing=True)
                return
        child.close()

    def _begin(self) -> Decoding | None:
        self._places.acquire()
        with self._known:
            try:
                job = None if self._closed or self._exhausted else next(self._jobs, None)
            except BaseException as error:  # the jobs come from the caller: the error is his
                job, self._broken = None, error
            if job is None:
                self._exhausted = True
                self._places.release()
                self._known.notify_all()
                return None
            decoding = Decoding(job, self._buffer_bytes)
            self._begun.append(decoding)
            self._known.notify_all()
            return decoding
