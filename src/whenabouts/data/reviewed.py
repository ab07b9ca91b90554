"""Decisions as training material: rated segments of the videos that they are about."""

from collections.abc import Iterable
from dataclasses import replace

from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, RatedSegment
from whenabouts.data.reviews import Decided, Review
from whenabouts.data.vocabulary import spelling

SOURCE = "review"
SHORTEST = 0.25
"""A rest of a found moment that a correction cut off counts as rated absent if it is at least so many seconds long."""


def with_reviews(entries: Iterable[Entry], reviews: Iterable[Review]) -> list[Entry]:
    """Entries with the standing `reviews` of their videos as rated segments behind those that they have.

    Confirmed, corrected and added moments are rated present. Rejected ones are rated absent, and so is what a
    correction cut off from the found moment: who moves an edge says where the concept is not. A later decision takes
    from earlier ones nothing: give `standing` reviews.
    """
    told: dict[str, list[RatedSegment]] = {}
    for review in reviews:
        told.setdefault(review.decided.video_id, []).extend(_segments(review.decided))
    return [replace(entry, segments=(*entry.segments, *told[entry.id])) if entry.id in told else entry
            for entry in entries]  # fmt: skip


def grown(vocabulary: Vocabulary, reviews: Iterable[Review], *, examples: int = 3, videos: int = 2) -> Vocabulary:
    """The vocabulary, and behind its own the concepts that people added by so many examples, in so many videos."""
    seen: dict[str, list[Decided]] = {}
    for review in reviews:
        said = review.decided
        known = said.concept in vocabulary or spelling(said.concept) in vocabulary
        if said.present and not known:
            seen.setdefault(said.concept, []).append(said)
    fresh = [name for name, told in sorted(seen.items())
              if len(told) >= examples and len({each.video_id for each in told}) >= videos]  # fmt: skip
    return replace(vocabulary, names=(*vocabulary.names, *fresh)) if fresh else vocabulary


def _segments(said: Decided) -> list[RatedSegment]:
    start, end = said.start_seconds, said.end_seconds
    rated = [RatedSegment(said.concept, start, end, said.present, SOURCE)]
    if said.decision == "corrected" and said.found is not None:
        first, last = said.found
        cut = [(first, min(last, start)), (max(first, end), last)]
        rated += [RatedSegment(said.concept, *part, False, SOURCE) for part in cut if part[1] - part[0] >= SHORTEST]
    return rated
