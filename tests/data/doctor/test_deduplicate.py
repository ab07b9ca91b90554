"""Copies of videos are found, other videos are not, and flat pictures prove nothing."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.doctor.deduplicate import same_files, same_frames, small_frames
from whenabouts.data.doctor.looking import Looks, contents_of
from whenabouts.data.importers.media_files import stamp_of
from whenabouts.data.manifest import Entry, FileStamp
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video


def scene(seed: int, frames: int = 30) -> list[np.ndarray]:
    """A coarse picture (96, 128, 3) with a bright block that wanders through it."""
    coarse = np.random.default_rng(seed).integers(30, 220, (6, 8, 3))
    pictures = []
    for step in range(frames):
        cell = coarse.copy()
        cell[step // 5 % 6, step // 4 % 8] = 250
        pictures.append(cell.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Entry]:
    root = tmp_path_factory.mktemp("films")

    def made(name: str, pictures: list[np.ndarray], split: str = "train", crf: int = 20) -> Entry:
        path = root / f"{name}.mp4"
        times = [number / 10 for number in range(len(pictures))]
        write_video(path, pictures, times, encoding=Encoding(options={"crf": str(crf), "preset": "ultrafast"}))
        return Entry(probe(path, video_id=name), split=split, stamp=stamp_of(path))

    return made


def pairs(entries: list[Entry], cache: Path) -> list[tuple[str, str, bool]]:
    found = same_frames(entries, small_frames(entries, cache, Silent()))
    assert all(pair.how == "frames" for pair in found)
    return [(pair.first, pair.second, pair.across_splits) for pair in found]


def test_a_smaller_worse_copy_is_found_and_others_are_not(film: Callable[..., Entry], tmp_path: Path) -> None:
    entries = [
        film("original", scene(1)),
        film("copy", [picture[::2, ::2] for picture in scene(1)], split="test", crf=35),
        film("other", scene(2), split="test"),
        film("longer", scene(1, frames=60), split="test"),
        film("black", [np.zeros((96, 128, 3), np.uint8)] * 30),
        film("black too", [np.zeros((96, 128, 3), np.uint8)] * 30, split="test"),
    ]
    assert pairs(entries, tmp_path / "cache") == [("copy", "original", True)]


def test_the_same_scene_with_something_else_in_it_is_no_copy(film: Callable[..., Entry], tmp_path: Path) -> None:
    changed = scene(3)
    for number, picture in enumerate(changed):
        picture[40:70, 10 + number : 40 + number] = 255 - picture[40:70, 10 + number : 40 + number]
    assert pairs([film("take 1", scene(3)), film("take 2", changed)], tmp_path / "cache") == []


def test_frames_are_kept_by_content(film: Callable[..., Entry], tmp_path: Path) -> None:
    entry = film("kept", scene(4))
    first = small_frames([entry], tmp_path / "cache", Silent())

    def decoded(entries: Sequence[Entry]) -> Iterator[object]:
        assert not entries
        return iter(())

    looks = Looks(contents_of, decoded)
    again = small_frames([entry], tmp_path / "cache", Silent(), looks)
    assert np.array_equal(first["kept"], again["kept"])
    (tmp_path / "cache").write_bytes(b"broken")
    with pytest.raises(AssertionError):
        small_frames([entry], tmp_path / "cache", Silent(), looks)


def test_files_that_can_not_be_decoded_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"nothing")
    entry = Entry(Video("a", path, 10.0), stamp=stamp_of(path))
    assert small_frames([entry], tmp_path / "cache", Silent()) == {}


def test_blocks_of_comparison_find_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whenabouts.data.doctor.deduplicate._BLOCK", 4)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (12, 5, 16, 16), dtype=np.uint8)
    seconds = rng.permutation(12) / 20 + 30
    copies = {f"b{number}": frames[number] for number in range(12)}
    every = {f"a{number}": frames[number] for number in range(12)} | copies
    entries = [Entry(Video(name, Path("/x"), float(seconds[int(name[1:])] + (name[0] == "b")))) for name in every]
    found = [(pair.first, pair.second, pair.difference) for pair in same_frames(entries, every)]
    assert sorted(found) == sorted((f"a{number}", f"b{number}", 0.0) for number in range(12))


def test_brightness_does_not_count_and_length_does() -> None:
    frames = np.random.default_rng(0).integers(50, 200, (5, 16, 16), dtype=np.uint8)
    named = {"a": frames, "b": frames + 20, "c": frames}
    lengths = {"a": 10.0, "b": 10.9, "c": 12.0}
    entries = [Entry(Video(name, Path("/x"), lengths[name])) for name in named]
    assert [(pair.first, pair.second) for pair in same_frames(entries, named)] == [("a", "b")]
    assert same_frames(entries[:1], named) == []


def test_same_files_are_found_by_stamp() -> None:
    def entry(name: str, size: int, print_: str, split: str = "train") -> Entry:
        return Entry(Video(name, Path("/x")), split=split, stamp=FileStamp(size, 1, print_))

    entries = [entry("a", 5, "x"), entry("b", 5, "x", "test"), entry("c", 6, "x"), entry("d", 5, ""), entry("e", 5, ""),
               entry("f", 0, "z"), entry("g", 0, "z"), Entry(Video("h", Path("/x"))), entry("i", 5, "x")]  # fmt: skip
    assert [(pair.first, pair.second, pair.across_splits) for pair in same_files(entries)] == [
        ("a", "b", True),
        ("a", "i", False),
    ]
