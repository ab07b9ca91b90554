"""yt-dlp archives: what is taken, what is refused, and what never leaves the sidecar."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whenabouts.data.importers import IMPORTERS, Imported, ImportSettings
from whenabouts.data.importers.protocol import TagSettings, YtdlpSettings

Media = Callable[..., Path]
SECRET = "https://rr1.googlevideo.com/videoplayback?expire=1&sig=TOPSECRET"


def write(root: Path, name: str, info: object) -> None:
    content = info if isinstance(info, str | bytes) else json.dumps(info)
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))


def imported(root: Path, **ytdlp: object) -> Imported:
    found = IMPORTERS["ytdlp"](root, ImportSettings(ytdlp=YtdlpSettings(**ytdlp)))
    counts = found.counts
    assert counts["sidecars"] == counts["sidecars_read"] + counts["sidecars_rejected"] + counts["playlists_skipped"]
    return found


def full(**changes: Any) -> dict[str, Any]:
    return {
        "id": "abc",
        "title": "A day #Diving",
        "description": "Fun #beach day\n#FYP",
        "tags": ["Cliff", "cliff", "2020", "Sea Life"],
        "categories": ["Sports"],
        "uploader": "Ann",
        "duration": 100.4,
        "url": SECRET,
        "_type": "video",
        "chapters": [
            {"start_time": 0, "end_time": 40, "title": "Dive"},
            {"start_time": 40, "end_time": 100.4, "title": "Swim"},
        ],
        "formats": [{"url": SECRET, "cookies": "TOPSECRET", "http_headers": {"Cookie": "TOPSECRET"}}],
        "subtitles": {"en": [{"url": SECRET}]},
        "thumbnail": SECRET,
        "webpage_url": SECRET,
    } | changes


def test_labels_chapters_title_and_uploader(media: Media) -> None:
    root = media("x/Title [abc].webm", "x/bare.mp4")
    write(root, "x/Title [abc].info.json", full())
    found = imported(root)
    entry = found.entries[0]
    assert [(label.name, label.source) for label in entry.labels] == [
        ("cliff", "ytdlp:tags"), ("sea life", "ytdlp:tags"), ("sports", "ytdlp:categories"),
        ("diving", "ytdlp:title"), ("beach", "ytdlp:description"),
    ]  # fmt: skip
    assert [(one.name, one.start_seconds, one.end_seconds, one.present, one.source) for one in entry.segments] == [
        ("dive", 0, 40, True, "ytdlp:chapters"), ("swim", 40, 100, True, "ytdlp:chapters"),
    ]  # fmt: skip
    assert (entry.title, entry.uploader) == ("A day #Diving", "Ann")
    assert found.entries[1].labels == ()
    assert not found.problems
    assert (found.counts["chapters_taken"], found.counts["videos_with_chapters"]) == (2, 1)


def test_secrets_never_leave_the_sidecar(media: Media) -> None:
    root = media("a.mp4", "b.mp4")
    write(
        root,
        "a.info.json",
        full(tags=["dive", SECRET], categories=SECRET, chapters=[SECRET], uploader={"cookie": SECRET}),
    )
    write(root, "b.info.json", '{"url": "' + SECRET + '", broken')
    write(root, "c.info.json", full())
    found = imported(root)
    told = json.dumps([entry.to_json() for entry in found.entries] + [asdict(problem) for problem in found.problems])
    assert "dive" in told
    assert "SECRET" not in told
    assert "videoplayback" not in told


@pytest.mark.parametrize(
    ("duration", "taken", "seen"),
    [(100.9, 1, ""), (99.1, 1, ""), (101.5, 0, "the sidecar tells 101.5 s, the file has 100.0 s"),
     (None, 0, "the sidecar tells no duration"), ("100", 0, "the sidecar tells no duration")],
)  # fmt: skip
def test_chapters_need_a_duration_that_agrees(media: Media, duration: object, taken: int, seen: str) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", full(duration=duration, chapters=[{"start_time": 1, "end_time": 2, "title": "Dive"}]))
    found = imported(root)
    assert (found.counts["chapters_taken"], found.counts["chapters_refused"]) == (taken, 1 - taken)
    assert [problem.seen for problem in found.problems] == ([seen] if seen else [])


def test_chapters_of_a_broken_video_are_refused_and_its_labels_kept(media: Media) -> None:
    root = media("a.mp4", seconds="x")
    write(root, "a.info.json", full())
    found = imported(root)
    assert found.entries[0].video.status == "unreadable"
    assert len(found.entries[0].labels) == 5
    assert (found.entries[0].segments, found.counts["chapters_refused"]) == ((), 2)
    assert found.problems[0].seen == "the video can't be read"


def test_descriptions_stand_in_for_missing_chapters(media: Media) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", full(chapters=None, description="0:00 Dive\n0:30 Swim\n1:00 Rest"))
    assert [(one.name, one.source) for one in imported(root).entries[0].segments] == [
        ("dive", "ytdlp:description"), ("swim", "ytdlp:description"), ("rest", "ytdlp:description"),
    ]  # fmt: skip
    assert imported(root, description_chapters=False).entries[0].segments == ()
    assert imported(root, chapters=False).entries[0].segments == ()


def test_fields_can_be_chosen(media: Media) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", full())
    assert [label.name for label in imported(root, fields=("categories",)).entries[0].labels] == ["sports"]


def test_many_tags_weigh_less(media: Media) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", {"tags": ["one", "two", "three", "four"]})
    found = IMPORTERS["ytdlp"](root, ImportSettings(tags=TagSettings(many_tags=3)))
    assert [label.weight for label in found.entries[0].labels] == [0.75] * 4


def test_playlists_are_skipped_and_lone_sidecars_told(media: Media) -> None:
    root = media("a.mp4")
    write(root, "channel.info.json", {"_type": "playlist", "tags": ["x"]})
    write(root, "lost.info.json", full())
    found = imported(root)
    assert (found.counts["playlists_skipped"], found.counts["sidecars_without_video"]) == (1, 1)
    assert [str(problem) for problem in found.problems] == [
        "lost.info.json: no video beside it. Fetch the video, or leave the sidecar."
    ]


def test_sidecars_of_excluded_videos_are_no_problem(media: Media) -> None:
    root = media("a.mp4", "b.mp4")
    write(root, "a.info.json", full())
    found = IMPORTERS["ytdlp"](root, ImportSettings(exclude=("a.*",)))
    assert ([entry.id for entry in found.entries], found.problems) == (["b"], ())


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[1]", "a JSON list, not an object"),
        (b"null", "a JSON NoneType, not an object"),
        (b'{"title": "\xff"}', "not UTF-8 text at byte 11"),
        (b"[" * 100_000, "RecursionError"),
        (b'{"duration": ' + b"9" * 5000 + b"}", "ValueError"),
    ],
)
def test_broken_sidecars_are_told_and_their_videos_kept(media: Media, content: bytes, seen: str) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", content)
    found = imported(root)
    assert len(found.entries) == 1
    problem = found.problems[0]
    assert (problem.file, problem.what, problem.seen) == ("a.info.json", "the sidecar can't be read", seen)
    assert found.counts["sidecars_rejected"] == 1


def test_fields_of_the_wrong_kind_are_told_by_kind(media: Media) -> None:
    root = media("a.mp4")
    write(
        root,
        "a.info.json",
        full(tags="dive", categories=[1, "Sports"], title=7, chapters={}, uploader=None, channel="Bo"),
    )
    found = imported(root)
    assert [label.name for label in found.entries[0].labels] == ["sports", "beach"]
    assert (found.entries[0].title, found.entries[0].uploader) == ("", "Bo")
    assert found.problems[0].seen == "tags is str, chapters is dict, title is int, an item of categories is int"


def test_a_byte_order_mark_and_half_characters(media: Media) -> None:
    root = media("a.mp4")
    write(
        root, "a.info.json", b"\xef\xbb\xbf" + json.dumps({"title": "\ud83d x", "tags": ["\ud83d dive", "ok"]}).encode()
    )
    entry = imported(root).entries[0]
    assert [label.name for label in entry.labels] == ["? dive", "ok"]
    json.dumps(entry.to_json(), ensure_ascii=False).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["start_time", "end_time", "title"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["_type", "tags", "categories", "title", "description", "duration", "chapters", "uploader", "channel"]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(info=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=9))
def test_any_fields_are_read_or_told(media: Media, info: dict[str, Any]) -> None:
    root = media("a.mp4")
    write(root, "a.info.json", {"_type": "video", "duration": 100} | info)
    found = imported(root)
    assert len(found.entries) == 1
    json.dumps([found.entries[0].to_json()], ensure_ascii=False, allow_nan=False).encode()


@QUICK
@given(place=st.integers(0, 800), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_sidecars_never_stop_an_import(media: Media, place: int, byte: int, cut: bool) -> None:
    root = media("a.mp4")
    content = bytearray(json.dumps(full()).encode())
    place %= len(content)
    content[place] = byte
    write(root, "a.info.json", bytes(content[:place] if cut else content))
    assert len(imported(root).entries) == 1
