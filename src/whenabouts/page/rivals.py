"""What a localizer says of given segments, and what the models say that it is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import segments_of
from whenabouts.evaluation.average_precision import not_interpolated
from whenabouts.localizers.concepts.cross_class import RELEVANCE, CrossClass
from whenabouts.localizers.concepts.described import WHOLE
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.protocol import Localizer
from whenabouts.page.choosing import features_of

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class JudgedPairs:
    """P pairs of a segment and a concept that somebody has checked, with scores (P,) by model, the localizer's first.

    video_ids (P,), spans (P, 2) in seconds (NaN where only the pair is known), classes (P,), present (P,). `source`
    says in words where they come from.
    """

    video_ids: NDArray[np.str_]
    spans: FloatArray
    classes: IntArray
    present: BoolArray
    scores: Mapping[str, Scores]
    source: str

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def judged(self) -> IntArray:
        """Classes (K,) with a pair that shows them and one that does not."""
        yes, no = np.unique(self.classes[self.present]), np.unique(self.classes[~self.present])
        return np.intersect1d(yes, no).astype(np.int64)

    def precision(self, model: str, index: int) -> float:
        """Average precision of one class by one model; of equal scores the wrong ones come first."""
        mine = self.classes == index
        scores, hits = np.nan_to_num(self.scores[model][mine], nan=-1.0), self.present[mine]
        order = np.lexsort((hits, -scores))
        return not_interpolated(np.flatnonzero(hits[order]), int(hits.sum()))


def judged_pairs(
    localizer: Localizer, entries: Iterable[Entry], store: FeatureStore, progress: Progress
) -> JudgedPairs | None:
    """The checked segments of `entries` that the localizer has not learned from; None where there are none."""
    parts: list[tuple[str, FloatArray, IntArray, BoolArray]] = []
    said: list[dict[str, Scores]] = []
    for entry in [each for each in entries if each.segments]:
        rated, features = segments_of(entry, localizer.vocabulary), features_of(localizer, entry, store)
        if not len(rated) or not features:
            continue
        spans, place = np.unique(rated.spans, axis=0, return_inverse=True)
        try:
            scores = scores_of(localizer, features, spans)
        except (InvalidData, FeatureMismatch) as error:
            progress.say(f"Left out: {error}")
            continue
        said.append({name: rows[place.ravel(), rated.classes] for name, rows in scores.items()})
        parts.append((entry.id, rated.spans, rated.classes, rated.present))
    if not parts:
        return None
    return JudgedPairs(
        np.array([name for name, _, classes, _ in parts for _ in classes], np.str_),
        np.concatenate([spans for _, spans, _, _ in parts]),
        np.concatenate([classes for _, _, classes, _ in parts]),
        np.concatenate([present for _, _, _, present in parts]),
        {name: np.concatenate([each[name] for each in said]) for name in said[0]},
        "checked segments of videos that were not learned from",
    )


def held_out_pairs(localizer: CrossClass) -> JudgedPairs | None:
    """The pairs that the relevance model was judged by as it was trained, by models that had not seen their videos."""
    held = None if localizer.relevance is None else localizer.relevance.held_out
    if held is None or not held.singles:
        return None
    return JudgedPairs(
        held.video_ids, np.full((len(held.classes), 2), np.nan), held.classes, held.present,
        {RELEVANCE: held.scores, **held.singles},
        "ratings of training videos that were held out from a first model",
    )  # fmt: skip


def scores_of(localizer: Localizer, features: Mapping[str, FeatureSequence], spans: FloatArray) -> dict[str, Scores]:
    """Scores (S, C) of spans (S, 2) in seconds by the localizer, first, and by each model that it is made of."""
    if isinstance(localizer, CrossClass):
        described = localizer.describe(features, spans)
        parts = {name: np.asarray(rows) for name, rows in described.scores.items()}
        if localizer.relevance is None:
            return {"mean of the models": described.mean_scores, **parts}
        return {RELEVANCE: localizer.ranked(described), **parts}
    if isinstance(localizer, TwoStage):
        video = {"video model": localizer.video.span_scores(features, spans)}
        if localizer.segment is None:
            return video
        return {"segment model": localizer.segment.span_scores(features, spans), **video}
    scored = localizer.score(features)
    if not scored.grid.steps:
        return {"score": np.zeros((len(spans), len(localizer.vocabulary)), np.float32)}
    runs = scored.grid.runs(spans)
    rows = [scored.scores[first : max(stop, first + 1)].mean(axis=0) for first, stop in runs.tolist()]
    return {"score": np.stack(rows).astype(np.float32)}


def best_single(localizer: Localizer, pairs: JudgedPairs) -> str | None:
    """The best of the models that the localizer is made of; None where there are none.

    Of a relevance model's it is the best on the pairs that were held out in training, which are others than `pairs`
    where these are of other videos; scores of whole videos do not count. Else it is the best on `pairs` themselves.
    """
    names = [name for name in list(pairs.scores)[1:] if not name.endswith(WHOLE)]
    if not names:
        return None
    held = held_out_pairs(localizer) if isinstance(localizer, CrossClass) else None
    judged = held if held is not None and len(held.judged) and set(names) <= held.scores.keys() else pairs
    return max(names, key=lambda name: (_mean_precision(judged, name), name))


def _mean_precision(pairs: JudgedPairs, model: str) -> float:
    return float(np.mean([pairs.precision(model, index) for index in pairs.judged.tolist()] or [0.0]))


def top_rows(pairs: JudgedPairs, model: str, index: int, most: int) -> Sequence[int]:
    """Rows (n,) of a class's best pairs by a model, best first, of equals the earlier ones."""
    rows = np.flatnonzero(pairs.classes == index)
    scores = np.nan_to_num(pairs.scores[model][rows], nan=-1.0)
    chosen: list[int] = rows[np.argsort(-scores, kind="stable")[:most]].tolist()
    return chosen
