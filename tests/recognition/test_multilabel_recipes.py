"""The recipes of the multi-label tables hold the paper's numbers, and settings that this version takes."""

from pathlib import Path

import pytest

from whenabouts.config import load, read_toml
from whenabouts.recognition.activity_model import ActivitySettings
from whenabouts.recognition.backbone_settings import BackboneSettings

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("multilabel-*.toml"))


def test_all_rows_are_there() -> None:
    assert len(RECIPES) == 9


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_hold_the_papers_numbers(path: Path) -> None:
    told = read_toml(path)
    shape = load(BackboneSettings, told["backbone"], path.name)
    how = load(ActivitySettings, told["activities"], path.name)
    training = how.training
    assert (training.steps, training.batch, training.learning_rate) == (50_000, 12, 3.5e-2)
    assert (training.optimizer, training.weight_decay, how.head.dropout) == ("sgd", 1.25e-5, 0.5)
    assert (shape.frames, shape.crop, how.clips.scales) == (32, 224, (256, 320))
    assert (how.head.observations, how.head.groups) == (64, 32)
    how.clips.check(shape)
    assert how.backbone_share == 1
    charades = "charades" in path.stem
    assert (how.testing.views, bool(how.tuning.steps)) == (("2+4+8", True) if charades else ("centre", False))
    assert (how.people == "none") == ("ava" not in path.stem and "boxes" not in path.stem)
    assert (how.head.kind == "single-label") == ("group" in path.stem)
