"""Decisions become rated segments; concepts that people add join the vocabulary."""

from pathlib import Path

from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import Decided, Review
from whenabouts.data.manifest import Entry, RatedSegment
from whenabouts.data.reviewed import grown, with_reviews


def review(number: int, decided: Decided) -> Review:
    return Review(number, 0.0, decided)


def test_confirmed_rejected_and_corrected_moments_become_rated_segments() -> None:
    chapter = RatedSegment("dive", 0.0, 1.0, source="chapters")
    entries = [Entry(Video("a", Path("a.mp4")), segments=(chapter,)), Entry(Video("b", Path("b.mp4")))]
    told = [
        review(1, Decided("confirmed", "a", "dive", 1.0, 2.0, (1.0, 2.0))),
        review(2, Decided("rejected", "a", "swim", 3.0, 4.0, (3.0, 4.0))),
        review(3, Decided("corrected", "a", "swim", 6.0, 9.0, (5.0, 8.0))),
        review(4, Decided("added", "unknown", "swim", 6.0, 9.0)),
    ]
    first, second = with_reviews(entries, told)
    assert first.segments == (
        chapter,
        RatedSegment("dive", 1.0, 2.0, True, "review"),
        RatedSegment("swim", 3.0, 4.0, False, "review"),
        RatedSegment("swim", 6.0, 9.0, True, "review"),
        RatedSegment("swim", 5.0, 6.0, False, "review"),
    )
    assert second is entries[1]


def test_a_correction_says_absent_on_both_sides_but_not_of_slivers() -> None:
    entry = Entry(Video("a", Path("a.mp4")))
    within = review(1, Decided("corrected", "a", "swim", 6.0, 7.0, (5.0, 8.0)))
    segments = with_reviews([entry], [within])[0].segments
    assert [(each.start_seconds, each.end_seconds, each.present) for each in segments] == [
        (6.0, 7.0, True), (5.0, 6.0, False), (7.0, 8.0, False),
    ]  # fmt: skip
    sliver = review(1, Decided("corrected", "a", "swim", 5.2, 8.0, (5.0, 8.0)))
    assert len(with_reviews([entry], [sliver])[0].segments) == 1
    elsewhere = review(1, Decided("corrected", "a", "swim", 10.0, 12.0, (5.0, 8.0)))
    assert with_reviews([entry], [elsewhere])[0].segments[1] == RatedSegment("swim", 5.0, 8.0, False, "review")


def test_a_decision_takes_the_place_of_what_was_said_of_the_same_seconds() -> None:
    said = (RatedSegment("Dive", 1.0, 2.0, source="chapters"), RatedSegment("dive", 1.0, 3.0, source="chapters"))
    entry = Entry(Video("a", Path("a.mp4")), segments=said)
    rejected = review(1, Decided("rejected", "a", "dive", 1.0, 2.0, (1.0, 2.0)))
    assert with_reviews([entry], [rejected])[0].segments == (
        said[1], RatedSegment("dive", 1.0, 2.0, False, "review"),
    )  # fmt: skip


def test_a_concept_joins_the_vocabulary_with_three_examples_in_two_videos() -> None:
    vocabulary = Vocabulary(("dive", "swim"), aliases={"plunge": "dive"})

    def added(concept: str, *videos: str) -> list[Review]:
        return [review(n, Decided("added", video, concept, n, n + 1.0)) for n, video in enumerate(videos)]

    told = [
        *added("cannonball", "a", "a", "b"),
        *added("one video", "a", "a", "a"),
        *added("two examples", "a", "b"),
        *added("plunge", "a", "b", "c"),
        *added("Swim", "a", "b", "c"),
        review(9, Decided("rejected", "c", "two examples", 0.0, 1.0, (0.0, 1.0))),
        *(review(n, Decided("confirmed", f"v{n}", "renamed since", 0.0, 1.0, (0.0, 1.0))) for n in range(10, 15)),
    ]
    joined = grown(vocabulary, told)
    assert joined.names == ("dive", "swim", "cannonball")
    assert joined.aliases == vocabulary.aliases
    assert grown(vocabulary, []) is vocabulary
