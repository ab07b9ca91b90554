"""Data sets with annotations: labels for training, truth for measuring, and no times where training could see them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.progress import Silent
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import ActivityNetSettings, Thumos14Settings
from whenabouts.data.importing import ImportOutcome, import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.evaluation.reading import read_truth

TRAIN, TEST = "video_validation_0000051", "video_test_0000004"


def into(project: Path, kind: str, root: Path, **settings: Any) -> ImportOutcome:
    how = ImportSettings(**settings)
    home = Project.create(project)
    return import_into(home, kind, root, how, VocabularySettings(), now_ns=1, progress=Silent())


def small(path: Path, **changes: Any) -> Path:
    """One training and one test video in ActivityNet's layout, under THUMOS14's names."""
    database = {
        TRAIN: {"subset": "Validation", "duration": 30.0, "fps": 30.0,
                "annotations": [{"segment": [12.34, 15.67], "label": "Billiards"}]},
        TEST: {"subset": "Test", "duration": 20.0, "annotations": [{"segment": [9.87, 25.0], "label": "Diving"}]},
        **changes,
    }  # fmt: skip
    path.write_text(json.dumps({"version": "1.3", "database": database}))
    return path


def test_times_stand_in_the_truth_alone(tmp_path: Path) -> None:
    outcome = into(tmp_path / "p", "thumos14", small(tmp_path / "gt.json"))
    project = Project(tmp_path / "p")
    trained, tested = project.manifest().by_id(TRAIN), project.manifest().by_id(TEST)
    assert [label.name for label in trained.labels] == ["Billiards"]
    assert (trained.split, tested.split) == ("train", "test")
    assert (tested.labels, tested.segments, trained.segments) == ((), (), ())
    for path in (project.manifest_path, project.vocabulary_path):
        assert not [number for number in ("12.34", "15.67", "9.87") if number in path.read_text()]
    truth = read_truth(project.truth_path, subset="test")
    assert (truth.video_ids, truth.spans.tolist(), truth.labels) == ((TEST,), [[9.87, 25.0]], ("Diving",))
    assert truth.name == "THUMOS14, own selection: 1 videos, 1 instances"
    assert TRAIN not in project.truth_path.read_text()
    assert len(project.vocabulary()) == 20
    told = json.loads((project.reports_folder / "import.json").read_text())["imports"][0]
    assert told["facts"]["ground_truth"] == truth.name
    assert told["counts"]["past_the_end"] == 1
    assert "past the end (seen: Diving 9.87..25 s of 20 s)" in outcome.to_text()


def test_the_real_thumos14_in_two_forms_is_one_project(shared: Path, tmp_path: Path) -> None:
    real = shared / "data" / "annotations"
    first = into(tmp_path, "thumos14", real / "thumos14_txt")
    assert first.figures()["videos_in_project"] == 413
    second = into(tmp_path, "thumos14", real / "thumos14.json", thumos14=Thumos14Settings(ground_truth="211"))
    assert second.figures()["new"] == 0
    manifest = Project(tmp_path).manifest()
    assert {split: len(manifest.of_split(split)) for split in manifest.splits} == {
        "left-out": 2, "test": 211, "train": 200,
    }  # fmt: skip
    assert manifest.by_id(TEST).video.duration_seconds == 33.826  # the text files say none
    assert sum(len(entry.labels) for entry in manifest.of_split("train")) >= 200
    truth = read_truth(Project(tmp_path).truth_path, subset="test", ambiguous_label="Ambiguous")
    assert (len(truth), len(truth.video_ids), truth.name[:12]) == (3311, 211, "THUMOS14-211")
    assert len(truth.ambiguous_spans) > 0


def test_the_real_activitynet(shared: Path, tmp_path: Path) -> None:
    into(tmp_path, "activitynet", shared / "data" / "annotations" / "activitynet13.json")
    project = Project(tmp_path)
    manifest = project.manifest()
    assert [len(manifest.of_split(split)) for split in ("train", "validation", "test")] == [9649, 4728, 4851]
    assert len(project.vocabulary()) == 200
    assert all(bool(entry.labels) == (entry.split == "train") for entry in manifest)
    assert len(read_truth(project.truth_path)) == 7293


def test_media_are_matched_by_name_and_known_files_stay(media: Callable[..., Path], tmp_path: Path) -> None:
    archive = media("train/v_abc.mp4", "v_other.mp4", seconds=31)
    row = {"segment": [1, 2], "label": "Archery"}
    database = {"abc": {"subset": "training", "duration": 30, "annotations": [row]}, "xyz": {"subset": "validation"}}
    path = tmp_path / "anet.json"
    path.write_text(json.dumps({"version": "VERSION 1.3", "database": database}))
    into(tmp_path / "p", "activitynet", path)
    outcome = into(tmp_path / "p", "activitynet", path, activitynet=ActivityNetSettings(media=str(archive)))
    counts = outcome.imported.counts
    assert (counts["files_without_annotation"], counts["videos_without_file"]) == (1, 1)
    entry = Project(tmp_path / "p").manifest().by_id("abc")
    assert entry.video.path == archive.resolve() / "train" / "v_abc.mp4"
    assert entry.video.duration_seconds == 31.0  # as the file says
    into(tmp_path / "p", "activitynet", path)
    assert Project(tmp_path / "p").manifest().by_id("abc") == entry
    assert len(Project(tmp_path / "p").manifest()) == 2


@pytest.mark.parametrize("kind", ["thumos14", "activitynet"])
def test_a_broken_file_changes_nothing(tmp_path: Path, kind: str) -> None:
    from whenabouts.core.errors import InvalidData

    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InvalidData, match=r"x\.json can't be read as JSON"):
        into(tmp_path / "p", kind, tmp_path / "x.json")
    assert not Project(tmp_path / "p").manifest_path.exists()
