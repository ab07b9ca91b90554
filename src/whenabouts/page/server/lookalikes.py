"""Find by example over a whole project: mean features of many short spans, kept in memory once they are read."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.page.review.likeness import cosines, direction, span_means, unit_rows
from whenabouts.page.server.asking import Refused
from whenabouts.page.server.curves import Model
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.library import Library

MOST_IN_VIDEO = 24
USUAL_SECONDS = 3.0


@dataclass(frozen=True)
class Spans:
    """Spans (N, 2) of videos (N,) with unit vectors (N, D) of their mean features of one stream."""

    videos: IntArray
    spans: FloatArray
    vectors: NDArray[np.float16]
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
        found = cosines(kept.vectors, direction(np.concatenate(vectors), kept.centre))
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
        stream = _stream(store.modalities())
        width = store.widths(stream).most_common(1)[0][0]
        videos, spans, means = list[int](), list[FloatArray](), list[NDArray[np.float32]]()
        for number, entry in enumerate(library.entries):
            if not store.has(entry.id, stream, newer_than_ns=entry.changed_ns):
                continue
            try:
                sequence = store.read(entry.id, stream)
                if not len(sequence) or sequence.width != width:
                    continue
                own = _spans_in(library, number, sequence.grid.duration_seconds)
                means.append(span_means(sequence, own))
            except WhenaboutsError:
                continue  # `whenabouts check` tells of broken features.
            videos += [number] * len(own)
            spans.append(own)
        if not spans:
            raise Refused(409, "There are no features to compare. Run `whenabouts extract` first.")
        every = np.concatenate(means)
        centre = every.mean(axis=0)
        vectors = unit_rows(every - centre).astype(np.float16)
        return Spans(np.asarray(videos), np.concatenate(spans), vectors, centre, stream)


def _stream(streams: tuple[str, ...]) -> str:
    if not streams:
        raise Refused(409, "There are no features to compare. Run `whenabouts extract` first.")
    return "rgb" if "rgb" in streams else streams[0]


def _spans_in(library: Library, number: int, duration: float) -> FloatArray:
    """Spans (N, 2) of one video: what was found in it, and parts of a usual length, for what nobody has found yet."""
    rows = library.table.of_video(number)
    found = np.unique(library.table.spans[rows], axis=0)[: MOST_IN_VIDEO // 2]
    grid = TimeGrid.of_length(duration, max(USUAL_SECONDS, 2 * duration / MOST_IN_VIDEO))
    found = found[found[:, 1] > found[:, 0]]
    parts = grid.spans(np.stack([np.arange(grid.steps), np.arange(1, grid.steps + 1)], axis=1))
    return np.concatenate([found, parts])
