"""Chapters from lists and descriptions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.data.importers.chapters import Chapter, as_segments, described_chapters, listed_chapters


def test_a_list_of_chapters() -> None:
    listed: list[Any] = [
        {"start_time": 0, "end_time": 5.5, "title": "Intro  Song"},
        {"start_time": 5.5, "title": "Dive"},
        {"start_time": 9, "end_time": 12, "title": "<Untitled Chapter 3>"},
        {"start_time": 12, "end_time": 13, "title": "[SponsorBlock]: Sponsor"},
        {"start_time": 13, "end_time": 14, "title": None},
        {"start_time": 14, "end_time": 15, "title": "see https://x.org/a"},
        {"start_time": 14, "end_time": None, "title": "Last"},
    ]
    assert listed_chapters(listed, 20) == (
        [Chapter("intro song", 0, 5.5), Chapter("dive", 5.5, 9), Chapter("last", 14, 20)],
        0,
    )


@pytest.mark.parametrize(
    "item",
    [
        None,
        3,
        "x",
        [],
        {},
        {"start_time": "0", "end_time": 1, "title": "a"},
        {"start_time": 2, "end_time": 1, "title": "a"},
        {"start_time": -1, "end_time": 1, "title": "a"},
        {"start_time": 0, "end_time": float("nan"), "title": "a"},
        {"start_time": 0, "end_time": 10**400, "title": "a"},
        {"start_time": True, "end_time": 2, "title": "a"},
        {"start_time": 0, "end_time": 1, "title": ["a"]},
    ],
)
def test_broken_chapters_are_counted_and_the_others_kept(item: object) -> None:
    good = {"start_time": 1, "end_time": 2, "title": "good"}
    assert listed_chapters([item, good], 20) == ([Chapter("good", 1, 2)], 1)


@pytest.mark.parametrize(
    "text",
    [
        "0:00 Start\n1:05 - Dive\n01:10:00 End",
        "Chapters:\n00:00 | Start\nbuy at http://x.org\n(1:05) Dive\n1:10:00: End\n",
        "Start 0:00\nDive (1:05)\nEnd - 1:10:00",
        "▶ 0:00 Start\n• 1:05 Dive\n[1:10:00] End",
    ],
)
def test_time_stamps_in_a_description(text: str) -> None:
    assert described_chapters(text, 5000) == [
        Chapter("start", 0, 65), Chapter("dive", 65, 4200), Chapter("end", 4200, 5000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "0:00 A\n1:00 B", "0:10 A\n1:00 B\n2:00 C", "0:00 A\n2:00 B\n1:00 C", "0:00 A\n1:00 B\n1:00 C",
     "0:00 A\n1:00 B\n2:00:00 C", "we met at 0:00 and left at 1:00 or 2:00", "x" * 400 + " 0:00\n1:00 B\n2:00 C"],
)  # fmt: skip
def test_what_is_no_table_of_contents_gives_nothing(text: str) -> None:
    assert described_chapters(text, 5000) == []


def test_segments_end_with_the_video() -> None:
    chapters = [Chapter("a", 0, 5), Chapter("b", 5, 11), Chapter("c", 10, 11)]
    found = [(one.name, one.end_seconds, one.present) for one in as_segments(chapters, 10, "x")]
    assert found == [("a", 5, True), ("b", 10, True)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["start_time", "end_time", "title", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5), st.floats(0, 1000))
def test_any_list_gives_proper_segments_or_counts(listed: list[Any], seconds: float) -> None:
    chapters, failed = listed_chapters(listed, seconds)
    assert len(chapters) + failed <= len(listed)
    assert all(0 <= one.start_seconds < one.end_seconds <= seconds for one in as_segments(chapters, seconds, "x"))


@given(st.text(alphabet="0:1 a(\n-|", max_size=60), st.floats(0.1, 1000))
def test_any_description_gives_proper_segments(text: str, seconds: float) -> None:
    segments = as_segments(described_chapters(text, seconds), seconds, "x")
    assert all(one.start_seconds < one.end_seconds <= seconds for one in segments)
