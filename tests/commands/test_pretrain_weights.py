"""`whenabouts pretrain --weights`: a net from elsewhere takes its box from the training videos alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.commands.pretrain import pretrain
from whenabouts.config import read_toml
from whenabouts.core.errors import SettingsError
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.recognition.backbone import Backbone, BackboneSettings, ClipClassifier

SHAPE = BackboneSettings(widths=(4,), blocks=(1,), stem=4, short_side=16, frames=4)
SAID = ["backbone.widths=[4]", "backbone.blocks=[1]", "backbone.stem=4", "backbone.short_side=16", "backbone.frames=4"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A bare file of weights, without the settings that stand beside it in a backbone's folder."""
    words = Vocabulary(("dive", "jump"))
    model = ClipClassifier(SHAPE.build(), len(words))
    Backbone(SHAPE.boxed(1.0), model.net, model.fc, words).save(tmp_path / "made", card={})
    return (tmp_path / "made" / "model.safetensors").rename(tmp_path / "bare.safetensors")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two wide training videos, and three tall ones that are held out."""
    sizes = {"a": ("train", 64, 32), "b": ("train", 64, 32)} | dict.fromkeys("cde", ("test", 32, 96))
    home = Project.create(tmp_path / "project")
    home.write_manifest(
        Manifest(
            tuple(
                Entry(Video(name, tmp_path / f"{name}.mp4", 4.0, width=width, height=height), split=split)
                for name, (split, width, height) in sizes.items()
            )
        )
    )
    return home


def test_the_box_has_the_shape_of_the_training_videos(project: Project, weights: Path) -> None:
    pretrain(project=project.folder, weights=weights, overrides=SAID, as_json=True)
    kept = read_toml(project.backbone_folder / "settings.toml")["backbone"]
    assert (kept["height"], kept["width"]) == (16, 32)


def test_settings_of_a_training_are_refused_where_there_is_none(project: Project, weights: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[pretrain\] is for pretrain and changes nothing here"):
        pretrain(project=project.folder, weights=weights, overrides=[*SAID, "pretrain.steps=3"])


@pytest.mark.parametrize("verb", ["pretrain", "train", "demo"])
def test_a_seed_below_zero_is_a_wrong_option(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--seed", "-1"])
    assert (done.exit_code, "--seed" in done.stderr) == (2, True)
