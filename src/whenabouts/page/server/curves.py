"""What the localizer sees in one video: curves for a page as wide as a screen, and why a moment was found."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.freshness import folder_checksum
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.page.server.asking import Refused

if TYPE_CHECKING:
    from whenabouts.localizers.protocol import Localizer

KEPT = 32
RIVALS, REASONS = 5, 12
Values = NDArray[np.floating[Any]]


class Model:
    """The project's localizer and features, loaded at the first question and again when they change."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._lock = threading.RLock()
        self._localizer: Localizer | None = None
        self._store: FeatureStore | None = None
        self._stamp = ""
        self._kept: OrderedDict[str, dict[str, ScoreSequence]] = OrderedDict()

    def store(self) -> FeatureStore:
        """The features, as they are now."""
        with self._lock:
            if self._store is None:
                self._store = self.project.features()
            else:
                self._store.refresh()
            return self._store

    def features(self, entry: Entry, modalities: Sequence[str] | None = None) -> dict[str, FeatureSequence]:
        """Those features of a video that are there and fresh."""
        with self._lock:
            store = self.store()
            names = store.modalities() if modalities is None else modalities
            return {name: store.read(entry.id, name) for name in names
                    if store.has(entry.id, name, newer_than_ns=entry.changed_ns)}  # fmt: skip

    def scores(self, entry: Entry) -> dict[str, ScoreSequence]:
        """Scores of a video: of "all" streams together, and of each alone where there are several; else 409."""
        from whenabouts.localizers import load_localizer

        with self._lock:
            try:
                stamp = folder_checksum(self.project.localizer_folder)
                if self._localizer is None or stamp != self._stamp:
                    self._localizer, self._stamp = load_localizer(self.project.localizer_folder), stamp
                    self._kept.clear()
                known = self._kept.get(entry.id)
                if known is None:
                    known = self._kept[entry.id] = self._scored(self._localizer, entry)
                    while len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
                return known
            except WhenaboutsError as error:
                raise Refused(409, str(error)) from None

    def moved(self, entry: Entry, concept: str, start: float, end: float) -> list[dict[str, Any]]:
        """What moved the relevance model for a span, strongest first; empty without one. Call `scores` before.

        `gain` is what a column adds to the log-odds of relevance; `value` is None where it is missing for this pair.
        """
        from whenabouts.localizers.concepts.cross_class import CrossClass

        with self._lock:
            localizer = self._localizer
            if not isinstance(localizer, CrossClass) or localizer.relevance is None:
                return []
            features = self.features(entry, [stream.modality for stream in localizer.streams])
            try:
                reasons = localizer.why(features, (start, end), concept).reasons
            except WhenaboutsError as error:
                raise Refused(409, str(error)) from None
        return [
            {"name": each.column, "value": each.value if np.isfinite(each.value) else None, "gain": each.adds}
            for each in reasons[:REASONS]
        ]

    def _scored(self, localizer: "Localizer", entry: Entry) -> dict[str, ScoreSequence]:
        features = self.features(entry, [stream.modality for stream in localizer.streams])
        if not features:
            raise Refused(409, "This video has no features that the model reads. Run `whenabouts extract` first.")
        found = {"all": localizer.score(features)}
        if len(features) > 1:
            found |= {name: localizer.score({name: sequence}) for name, sequence in features.items()}
        return found


def curves(scored: dict[str, ScoreSequence], concept: str, points: int) -> dict[str, Any]:
    """The score curve of one concept for each stream, and the attention, with at most `points` values."""
    whole = scored["all"]
    index = _index(whole, concept)
    edges, parts = thinned(whole.grid, points)
    listed = [{"stream": name, **_bands(_on(each, whole.grid)[:, index], parts)} for name, each in scored.items()]
    attention = [] if whole.attention is None else [
        {"group": group, **_bands(row, parts)} for group, row in enumerate(whole.attention)
    ]  # fmt: skip
    return {"concept": concept, "video_score": float(whole.video_scores[index]), "edges": edges,
            "duration": whole.grid.duration_seconds, "curves": listed, "attention": attention}  # fmt: skip


def thinned(grid: TimeGrid, points: int) -> tuple[list[float], list[tuple[int, int]]]:
    """Borders in seconds of at most `points` bins, and the steps [first, stop) in each."""
    if not grid.steps:
        return [0.0], []
    marks = np.unique(np.linspace(0, grid.steps, min(points, grid.steps) + 1).round().astype(int))
    edges = grid.edges()[marks]
    return edges.tolist(), list(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True))


def why(scored: dict[str, ScoreSequence], concept: str, start: float, end: float) -> dict[str, Any]:
    """What speaks for a moment: scores inside and outside of it, attention, streams, and rival concepts."""
    whole = scored["all"]
    index = _index(whole, concept)
    if not whole.grid.steps:
        raise Refused(409, "The video is too short for its features.")
    first, stop = whole.grid.runs([[start, end]])[0].tolist()
    inside = np.zeros(whole.grid.steps, bool)
    inside[first:stop] = True
    column = whole.scores[:, index]
    each = whole.scores[inside].mean(axis=0)
    rivals = [int(rival) for rival in np.argsort(-each, kind="stable") if rival != index][:RIVALS]
    names = whole.vocabulary.names
    attention = None if whole.attention is None else _compared(whole.attention.mean(axis=0), inside)
    return {
        "concept": concept,
        "start": start,
        "end": end,
        "video_score": float(whole.video_scores[index]),
        "score_inside": float(column[inside].mean()),
        "score_outside": float(column[~inside].mean()) if (~inside).any() else None,
        "percentile": float((column <= column[inside].mean()).mean()),
        "streams": [
            {"stream": name, **_compared(_on(each, whole.grid)[:, index], inside)}
            for name, each in scored.items()
            if name != "all"
        ],
        "attention": attention,
        "rivals": [{"concept": names[rival], "inside": float(each[rival])} for rival in rivals],
    }


def _index(scores: ScoreSequence, concept: str) -> int:
    if concept not in scores.vocabulary.names:
        raise Refused(409, "The model does not know this concept yet. Learn again, then look here.")
    return scores.vocabulary.names.index(concept)


def _on(scores: ScoreSequence, grid: TimeGrid) -> Values:
    """Scores on another grid of the same video: those of the step in which each of its middles lies."""
    if scores.grid == grid or not scores.grid.steps:
        return scores.scores if scores.grid == grid else np.zeros((grid.steps, scores.scores.shape[1]), np.float32)
    return scores.scores[scores.grid.step_at(grid.centre(np.arange(grid.steps)))]


def _bands(values: Values, parts: Sequence[tuple[int, int]]) -> dict[str, list[float]]:
    low = [float(values[first:stop].min()) for first, stop in parts]
    high = [float(values[first:stop].max()) for first, stop in parts]
    return {"low": low, "high": high}


def _compared(values: Values, inside: NDArray[np.bool_]) -> dict[str, float | None]:
    outside = values[~inside]
    return {"inside": float(values[inside].mean()), "outside": float(outside.mean()) if len(outside) else None}
