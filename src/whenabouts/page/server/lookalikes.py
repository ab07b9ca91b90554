"""Find by example over a whole project: mean features of many short spans, kept in memory once they are read.

Features are read video by video and kept as a byte a number: of 10,000 videos that is a hundred megabytes, where the
features themselves are gigabytes.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.data.feature_store import FeatureStore
from whenabouts.page.review.likeness import Coded, cosines, direction, span_means, unit_rows
from whenabouts.page.server.asking import Refused
from whenabouts.page.server.curves import Model
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.library import Library

MOST_IN_VIDEO = 24
USUAL_SECONDS = 3.0
NOTHING = "There are no features to compare. Run `whenabouts extract` first."
CENTRED = 256
"""Videos by which the centre is taken, evenly among all: the mean of thousands would need all their vectors at once."""
BLOCK = 64
"""Videos whose vectors are in memory at full precision."""


@dataclass(frozen=True)
class Spans:
    """Spans (N, 2) of videos (N,), with unit vectors of their mean features of one stream, block by block."""

    videos: IntArray
    spans: FloatArray
    vectors: tuple[Coded, ...]
    centre: NDArray[np.float32]
    stream: str


class Lookalikes:
    """Which spans are like an example; the first question reads the features, later ones take milliseconds."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._read: tuple[object, Spans] | None = None

    def like(
        self, snapshot: Snapshot, examples: list[tuple[int, float, float]], *, without: set[int]
    ) -> tuple[Spans, FloatArray]:
        """All spans with their likeness to the examples (video, start, end); -1 in videos that are left out."""
        kept = self._spans(snapshot.library)
        vectors = [self.vector(snapshot.library, *example, kept.stream)[1] for example in examples]
        aim = direction(np.concatenate(vectors), kept.centre)
        found = np.concatenate([cosines(block, aim) for block in kept.vectors])
        found[np.isin(kept.videos, list(without))] = -1.0
        return kept, found

    def vector(
        self, library: Library, video: int, start: float, end: float, stream: str = ""
    ) -> tuple[str, NDArray[np.float32]]:
        """The stream that is compared, and the mean features (1, D) of a span in it; 409 where there are none."""
        stream = stream or _stream(self._model.store().modalities())
        features = self._model.features(library.entries[video], [stream])
        if stream not in features or not len(features[stream]):
            raise Refused(409, f"This video has no {stream} features. Run `whenabouts extract` first.")
        return stream, span_means(features[stream], np.asarray([[start, end]]))

    def _spans(self, library: Library) -> Spans:
        with self._lock:
            store = self._model.store()
            stamp = (id(library), store.newest_ns)
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, self._all(library))
            return self._read[1]

    def _all(self, library: Library) -> Spans:
        store = self._model.store()
        reader = _Reader(library, store, _stream(store.modalities()))
        known = reader.videos()
        sample = known[:: -(-len(known) // CENTRED) or 1]
        videos, spans, vectors = list[IntArray](), list[FloatArray](), list[Coded]()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            middle = [means for _, _, means in pool.map(reader.read, sample) if len(means)]
            centre = np.concatenate(middle).mean(axis=0) if middle else np.zeros(reader.width, np.float32)
            for block in _blocks(known, BLOCK):
                read = list(pool.map(reader.read, block))
                videos += [each for each, _, _ in read]
                spans += [each for _, each, _ in read]
                vectors.append(Coded.of(unit_rows(np.concatenate([means for _, _, means in read]) - centre)))
        if not sum(map(len, spans)):
            raise Refused(409, NOTHING)
        return Spans(np.concatenate(videos), np.concatenate(spans), tuple(vectors), centre, reader.stream)


class _Reader:
    """Reads the features of one video after the other; used by several threads."""

    def __init__(self, library: Library, store: FeatureStore, stream: str) -> None:
        self.stream, self.width = stream, store.widths(stream).most_common(1)[0][0]
        self._library, self._store, self._lock = library, store, threading.Lock()

    def videos(self) -> list[int]:
        """Numbers of the videos that have features which are no older than their files."""
        return [number for number, entry in enumerate(self._library.entries)
                if self._store.has(entry.id, self.stream, newer_than_ns=entry.changed_ns)]  # fmt: skip

    def read(self, number: int) -> tuple[IntArray, FloatArray, NDArray[np.float32]]:
        """The video's number for each of its spans (N,), the spans (N, 2), and their mean features (N, D)."""
        try:
            with self._lock:  # A store that finds a file gone reads its folder anew.
                sequence = self._store.read(self._library.entries[number].id, self.stream)
            if len(sequence) and sequence.width == self.width:
                spans = _spans_in(self._library, number, sequence.grid.duration_seconds)
                return np.full(len(spans), number), spans, span_means(sequence, spans)
        except WhenaboutsError:
            pass  # `whenabouts check` tells of broken features.
        return np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, self.width), np.float32)


def _blocks(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _stream(streams: tuple[str, ...]) -> str:
    if not streams:
        raise Refused(409, NOTHING)
    return "rgb" if "rgb" in streams else streams[0]


def _spans_in(library: Library, number: int, duration: float) -> FloatArray:
    """Spans (N, 2) of one video: what was found in it, and parts of a usual length, for what nobody has found yet."""
    rows = library.table.of_video(number)
    known = sorted({(start, end) for start, end in library.table.spans[rows].tolist() if end > start})
    found = np.asarray(known[: MOST_IN_VIDEO // 2], np.float64).reshape(-1, 2)
    grid = TimeGrid.of_length(duration, max(USUAL_SECONDS, 2 * duration / MOST_IN_VIDEO))
    edges = grid.edges()
    return np.concatenate([found, np.stack([edges[:-1], edges[1:]], axis=1)])
