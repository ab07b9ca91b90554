"""Decisions as training material (rated segments of the videos that they are about), and decisions as results."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from whenabouts.core.moments import Moments
from whenabouts.core.timing import temporal_iou
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import Decided, Review
from whenabouts.data.manifest import Entry, RatedSegment
from whenabouts.data.vocabulary import spelling

SOURCE = "review"
SAME = 0.5
"""A decision answers moments that share so much of their time (tIoU) with what was judged."""
SHORTEST = 0.25
"""A rest of a found moment that a correction cut off counts as rated absent if it is at least so many seconds long."""


def with_reviews(entries: Iterable[Entry], reviews: Iterable[Review]) -> list[Entry]:
    """Entries with the standing `reviews` of their videos as rated segments behind those that they have.

    Confirmed, corrected and added moments are rated present. Rejected ones are rated absent, and so is what a
    correction cut off from the found moment: who moves an edge says where the concept is not. What an entry says itself
    of the same concept in the same seconds gives way. A later decision takes from earlier ones nothing: give `standing`
    reviews.
    """
    told: dict[str, list[RatedSegment]] = {}
    for review in reviews:
        told.setdefault(review.decided.video_id, []).extend(_segments(review.decided))
    return [_reviewed(entry, told[entry.id]) if entry.id in told else entry for entry in entries]


def _reviewed(entry: Entry, told: list[RatedSegment]) -> Entry:
    def what(segment: RatedSegment) -> tuple[str, float, float]:
        return spelling(segment.name), segment.start_seconds, segment.end_seconds

    answered = set(map(what, told))
    return replace(entry, segments=(*(each for each in entry.segments if what(each) not in answered), *told))


def grown(vocabulary: Vocabulary, reviews: Iterable[Review], *, examples: int = 3, videos: int = 2) -> Vocabulary:
    """The vocabulary, and behind its own the concepts that people added by so many examples, in so many videos.

    Confirmed moments add none: what was found once and stands in the vocabulary no more was taken out, or renamed.
    """
    seen: dict[str, list[Decided]] = {}
    for review in reviews:
        said = review.decided
        if said.decision == "added" and not known_in(vocabulary, said.concept):
            seen.setdefault(said.concept, []).append(said)
    fresh = [name for name, told in sorted(seen.items())
              if len(told) >= examples and len({each.video_id for each in told}) >= videos]  # fmt: skip
    return replace(vocabulary, names=(*vocabulary.names, *fresh)) if fresh else vocabulary


def known_in(vocabulary: Vocabulary, name: str) -> bool:
    """Whether a name, or another spelling of it, stands in the vocabulary."""
    return name in vocabulary or spelling(name) in vocabulary


def judged_moments(found: Moments, reviews: Sequence[Review]) -> Moments:
    """What was found, as people left it: of kind "confirmed" where they said so, without what they rejected.

    A decision answers the moments of its video and concept that share half or more (tIoU 0.5) with what was judged or
    with what was said instead: they need not be those of the search that was judged. What is there takes their place,
    with the best of their scores; an added moment has the best score of its concept (1 where there is none). Concepts
    that people added join the vocabulary. Give `standing` reviews.
    """
    vocabulary = _with_names(found.vocabulary, [each.decided for each in reviews])
    rows: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(found.video_ids.tolist(), found.classes.tolist(), strict=True)):
        rows.setdefault(key, []).append(row)
    best = np.full(len(vocabulary), -np.inf)
    np.maximum.at(best, found.classes, found.scores)
    kept, said = np.ones(len(found), bool), []
    for review in reviews:
        decided = review.decided
        index = vocabulary.index(decided.concept)
        near = np.asarray(rows.get((decided.video_id, index), []), np.int64)
        judged = [(decided.start_seconds, decided.end_seconds), *([decided.found] if decided.found else [])]
        answered = near[(temporal_iou(found.spans[near], judged) >= SAME).any(axis=1)]
        kept[answered] = False
        if decided.present:
            score = max(found.scores[answered], default=_score_of(decided, best[index]))
            said.append((decided.video_id, judged[0], index, score))
    ids, spans, classes, scores = zip(*said, strict=True) if said else ((), (), (), ())
    people = Moments.build(ids, np.reshape(spans, (-1, 2)), np.asarray(classes, np.int64), vocabulary,
                           scores=np.asarray(scores, np.float64), kind="confirmed")  # fmt: skip
    return Moments.concatenate([replace(found[kept], vocabulary=vocabulary), people], vocabulary)


def _score_of(decided: Decided, best: float) -> float:
    if decided.found_score is not None:
        return decided.found_score
    return float(best) if np.isfinite(best) else 1.0


def _with_names(vocabulary: Vocabulary, told: Iterable[Decided]) -> Vocabulary:
    fresh = dict.fromkeys(said.concept for said in told if said.concept not in vocabulary)
    return replace(vocabulary, names=(*vocabulary.names, *fresh)) if fresh else vocabulary


def _segments(said: Decided) -> list[RatedSegment]:
    start, end = said.start_seconds, said.end_seconds
    rated = [RatedSegment(said.concept, start, end, said.present, SOURCE)]
    if said.decision == "corrected" and said.found is not None:
        first, last = said.found
        cut = [(first, min(last, start)), (max(first, end), last)]
        rated += [RatedSegment(said.concept, *part, False, SOURCE) for part in cut if part[1] - part[0] >= SHORTEST]
    return rated
