"""Videos to features over time: decoding in threads, the net beside it, each finished video kept at once."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.locks import Claims
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.flow import check_flow
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.overlap import SharedIterator, overlapped
from whenabouts.recognition.shares import Share
from whenabouts.recognition.streams import AUDIO, FLOW, RGB, ExtractSettings, Features, Stream
from whenabouts.recognition.window_encoder import WindowEncoder, WindowForm
from whenabouts.recognition.window_source import End, Finished, Windows
from whenabouts.training.devices import Compute, deterministic

__all__ = ["AUDIO", "FLOW", "RGB", "ExtractSettings", "Extracted", "extract", "outstanding", "stream_of"]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extraction did: videos written, done before, known as broken before; steps written, seconds spent.

    `elsewhere` counts videos that another process was at, or had done, when their turn came.
    """

    written: int
    done_before: int
    failed_before: int
    steps: int
    seconds: float
    elsewhere: int = 0

    def to_json(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


def extract(
    entries: Sequence[Entry],
    encoder: WindowEncoder,
    how: ExtractSettings,
    *,
    store: FeatureStore,
    report: ExtractionReport,
    compute: Compute,
    stream: str | None = None,
    statistics: bool | None = None,
    share: Share | None = None,
    claims: Claims | None = None,
    cache: Path | None = None,
    workers: int = 2,
    progress: Progress,
) -> Extracted:
    """Add to the store what it lacks of these videos; each one is on disk as soon as it is finished.

    The features become the stream of that name, by default the one that the encoder makes; without OpenCV, "flow" is a
    SettingsError. `statistics` of the sound come beside them, by default beside "rgb" alone. The features of a video
    depend neither on `workers` nor on which videos are done together. Broken and partial videos go to the report; what
    failed before is not tried again until its file changes. `cache` may hold small frames that pre-training decoded.

    Of several processes on one store each does its `share`; with `claims` none does a video that another is at, or has
    done in the meantime, whatever their shares.
    """
    made = stream_of(encoder, how, stream, statistics)
    left = outstanding(made, entries, store, report, share, progress)
    due = left.due
    source, turns = made.windows(cache), _Turns(made, store, claims)
    shared = SharedIterator(turns.of(due))
    started, steps, written = time.perf_counter(), 0, 0
    with (
        deterministic(compute.device),
        overlapped([partial(source.read, shared)] * workers, depth=2 + 2 * workers) as pieces,
        computing_threads(compute) as pool,
        store.writer(flush_count=1000, after_ns=max((entry.changed_ns for entry in due), default=0)) as writer,
    ):
        ends = computed(pieces, encoder.vectors_on(compute), pool, waiting=2 + 2 * threads_of(compute))
        for end, values in progress.track(ends, total=len(due), title=f"extracting on {compute}"):
            end = made.judged(end, values)
            report.note(end.video, progress)
            with turns.over(end.video.id):
                writer.add(*made.sequences(end, values))
                writer.flush()
            written += end.grid is not None
            steps += len(values)
    if due or not report.path.exists():
        report.save()
    seconds = time.perf_counter() - started
    return Extracted(written, left.done_before, left.failed_before, steps, seconds, turns.elsewhere)


def stream_of(
    encoder: WindowEncoder, how: ExtractSettings, stream: str | None = None, statistics: bool | None = None
) -> Stream:
    """What `extract` makes with an encoder: the stream, named as the encoder says or as asked for; bad settings raise.

    Settings that make no windows are InvalidData; the name of the sound's statistics, and "flow" without OpenCV, are
    SettingsErrors.
    """
    if how.hop_seconds <= 0 or how.batch < 1:
        raise InvalidData(f"extract needs hop_seconds above 0 and batch of at least 1, but got {how}.")
    if isinstance(encoder.form, WindowForm) and encoder.form.flow is not None:
        check_flow(encoder.form.flow.method)
    name = stream or encoder.modality
    if name == AUDIO:
        raise SettingsError(f"The stream {AUDIO!r} holds statistics of the sound. Give the encoder's another name.")
    return Stream(encoder, how, name, how.audio and (name == RGB if statistics is None else statistics))


# So many files of a store may be looked at for each video.
_FILES_A_LOOK = 1000


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Videos of which a store lacks a stream; how many it has already, and how many failed before."""

    due: list[Entry]
    done_before: int
    failed_before: int


def outstanding(
    made: Stream,
    entries: Sequence[Entry],
    store: FeatureStore,
    report: ExtractionReport,
    share: Share | None,
    progress: Progress,
) -> Outstanding:
    """What is to be done of a share of these videos; how many are left out as known to be broken is told."""
    present = (share or Share()).of([entry for entry in entries if not entry.removed])
    wanted = [entry for entry in present if not made.is_done(entry, store)]
    due = [entry for entry in wanted if not report.failed_before(entry.video)]
    if len(due) < len(wanted):
        progress.say(f"{len(wanted) - len(due)} videos could not be read before: see {report.path}")
    return Outstanding(due, len(present) - len(wanted), len(wanted) - len(due))


class _Turns:
    """Hands out the videos that no other process is at, and keeps what others write apart from what is written here."""

    def __init__(self, stream: Stream, store: FeatureStore, claims: Claims | None) -> None:
        self._stream, self._store, self._claims = stream, store, claims
        self._writing = threading.Lock()
        self.elsewhere = self._since_look = 0

    def of(self, due: Iterable[Entry]) -> Iterator[tuple[int, Video]]:
        """Videos by number, each as its turn comes."""
        for number, entry in enumerate(due):
            if self._is_free(entry):
                yield number, entry.video
            else:
                self.elsewhere += 1

    def _is_free(self, entry: Entry) -> bool:
        if self._claims is None:
            return True
        if not self._claims.take(self._key(entry.id)):
            return False
        with self._writing:
            self._look()
            done = self._stream.is_done(entry, self._store)
        if done:
            self._claims.drop(self._key(entry.id))
        return not done

    def _look(self) -> None:
        """See what others have written, the more seldom the more files there are: listing a million takes seconds.

        What is overlooked may be made twice, which does no harm.
        """
        self._since_look += 1
        if self._since_look * _FILES_A_LOOK >= self._store.shard_count:
            self._store.refresh()
            self._since_look = 0

    @contextlib.contextmanager
    def over(self, video_id: str) -> Iterator[None]:
        """Write what a video yielded within the block; then others may have it."""
        with self._writing:
            yield
        if self._claims is not None:
            self._claims.drop(self._key(video_id))

    def _key(self, video_id: str) -> str:
        return f"{self._stream.name}\0{video_id}"


def threads_of(compute: Compute) -> int:
    """How many batches are computed at the same time: on the CPU one per core, on a GPU one."""
    return torch.get_num_threads() if compute.device.type == "cpu" else 1


@contextlib.contextmanager
def computing_threads(compute: Compute) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute one batch each.

    On the CPU each works alone: several batches side by side keep all cores busy beside the decoders, where torch's
    own team of threads would wait for its slowest member, spinning; and no result depends on the number of cores.
    """
    before = torch.get_num_threads()
    single = partial(torch.set_num_threads, 1) if compute.device.type == "cpu" else None
    pool = ThreadPoolExecutor(threads_of(compute), thread_name_prefix="net", initializer=single)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def computed(
    pieces: Iterable[Windows | End],
    forward: Callable[[NDArray[Any]], Features],
    pool: ThreadPoolExecutor,
    *,
    waiting: int,
) -> Iterator[tuple[Finished, Features]]:
    """Batches and ends of many videos, as they come -> each finished video with its features (T, D).

    At most `waiting` batches wait for a thread of `pool`, and as many ends for their batches: short videos, too, keep
    all threads busy.
    """
    parts: dict[int, list[Future[Features]]] = {}
    ends: deque[tuple[Finished, list[Future[Features]]]] = deque()
    places = threading.BoundedSemaphore(waiting)
    for piece in pieces:
        if isinstance(piece, End):
            ends.append((piece.finished, parts.pop(piece.number, [])))
        else:
            places.acquire()
            future = pool.submit(forward, piece.clips)
            future.add_done_callback(lambda _: places.release())
            parts.setdefault(piece.number, []).append(future)
        while ends and (len(ends) > waiting or all(future.done() for future in ends[0][1])):
            yield _joined(*ends.popleft())
    for finished, made in ends:
        yield _joined(finished, made)


def _joined(finished: Finished, made: list[Future[Features]]) -> tuple[Finished, Features]:
    values = [future.result() for future in made]
    return finished, np.concatenate(values) if values else np.zeros((0, 0), np.float32)
