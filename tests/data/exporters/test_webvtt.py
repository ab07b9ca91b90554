"""WebVTT files: cues in order, text that can't act as markup, names that every system takes."""

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core import Moments, Vocabulary
from whenabouts.data.exporters.webvtt import LONGEST_NAME, file_name, to_webvtt, write_webvtt

CUE = re.compile(r"\d+\n\d\d+:[0-5]\d:[0-5]\d\.\d{3} --> \d\d+:[0-5]\d:[0-5]\d\.\d{3}\n[^\n]+\n")


def moments(*rows: tuple[str, float, float, int], names: tuple[str, ...] = ("dive", "<b>&-->")) -> Moments:
    ids, starts, ends, classes = zip(*rows, strict=True)
    return Moments.build(ids, list(zip(starts, ends, strict=True)), classes, Vocabulary(names), scores=0.5)


def test_cues_stand_in_order_of_time_with_hours() -> None:
    text = to_webvtt(moments(("v", 3723.4, 3724.0, 0), ("v", 1.0, 2.5, 1)))
    assert text == (
        "WEBVTT\n\n"
        "1\n00:00:01.000 --> 00:00:02.500\n&lt;b&gt;&amp;--&gt; (0.5)\n\n"
        "2\n01:02:03.400 --> 01:02:04.000\ndive (0.5)\n"
    )


def test_a_cue_never_ends_where_it_starts() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in to_webvtt(moments(("v", 1.0, 1.0, 0)))


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1), st.floats(0, 1e5), st.floats(0, 1e4))
def test_any_concept_makes_whole_cues_without_markup(name: str, start: float, length: float) -> None:
    text = to_webvtt(moments(("v", start, start + length, 0), names=(name,)))
    head, cue = text.split("\n\n", 1)
    assert head == "WEBVTT"
    assert CUE.fullmatch(cue)
    assert "<" not in text
    assert text.count("-->") == 1


def test_one_file_per_video_whatever_it_is_called(tmp_path: Path) -> None:
    names = ["a/b", "a%2Fb", "../up", ".hidden", "con:x", "é" * 300, "é" * 299 + "e", "x y"]
    found = moments(*((name, 0.0, 1.0, 0) for name in names))
    assert write_webvtt(found, tmp_path) == len(names)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == len(names)
    assert all(not name.startswith(".") and len(name) <= LONGEST_NAME + 4 for name in files)
    assert "x y.vtt" in files


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=400), st.text(min_size=1, max_size=400))
def test_two_videos_never_share_a_file(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)
    assert not set('/\\:*?"<>|\0') & set(file_name(one))
