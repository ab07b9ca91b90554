"""Videos to features over time: decoding in threads, the net beside it, each finished video kept at once."""

import contextlib
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.flow import check_flow
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.overlap import SharedIterator, overlapped
from whenabouts.recognition.window_source import SOUND_SOURCE, SOUND_WIDTH, End, Finished, Windows, WindowSource
from whenabouts.training.devices import Compute, deterministic

RGB, FLOW, AUDIO = "rgb", "flow", "audio"

# What two grids over videos of any length share.
_RASTER = ("start_seconds", "hop_seconds", "window_seconds")

Features = NDArray[np.float32]


@settings
class ExtractSettings:
    """How features are taken: a window of the backbone's clip length each `hop_seconds`.

    `storage` float16 halves the size of the store and rounds values by at most 1 in 2000. `audio` adds statistics of
    log-mel bands in the same windows for videos that have sound, beside the "rgb" stream.
    """

    hop_seconds: float = 0.5
    batch: int = 32
    audio: bool = True
    storage: Literal["float16", "float32"] = "float16"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extraction did: videos written, done before, known as broken before; steps written, seconds spent."""

    written: int
    done_before: int
    failed_before: int
    steps: int
    seconds: float

    def to_json(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


def extract(
    entries: Sequence[Entry],
    backbone: Backbone,
    how: ExtractSettings,
    *,
    store: FeatureStore,
    report: ExtractionReport,
    compute: Compute,
    cache: Path | None = None,
    workers: int = 2,
    progress: Progress,
) -> Extracted:
    """Add to the store what it lacks of these videos; each one is on disk as soon as it is finished.

    The features become the stream that the backbone is of, "rgb" or "flow"; without OpenCV, "flow" is a SettingsError.
    The features of a video depend neither on `workers` nor on which videos are done together. Broken and partial
    videos go to the report; what failed before is not tried again until its file changes. `cache` may hold small
    frames that pre-training decoded.
    """
    if how.hop_seconds <= 0 or how.batch < 1:
        raise InvalidData(f"extract needs hop_seconds above 0 and batch of at least 1, but got {how}.")
    if backbone.settings.modality == FLOW:
        check_flow(backbone.settings.flow.method)
    present = [entry for entry in entries if not entry.removed]
    wanted = [entry for entry in present if not is_done(entry, store, backbone, how)]
    due = [entry for entry in wanted if not report.failed_before(entry.video)]
    if len(due) < len(wanted):
        progress.say(f"{len(wanted) - len(due)} videos could not be read before: see {report.path}")
    source = WindowSource(backbone.settings, how.hop_seconds, how.batch, _heard(backbone, how), cache)
    shared = SharedIterator(enumerate(entry.video for entry in due))
    started, steps, written = time.perf_counter(), 0, 0
    with (
        deterministic(compute.device),
        overlapped([partial(source.read, shared)] * workers, depth=2 + 2 * workers) as pieces,
        computing_threads(compute) as pool,
        store.writer(flush_count=1000, after_ns=max((entry.changed_ns for entry in due), default=0)) as writer,
    ):
        ends = computed(pieces, forward_of(backbone, compute), pool, waiting=2 + 2 * threads_of(compute))
        for end, values in progress.track(ends, total=len(due), title=f"extracting on {compute}"):
            report.note(end.video, progress)
            writer.add(*_sequences(end, values, backbone, how))
            writer.flush()
            written += end.grid is not None
            steps += len(values)
    if due or not report.path.exists():
        report.save()
    return Extracted(written, len(present) - len(wanted), len(wanted) - len(due), steps, time.perf_counter() - started)


def is_done(entry: Entry, store: FeatureStore, backbone: Backbone, how: ExtractSettings) -> bool:
    """True where the store holds this backbone's features of the file as it is, on the wanted grid."""
    modality = backbone.settings.modality
    if not store.has(entry.id, modality, source=backbone.source, newer_than_ns=entry.changed_ns):
        return False
    grid, wanted = store.grid(entry.id, modality), WindowSource(backbone.settings, how.hop_seconds, how.batch).grid()
    if any(getattr(grid, name) != getattr(wanted, name) for name in _RASTER):
        return False
    heard = not (_heard(backbone, how) and entry.video.has_audio)
    return heard or store.has(entry.id, AUDIO, source=SOUND_SOURCE, newer_than_ns=entry.changed_ns)


def forward_of(backbone: Backbone, compute: Compute) -> Callable[[NDArray[np.uint8]], Features]:
    """A function from clips (B, F, H, W, C) uint8 to features (B, D) float32 on a device."""
    net = compute.place_net(backbone.net).eval()
    transform = backbone.settings.transform()

    def forward(clips: NDArray[np.uint8]) -> Features:
        with torch.inference_mode(), compute.autocast():
            pixels = torch.from_numpy(clips).to(compute.device)
            features: Features = net(compute.place(transform.test(pixels))).float().cpu().numpy()
        return features

    return forward


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
    forward: Callable[[NDArray[np.uint8]], Features],
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


def _heard(backbone: Backbone, how: ExtractSettings) -> bool:
    """Sound comes with the pictures alone: once per video is enough."""
    return how.audio and backbone.settings.modality == RGB


def _sequences(end: Finished, values: Features, backbone: Backbone, how: ExtractSettings) -> list[FeatureSequence]:
    if end.grid is None or end.video.passing:  # Half a video is not kept where another reading may find it whole.
        return []
    kept = np.dtype(how.storage)
    made = [FeatureSequence(end.video.id, values.astype(kept), end.grid, backbone.settings.modality, backbone.source)]
    if end.sound is not None:
        made.append(FeatureSequence(end.video.id, end.sound.astype(kept), end.grid, AUDIO, SOUND_SOURCE))
    elif _heard(backbone, how) and end.video.has_audio:
        # No steps say that its sound can't be decoded: else the whole video would be done again each time.
        none, nothing = dataclasses.replace(end.grid, steps=0), np.zeros((0, SOUND_WIDTH), kept)
        made.append(FeatureSequence(end.video.id, nothing, none, AUDIO, SOUND_SOURCE))
    return made
