"""`whenabouts finetune` as it is typed: killed and started again, its result as a backbone, and what it refuses."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import SettingsError, WhenaboutsError
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.named_files import read_named
from whenabouts.recognition.backbone import Backbone

RECIPE = """
[backbone]
name = "r3d"
widths = [8]
blocks = [1]
frames = 4
short_side = 16

[finetune]
epochs = 15.0
batch = 4
learning_rates = [0.001, 0.01]
held_out = 0.3
checkpoint_every = 2
test_clips = 2
precision = "float32"

[extract]
hop_seconds = 0.25
precision = "float32"
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, moving_project: Callable[..., Path]) -> Path:
    """Six videos to learn, three to validate with, one of a test whose labels nobody tells, and a file that is none."""
    return moving_project(
        tmp_path_factory.mktemp("template"),
        ("train",) * 6 + ("validation",) * 3 + ("test s1",),
        frames=24,
        recipe=RECIPE,
    )


def command(verb: str, folder: Path, *more: str) -> list[str]:
    options = ["--project", str(folder), "--recipe", str(folder / "small.toml"), "--device", "cpu"]
    return [sys.executable, "-m", "whenabouts", verb, *options, *more]


def words(verb: str, folder: Path, *more: str) -> list[str]:
    return command(verb, folder, *more)[3:]


def run(verb: str, folder: Path, *more: str) -> dict:
    done = CliRunner().invoke(app, words(verb, folder, "--json", *more), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_several_processes_are_refused_before_any_of_them_begins(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="one process"):
        CliRunner().invoke(app, words("finetune", template, "--start", "random"), catch_exceptions=False)


def test_killed_and_started_again_it_ends_at_the_same_classifier(template: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        shutil.copytree(template, folder)
    told = run("finetune", whole, "--start", "random")
    assert (told["examples"], told["held_out"], len(told["trials"])) == (6, 2, 2)
    assert told["tests"]["validation"]["examples"] == 3
    assert 0 <= told["tests"]["validation"]["top1"] <= told["tests"]["validation"]["top5"] == 1
    assert told["tests"]["test s1"] == {"named": 1, "without_label": 1, "without_frames": 0, "broken": []}
    assert [row["id"] for row in told["broken"]] == ["text"]
    assert json.loads((whole / "reports" / "finetune.json").read_text()) == {
        name: value for name, value in told.items() if name != "folder"
    }
    rows = [json.loads(line) for line in (whole / "reports" / "named-test_s1.jsonl").read_text().splitlines()]
    assert [row["video"] for row in rows] == ["9"]
    assert sum(share for _, share in rows[0]["top"]) == pytest.approx(1, abs=1e-5)
    table = read_named(whole / "reports" / "probabilities-test_s1.json")
    assert [(row.video, row.span) for row in table.rows] == [("9", None)]
    assert dict(zip(table.names, table.rows[0].probabilities.tolist(), strict=True)) == pytest.approx(
        dict(rows[0]["top"]), abs=1e-5
    )

    with subprocess.Popen(
        command("finetune", cut, "--start", "random"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        limit = time.monotonic() + 120
        while not (cut / "cache" / "finetune" / "trials.json").exists() and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    assert not (cut / "models" / "classifier").exists()
    again = run("finetune", cut, "--start", "random")
    assert again["source"] == told["source"]
    assert again["trials"] == told["trials"]
    for name in ("model.safetensors", "settings.toml", "vocabulary.json"):
        assert (whole / "models/classifier" / name).read_bytes() == (cut / "models/classifier" / name).read_bytes()
    assert not list((cut / "cache" / "finetune").iterdir())

    # What it wrote is a backbone: features are made with it, and another target is learned from it.
    done = run("extract", cut, "--backbone", str(cut / "models" / "classifier"), "--modality", "tuned")
    assert done["written"] == 10
    store = FeatureStore(cut / "features")
    assert store.read("9", "tuned").source.startswith(told["source"].partition("~")[0])
    solved = run("finetune", cut, "--start", str(cut / "models" / "classifier"), "--set", "finetune.tune=fc")
    assert [next(iter(trial)) for trial in solved["trials"]] == ["penalty"] * 4
    kept = Backbone.load(whole / "models" / "classifier").net.state_dict()
    for name, tensor in Backbone.load(cut / "models" / "classifier").net.state_dict().items():
        assert (tensor == kept[name]).all()
    card = json.loads((cut / "models" / "classifier" / "card.json").read_text())
    assert card["began_from"] == told["source"]

    one = ("--set", "finetune.learning_rates=[0.001]", "--test-split", "validation")
    spoken = CliRunner().invoke(app, words("finetune", cut, "--start", "random", *one)).stdout
    assert "2 labels from 6 examples, learning rate 0.001, weight decay 0.01. validation: top-1" in spoken
    assert len(spoken.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ((), "or name where to begin: --start random"),
        (("--start", "random", "--set", "finetune.epoch=3"), "Did you mean 'epochs'?"),
        (
            ("--start", "random", "--test-split", "dev"),
            "There is no split 'dev' to test on. There are: test s1, validation",
        ),
        (("--start", "random", "--set", "pretrain.steps=3"), "[pretrain] is for pretrain and changes nothing here"),
        (("--start", "random", "--set", "finetune.learning_rates=[]"), "learning_rates is ()"),
        (("--start", "r2plus1d_35"), "Did you mean"),
    ],
)
def test_what_is_wrong_is_said(template: Path, more: tuple[str, ...], wanted: str) -> None:
    done = CliRunner().invoke(app, words("finetune", template, *more))
    assert isinstance(done.exception, WhenaboutsError)
    assert wanted in str(done.exception)
