"""From names to concepts: what is kept, joined, dropped, and told."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, RatedSegment, WeakLabel
from whenabouts.data.vocabulary import (
    VocabularySettings,
    build_vocabulary,
    labels_of,
    segments_of,
    spelling,
)


def entry(
    number: int, *names: str, split: str = "train", segments: tuple[RatedSegment, ...] = (), who: str = ""
) -> Entry:
    video = Video(f"v{number:03d}", Path(f"/media/{number}.mp4"), 10.0)
    return Entry(video, tuple(WeakLabel(name) for name in names), segments, split, uploader=who)


def many(*groups: tuple[int, tuple[str, ...]]) -> list[Entry]:
    rows = [names for count, names in groups for _ in range(count)]
    return [entry(number, *names) for number, names in enumerate(rows)]


def built(entries: list[Entry], **settings: object) -> Vocabulary:
    return build_vocabulary(entries, VocabularySettings(**settings))[0]


def test_spellings_join_and_the_rare_are_dropped_with_their_reason() -> None:
    entries = many((3, ("Cliff_Diving",)), (2, ("cliff diving",)), (4, ("jump",)), (1, ("Ｊｕｍｐ",)), (0, ("z",)))
    vocabulary, report = build_vocabulary(entries, VocabularySettings(min_count=5))
    assert vocabulary.names == ("cliff diving", "jump")
    assert [(row.name, row.videos, row.spellings) for row in report.concepts] == [
        ("cliff diving", 5, ("Cliff_Diving", "cliff diving")),
        ("jump", 5, ("jump", "Ｊｕｍｐ")),
    ]
    assert vocabulary.index("Cliff_Diving") == 0
    vocabulary, report = build_vocabulary(many((4, ("a",)), (5, ("b",))), VocabularySettings(min_count=5))
    assert [(row.name, row.videos, row.reason) for row in report.dropped] == [("a", 4, "fewer than 5 training videos")]


def test_only_usable_training_videos_count() -> None:
    broken = Entry(Video("x", Path("/x"), status="unreadable", coverage=0.0, reason="broken"), (WeakLabel("a"),))
    entries = [
        *many((4, ("a",)), (5, ("b",))),
        broken,
        *(entry(90 + k, "a", "only here", split="test") for k in range(9)),
    ]
    vocabulary, report = build_vocabulary(entries, VocabularySettings())
    assert vocabulary.names == ("b",)
    assert (report.videos, report.unusable, report.concepts[0].held_out_videos) == (10, 1, 0)
    assert [(row.name, row.reason) for row in report.dropped] == [
        ("a", "fewer than 5 training videos"),
        ("only here", "named in held-out videos only"),
    ]


def test_a_video_counts_once_whatever_says_it() -> None:
    twice = entry(0, "dive", "Dive", segments=(RatedSegment("DIVE", 1, 2), RatedSegment("dive", 5, 6, False)))
    _, report = build_vocabulary([twice], VocabularySettings(min_count=1))
    assert (report.concepts[0].videos, report.concepts[0].segments) == (1, 2)


def test_aliases_drop_lists_and_the_most_frequent() -> None:
    entries = many((3, ("leap",)), (3, ("jump",)), (6, ("spam",)), (5, ("run",)), (4, ("swim",)))
    settings = VocabularySettings(min_count=2, max_concepts=2, aliases={"Leap": "jump"}, drop=("SPAM",))
    vocabulary, report = build_vocabulary(entries, settings)
    assert vocabulary.names == ("jump", "run")
    assert labels_of(entries[0], vocabulary, "negative").classes.tolist() == [0]
    assert {(row.name, row.reason) for row in report.dropped} == {
        ("spam", "on the drop list"),
        ("swim", "beyond the 2 most frequent"),
    }


def test_only_names_that_are_wanted() -> None:
    entries = many((5, ("jump",)), (5, ("run",)))
    assert built(entries, only=("Run",)).names == ("run",)


def test_names_alike_are_told() -> None:
    groups = [("cake", 5), ("cakes", 5), ("cliffdiving", 5), ("cliff-diving", 4), ("surfing", 5), ("surfng", 1),
              ("clip1", 5), ("clip2", 5), ("glass", 5), ("gla", 5)]  # fmt: skip
    _, report = build_vocabulary(many(*((count, (name,)) for name, count in groups)), VocabularySettings(min_count=4))
    assert {(pair.first, pair.second) for pair in report.near_duplicates if pair.how == "spelling"} == {
        ("cake", "cakes"),
        ("cliff diving", "cliffdiving"),
        ("surfing", "surfng"),
    }


def test_names_in_the_same_videos_are_told() -> None:
    entries = many((5, ("a", "b")), (1, ("a",)), (4, ("c", "d")), (4, ("c",)), (9, ("e",)))
    _, report = build_vocabulary(entries, VocabularySettings(min_count=2))
    assert [(pair.first, pair.second, pair.videos, pair.both) for pair in report.near_duplicates] == [
        ("a", "b", (6, 5), 5)
    ]
    assert [(row.name, row.other, row.videos, row.same) for row in report.together] == [
        ("b", "a", 5, False),
        ("d", "c", 4, False),
    ]


def test_names_nothing_tells_apart_are_marked() -> None:
    _, report = build_vocabulary(many((5, ("a", "b")), (5, ("c",))), VocabularySettings())
    assert [(row.name, row.other, row.same) for row in report.together] == [("a", "b", True)]


def test_of_names_in_the_very_same_videos_each_is_told_with_the_first() -> None:
    """And not with every other: 5,000 tags of two videos would make 12 million rows."""
    crowd = tuple(f"tag {number:05d}" for number in range(5000))
    entries = many((2, ("a", *crowd)), (1, ("a", "alone")))
    _, report = build_vocabulary(entries, VocabularySettings(min_count=1, max_concepts=9000))
    same = [row for row in report.together if row.same]
    assert [(row.name, row.other, row.videos) for row in same] == [("tag 00000", other, 2) for other in crowd[1:]]
    assert [(row.name, row.other) for row in report.together if not row.same] == [("tag 00000", "a")]
    assert not [pair for pair in report.near_duplicates if pair.how == "together"]  # Two videos are too few to say so.


def test_one_video_proves_nothing_about_names_in_it() -> None:
    _, report = build_vocabulary(many((1, ("a", "b")), (1, ("a",))), VocabularySettings(min_count=1))
    assert report.together == ()


def test_the_report_names_everything_that_deserves_a_look() -> None:
    entries = many((5, ("cake", "cakes")), (2, ("rare",)), (3, ()))
    text = build_vocabulary(entries, VocabularySettings(absent="unknown"))[1].to_text()
    for wanted in ("cake   ", "dropped 1: fewer than 5 training videos: rare", "cake / cakes", "never without another",
                   "3 of 10 training videos have no label", "taken as unknown"):  # fmt: skip
        assert wanted in text


def test_a_report_without_training_videos_says_so() -> None:
    held_out = [entry(number, "cake", split="3") for number in range(6)]
    assert "no video is in split train" in build_vocabulary(held_out, VocabularySettings())[1].to_text()
    assert "no video" not in build_vocabulary([*held_out, entry(9)], VocabularySettings())[1].to_text()


def test_labels_follow_aliases_weights_segments_and_policy() -> None:
    vocabulary = Vocabulary(("cake", "dive", "jump"), aliases={"leap": "jump"})
    one = Entry(
        Video("v", Path("/v"), 10.0),
        (WeakLabel("Leap", 0.5), WeakLabel("leap", 0.25), WeakLabel("else")),
        (RatedSegment("dive", 1, 2), RatedSegment("cake", 0, 10, False), RatedSegment("dive", 4, 5, False)),
    )
    labels = labels_of(one, vocabulary, "unknown")
    assert (labels.classes.tolist(), labels.weights.tolist()) == ([1, 2], [1.0, 0.5])
    assert (labels.negatives.tolist(), labels.absent) == ([0], "unknown")
    segments = segments_of(one, vocabulary)
    assert segments.spans.tolist() == [[0, 10], [1, 2], [4, 5]]
    assert (segments.classes.tolist(), segments.present.tolist()) == ([0, 1, 1], [False, True, False])
    assert set(segments.video_ids) == {"v"}


def test_no_labels_are_no_error() -> None:
    labels = labels_of(entry(1), Vocabulary(("a",)), "negative")
    assert (len(labels), labels.known(1).tolist()) == (0, [True])
    assert len(segments_of(entry(1), Vocabulary(("a",)))) == 0


@given(st.text(min_size=1, max_size=12))
def test_a_spelling_is_stable_and_never_empty(name: str) -> None:
    assert spelling(name)
    assert spelling(spelling(name)) == spelling(name)


@given(st.lists(st.lists(st.text(min_size=1, max_size=4), max_size=4), max_size=20))
def test_every_name_is_kept_or_dropped_and_every_kept_one_found(rows: list[list[str]]) -> None:
    entries = [entry(number, *dict.fromkeys(names)) for number, names in enumerate(rows)]
    vocabulary, report = build_vocabulary(entries, VocabularySettings(min_count=2))
    names = {spelling(name) for row in rows for name in row}
    assert {row.name for row in report.concepts} | {row.name for row in report.dropped} == names
    total = sum(len(labels_of(one, vocabulary, "negative")) for one in entries)
    assert total == sum(row.videos for row in report.concepts)
