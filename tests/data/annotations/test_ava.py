"""AVA's tables: boxes and labels, what is excluded, proposals, and rows that mirrors damage."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.boxes import keyframes_of, usable
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.annotations.ava import read_ava
from whenabouts.data.annotations.checking import check_annotations
from whenabouts.data.box_files import boxes_path, read_boxes
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import AvaSettings
from whenabouts.data.importing import import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings

TRAIN = """\
vid1,0902,0.1,0.2,0.5,0.9,12,0
vid1,0902,0.1,0.2,0.5,0.9,80,0
vid1,0902,0.6,0.1,0.9,0.8,12,1
vid1,0903,0.1,0.2,0.5,0.9,12,0
vid1,0905,0.1,0.2,0.5,0.9,12,3_
vid1,0906,-0.2,0.2,1.3,0.9,12,0
vid1,0906,0.5,0.2,0.5,0.9,12,0
vid1,0906,0.1,0.2,nan,0.9,12,0
vid1,0906,0.1,0.2,0.5
vid1,0907,0.1,0.2,0.5,0.9,99,0
vid1,0907,0.1,0.2,0.5,0.9,80,0
vid1,0907,0.1,0.2,0.5,0.9,80,0
vid1,0908
"""
ACTIONS = 'item {\n  name: "stand"\n  id: 12\n}\nitem {\n  name: "watch (a person)"\n  id: 80\n}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "annotations"
    root.mkdir()
    (root / "ava_train_v2.2.csv").write_text(TRAIN)
    (root / "ava_val_v2.2.csv").write_text("vid2,0902,0.1,0.2,0.5,0.9,12,0\nvid2,0903,0.1,0.2,0.5,0.9,80,0\n")
    (root / "ava_action_list_v2.2.pbtxt").write_text(ACTIONS)
    (root / "ava_val_excluded_timestamps_v2.2.csv").write_text("vid2,0903\n")
    (root / "ava_val_predicted_boxes.csv").write_text(
        "vid2,902,0.1,0.2,0.5,0.9,,0.95\nvid2,902,0.1,0.2,0.5,0.9,,0.95\nvid2,902,0.5,0.5,0.9,0.9,,0.79\n"
    )
    return root


def test_boxes_labels_and_findings(folder: Path) -> None:
    found = read_ava(folder, start_seconds=900.0)
    assert found.annotations.labels == ("stand", "watch (a person)")
    train = found.boxes["train"]
    assert [(row.seconds, row.label, row.person) for row in train[:3]] == [
        (2.0, "stand", "0"), (2.0, "watch (a person)", "0"), (2.0, "stand", "1"),
    ]  # fmt: skip
    assert [row.box for row in train if row.seconds == 6.0] == [(0.0, 0.2, 1.0, 0.9)]  # Clipped to the picture.
    told = {fault.where.rpartition(" ")[2]: fault.what for fault in found.annotations.faults}
    assert told == {
        "5": "a person's id is damaged; the row is used",
        "7": "a box without area in the picture, or a number that is none",
        "8": "a box without area in the picture, or a number that is none",
        "9": "a box can't be read",
        "10": "an action that is not in the list",
        "12": "the row of line 11 again",
    }
    assert [(row.video, row.seconds) for row in found.boxes["test"]] == [("vid2", 2.0)]  # 903 is excluded.
    assert [(row.score, row.label) for row in found.found["test"]] == [(0.95, "")]
    spans = {
        (row.label, row.start_seconds, row.end_seconds)
        for row in found.annotations.of_split("train")[0].instances
    }  # fmt: skip
    assert ("stand", 1.5, 3.5) in spans  # Two neighbouring seconds.
    assert ("stand", 4.5, 6.5) in spans
    assert check_annotations(folder).counts["proposals_test"] == 1


def test_a_project_keeps_boxes(folder: Path, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    settings = ImportSettings(ava=AvaSettings(start_seconds=900.0))
    import_into(project, "ava", folder, settings, VocabularySettings(), now_ns=1, progress=Silent())
    vocabulary = project.vocabulary()
    assert vocabulary.names == ("stand", "watch (a person)")
    boxes, problems = read_boxes(boxes_path(project.folder, "train"), vocabulary)
    assert problems == ()
    first = keyframes_of(boxes, 2)[0]
    assert (first.video_id, first.seconds, len(first)) == ("vid1", 2.0, 2)
    np.testing.assert_array_equal(first.labels, [[1, 1], [1, 0]])
    found, _ = read_boxes(boxes_path(project.folder, "test", "found"), vocabulary)
    assert found.classes.tolist() == [-1]
    with pytest.raises(ProjectError, match="no boxes"):
        read_boxes(boxes_path(project.folder, "test", "strange"), vocabulary)


def test_what_is_not_there_is_told(folder: Path) -> None:
    (folder / "ava_action_list_v2.2.pbtxt").unlink()
    with pytest.raises(InvalidData, match="no list of actions"):
        read_ava(folder)
    (folder / "label_map.txt").write_text("12: stand\n")
    for path in folder.glob("ava_*v2.2.csv"):
        path.unlink()
    with pytest.raises(InvalidData, match="holds no ava_train"):
        read_ava(folder)


def test_rows_of_no_use_are_told_and_a_video_of_both_splits_is_learned_from_alone(folder: Path) -> None:
    (folder / "ava_train_v2.2.csv").write_text(
        TRAIN + "vid2,0910,0,0,1,1,12,0\n,0902,0,0,1,1,12,0\nvid1,5,0,0,1,1,12,0\n"
    )
    (folder / "ava_val_predicted_boxes.csv").write_text("vid3,902,0,0,1,1,99,high\nvid3,902,0,0,1,1,99,0.9\n")
    (folder / "ava_val_v2.2.csv").write_text("vid2,0902,0,0,1,1,12,0\nvid3,0902,0,0,1,1,80,0\n")
    found = read_ava(folder, start_seconds=900.0)
    assert {row.video for row in found.boxes["test"]} == {"vid3"}
    assert [(video.id, video.split) for video in found.annotations.videos] == [
        ("vid1", "train"), ("vid2", "train"), ("vid3", "test"),
    ]  # fmt: skip
    assert [(row.label, row.score) for row in found.found["test"]] == [("", 0.9)]
    told = [(fault.where, fault.what) for fault in found.annotations.faults]
    assert ("ava_train_v2.2.csv line 15", "a box of no video") in told
    assert ("ava_train_v2.2.csv line 16", "a keyframe before its video begins") in told
    assert ("ava_val_predicted_boxes.csv line 1", "a box can't be read") in told
    assert ("vid2", "the video stands in tables of both splits; it counts for training") in told


def test_labels_of_boxes_are_known_in_any_spelling(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes").mkdir()
    row = "a,1,0,0,1,1,Watch_(a person),1,0\n"
    boxes_path(tmp_path, "train").write_text(f"video,seconds,x1,y1,x2,y2,label,score,person\n{row}")
    boxes, _ = read_boxes(boxes_path(tmp_path, "train"), Vocabulary(("stand", "watch (a person)")))
    assert boxes.classes.tolist() == [1]


def test_boxes_with_area_are_usable() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.5, 0, 0.5, 1], [1.2, 0, 1.5, 1], [0, 0.9, 1, 0.1], [np.nan, 0, 1, 1]])
    assert usable(boxes).tolist() == [True, False, False, False, False]


@pytest.mark.golden
def test_real_rows(shared: Path, tmp_path: Path) -> None:
    labels = shared / "data" / "labels" / "ava"
    for name, kept in (("ava_val_v2.2_first_rows_sample.csv", "ava_val_v2.2.csv"), ("label_map_60.txt",) * 2):
        (tmp_path / kept).write_bytes((labels / name).read_bytes())
    found = read_ava(tmp_path)
    assert len(found.annotations.labels) == 60
    assert len(found.boxes["test"]) > 20
    assert {row.video for row in found.boxes["test"]} == {"1j20qq1JyX4"}


def test_actions_of_one_name_or_none_are_told_apart(folder: Path, tmp_path: Path) -> None:
    (folder / "ava_action_list_v2.2.pbtxt").write_text(
        'item { name: "stand" id: 12 } item { name: "stand" id: 80 } item { name: "" id: 3 }'
    )
    project = Project.create(tmp_path / "project")
    settings = ImportSettings(ava=AvaSettings(start_seconds=900.0))
    import_into(project, "ava", folder, settings, VocabularySettings(), now_ns=1, progress=Silent())
    assert project.vocabulary().names == ("3", "stand (12)", "stand (80)")
