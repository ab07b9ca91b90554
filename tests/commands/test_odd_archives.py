"""`check`, `train`, `find` and `evaluate` on archives that hold too little, or not what they should."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from whenabouts import cli
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings, build_vocabulary

STEPS = 20


def features(name: str, *, width: int = 6, steps: int = STEPS, value: float | None = None) -> FeatureSequence:
    values = np.random.default_rng(len(name)).normal(size=(steps, width)).astype(np.float32)
    if value is not None:
        values[:] = value
    return FeatureSequence(name, values, TimeGrid(0, 0.5, 1, steps, max(0.5 * steps, 0.5)), "rgb", "net@1")


def project_of(
    folder: Path, labels: Sequence[Sequence[str]], kept: Sequence[FeatureSequence] | None = None
) -> tuple[Project, str]:
    """A project of videos v0, v1, ... with these labels and features (of all of them, if not given)."""
    project = Project.create(folder)
    entries = [
        Entry(
            Video(f"v{number}", folder / f"v{number}.mp4", duration_seconds=0.5 * STEPS), tuple(map(WeakLabel, names))
        )
        for number, names in enumerate(labels)
    ]
    project.write_manifest(Manifest(tuple(entries)))
    settings = VocabularySettings(min_count=1)
    project.write_vocabulary(build_vocabulary(entries, settings)[0], settings)
    project.features().append([features(entry.id) for entry in entries] if kept is None else kept)
    return project, str(folder)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str]:
        """The exit code of a command line, and all that it said."""
        quick = {"train": ("--set", "train.epochs=1", "--device", "cpu"), "find": ("--device", "cpu")}
        monkeypatch.setattr(sys, "argv", ["whenabouts", *map(str, words), *quick.get(str(words[0]), ())])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(left.value.code or 0), said.out + said.err

    return run


TOO_LITTLE = [
    ([["a"]] * 4, "no concept can be learned", "all 4 videos agree on it, so nothing tells it from the rest"),
    ([["a"]], "no concept can be learned", "nothing tells it from the rest. Add videos"),
    ([[]] * 3, "the vocabulary is empty", "No video can be learned from: 3 without a label"),
    ([], "The manifest is empty", "holds no features. Run `whenabouts extract` first"),
]


@pytest.mark.parametrize(("labels", "checked", "trained"), TOO_LITTLE)
def test_archives_of_too_little_are_refused_with_the_reason(
    tmp_path: Path, typed, labels: list[list[str]], checked: str, trained: str
) -> None:
    _, folder = project_of(tmp_path / "p", labels)
    for verb, wanted in (("check", checked), ("train", trained), ("find", "There is no model in")):
        code, said = typed(verb, "--project", folder)
        assert code == 1
        assert wanted in said


@pytest.mark.parametrize("labels", [[["a"]] * 2 + [[]] * 2, [["a", "b"]], [["a"], ["b"]]])
def test_archives_of_little_go_the_whole_road(tmp_path: Path, typed, labels: list[list[str]]) -> None:
    """One concept beside videos that lack it, one video of two concepts, one video of each."""
    project, folder = project_of(tmp_path / "p", labels)
    assert typed("train", "--project", folder)[0] == 0
    assert typed("find", "--project", folder)[0] == 0
    found = project.moments_folder / "moments.json"
    names = json.loads(found.read_text())["vocabulary"]["names"]
    rows = [{"segment": [1.0, 3.0], "label": names[0]}]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"database": {"v0": {"subset": "test", "duration": 10.0, "annotations": rows}}}))
    for kind in ("moments", "proposals", "classification", "diagnosis"):
        words = ("--truth", truth, "--predictions", found, "--subset", "test", "--policy", "clean")
        code, said = typed("evaluate", kind, *words)
        assert code == 0, said


def test_half_extracted_archives_and_empty_features_are_counted(tmp_path: Path, typed) -> None:
    kept = [features("v0"), features("v1"), features("v2", steps=0)]
    _, folder = project_of(tmp_path / "p", [["a"], ["b"]] * 2, kept)
    assert "rgb features are missing: 1 of 4 videos (v3)" in typed("check", "--project", folder)[1]
    code, said = typed("train", "--project", folder, "--json")
    assert code == 0
    assert "1 training videos have no features yet" in said
    assert json.loads(said.splitlines()[0])["left_out"] == {"without a step of features": 1}
    assert "Left out: 1 without features." in typed("find", "--project", folder)[1]


def test_features_that_are_not_numbers_are_left_out_and_told(
    tmp_path: Path, typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whenabouts.data.shards.storable", lambda sequence: None)  # Another program wrote them.
    odd = [features(f"v{number}", value=value) for number, value in ((2, np.nan), (3, np.inf), (4, 3e38))]
    project, folder = project_of(
        tmp_path / "p", [["a"], ["b"], ["a"], ["b"], ["a"]], [features("v0"), features("v1"), *odd]
    )
    code, said = typed("train", "--project", folder)
    assert code == 0
    assert "v2: rgb features hold nan at step 0" in said
    assert "v4: rgb features hold 3e+38 at step 0" in said
    assert "2 of 5 videos are used; left out: 3 broken features." in said
    code, said = typed("find", "--project", folder)
    assert code == 0
    assert "Left out: 3 broken features." in said
    assert "Warning" not in said
    project.features().append([features(f"v{number}", value=np.nan) for number in range(5)])
    code, said = typed("train", "--project", folder)
    assert code == 1
    assert "No video can be learned from: 5 broken features" in said


def test_features_of_several_or_other_widths_are_refused_and_nothing_is_written(tmp_path: Path, typed) -> None:
    project, folder = project_of(tmp_path / "p", [["a"], ["b"]] * 2)
    assert typed("train", "--project", folder)[0] == 0
    project.features().append([features("v3", width=7)])
    for verb in ("train", "find"):
        code, said = typed(verb, "--project", folder)
        assert code == 1
        assert "v3: the rgb features are 7 wide, from net@1, but the model was trained on 6" in said
    assert not project.moments_folder.exists()
    code, said = typed("check", "--project", folder)
    assert "can be trained on. Run `whenabouts extract`." in said


def test_an_empty_vocabulary_beside_labels_is_told(tmp_path: Path, typed) -> None:
    project, folder = project_of(tmp_path / "p", [["a"], ["b"]])
    project.write_vocabulary(Vocabulary(()))
    assert "the vocabulary is empty" in typed("check", "--project", folder)[1]
    code, said = typed("train", "--project", folder)
    assert code == 1
    assert "2 without a label" in said
