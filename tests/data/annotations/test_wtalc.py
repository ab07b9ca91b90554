"""W-TALC's annotation folder: refused as published, read once its lists are plain; the scripts that we name work."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import Instance
from whenabouts.data.annotations.reading import read_annotations
from whenabouts.data.annotations.wtalc import CONVERT_FEATURES, CONVERT_LISTS

NAMES = (b"video_validation_0000051", b"video_test_0000004")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Arrays of the very types of Thumos14reduced-Annotations."""
    folder = tmp_path / "Thumos14reduced-Annotations"
    folder.mkdir()
    labels, segments = np.empty(2, object), np.empty(2, object)
    labels[:] = [["Diving", "CliffDiving"], ["Diving"]]
    segments[:] = [[[1.0, 2.5], [1.0, 2.5]], [[0.5, 30.0]]]
    np.save(folder / "videoname.npy", np.asarray(NAMES))
    np.save(folder / "subset.npy", np.asarray([b"validation", b"test"]))
    np.save(folder / "duration.npy", np.asarray([6.4, 12.8]))
    np.save(folder / "labels.npy", labels, allow_pickle=True)
    np.save(folder / "segments.npy", segments, allow_pickle=True)
    return folder


def run(script: str, *arguments: Path) -> None:
    """Run what a person would paste, with this interpreter in place of `python`."""
    code = script.split("\n", 1)[1].rsplit("\n", 1)[0]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, timeout=60)


def test_lists_of_objects_are_refused_with_the_script_that_converts_them(published: Path) -> None:
    with pytest.raises(InvalidData, match=r"labels\.npy holds Python objects.*\n?.*convert .* once") as refused:
        read_annotations(published)
    assert CONVERT_LISTS in str(refused.value)


def test_converted_by_that_script_they_are_read(published: Path) -> None:
    run(CONVERT_LISTS, published)
    (published / "Ambiguous_test.txt").write_text("video_test_0000004  1.0 2.0\n")
    kind, found = read_annotations(published)
    assert kind == "thumos14"
    trained, tested = found.videos
    assert (trained.split, tested.split, trained.duration_seconds) == ("train", "test", 6.4)
    assert trained.instances == (Instance("Diving", 1.0, 2.5), Instance("CliffDiving", 1.0, 2.5))
    assert (tested.labels, tested.ambiguous) == (("Diving",), ((1.0, 2.0),))
    assert found.counts()["past_the_end"] == 1


def test_the_one_file_of_all_videos_becomes_one_a_video(published: Path, tmp_path: Path) -> None:
    joint = np.empty(2, object)
    joint[:] = [np.ones((3, 4), np.float32), np.zeros((2, 4), np.float32)]
    np.save(tmp_path / "joint.npy", joint, allow_pickle=True)
    run(CONVERT_FEATURES, tmp_path / "joint.npy", published, tmp_path / "out")
    assert {path.stem: np.load(path).shape for path in (tmp_path / "out").iterdir()} == {
        "video_validation_0000051": (3, 4), "video_test_0000004": (2, 4),
    }  # fmt: skip


def test_rows_that_do_not_match_are_refused(published: Path) -> None:
    run(CONVERT_LISTS, published)
    np.save(published / "subset.npy", np.asarray([b"test"]))
    with pytest.raises(InvalidData, match=r"subset\.npy has 1 rows for 2 videos"):
        read_annotations(published)
