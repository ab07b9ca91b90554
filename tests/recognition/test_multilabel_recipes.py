"""The recipes of the multi-label tables hold the paper's numbers, and settings that this version takes."""

import dataclasses
import math
import re
from pathlib import Path

import pytest
import torch

from whenabouts.config import load, read_toml
from whenabouts.data.importers import IMPORTERS
from whenabouts.recognition.activity_model import ActivitySettings
from whenabouts.recognition.activity_settings import HeadSettings
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.published import published_names

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
    with torch.device("meta"):
        head = dataclasses.replace(how.head, correlation=False).build(2048, 157, None, None)
    assert f"{sum(parameter.numel() for parameter in head.parameters()) / 1e6:.1f}" == "1.6"  # The paper's own head.
    assert how.head == HeadSettings(kind=how.head.kind, classifier="shared", viewpoint="last")
    how.clips.check(shape)
    assert how.backbone_share == 1
    assert how.clips.longest_seconds >= (1798 + 2 if "ava" in path.stem else 0)
    clip_seconds = 41 / 25 if "volleyball" in path.stem else math.inf  # No picture has to stand in for later ones.
    assert shape.frames / shape.rate <= clip_seconds
    charades = "charades" in path.stem
    assert (how.testing.views, bool(how.tuning.steps)) == (("2+4+8", True) if charades else ("centre", False))
    assert (how.people == "none") == ("ava" not in path.stem and "boxes" not in path.stem)
    assert (how.head.kind == "single-label") == ("group" in path.stem)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_commands_of_a_recipe_are_whole(path: Path) -> None:
    """They import what the training asks for, and begin from a net that is known."""
    commands = re.findall(r"^#     whenabouts (.+)$", path.read_text(), re.MULTILINE)
    assert [words.split()[1] in IMPORTERS for words in commands] == [True] * (len(commands) - 1) + [False]
    start = re.search(r"--start (\S+)", commands[-1])
    assert start is not None
    assert start[1] in published_names()
    extras = read_toml(path)["activities"].get("extras", "")
    assert not extras or any(f"import.features.modality={extras}" in words for words in commands)
