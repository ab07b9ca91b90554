"""Every format that `export` writes, over its dict; and what is read back measures as what was written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, ProjectError, WhenaboutsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters import EXPORTERS, Exported, ExportSettings
from whenabouts.data.exporters.protocol import ActivityNetFile, SubmissionFile, ThumosFile
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importing import import_into
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.ranked_lists import read_ranked_lists
from whenabouts.evaluation.reading import read_predictions, read_truth

NAMES = ("Billiards", "Diving")
Writing = Callable[..., Exported]
# Of what nets say of activities and clips: test_charades.py, test_epic_kitchens.py.
SAID = ("ava", "charades-classify", "charades-localize", "epic-kitchens")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two videos of 20 s with features of each second, and moments of 5 seconds."""
    home = Project.create(tmp_path / "p")
    vocabulary = Vocabulary(NAMES)
    videos = (("v1", "train"), ("v2", "test"))
    home.write_manifest(
        Manifest(tuple(Entry(Video(name, tmp_path / name), (WeakLabel("Diving"),), split=s) for name, s in videos))
    )
    home.write_vocabulary(vocabulary)
    grid = TimeGrid(0.0, 1.0, 1.0, 20, 20.0)
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    home.features().append(
        FeatureSequence(name, rows, grid, modality, "net") for name, _ in videos for modality in ("rgb", "audio")
    )
    spans = [[0.0, 5.0], [5.0, 10.0], [10.0, 15.0]]
    moments = Moments.build(["v1", "v2", "v2"], spans, [0, 1, 0], vocabulary, scores=[0.1 + 0.2, 0.75, 1e-7])
    write_json(home.moments_folder / "moments.json", moments.to_json())
    return home


@pytest.fixture
def write(project: Project, tmp_path: Path) -> Writing:
    def writing(kind: str, target: str = "out", **settings: Any) -> Exported:
        return EXPORTERS[kind](project, tmp_path / target, ExportSettings(**settings), progress=Silent())

    return writing


@pytest.mark.parametrize("kind", sorted(set(EXPORTERS) - {"chapters", "clips", *SAID}))  # Videos: test_films.py.
def test_every_format_is_written_whole_and_again(write: Writing, tmp_path: Path, kind: str) -> None:
    def content() -> list[tuple[str, bytes]]:
        files = sorted(path for path in tmp_path.glob("out/**/*") if path.is_file()) or [tmp_path / "out"]
        return [(path.name, path.read_bytes()) for path in files]

    first = write(kind)
    assert all(value > 0 for name, value in first.figures.items() if name in ("moments", "videos", "segments"))
    before = content()
    assert sum(len(data) for _, data in before) > 0
    assert write(kind).figures == first.figures
    assert content() == before
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".part", ".old"))]


@pytest.mark.parametrize("kind", sorted(set(EXPORTERS) - {"youtube8m", *SAID}))
def test_without_moments_it_says_what_to_do(write: Writing, project: Project, tmp_path: Path, kind: str) -> None:
    (project.moments_folder / "moments.json").unlink()
    with pytest.raises(ProjectError, match="Run `whenabouts find` first"):
        write(kind)
    assert not (tmp_path / "out").exists()


def test_activitynet_by_hand(write: Writing, tmp_path: Path) -> None:
    how = ActivityNetFile(version="VERSION 1.2", external_data="I3D on Kinetics")
    write("activitynet", activitynet=how, split="test", min_score=0.5)
    assert json.loads((tmp_path / "out").read_text()) == {
        "version": "VERSION 1.2",
        "results": {"v2": [{"label": "Diving", "score": 0.75, "segment": [5.0, 10.0]}]},
        "external_data": {"used": True, "details": "I3D on Kinetics"},
    }


@pytest.mark.parametrize(("numbers", "first"), [("official", (12, 26)), ("renumbered", (3, 8)), ("vocabulary", (1, 2))])
def test_thumos_by_hand(write: Writing, tmp_path: Path, numbers: Any, first: tuple[int, int]) -> None:
    write("thumos", thumos=ThumosFile(numbers=numbers))
    billiards, diving = first
    assert (tmp_path / "out").read_text().splitlines() == [
        f"v1 0.0 5.0 {billiards} 0.30000000000000004",
        f"v2 5.0 10.0 {diving} 0.75",
        f"v2 10.0 15.0 {billiards} 1e-07",
    ]


def test_a_submission_takes_numbers_from_a_class_table(write: Writing, tmp_path: Path) -> None:
    table = tmp_path / "vocabulary.csv"
    table.write_text("Index,Name\n7,Diving\n3,Billiards\n")
    write("youtube8m-submission", submission=SubmissionFile(class_table=str(table)))
    lists = {row.class_id: row.segments for row in read_ranked_lists(tmp_path / "out")}
    assert lists == {3: ["v1:0", "v2:10"], 7: ["v2:5"]}
    table.write_text("Index,Name\n7,Diving\n")
    with pytest.raises(InvalidData, match="no class 'Billiards'"):
        write("youtube8m-submission", submission=SubmissionFile(class_table=str(table)))


def test_a_folder_with_other_things_is_left_alone(write: Writing, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    for kind in ("webvtt", "youtube8m"):
        with pytest.raises(ProjectError):
            write(kind)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_what_a_format_can_not_hold_is_refused(write: Writing, project: Project, tmp_path: Path) -> None:
    path = project.moments_folder / "moments.json"
    other = Moments.build(["v 1"], [[0, 5]], [0], Vocabulary(("dive",)))
    write_json(path, other.to_json())
    with pytest.raises(InvalidData, match="THUMOS14 has no class 'dive'"):
        write("thumos")
    with pytest.raises(InvalidData, match="can't name the video 'v 1'"):
        write("thumos", thumos=ThumosFile(numbers="vocabulary"))
    with pytest.raises(WhenaboutsError, match="No video is in split 'nowhere'"):
        write("activitynet", split="nowhere")
    assert not (tmp_path / "out").exists()


@pytest.mark.golden
@pytest.mark.parametrize(("kind", "name"), [("activitynet", "out.json"), ("thumos", "out.txt")])
@pytest.mark.parametrize("protocol", ["activitynet", "thumos14", "thumos15"])
def test_what_is_written_measures_as_the_moments_do(
    shared: Path, tmp_path: Path, kind: str, name: str, protocol: str
) -> None:
    """STPN's published detections, as if a project had found them: equal to the last bit, and as published."""
    home = Project.create(tmp_path / "p")
    gtad = shared / "data" / "annotations" / "thumos14_gtad_gt.json"
    import_into(home, "thumos14", gtad, ImportSettings(), VocabularySettings(), now_ns=1, progress=Silent())
    published = json.loads((shared / "data" / "tal" / "stpn_bellos1203" / "results.json").read_text())
    moments = Moments.from_json({**published, "vocabulary": {"names": list(home.vocabulary().names)}})
    write_json(home.moments_folder / "moments.json", moments.to_json())
    EXPORTERS[kind](home, tmp_path / name, ExportSettings(split="test"), progress=Silent())
    truth = read_truth(home.truth_path, subset="test")
    levels = [0.1, 0.3, 0.5]
    own, written = (
        evaluate_moments(truth, read_predictions(path, truth), protocol=protocol, tiou=levels).average_precision
        for path in (home.moments_folder / "moments.json", tmp_path / name)
    )
    np.testing.assert_array_equal(written, own)
    if protocol == "activitynet":
        assert own.mean(axis=0).round(3).tolist() == [0.521, 0.347, 0.177]
