"""Entries and manifests: whole lines, in order, readable again, clear where they are not."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData, ProjectError, WhenaboutsError
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, FileStamp, Manifest, RatedSegment, WeakLabel


def entry(video_id: str, *, split: str = "train", path: str = "/media/x.mp4") -> Entry:
    video = Video(video_id, Path(path), 12.5, Fraction(30000, 1001), None, 90, 160, 1.48, True)
    labels = (WeakLabel("dive", 0.25, "ytdlp:tags", "#dive"),)
    return Entry(video, labels, (RatedSegment("dive", 1.5, 2.25, False, "csv"),), split, "A title", "someone",
                 FileStamp(123, 456, "abc"), changed_ns=7)  # fmt: skip


def test_saved_entries_are_read_again(tmp_path: Path) -> None:
    entries = (entry("b"), entry("a", split="test"), Entry(Video("c", Path("/media/c.mp4"))))
    Manifest(entries).save(tmp_path / "manifest.jsonl")
    read = Manifest.load(tmp_path / "manifest.jsonl")
    assert read.entries == tuple(sorted(entries, key=lambda one: one.id))
    assert read.ids == ("a", "b", "c")
    assert [one.id for one in read.of_split("train")] == ["b", "c"]
    assert read.by_id("b") == entries[0]
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 3


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, video_id: str, title: str, label: str) -> None:
    path = tmp_path_factory.mktemp("m") / "manifest.jsonl"
    one = replace(entry(video_id), title=title, labels=(WeakLabel(label),))
    Manifest((one,)).save(path)
    assert Manifest.load(path).entries == (one,)


def test_file_names_that_are_no_text_survive(tmp_path: Path) -> None:
    one = entry("a", path="/media/\udcff.mp4")
    Manifest((one,)).save(tmp_path / "m.jsonl")
    assert Manifest.load(tmp_path / "m.jsonl").entries == (one,)


def test_media_inside_the_project_move_with_it(tmp_path: Path) -> None:
    inside = entry("a", path=str(tmp_path.resolve() / "one" / "clips" / "a.mp4"))
    Manifest((inside,)).save(tmp_path / "one" / "manifest.jsonl")
    (tmp_path / "one").rename(tmp_path / "two")
    read = Manifest.load(tmp_path / "two" / "manifest.jsonl")
    assert read.by_id("a").video.path == tmp_path.resolve() / "two" / "clips" / "a.mp4"


def test_an_id_stands_once() -> None:
    with pytest.raises(InvalidData, match=r"\['a'\] stand there more often"):
        Manifest((entry("a"), entry("b"), entry("a")))


def test_videos_within_a_split_or_all() -> None:
    manifest = Manifest((entry("a"), replace(entry("b"), split="test")))
    assert [[each.id for each in manifest.within(split)] for split in ("test", "all")] == [["b"], ["a", "b"]]
    with pytest.raises(ProjectError, match=r"No video is in split 'tset'. Choose all or one of: test, train"):
        manifest.within("tset")


def test_missing_manifest_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="Run `whenabouts import` first"):
        Manifest.load(tmp_path / "manifest.jsonl")


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "null", '{"video": 3}', '{"video": {"id": "a"}}', '{"video": {"id": "", "path": "x"}}',
     '{"video": {"id": "a", "path": "x"}, "labels": [{"name": "b", "weight": 2}]}',
     '{"video": {"id": "a", "path": "x"}, "labels": [{"nam": "b"}]}',
     '{"video": {"id": "a", "path": "x"}, "segments": [{"name": "b", "start_seconds": 3, "end_seconds": 1}]}',
     '{"video": {"id": "a", "path": "x", "fps": "1/0"}}'],
)  # fmt: skip
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "manifest.jsonl"
    Manifest((entry("first"),)).save(path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InvalidData, match=r"manifest\.jsonl line 2"):
        Manifest.load(path)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_any_content_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("m") / "manifest.jsonl"
    path.write_bytes(content)
    try:
        Manifest.load(path)
    except WhenaboutsError:
        return
    assert not content.decode("utf-8-sig").strip()


@pytest.mark.parametrize("times", [(-1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (0.0, float("nan")), (float("inf"), 1.0)])
def test_segments_without_proper_times_are_refused(times: tuple[float, float]) -> None:
    with pytest.raises(InvalidData, match="dive"):
        RatedSegment("dive", *times)


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.01, float("nan")])
def test_weights_outside_are_refused(weight: float) -> None:
    with pytest.raises(InvalidData, match="dive"):
        WeakLabel("dive", weight)


def test_equal_labels_are_kept_once_and_written_as_they_were(tmp_path: Path) -> None:
    """1 and 1.0 are equal, but not the same text."""
    labels = [WeakLabel("jump", weight, "csv", "row") for weight in (1, 1.0, 1, 0.5)]
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(Entry(Video(str(k), tmp_path / f"{k}.mp4"), (label,)) for k, label in enumerate(labels))).save(path)
    before, found = path.read_bytes(), Manifest.load(path)
    assert found.entries[0].labels[0] is found.entries[2].labels[0]
    found.save(path)
    assert path.read_bytes() == before
    path.write_text(path.read_text().replace('"weight": 0.5', '"weight": [0.5]'))
    with pytest.raises(InvalidData, match=r"line 4: An entry can't be read"):
        Manifest.load(path)
