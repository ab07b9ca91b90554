"""Thumbnails and proxies, made when they are asked for, in child processes that no file can bring down with them."""

import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from whenabouts.core.errors import MediaError
from whenabouts.core.files import replacing
from whenabouts.media.parts import frame_parts
from whenabouts.media.proxy import proxy_parts
from whenabouts.media.watch import Child, Limits
from whenabouts.media.workers import Decoding, Job, decoding
from whenabouts.page.filmstrip import jpeg
from whenabouts.page.server.kept import Kept

PICTURE_LIMITS = Limits(silence_seconds=30.0, total_seconds=60.0)
PROXY_LIMITS = Limits()
MOST_WAITING = 2_000
END_SECONDS = 5.0


def content_of(path: Path) -> str:
    """Tells one content of a file from another, by its size and time of change; FileNotFoundError without a file."""
    facts = path.stat()
    return hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that is wanted: from which file, when, in which size (height, width), and where it is kept."""

    source: Path
    seconds: float
    size: tuple[int, int]
    kept: Path


class Thumbnails:
    """Pictures of frames, kept in the cache; requests for one video are answered by one reading of it."""

    def __init__(self, cache: Kept, workers: int = 2) -> None:
        self._cache = cache
        self._lock = threading.Condition()
        self._waiting: OrderedDict[tuple[Path, tuple[int, int]], dict[Picture, Future[Path]]] = OrderedDict()
        self._count, self._closed = 0, False
        self._children = [Child(PICTURE_LIMITS) for _ in range(workers)]
        self._threads = [threading.Thread(target=self._work, args=(child,), daemon=True) for child in self._children]
        self._started = False

    def ask(self, picture: Picture) -> "Future[Path]":
        """The file of a picture, sooner or later; MediaError where it can't be made."""
        if picture.kept.is_file():
            self._cache.use(picture.kept)
            done: Future[Path] = Future()
            done.set_result(picture.kept)
            return done
        with self._lock:
            if not self._started:
                self._started = True
                for thread in self._threads:
                    thread.start()
            same = self._waiting.setdefault((picture.source, picture.size), {})
            known = same.get(picture)
            if known is None:
                if self._count >= MOST_WAITING:
                    raise MediaError("Too many pictures are waited for.")
                known = same[picture] = Future()
                self._count += 1
                self._lock.notify()
            return known

    def close(self) -> None:
        """End the children; what waits gets an error."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        for child in self._children:
            child.interrupt()
        for thread in self._threads if self._started else ():
            thread.join(END_SECONDS)

    def _work(self, child: Child) -> None:
        try:
            self._serve(child)
        finally:
            child.close()

    def _serve(self, child: Child) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    for asked in self._waiting.values():
                        for future in asked.values():
                            future.cancel()
                    self._waiting.clear()
                    return
                (source, size), wanted = self._waiting.popitem(last=False)
                self._count -= len(wanted)
            self._make(child, source, size, wanted)

    def _make(self, child: Child, source: Path, size: tuple[int, int], wanted: "dict[Picture, Future[Path]]") -> None:
        pictures = list(wanted)
        try:
            seconds = [picture.seconds for picture in pictures]
            job = Job(frame_parts, source, {"seconds": seconds, "size": list(size)})
            work = Decoding(job, 1 << 30)
            child.run(job.request(), work)
            frames = [frame for part in work.parts() for frame in part["frames"]]
            if work.failure or len(frames) != len(pictures):
                raise MediaError(work.failure or "No frame could be decoded.")
            for picture, frame in zip(pictures, frames, strict=True):
                with replacing(picture.kept) as part:
                    part.write_bytes(jpeg(frame))
                self._cache.made(picture.kept)
                wanted[picture].set_result(picture.kept)
        except Exception as error:  # Whatever it is, those who wait must hear of it.
            for future in wanted.values():
                if not future.done():
                    future.set_exception(error)


@dataclass
class ProxyState:
    """How far a proxy is: "making", "ready" or "failed"."""

    state: str
    progress: float = 0.0
    reason: str = ""


class Proxies:
    """Copies that browsers play, one made at a time."""

    def __init__(self, cache: Kept) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._states: dict[Path, ProxyState] = {}
        self._threads: list[threading.Thread] = []
        self._working: Decoding | None = None
        self._closed = False

    def close(self) -> None:
        """End what is being made."""
        self._closed = True
        working = self._working
        if working is not None:
            working.drop()
        for thread in self._threads:
            thread.join(END_SECONDS)

    def state(self, kept: Path) -> ProxyState | None:
        """What is known of a copy; None where nobody asked for it."""
        if kept.is_file():
            return ProxyState("ready", 1.0)
        known = self._states.get(kept)
        return None if known is not None and known.state == "ready" else known  # Ready, but gone since.

    def ask(self, source: Path, kept: Path, duration_seconds: float) -> ProxyState:
        """Begin a copy unless it is there or on its way, and say how far it is.

        A failure is told once, to whoever asks next; after that, asking begins anew.
        """
        with self._lock:
            known = self.state(kept)
            if known is not None:
                if known.state == "ready":
                    self._cache.use(kept)
                if known.state == "failed":
                    del self._states[kept]
                return known
            state = self._states[kept] = ProxyState("making")
            thread = threading.Thread(target=self._make, args=(source, kept, duration_seconds, state), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()
        return state

    def _make(self, source: Path, kept: Path, duration_seconds: float, state: ProxyState) -> None:
        try:
            with self._turn, decoding(Job(proxy_parts, source, {"target": kept}), limits=PROXY_LIMITS) as work:
                self._working = work
                if self._closed:
                    return
                for part in work.parts():
                    state.progress = min(0.99, float(part["seconds"][-1]) / max(duration_seconds, 0.1))
                if work.failure or not kept.is_file():
                    raise MediaError(work.failure or "The copy was not written.")
            self._cache.made(kept)
            state.state, state.progress = "ready", 1.0
        except Exception as error:  # Whatever it is, those who wait must hear of it.
            state.reason, state.state = str(error) or type(error).__name__, "failed"
