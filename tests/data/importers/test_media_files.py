"""Finding files, ids, and telling contents apart."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.addresses import place_of
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among, stamp_of
from whenabouts.data.importers.protocol import ImportSettings, Problem
from whenabouts.data.manifest import Manifest

Media = Callable[..., Path]


def ids(root: Path, **settings: object) -> list[str]:
    problems: list[Problem] = []
    found = media_among(files_below(root.resolve(), problems), root.resolve(), ImportSettings(**settings))
    assert not problems
    return [file.video_id for file in found]


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_ids_are_relative_paths_without_ending(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/one.two.MP4",
        "a.mkv",
        "a.txt",
        ".hidden.mp4",
        ".trash/x.mp4",
        "._a.mp4",
        "b/c/-dash.webm",
        "x.mp4.part",
    )
    assert ids(tmp_path) == ["a", "b/c/-dash", "b/one.two"]


def test_ids_stay_unique(tmp_path: Path) -> None:
    assert ids(touch(tmp_path, "a.avi", "a.mkv", "a.mkv.mp4", "a.mp4")) == ["a", "a.mkv", "a.mkv.mp4", "a.mp4"]


def test_include_and_exclude(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.mp4", "b/y.mp4", "b/z.mp4")
    assert ids(tmp_path, include=("b/*",), exclude=("*z.mp4",)) == ["b/y"]


def test_accents_are_composed_and_bytes_that_are_no_text_are_shown(tmp_path: Path) -> None:
    touch(tmp_path, "e\u0301.mp4")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system holds Unicode names only")
    assert ids(tmp_path) == ["\u00e9", "\\xff"]


def test_a_missing_root_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="There is no folder"):
        checked_root(tmp_path / "nowhere")


@pytest.mark.parametrize(("size", "place"), [(100, 50), (500_000, 250_000), (3_000_000, 0), (3_000_000, 2_999_999)])
def test_stamps_tell_contents_apart(tmp_path: Path, size: int, place: int) -> None:
    path, content = tmp_path / "a.mp4", bytearray(size)
    path.write_bytes(content)
    first = stamp_of(path)
    content[place] = 1
    path.write_bytes(content)
    assert stamp_of(path).fingerprint != first.fingerprint
    path.write_bytes(bytes(size))
    assert stamp_of(path).fingerprint == first.fingerprint


def test_files_known_unchanged_are_not_probed_again(
    tmp_path: Path, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = media("a.mp4", "b.mp4", "broken.mp4").resolve()
    media("broken.mp4", seconds="x")
    files = media_among(files_below(root, []), root, ImportSettings())
    first = catalogue(files, ImportSettings(), Manifest(), Silent())
    assert [entry.video.status for entry in first.values()] == ["complete", "complete", "unreadable"]
    media("b.mp4", seconds=7)
    probed = []
    from whenabouts.media import probe

    real = probe.probe
    monkeypatch.setattr(
        probe, "probe", lambda path, video_id: probed.append(path.name) or real(path, video_id=video_id)
    )
    second = catalogue(files, ImportSettings(), Manifest(tuple(first.values())), Silent())
    assert probed == ["b.mp4", "broken.mp4"]
    assert second[root / "b.mp4"].video.duration_seconds == 7
    assert second[root / "a.mp4"] == first[root / "a.mp4"]


def test_verifying_reads_files_again(tmp_path: Path, media: Media) -> None:
    root = media("a.mp4", seconds=5).resolve()
    files = media_among(files_below(root, []), root, ImportSettings())
    known = Manifest(tuple(catalogue(files, ImportSettings(), Manifest(), Silent()).values()))
    status = (root / "a.mp4").stat()
    media("a.mp4", seconds=7)
    os.utime(root / "a.mp4", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert catalogue(files, ImportSettings(), known, Silent())[root / "a.mp4"].video.duration_seconds == 5
    assert catalogue(files, ImportSettings(verify=True), known, Silent())[root / "a.mp4"].video.duration_seconds == 7


def test_objects_that_one_path_would_name_are_one_video(object_server: Any) -> None:
    """Stores know `a//b` and `a/./b` apart from `a/b`; that not all of them are read is told."""
    import s3fs

    bucket = object_server.bucket("doubled")
    for name in ("l/x.mp4", "l//x.mp4", "l/./x.mp4", "r/y.mp4", ".hidden/z.mp4"):
        s3fs.S3FileSystem().pipe_file(f"doubled/{name}", b"text")
    problems: list[Problem] = []
    found = files_below(place_of(bucket), problems)
    assert [str(path) for path in found] == [f"{bucket}/l/x.mp4", f"{bucket}/r/y.mp4"]
    assert [problem.file for problem in problems] == ["l/x.mp4", "l/x.mp4"]
