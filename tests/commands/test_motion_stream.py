"""Two streams through the verbs: pictures and motion, each with its backbone, one of them missing for some videos."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.config import read_toml
from whenabouts.core.errors import SettingsError
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.localizers import load_localizer
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video

RECIPE = """
[backbone]
widths = [4]
blocks = [1]
stem = 4
frames = 2
short_side = 16
[backbone.flow]
side = 32
stack = 5
[pretrain]
steps = 2
batch = 4
[train]
epochs = 1
rounds = 1
localizer = "winners-out"
attentions = 2
"""
NAMES = ("left", "right")


def entry(folder: Path, number: int) -> Entry:
    """A video of 2 s of noise that goes left or right."""
    path, times = folder / "media" / f"{number}.mp4", [k / 6 for k in range(12)]
    ground = np.random.default_rng(number).integers(0, 255, (32, 48, 3)).astype(np.uint8)
    pictures = (np.roll(ground, (-2, 2)[number % 2] * k, axis=1) for k in range(12))
    write_video(path, pictures, times, rate=Fraction(6), encoding=Encoding(options={"preset": "ultrafast"}))
    return Entry(probe(path), (WeakLabel(NAMES[number % 2]),))


def run(*words: object) -> dict[str, object]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


@pytest.fixture
def project(tmp_path: Path) -> Project:
    home = Project.create(tmp_path / "project")
    home.write_manifest(Manifest(tuple(entry(home.folder, number) for number in range(4))))
    home.write_vocabulary(Vocabulary(NAMES))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return home


def test_two_streams_from_files_to_moments(project: Project, tmp_path: Path) -> None:
    home = ("--project", project.folder, "--device", "cpu")
    words = (*home, "--recipe", tmp_path / "recipe.toml")
    pictures = run("pretrain", *words)
    moving = run("pretrain", "--modality", "flow", *words)
    assert Path(str(moving["folder"])) == project.folder / "models" / "backbone-flow"
    assert project.backbones().keys() == {"rgb", "flow"}
    card = json.loads((project.backbone_of("flow") / "card.json").read_text())
    assert (card["began_from"], card["preprocessing"]["channels"]) == (pictures["source"], 10)

    extracted = run("extract", *words)
    assert {name: row["written"] for name, row in extracted["streams"].items()} == {"rgb": 4, "flow": 4}  # type: ignore[attr-defined]
    assert extracted["streams"]["flow"]["source"] == moving["source"]  # type: ignore[index]
    manifest = project.manifest()
    project.write_manifest(Manifest((*manifest, entry(project.folder, 4), entry(project.folder, 5))))
    assert run("extract", "--modality", "rgb", *words)["written"] == 2
    store = project.features()
    assert (len(store.video_ids("rgb")), len(store.video_ids("flow"))) == (6, 4)

    trained = run("train", "--localizer", "winners-out", *words, "--set", "train.stream_weights.flow=10.0")
    assert (trained["videos"], trained["modalities"], trained["left_out"]) == (6, ["flow", "rgb"], {})
    model = load_localizer(project.localizer_folder)
    kept = read_toml(project.localizer_folder / "settings.toml")["train"]["stream_weights"]
    assert kept == {"flow": 10.0}
    found = run("find", *words)
    assert (found["videos"], found["left_out"]) == (6, {})

    features = {name: store.read("0", name) for name in ("rgb", "flow")}
    deaf = load_localizer(project.localizer_folder, changes={"stream_weights": {"flow": 0.0}})
    both, alone = model.score(features).scores, deaf.score(features).scores
    assert both.shape == alone.shape
    assert not np.array_equal(both, alone)
    half = load_localizer(project.localizer_folder, changes={"stream_weights": {"flow": 5.0}}).score(features).scores
    np.testing.assert_allclose(both - alone, 2 * (half - alone), rtol=1e-3, atol=1e-5)  # Eq. 10 is linear in gamma.


def test_a_new_motion_backbone_makes_moments_stale(project: Project, tmp_path: Path) -> None:
    home = ("--project", project.folder, "--device", "cpu")
    run("pretrain", "--modality", "flow", "--recipe", tmp_path / "recipe.toml", *home)
    card = json.loads((project.backbone_of("flow") / "card.json").read_text())
    assert "began_from" not in card
    assert list(run("extract", *home)["streams"]) == ["flow"]  # type: ignore[call-overload]
    words = ("--recipe", tmp_path / "recipe.toml", *home)
    run("train", *words)
    run("find", *words)
    run("pretrain", "--modality", "flow", "--seed", 1, "--recipe", tmp_path / "recipe.toml", *home)
    done = CliRunner().invoke(app, [*map(str, ("find", *words))])
    assert "the backbone changed" in done.stderr
    assert "run `whenabouts extract`, then train" in done.stderr


def test_streams_that_contradict_themselves_are_told(project: Project) -> None:
    def refused(*words: object) -> str:
        done = CliRunner().invoke(app, [*map(str, words), "--project", str(project.folder)])
        assert isinstance(done.exception, SettingsError)
        return str(done.exception)

    assert "is of --modality flow, not rgb" in refused("pretrain", "--set", "backbone.input=flow")
    assert "not flow" in refused("pretrain", "--modality", "flow", "--set", "backbone.input=rgb")
    assert "Add --modality flow" in refused("pretrain", "--set", "backbone.flow.side=64")
    assert "--start rgb is for --modality flow" in refused("pretrain", "--start", "rgb")
    assert "Choose rgb, flow" in refused("extract", "--modality", "sound")
