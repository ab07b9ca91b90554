"""Shards and submissions as a user makes them: any project's features of every second, out and back in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts import cli
from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.youtube8m.card import ShardCard

CONCEPTS = Vocabulary(("diving", "swimming"))
LENGTHS = {"one": 20, "two": 33, "three": 7}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three videos, nine numbers a second that are far from what bytes hold, labels and a checked segment."""
    home, rng = Project.create(tmp_path / "p"), np.random.default_rng(6)
    entries = [
        Entry(Video(name, tmp_path / f"{name}.mp4", duration_seconds=float(length)), (WeakLabel("diving"),),
              (RatedSegment("swimming", 0.0, 5.0, name == "one"),), split="test" if name == "two" else "train")
        for name, length in LENGTHS.items()
    ]  # fmt: skip
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(CONCEPTS)
    home.features().append(
        FeatureSequence(name, rng.uniform(100, 300, (length, 9)).astype(np.float32),
                        TimeGrid(0.0, 1.0, 1.0, length, float(length)), "motion", "my net@1")
        for name, length in LENGTHS.items()
    )  # fmt: skip
    return home


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*words: object) -> dict[str, Any]:
        monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words), "--json"])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        assert not left.value.code, err
        found: dict[str, Any] = json.loads(out)
        return found

    return run


def test_a_projects_features_come_back_equal(project: Project, tmp_path: Path, typed: Any) -> None:
    ours = ("--set", "export.youtube8m.rgb=motion", "--set", "export.youtube8m.audio=")
    told = typed("export", tmp_path / "shards", "--format", "youtube8m", "--project", project.folder, *ours)
    assert (told["videos"], told["seconds"], told["left_out"]) == (3, 60, {})
    exact = ("--set", "import.youtube8m.storage=float32")
    typed("import", "youtube8m", tmp_path / "shards", "--project", tmp_path / "q", *exact)
    again = Project.open(tmp_path / "q")
    card = ShardCard.load(tmp_path / "shards")
    assert card is not None
    assert card.rgb is not None
    step = np.asarray(card.rgb.scale) * 4 / 255
    for name, length in LENGTHS.items():
        before, after = project.features().read(name, "motion"), again.features().read(name, "motion")
        assert (len(after), after.grid.hop_seconds) == (length, 1)
        assert (np.abs(before.values - after.values) <= step / 2 * 1.001).all()  # uniform numbers are never clipped
        entry = again.manifest().by_id(name)
        assert {label.name for label in entry.labels} == {"diving"} | ({"swimming"} if name == "one" else set())
        assert [(part.name, part.end_seconds, part.present) for part in entry.segments] == [
            ("swimming", 5.0, name == "one")
        ]
        assert entry.split == ("test" if name == "two" else "train")
    # What came from bytes goes out and in again without any change.
    typed("export", tmp_path / "twice", "--format", "youtube8m", "--project", again.folder, *ours)
    typed("import", "youtube8m", tmp_path / "twice", "--project", tmp_path / "r", *exact)
    for name in LENGTHS:
        first, second = (Project.open(tmp_path / part).features().read(name, "motion") for part in "qr")
        assert np.allclose(first.values, second.values, atol=float(step.max()) / 2 * 1.001)


def test_a_submission_is_measured_as_it_is_written(project: Project, tmp_path: Path, typed: Any) -> None:
    spans = [[0, 5], [5, 10], [0, 5]]
    found = Moments.build(["one", "one", "two"], spans, [1, 1, 1], CONCEPTS, scores=[0.2, 0.9, 0.5])
    write_json(project.moments_folder / "moments.json", found.to_json())
    submission, labels = tmp_path / "submission.csv", tmp_path / "labels.csv"
    told = typed("export", submission, "--format", "youtube8m-submission", "--project", project.folder)
    assert told["segments"] == 3
    assert submission.read_text() == "Class,Segments\n0,\n1,one:5 two:0 one:0\n"
    labels.write_text("one:0,1,1.0\ntwo:0,1,0.0\none:5,1,1.0\n")
    measured = typed("evaluate", "ranking", "--truth", labels, "--predictions", submission)
    assert measured["map"] == pytest.approx((1 + 2 / 3) / 2)
    assert measured["classes"] == [1]
