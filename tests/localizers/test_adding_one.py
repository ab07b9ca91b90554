"""The localizer of docs/add-localizer.md does what every localizer does, on the command line too."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import whenabouts
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import WorldShape, planted_world
from whenabouts.localizers import LOCALIZERS

from . import test_contract as contract

DRAWS = "test_order_of_training_videos_is_drawn_from_the_seed_alone"  # It draws nothing, as the page says.


@pytest.fixture
def named(code_of: Callable[[str, int, str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> str:
    module = code_of("add-localizer.md", 0, "whenabouts.localizers.ridge")
    monkeypatch.setitem(LOCALIZERS, "ridge", module.Ridge)
    return "ridge"


def test_it_keeps_the_contract(named: str, tmp_path: Path) -> None:
    shape = WorldShape(classes=3, weak=0.2, seconds=(15.0, 30.0))
    made = contract.learned(named, planted_world(52, np.random.default_rng(2), shape))
    assert contract.mean_average_precision(contract.everything(made), made.world, made.held_out) > 0.85
    kept = []
    for name, test in vars(contract).items():
        wants = inspect.signature(test).parameters if name.startswith("test_") and name != DRAWS else {}
        if {"made", "name"} & set(wants):
            folder = tmp_path / name
            folder.mkdir()
            test(**{key: {"made": made, "name": named, "tmp_path": folder}[key] for key in wants})
            kept.append(name)
    assert len(kept) >= 12


def test_verbs_know_it(named: str, tmp_path: Path) -> None:
    world = planted_world(32, np.random.default_rng(8), WorldShape(classes=2, seconds=(20.0, 40.0)))
    names = world.vocabulary.names
    home = Project.create(tmp_path / "p")
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest(tuple(
        Entry(Video(each.video_id, tmp_path / f"{each.video_id}.mp4", duration_seconds=40.0),
              tuple(WeakLabel(names[index]) for index in each.labels.classes))
        for each in world.examples
    )))  # fmt: skip
    home.features().append([sequence for each in world.examples for sequence in each.features.values()])
    whenabouts.train(project=home.folder, localizer=named, overrides=["train.penalty=3.0"], device="cpu")
    best = whenabouts.find(names[0], project=home.folder, top=3, device="cpu")["best"]
    assert [row["concept"] for row in best] == [names[0]] * 3
