"""Labels from the names of folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from whenabouts.data.importers import IMPORTERS, ImportSettings
from whenabouts.data.importers.protocol import FolderSettings
from whenabouts.data.manifest import Entry

Media = Callable[..., Path]


def imported(root: Path, **folders: object) -> dict[str, Entry]:
    found = IMPORTERS["folders"](root, ImportSettings(folders=FolderSettings(**folders)))
    assert not found.problems
    return {entry.id: entry for entry in found.entries}


def names(root: Path, **folders: object) -> dict[str, list[str]]:
    return {key: [label.name for label in entry.labels] for key, entry in imported(root, **folders).items()}


def test_each_folder_is_a_label(media: Media) -> None:
    root = media("sports/cliff diving/a.mp4", "cooking/b.mp4", "c.mp4")
    assert names(root) == {"c": [], "cooking/b": ["cooking"], "sports/cliff diving/a": ["sports", "cliff diving"]}


@pytest.mark.parametrize(
    ("levels", "wanted"), [((1,), ["a"]), ((-1,), ["c"]), ((2, -1), ["b", "c"]), ((1, -3), ["a"]), ((9,), [])]
)
def test_levels(media: Media, levels: tuple[int, ...], wanted: list[str]) -> None:
    assert names(media("a/b/c/x.mp4"), levels=levels) == {"a/b/c/x": wanted}


def test_names_are_cut_and_what_says_nothing_is_left_out(media: Media) -> None:
    root = media("dive+jump, swim/2019/100GOPRO/Misc/x.mp4", "++/y.mp4")
    found = IMPORTERS["folders"](root, ImportSettings())
    assert [[label.name for label in entry.labels] for entry in found.entries] == [[], ["dive", "jump", "swim"]]
    assert found.counts == {"ignored_folders": 4}
    assert names(root, separators="")["dive+jump, swim/2019/100GOPRO/Misc/x"] == ["dive+jump, swim"]


def test_folders_of_splits(media: Media) -> None:
    root = media("Train/a/1.mp4", "valid/a/2.mp4", "TEST/b/3.mp4", "other/4.mp4")
    found = imported(root)
    assert {key: entry.split for key, entry in found.items()} == {
        "Train/a/1": "train", "valid/a/2": "validation", "TEST/b/3": "test", "other/4": "train",
    }  # fmt: skip
    assert names(root)["Train/a/1"] == ["a"]
    assert names(root, split_folders=False)["Train/a/1"] == ["Train", "a"]


def test_a_lone_test_folder_is_a_concept(media: Media) -> None:
    found = imported(media("test/a.mp4", "rest/b.mp4"))
    assert {key: (entry.split, [label.name for label in entry.labels]) for key, entry in found.items()} == {
        "test/a": ("train", ["test"]),
        "rest/b": ("train", ["rest"]),
    }


def test_broken_media_stay_with_their_reason(media: Media) -> None:
    media("a/good.mp4")
    found = imported(media("a/bad.mp4", seconds="x"))
    assert found["a/bad"].video.status == "unreadable"
    assert "can't be opened" in found["a/bad"].video.reason
    assert [label.name for label in found["a/bad"].labels] == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_named_like_a_video_is_recorded_and_never_waited_for(media: Media) -> None:
    root = media("dive/a.mp4")
    os.mkfifo(root / "dive" / "pipe.mp4")
    video = imported(root)["dive/pipe"].video
    assert (video.status, video.reason) == ("unreadable", "The file can't be read: it is no ordinary file.")
