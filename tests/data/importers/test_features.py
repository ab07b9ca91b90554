"""Features as people have them: small files in exactly the published layouts, with times worked out by hand."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.clock import FeatureClock
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.doctor.check import check_project
from whenabouts.data.feature_files import reading
from whenabouts.data.feature_files.arrays import read_matrix
from whenabouts.data.importers import IMPORTERS, ImportSettings
from whenabouts.data.importers.protocol import FeatureSettings
from whenabouts.data.importing import ImportOutcome, import_into
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings, build_vocabulary

TRAIN, TEST = "video_validation_0000051", "video_test_0000004"
SECONDS = {TRAIN: 6.4, TEST: 12.8}  # 10 and 20 windows of 16 frames at 25 fps


def annotations(path: Path, **changes: Any) -> str:
    """One training and one test video, as ActionFormer's thumos14.json has them."""
    database = {
        TRAIN: {"subset": "Validation", "duration": 6.4, "fps": 30.0,
                "annotations": [{"segment": [1.0, 2.0], "label": "Diving", "label_id": 0}]},
        TEST: {"subset": "Test", "duration": 12.8, "fps": 25.0,
               "annotations": [{"segment": [3.0, 4.0], "label": "Diving", "label_id": 0}]},
        **changes,
    }  # fmt: skip
    path.write_text(json.dumps({"version": "Thumos14-30fps", "database": database}))
    return str(path)


def saved(path: Path, steps: int, width: int = 4, seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float32)
    np.save(path, values)
    return values


def into(project: Path, root: Path, **settings: Any) -> ImportOutcome:
    how = ImportSettings(features=FeatureSettings(**settings))
    home = Project.create(project)
    return import_into(home, "features", root, how, VocabularySettings(), now_ns=1, progress=Silent())


@pytest.fixture
def said(tmp_path: Path) -> str:
    return annotations(tmp_path / "gt.json")


@pytest.mark.parametrize("names", ["rgb/{}.npy", "{}-rgb.npy", "{}_i3d_rgb.npy", "test/RGB_features/{}.npy"])
def test_i3d_pairs(tmp_path: Path, said: str, names: str) -> None:
    root, flow = tmp_path / "f", names.replace("rgb", "flow").replace("RGB", "FLOW")
    rgb = saved(root / names.format(TRAIN), 10)
    saved(root / flow.format(TRAIN), 9, seed=1)
    saved(root / names.format(TEST), 20)
    saved(root / flow.format(TEST), 20)
    outcome = into(tmp_path / "p", root, annotations=said)
    project = Project(tmp_path / "p")
    store = project.features()
    assert store.modalities() == ("flow", "rgb")
    np.testing.assert_array_equal(store.read(TRAIN, "rgb").values, rgb)
    assert store.source("rgb") == "i3d files, rgb, 16 frames each 16 at 25 fps"
    np.testing.assert_allclose(store.grid(TRAIN, "rgb").centre([0, 9]), [0.32, 6.08])
    assert store.grid(TRAIN, "flow").steps == 9
    assert outcome.imported.counts["streams_differ_by_1"] == 1
    assert outcome.imported.counts["videos_with_features"] == 2
    entry = project.manifest().by_id(TRAIN)
    assert entry.clocks == (FeatureClock("flow", 25.0, 16, 16), FeatureClock("rgb", 25.0, 16, 16))
    assert [label.name for label in entry.labels] == ["Diving"]
    assert project.truth_path.is_file()
    told = [finding.text for finding in check_project(project.folder, frames=False, progress=Silent()).findings]
    assert not [text for text in told if "held-out" in text]  # their labels stand in truth.json
    assert not [problem for problem in outcome.imported.problems if "steps" in problem.what]


def test_joint_files_are_cut_in_halves(tmp_path: Path, said: str) -> None:
    values = saved(tmp_path / "f" / f"{TRAIN}.npy", 10, width=6)
    into(tmp_path / "p", tmp_path / "f", annotations=said, layout="wtalc", maker="I3D, Kinetics")
    store = Project(tmp_path / "p").features()
    np.testing.assert_array_equal(store.read(TRAIN, "rgb").values, values[:, :3])
    np.testing.assert_array_equal(store.read(TRAIN, "flow").values, values[:, 3:])
    assert store.source("flow") == "I3D, Kinetics, flow, 16 frames each 16 at 25 fps"
    into(tmp_path / "q", tmp_path / "f", annotations=said, layout="wtalc", joint="whole")
    assert Project(tmp_path / "q").features().read(TRAIN, "joint").width == 6


def test_odd_widths_are_no_two_streams(tmp_path: Path, said: str) -> None:
    saved(tmp_path / "f" / f"{TRAIN}.npy", 10, width=5)
    outcome = into(tmp_path / "p", tmp_path / "f", annotations=said, layout="wtalc")
    assert outcome.imported.counts["videos_refused"] == 1
    assert "5 columns are no two streams" in outcome.imported.problems[-1].seen


def test_actionformer_takes_each_videos_own_rate(tmp_path: Path, said: str) -> None:
    """At 30 fps (training video) step 5 is at (5 4 + 8) / 30 s, at 25 fps (test video) at 28 / 25 s."""
    saved(tmp_path / "f" / f"{TRAIN}.npy", 45)  # (6.4 30 - 16) / 4 + 1
    saved(tmp_path / "f" / f"{TEST}.npy", 77)
    outcome = into(tmp_path / "p", tmp_path / "f", annotations=said, layout="actionformer")
    store = Project(tmp_path / "p").features()
    assert store.grid(TRAIN, "rgb").centre(5) == pytest.approx(28 / 30)
    assert store.grid(TEST, "rgb").centre(5) == pytest.approx(28 / 25)
    assert outcome.imported.counts.get("length_mismatches", 0) == 0
    assert outcome.imported.facts["steps"] == "16 frames each 4 at the video's fps"
    manifest = Project(tmp_path / "p").manifest()
    assert [clock.fps for clock in manifest.by_id(TRAIN).clocks] == [30.0, 30.0]


def test_a_video_without_a_rate_is_told(tmp_path: Path) -> None:
    said = annotations(tmp_path / "gt.json", **{TEST: {"subset": "Test", "duration": 12.8, "annotations": []}})
    saved(tmp_path / "f" / f"{TEST}.npy", 77)
    outcome = into(tmp_path / "p", tmp_path / "f", annotations=said, layout="actionformer")
    assert outcome.imported.counts["videos_without_fps"] == 1
    assert Project(tmp_path / "p").features().modalities() == ()
    into(tmp_path / "p", tmp_path / "f", annotations=said, layout="actionformer", fps=25.0)
    assert Project(tmp_path / "p").features().video_ids("rgb") == (TEST,)


def test_activitynet_tables_are_equal_parts(tmp_path: Path) -> None:
    row = {"segment": [1, 2], "label": "Archery"}
    database = {
        "abc": {"subset": "training", "duration": 50.0, "num_frames": 1000, "feature_frame": 800, "annotations": [row]},
        "-x_": {"subset": "validation", "duration": 20.0, "annotations": [row]},
        "none": {"subset": "validation", "annotations": []},
    }
    (tmp_path / "gt.json").write_text(json.dumps({"version": "VERSION 1.3", "database": database}))
    root = tmp_path / "csv_mean_100"
    root.mkdir()
    cells = "\n".join(",".join(str(k + column / 10) for column in range(4)) for k in range(100))
    for name in ("v_abc", "v_-x_", "v_none"):
        (root / f"{name}.csv").write_text("f0,f1,f2,f3\n" + cells + "\n")
    how = {"annotations": str(tmp_path / "gt.json"), "layout": "activitynet-csv"}
    outcome = into(tmp_path / "p", root, **how)
    store = Project(tmp_path / "p").features()
    assert outcome.imported.counts["videos_without_duration"] == 1
    np.testing.assert_allclose(store.grid("abc", "joint").spans([[0, 1], [99, 100]]), [[0, 0.5], [49.5, 50.0]])
    np.testing.assert_allclose(store.read("-x_", "joint").values[7], [7.0, 7.1, 7.2, 7.3], rtol=1e-6)
    assert store.source("joint") == "activitynet-csv files, joint, steps are equal parts of the duration"
    into(tmp_path / "p", root, **how, covered_frames=True)
    # 800 of 1,000 frames: the steps end at 40 of 50 s.
    grid = Project(tmp_path / "p").features().grid("abc", "joint")
    np.testing.assert_allclose(grid.windows()[[0, 99]], [[0, 0.4], [39.6, 40.0]])
    assert Project(tmp_path / "p").manifest().by_id("abc").clocks == (FeatureClock("joint", parts_seconds=40.0),)


def test_what_is_wrong_is_refused_counted_and_stops_nothing(tmp_path: Path, said: str) -> None:
    root = tmp_path / "f"
    for modality in ("rgb", "flow"):
        saved(root / modality / f"{TRAIN}.npy", 10)
    broken = saved(root / "rgb" / f"{TEST}.npy", 20)
    broken[7, 2] = np.nan
    np.save(root / "rgb" / f"{TEST}.npy", broken)
    saved(root / "flow" / f"{TEST}.npy", 20)
    saved(root / "rgb" / "video_test_9999999.npy", 5)
    saved(root / "notes.npy", 5)
    outcome = into(tmp_path / "p", root, annotations=said)
    counts = outcome.imported.counts
    assert (counts["videos_refused"], counts["refused_not_finite"]) == (1, 1)
    assert (counts["files_without_video"], counts["files_without_modality"]) == (1, 1)
    assert "hold nan at step 7, column 2" in outcome.to_text()
    assert Project(tmp_path / "p").features().video_ids("flow") == (TRAIN,)
    told = json.loads((Project(tmp_path / "p").reports_folder / "import.json").read_text())["imports"][0]
    assert told["counts"]["refused_not_finite"] == 1


def test_another_width_is_refused(tmp_path: Path, said: str) -> None:
    saved(tmp_path / "f" / "rgb" / f"{TRAIN}.npy", 10, width=5)
    saved(tmp_path / "f" / "rgb" / f"{TEST}.npy", 20, width=4)
    outcome = into(tmp_path / "p", tmp_path / "f", annotations=said)
    assert outcome.imported.counts["refused_width"] == 1


def test_lengths_that_fit_at_another_rate_say_which(tmp_path: Path, said: str) -> None:
    """Features of a 30 fps video read as 25: 6.4 s have 12 windows, 12.8 s have 24."""
    saved(tmp_path / "f" / "rgb" / f"{TRAIN}.npy", 24)
    saved(tmp_path / "f" / "rgb" / f"{TEST}.npy", 48)
    outcome = into(tmp_path / "p", tmp_path / "f", annotations=said)
    assert outcome.imported.counts["length_mismatches"] == 2
    assert "at 60 fps they would fit, not at 25" in outcome.imported.problems[-1].seen
    assert len(Project(tmp_path / "p").features().read(TEST, "rgb")) == 48  # told, and kept


def test_changed_files_are_read_again_and_others_not(tmp_path: Path, said: str) -> None:
    path = tmp_path / "f" / "rgb" / f"{TRAIN}.npy"
    saved(path, 10)
    into(tmp_path / "p", tmp_path / "f", annotations=said)
    store = Project(tmp_path / "p").features()
    before = store.written_ns(TRAIN, "rgb")
    into(tmp_path / "p", tmp_path / "f", annotations=said)
    store.refresh()
    assert store.written_ns(TRAIN, "rgb") == before
    values = saved(path, 10, seed=5)
    os.utime(path, ns=(before + 10**9, before + 10**9))
    into(tmp_path / "p", tmp_path / "f", annotations=said)
    store.refresh()
    np.testing.assert_array_equal(store.read(TRAIN, "rgb").values, values)


def test_one_video_is_read_at_a_time(tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was read when an import was stopped need not be read again."""
    for name in (TRAIN, TEST):
        saved(tmp_path / "f" / "rgb" / f"{name}.npy", 10)
    read: list[str] = []

    def stopping(path: Path) -> np.ndarray:
        read.append(path.stem)
        if len(read) == 2:
            raise KeyboardInterrupt
        return read_matrix(path)

    monkeypatch.setattr(reading, "read_matrix", stopping)
    how = ImportSettings(features=FeatureSettings(annotations=said))
    supply = IMPORTERS["features"](tmp_path / "f", how).supply
    assert supply is not None
    next(iter(supply.read([TRAIN, TEST])))
    assert read == [TEST]
    read.clear()
    with pytest.raises(KeyboardInterrupt):
        into(tmp_path / "p", tmp_path / "f", annotations=said)
    assert read == [TEST, TRAIN]
    into(tmp_path / "p", tmp_path / "f", annotations=said)
    assert read == [TEST, TRAIN, TRAIN]
    assert Project(tmp_path / "p").features().video_ids("rgb") == (TEST, TRAIN)


def test_another_rate_or_duration_moves_what_was_kept(tmp_path: Path, said: str) -> None:
    """The file is the same, and so is what its maker is called; only when its steps are has changed."""
    saved(tmp_path / "f" / f"{TRAIN}.npy", 45)
    how = {"layout": "actionformer", "annotations": said}
    into(tmp_path / "p", tmp_path / "f", **how)
    row = {"subset": "Validation", "duration": 7.68, "fps": 25.0, "annotations": []}
    annotations(tmp_path / "gt.json", **{TRAIN: row})
    into(tmp_path / "p", tmp_path / "f", **how)
    grid = Project(tmp_path / "p").features().grid(TRAIN, "flow")
    assert grid.duration_seconds == 7.68
    assert grid.centre(0) == pytest.approx(0.32)


def test_features_join_the_projects_own_videos_and_change_no_label(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    entries = tuple(
        Entry(Video(name, tmp_path / f"{name}.mp4", duration_seconds=6.4), (WeakLabel("dive", 1.0, "csv:t"),))
        for name in ("a/one", "a/two", "b/two")
    )
    project.write_manifest(Manifest(entries))
    how = VocabularySettings(min_count=2)
    project.write_vocabulary(build_vocabulary(entries, how)[0], how)
    saved(tmp_path / "f" / "rgb" / "one.npy", 10)
    saved(tmp_path / "f" / "rgb" / "two.npy", 10)  # of a or of b?
    outcome = into(tmp_path / "p", tmp_path / "f")
    assert outcome.imported.counts["files_without_video"] == 1
    assert project.features().video_ids("rgb") == ("a/one",)
    assert project.vocabulary().names == ("dive",)
    assert [entry.labels for entry in project.manifest()] == [entry.labels for entry in entries]
    assert not project.truth_path.exists()


def test_a_modality_of_any_name_stands_beside_the_others(tmp_path: Path, said: str) -> None:
    """Features of objects, one file a video, odd in width; those that were there, and their clocks, stay."""
    for name, steps in ((TRAIN, 10), (TEST, 20)):
        saved(tmp_path / "i3d" / "rgb" / f"{name}.npy", steps)
    into(tmp_path / "p", tmp_path / "i3d", annotations=said)
    values = saved(tmp_path / "f" / f"{TRAIN}.npy", 8, width=5)
    outcome = into(tmp_path / "p", tmp_path / "f", modality="objects", fps=25.0, hop_frames=20)
    project = Project(tmp_path / "p")
    assert project.features().modalities() == ("objects", "rgb")
    found = project.features().read(TRAIN, "objects")
    np.testing.assert_array_equal(found.values, values)
    assert (len(found), found.grid.centre(1)) == (8, pytest.approx(1.2))  # Frames 20 to 40.
    assert outcome.imported.counts["videos_with_features"] == 1
    clocks = {entry.id: [clock.modality for clock in entry.clocks] for entry in project.manifest()}
    assert clocks == {TRAIN: ["rgb", "objects"], TEST: ["rgb"]}


def test_without_videos_files_or_plain_arrays_it_says_what_to_do(tmp_path: Path, said: str) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(InvalidData, match=r"There is no \.npy file below"):
        into(tmp_path / "p", tmp_path / "f", annotations=said)
    saved(tmp_path / "f" / "rgb" / "x.npy", 2)
    with pytest.raises(InvalidData, match="Give --annotations FILE"):
        into(tmp_path / "p", tmp_path / "f")
    (tmp_path / "f" / "rgb" / "x.npy").unlink()
    joint = np.empty(2, object)
    joint[0], joint[1] = np.ones((3, 4)), np.ones((2, 4))
    np.save(tmp_path / "f" / "Thumos14reduced-I3D-JOINTFeatures.npy", joint, allow_pickle=True)
    with pytest.raises(InvalidData, match="write one plain file a video, once:\npython - FEATURES"):
        into(tmp_path / "p", tmp_path / "f", annotations=said, layout="wtalc")
