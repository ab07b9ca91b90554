"""The two-stage localizer in a project: chapters and ratings in the manifest, `train`, then `find`."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.commands.find import find
from whenabouts.commands.train import train
from whenabouts.core import Moments, SettingsError, Video, temporal_iou
from whenabouts.core.errors import ProjectError
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.evaluation.reliability import expected_precision
from whenabouts.localizers import LOCALIZERS, TwoStage, choosing, load_localizer
from whenabouts.localizers.calibration import load_calibration

TRAINED = 30
QUICK = ["train.video.fit.least_steps=150", "train.segment.fit.least_steps=60"]


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    shape = WorldShape(classes=3, weak=0.2, seconds=(12.0, 20.0), widths={"rgb": 16, "sound": 8})
    return planted_world(38, np.random.default_rng(9), shape)


@pytest.fixture
def project(tmp_path: Path, world: PlantedWorld) -> Project:
    """Thirty training videos with tags, twelve of them with chapters, and eight test videos."""
    home = Project.create(tmp_path / "project")
    entries = []
    for number, example in enumerate(world.examples):
        own = world.truth[world.truth.video_ids == example.video_id]
        chapters = tuple(
            RatedSegment(moment.concept, moment.start_seconds, moment.end_seconds, source="chapter") for moment in own
        )
        names = [world.vocabulary.names[index] for index in example.labels.classes]
        entries.append(
            Entry(
                Video(example.video_id, home.folder / f"{example.video_id}.mp4", duration_seconds=20.0),
                tuple(map(WeakLabel, names)),
                segments=chapters if number < 12 else (),
                split="train" if number < TRAINED else "test",
            )
        )
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest(tuple(entries)))
    home.features().append([sequence for example in world.examples for sequence in example.features.values()])
    return home


def test_chapters_teach_a_segment_model_that_finds_moments(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    train("two-stage", project=project.folder, overrides=QUICK, device="cpu", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["localizer"], told["videos"], told["modalities"]) == ("two-stage", TRAINED, ["rgb", "sound"])
    assert not (project.cache_folder / "train" / "two-stage").exists()
    model = load_localizer(project.localizer_folder)
    assert isinstance(model, TwoStage)
    assert model.taught.all()
    assert model.training["rated_segments"] == sum(
        len(set(map(tuple, world.truth.spans[world.truth.video_ids == example.video_id].tolist())))
        for example in world.examples[:12]
    )
    find(project=project.folder, split="test", device="cpu", as_json=True)
    capsys.readouterr()
    found = Moments.from_json(json.loads((project.moments_folder / "moments.json").read_text()))
    assert set(found.video_ids.tolist()) == {example.video_id for example in world.examples[TRAINED:]}
    for name in world.vocabulary.names:
        best, truth = next(iter(found.of_class(name).ranked(1))), world.truth.of_class(name)
        spans = truth.spans[truth.video_ids == best.video_id]
        assert temporal_iou([best.start_seconds, best.end_seconds], spans).max() > 0.5


def precise_moments_are_the_best_of_each_concept(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what `find` finds, --precision keeps the best of each concept, the fewer the more is asked for."""
    kept = []
    for precision in (None, 0.4, 0.9):
        find(project=project.folder, precision=precision, device="cpu", as_json=True)
        kept.append(Moments.from_json(json.loads((project.moments_folder / "moments.json").read_text())))
    capsys.readouterr()
    calibration = load_calibration(project)
    assert len(kept[0]) > len(kept[2])
    assert len(kept[0]) >= len(kept[1]) >= len(kept[2])
    for index in np.unique(kept[1].classes).tolist():
        mine, every = kept[1][kept[1].classes == index], kept[0][kept[0].classes == index]
        assert sorted(mine.scores.tolist()) == sorted(every.scores.tolist())[-len(mine) :]
        expected = expected_precision(calibration.probabilities(every.scores, every.classes))
        assert expected[len(mine) - 1] >= 0.4 > (expected[len(mine)] if len(mine) < len(every) else 0)
    find(project=project.folder, precision=0.9, overrides=["train.hop_seconds=1.0"], device="cpu", as_json=True)
    assert "another share be right" in capsys.readouterr().err
    with pytest.raises(SettingsError, match="no share"):
        find(project=project.folder, precision=1.5, device="cpu")
    changed = json.loads(project.calibration_path.read_text())
    project.calibration_path.write_text(json.dumps({**changed, "model": "another"}))
    with pytest.raises(ProjectError, match="another localizer"):
        find(project=project.folder, precision=0.8, device="cpu")


def test_with_chapters_what_wins_on_the_projects_own_hold_out_is_trained(
    project: Project, world: PlantedWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rivals with quick settings; the loser's has learned nothing. Settings or a name leave no choice."""
    quick = LOCALIZERS["two-stage"].Settings()
    quick = replace(
        quick,
        video=replace(quick.video, fit=replace(quick.video.fit, least_steps=60, epochs=1)),
        segment=replace(quick.segment, fit=replace(quick.segment.fit, least_steps=30, epochs=1)),
    )
    idle = LOCALIZERS["winners-out"].Settings(epochs=1, learning_rate=1e-9)
    real = choosing.choose_localizer

    def quickly(*given, rivals, **choices):
        return real(*given, **choices, rivals={"winners-out": idle, "two-stage": quick})

    monkeypatch.setattr(choosing, "choose_localizer", quickly)
    train(project=project.folder, device="cpu", as_json=True)
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["localizer"] == "two-stage"
    assert told["trials"]["two-stage"] > told["trials"]["winners-out"]
    assert re.search(r"Chose two-stage: MAP over \d concepts of 3 held-out videos: winners-out \d\.\d+, two-stage", err)
    assert isinstance(load_localizer(project.localizer_folder), TwoStage)
    assert not (project.cache_folder / "train" / "trials").exists()
    precise_moments_are_the_best_of_each_concept(project, capsys)
    train(project=project.folder, overrides=["train.epochs=1"], device="cpu", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["localizer"], told["trials"]) == ("multiple-instance", {})
    with pytest.raises(ProjectError, match="Nobody knows what this localizer's scores mean"):
        find(project=project.folder, precision=0.8, device="cpu")


def test_without_chapters_it_says_that_the_video_model_is_all(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = [replace(entry, segments=()) for entry in project.manifest().entries]
    project.write_manifest(Manifest(tuple(bare)))
    train("two-stage", project=project.folder, overrides=QUICK, device="cpu")
    assert "so the video model ranks segments too. Rate some, or import chapters" in capsys.readouterr().err
    find(project=project.folder, device="cpu", as_json=True)
    assert json.loads(capsys.readouterr().out)["moments"] > 0
    find(project=project.folder, device="cpu", overrides=['train.moments="segments"'])
    said = capsys.readouterr().err
    assert "cover 100% of its videos on average" in said
    assert "raise train.run_threshold" in said
    assert "winners_share" not in said


def test_nested_settings_are_named_where_they_are_wrong(project: Project) -> None:
    with pytest.raises(SettingsError, match=r"\[train\], video, net: 'hiden' is not a setting. Did you mean 'hidden'"):
        train("two-stage", project=project.folder, overrides=["train.video.net.hiden=3"], device="cpu")
    with pytest.raises(SettingsError, match=r"give video\.net and segment\.net the same values"):
        train("two-stage", project=project.folder, overrides=['train.video.net.kind="lstm"'], device="cpu")
