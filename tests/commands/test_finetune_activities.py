"""`whenabouts finetune --head activities` and `whenabouts evaluate activities`, as they are typed."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.locks import claimed
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.box_files import BoxRow, boxes_path, write_boxes
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video
from whenabouts.recognition.activity_model import ActivityModel
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.taking import trainable_backbone

RECIPE = """
[backbone]
name = "r3d"
widths = [8]
blocks = [1]
frames = 4
short_side = 16

[activities]
head = {observations = 4, hidden = 8, groups = 4}
training = {steps = 3, batch = 4}
tuning = {steps = 2}
testing = {views = "centre"}
"""
NAMES = ("bright above", "bright below")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Each video is bright above, below, both or neither."""
    entries = []
    for number in range(8):
        picture = np.full((32, 48, 3), 20, np.uint8)
        labels = []
        for place, rows in enumerate((slice(0, 16), slice(16, 32))):
            if number >> place & 1:
                picture[rows] = 220
                labels.append(WeakLabel(NAMES[place]))
        path = tmp_path / f"video{number}.mp4"
        times = [k / 12 for k in range(18)]
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
        write_video(path, (picture for _ in times), times, rate=Fraction(12), encoding=encoding)
        entries.append(Entry(probe(path), tuple(labels), split="train" if number < 4 else "test"))
    home = Project.create(tmp_path / "project")
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(Vocabulary(NAMES))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return home.folder


def typed(*words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, [*words, "--device", "cpu", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def typed_export(project: Path, kind: str) -> list[str]:
    """A submission over a list of classes."""
    (project.parent / "classes.txt").write_text("".join(f"c{place:03d} {name}\n" for place, name in enumerate(NAMES)))
    target = project.parent / "out.txt"
    classes = f"export.charades.classes={project.parent / 'classes.txt'}"
    words = ["export", str(target), "--format", kind, "--project", str(project), "--split", "test", "--set", classes]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return target.read_text().splitlines()


def test_learn_test_and_learn_again(project: Path) -> None:
    recipe = str(project.parent / "recipe.toml")
    where = ("--project", str(project))
    told = typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", recipe)
    weights = (project / "models" / "activities" / "model.safetensors").read_bytes()
    figures = told["tests"]["test"]  # type: ignore[index]
    assert figures["rows"] == 4
    assert 0 <= figures["map"] <= 1
    table = (project / "activities" / "test.csv").read_text().splitlines()
    assert table[0] == "video,bright above,bright below"
    assert len(table) == 5
    assert (project / "models" / "activities" / "model.safetensors").is_file()
    with pytest.raises(ProjectError, match=r"testing\.moments=25` first"):
        typed_export(project, "charades-localize")
    moments = "activities.testing.moments=25"
    again = typed("evaluate", "activities", *where, "--set", "activities.testing.views=2+4", "--set", moments)
    assert (again["views"], again["file"]) == ("2+4", str(project / "activities" / "test.csv"))
    for kind, lines in (("charades-classify", 4), ("charades-localize", 100)):
        assert len(typed_export(project, kind)) == lines
    again = typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", recipe)
    assert not (project / "activities" / "test-moments.csv").exists()  # It was of the net before.
    assert (project / "models" / "activities" / "model.safetensors").read_bytes() == weights  # Random, but by the seed.
    typed("finetune", *where, "--head", "activities", "--start", "models/activities", "--recipe", recipe,
          "--set", "activities.learns=correlation")  # fmt: skip
    goes_on = ("finetune", *where, "--head", "activities", "--start", "models/activities")
    with pytest.raises(SettingsError, match=r"says rate = 12\.0, but the net in models/activities has 6\.0.*Leave out"):
        typed(*goes_on, "--recipe", recipe, "--set", "backbone.rate=12")
    with pytest.raises(SettingsError, match=r"says name = 'slowfast', but the net in models/activities has 'r3d'"):
        typed(*goes_on, "--set", "backbone.name=slowfast")
    with pytest.raises(SettingsError, match=r"'frame' is not a setting\. Did you mean 'frames'"):
        typed(*goes_on, "--set", "backbone.frame=4")
    spelled = {f"video{number}": {"annotations": [{"label": "Bright_Above"}]} for number in range(4, 8)}
    (project / "truth.json").write_text(json.dumps({"database": spelled}))
    assert typed("evaluate", "activities", *where)["per_class_ap"] == {"bright above": 1.0, "bright below": None}
    (project / "truth.json").write_text('{"database": {"video4": {"annotations": "x"}}}')
    with pytest.raises(InvalidData, match="video4 has no list 'annotations'"):
        typed("evaluate", "activities", *where)
    rates = ("--set", "activities.tuning.rates=[]")
    with pytest.raises(SettingsError, match=r"rates are whole numbers.* 8\.$"):  # Before anything is trained.
        typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", recipe, *rates)
    with pytest.raises(ProjectError, match="no split 'val'"):
        typed("evaluate", "activities", *where, "--split", "val")
    with pytest.raises(SettingsError, match="--start models/activities"):
        typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", recipe,
              "--set", "activities.learns=correlation")  # fmt: skip


def test_its_backbone_makes_features_and_begins_other_trainings(project: Path) -> None:
    recipe, where, model = (
        project.parent / "recipe.toml",
        ("--project", str(project)),
        project / "models" / "activities",
    )
    typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", str(recipe))
    typed("extract", *where, "--backbone", str(model))
    kept, learned = Backbone.load(project / "models" / "backbone"), ActivityModel.load(model)
    assert learned.net.backbone is not None
    for name, weights in learned.net.backbone.state_dict().items():
        assert torch.equal(kept.net.state_dict()[name], weights), name
    store = Project(project).features()
    assert store.video_ids("rgb") == tuple(f"video{number}" for number in range(8))
    assert store.source_of("video0", "rgb") == kept.source == learned.backbone.source
    assert isinstance(trainable_backbone(str(model)), Backbone)  # What `finetune --start` takes.


def test_a_split_of_any_name_stays_in_the_project(project: Path) -> None:
    home, recipe = Project.open(project), str(project.parent / "recipe.toml")
    home.write_manifest(Manifest(tuple(
        replace(entry, split=entry.split.replace("test", "../../x" if number % 2 else "u" * 400))
        for number, entry in enumerate(home.manifest())
    )))  # fmt: skip
    where = ("--project", str(project))
    told = typed("finetune", *where, "--head", "activities", "--start", "random", "--recipe", recipe)
    assert set(told["tests"]) == {"../../x", "u" * 400}  # type: ignore[call-overload]
    written = sorted(path.name for path in project.parent.rglob("*.csv"))
    assert written == [".._.._x.csv", "u" * 50 + ".csv"]
    assert {path.parent for path in project.parent.rglob("*.csv")} == {project / "activities"}


def test_persons_whose_boxes_can_not_be_used_are_told_and_cost_no_other_split(project: Path) -> None:
    home, recipe, where = Project.open(project), str(project.parent / "recipe.toml"), ("--project", str(project))
    entries = list(home.manifest())
    entries[-1] = replace(entries[-1], split="more")
    home.write_manifest(Manifest(tuple(entries)))
    for split in ("train", "test"):
        rows = [
            BoxRow(entry.id, 0.5, (0.0, 0.0, 1.0, 0.5), NAMES[0], 1.0, "0") for entry in home.manifest().of_split(split)
        ]
        write_boxes(boxes_path(project, split), rows)
    boxes_path(project, "test", "found").write_text("video,seconds,x1,y1,x2,y2\nvideo4,soon,0,0,1,1\n")
    learn = ("finetune", *where, "--head", "activities", "--recipe", recipe)
    told = typed(*learn, "--start", "random", "--set", "activities.people=each")
    assert list(told["tests"]) == ["test"]  # type: ignore[call-overload]
    problems = told["tests"]["test"]["problems"]  # type: ignore[index]
    assert list(told["untested"]) == ["more"]  # type: ignore[call-overload]
    assert problems == [
        "test-found.csv line 2: not video, seconds and four corners",
        "test-found.csv holds no box: nobody was looked at",
    ]
    assert (project / "reports" / "activities.json").is_file()
    typed(*learn, "--start", "models/activities")  # It judges persons still.
    with pytest.raises(SettingsError, match="people 'each'"):
        typed(*learn, "--start", "models/activities", "--set", "activities.people=none")


def test_what_could_not_be_used_is_told_with_the_figures(project: Path) -> None:
    """A damaged video, a box without area and a concept that came later: the others are tested, and the line tells."""
    home, recipe, where = Project.open(project), str(project.parent / "recipe.toml"), ("--project", str(project))
    broken = project.parent / "broken.mp4"
    broken.write_bytes(b"no video")
    more = tuple(Entry(replace(probe(broken), id=f"broken-{split}"), split=split) for split in ("train", "test"))
    home.write_manifest(Manifest((*home.manifest(), *more)))
    for split in ("train", "test"):
        ids = [entry.id for entry in home.manifest().of_split(split)]
        rows = [BoxRow(name, 0.5, (0.0, 0.0, 1.0, 0.5), NAMES[0], 1.0, "0") for name in ids]
        write_boxes(boxes_path(project, split), [*rows, BoxRow(ids[0], 0.5, (1e300, 0.0, 1e308, 1.0), NAMES[0])])
    learn = ("finetune", *where, "--head", "activities", "--recipe", recipe, "--start", "random")
    for people in ("each", "positions"):
        told = typed(*learn, "--set", f"activities.people={people}", "--set", "activities.testing.moments=2")
        assert list(told["training"]["broken"]) == ["broken-train"]  # type: ignore[index]
        tested = told["tests"]["test"]  # type: ignore[index]
        assert list(tested["broken"]) == ["broken-test"]
        assert [problem.split(":")[0] for problem in tested["problems"]] == [
            "test-people.csv line 7",
            "Keyframes of videos that are not there, or can't be read, are left out",
            "moments are not told of by a net that looks at persons",
        ]
    told = typed(*learn)
    assert list(told["tests"]["test"]["broken"]) == ["broken-test"]  # type: ignore[index]
    home.write_vocabulary(Vocabulary((*NAMES, "later")))
    done = CliRunner().invoke(app, ["evaluate", "activities", *where], catch_exceptions=False)
    assert "1 partial or unreadable: broken-test; 1 problems, the first: 1 concepts of the project" in done.output
    with pytest.raises(SettingsError, match=r"1 concepts less: it does not know \('later'\)"):
        typed(*learn[:-1], "models/activities")


def test_what_another_net_said_goes_with_it(project: Path) -> None:
    """Even where the new net can't be tested: else a submission would be made of what the old one said."""
    recipe, where = str(project.parent / "recipe.toml"), ("--project", str(project))
    learn = ("finetune", *where, "--head", "activities", "--recipe", recipe, "--start", "random")
    typed(*learn)
    assert (project / "activities" / "test.csv").is_file()
    (project / "truth.json").write_text('{"database": {"video4": {"annotations": "x"}}}')
    told = typed(*learn, "--set", "activities.training.steps=4")
    assert "no list 'annotations'" in told["untested"]["test"]  # type: ignore[index]
    assert not (project / "activities" / "test.csv").exists()


def test_testing_waits_for_no_training_that_holds_its_frames(project: Path) -> None:
    """It would remove frames that the other is reading."""
    recipe, where = str(project.parent / "recipe.toml"), ("--project", str(project))
    typed("finetune", *where, "--head", "activities", "--recipe", recipe, "--start", "random")
    with claimed(project / "cache" / "finetune", "a training"), pytest.raises(ProjectError, match="Another process"):
        typed("evaluate", "activities", *where)
