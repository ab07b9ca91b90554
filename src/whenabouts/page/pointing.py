"""What pictures of single segments are made of: a concept's best segments by two models, and why one was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.timing import FloatArray
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, file_of
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.protocol import Localizer
from whenabouts.page.choosing import Frame, features_of, frames_of
from whenabouts.page.pictures import Shown
from whenabouts.page.rivals import JudgedPairs, best_single, judged_pairs, scores_of, top_rows
from whenabouts.page.segment_pictures import Bar, BestOfConcept, BestSegment, WhyShown

TOP = 3
REASONS = 12
FOUND_MOST = 50  # of a concept's found moments are ranked anew where nothing was checked


@dataclass(frozen=True)
class Looked:
    """A localizer, the videos that may be shown by id, and their features."""

    localizer: Localizer
    entries: Mapping[str, Entry]
    store: FeatureStore
    progress: Progress

    def shown(self, video_id: str, concept: str) -> Shown:
        """Scores of one concept in one video, with the checked segments that show it."""
        entry = self.entries[video_id]
        scores = self.localizer.score(features_of(self.localizer, entry, self.store))
        rated = [(each.start_seconds, each.end_seconds) for each in entry.segments
                 if each.present and each.name == concept]  # fmt: skip
        truth = np.array(rated, np.float64).reshape(-1, 2) if rated else None
        return Shown(entry.title or entry.id, concept, scores, truth, np.zeros((0, 2)))


def best_of_concepts(looked: Looked, concepts: Sequence[str], most: int) -> list[BestOfConcept]:
    """The three best segments of each of `concepts`, of those with most checked segments where none are named.

    They are chosen from the checked segments of videos that were not learned from, else from what is found.
    """
    others = [entry for entry in looked.entries.values() if entry.split != "train"]
    pairs = judged_pairs(looked.localizer, others, looked.store, looked.progress)
    names = looked.localizer.vocabulary.names
    wanted = [looked.localizer.vocabulary.index(name) for name in concepts]
    if not wanted and pairs is not None:
        counts = np.bincount(pairs.classes, minlength=len(names))
        counts[np.setdiff1d(np.arange(len(names)), pairs.judged)] = 0
        wanted = [index for index in np.argsort(-counts, kind="stable")[:most].tolist() if counts[index]]
    found = None
    shown = []
    for index in wanted or range(min(most, len(names))):
        own = pairs
        if pairs is None or not (pairs.classes == index).any():
            found = found or _found_pairs(looked)
            own = found
        if own is not None and (own.classes == index).any():
            shown.append(_best(looked, own, index, judged=own is pairs))
    if not shown:
        raise InvalidData("No segment of such a concept was checked or found, so none can be shown.")
    return shown


def _best(looked: Looked, pairs: JudgedPairs, index: int, *, judged: bool) -> BestOfConcept:
    concept, single = looked.localizer.vocabulary.names[index], best_single(looked.localizer, pairs)
    models = [next(iter(pairs.scores)), *([] if single is None else [single])]
    kept: dict[str, Shown] = {}
    rows: list[tuple[str, tuple[BestSegment, ...]]] = []
    for model in models:
        best = []
        for row in top_rows(pairs, model, index, TOP):
            video, span = str(pairs.video_ids[row]), (float(pairs.spans[row, 0]), float(pairs.spans[row, 1]))
            if video not in kept:
                kept[video] = looked.shown(video, concept)
            right = bool(pairs.present[row]) if judged else None
            best.append(BestSegment(span, float(pairs.scores[model][row]), right, _frame(looked, video, span),
                                    kept[video]))  # fmt: skip
        rows.append((model, tuple(best)))
    mine = pairs.classes == index
    source = f"{int(mine.sum())} {pairs.source}, in {len(np.unique(pairs.video_ids[mine]))} videos"
    return BestOfConcept(concept, source, tuple(rows))


def _frame(looked: Looked, video_id: str, span: tuple[float, float]) -> Frame | None:
    entry = looked.entries[video_id]
    if not file_of(entry.video.path).is_file():
        return None
    return frames_of(entry, np.array([sum(span) / 2]), looked.progress)[0]


def _found_pairs(looked: Looked) -> JudgedPairs | None:
    """The best found moments of each concept as pairs that nobody has checked."""
    ids: list[str] = []
    spans, classes, ranks = [np.zeros((0, 2))], [np.zeros(0, np.int64)], [np.zeros(0)]
    features = {}
    for entry in looked.progress.track(list(looked.entries.values()), total=len(looked.entries), title="Looking"):
        features[entry.id] = features_of(looked.localizer, entry, looked.store)
        if not features[entry.id]:
            continue
        moments = looked.localizer.localize(features[entry.id])
        ids += [entry.id] * len(moments)
        spans.append(moments.spans)
        classes.append(moments.classes)
        ranks.append(moments.scores)
    of, score = np.concatenate(classes), np.concatenate(ranks)
    kept = np.zeros(len(of), bool)
    for index in np.unique(of).tolist():
        rows = np.flatnonzero(of == index)
        kept[rows[np.argsort(-score[rows], kind="stable")[:FOUND_MOST]]] = True
    if not kept.any():
        return None
    names, every = np.array(ids, np.str_), np.concatenate(spans)
    said: dict[str, FloatArray] = {}
    for video in np.unique(names[kept]).tolist():
        rows = np.flatnonzero(kept & (names == video))
        for model, table in scores_of(looked.localizer, features[video], every[rows]).items():
            said.setdefault(model, np.zeros(len(of)))[rows] = table[np.arange(len(rows)), of[rows]]
    scores = {model: values[kept].astype(np.float32) for model, values in said.items()}
    return JudgedPairs(names[kept], every[kept], of[kept], np.zeros(int(kept.sum()), bool), scores,
                       "found moments")  # fmt: skip


def why_shown(looked: Looked, video_id: str, concept: str, span: tuple[float, float]) -> WhyShown:
    """Why a span of a video was found to show a concept: what moved the relevance model, else what rose above what."""
    shown = looked.shown(video_id, concept)
    localizer, entry = looked.localizer, looked.entries[video_id]
    features = features_of(localizer, entry, looked.store)
    if isinstance(localizer, CrossClass) and localizer.relevance is not None:
        why = localizer.why(features, span, concept)
        bars = [
            Bar(f"{each.column} = {each.value:.3g}" if np.isfinite(each.value) else f"{each.column} (missing)",
                each.adds)
            for each in why.reasons
        ]  # fmt: skip
        rest = bars[REASONS:]
        more = [Bar(f"{len(rest)} other features", sum(bar.push for bar in rest))] if rest else []
        told = f"probability {why.score:.3f}"
        usual = Bar("any pair, before features", why.usual)
        return WhyShown(shown, span, told, (usual, *bars[:REASONS], *more), "adds to the log-odds of relevance")
    return _risen(shown, span)


def _risen(shown: Shown, span: tuple[float, float]) -> WhyShown:
    """How far the scores of the concept, and of its rivals, rise in the span above the rest of the video."""
    scores = shown.scores
    if not scores.grid.steps:
        raise InvalidData(f"{shown.title} is too short for its features, so nothing can be told of it.")
    first, stop = scores.grid.runs([span])[0].tolist()
    inside = np.zeros(scores.grid.steps, bool)
    inside[first : max(stop, first + 1)] = True
    outside = scores.scores[~inside].mean(axis=0) if (~inside).any() else np.zeros(len(scores.vocabulary))
    rise, own = scores.scores[inside].mean(axis=0) - outside, scores.vocabulary.index(shown.concept)
    rivals = [index for index in np.argsort(-rise, kind="stable").tolist() if index != own][: REASONS - 2]
    bars = [Bar(f"score of {shown.concept}", float(rise[own]))]
    if scores.attention is not None:
        attention = scores.attention.mean(axis=0)
        around = float(attention[~inside].mean()) if (~inside).any() else 0.0
        bars.append(Bar("attention, whatever the concept", float(attention[inside].mean()) - around))
    bars += [Bar(f"rival: score of {scores.vocabulary.names[index]}", float(rise[index])) for index in rivals]
    told = f"{scores.video_scores[own]:.3f} for the whole video"
    return WhyShown(shown, span, told, tuple(bars), "rises inside the moment above the rest of the video")
