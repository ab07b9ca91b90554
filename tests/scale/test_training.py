"""Trainings on a cluster end at the bits of those on one machine, whichever worker or node is lost on the way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.commands.console import Terminal
from whenabouts.core.errors import SettingsError
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import WorldShape, planted_world

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")

PRETRAIN = {
    "backbone": {"widths": [8], "blocks": [1], "stem": 8, "frames": 4, "rate": 6.0, "short_side": 16},
    "pretrain": {"steps": 40, "batch": 2, "checkpoint_every": 4, "report_every": 4},
}


def words(settings: dict[str, dict[str, Any]]) -> list[str]:
    sets = [f"{section}.{name}={value}" for section, table in settings.items() for name, value in table.items()]
    return [word for one in sets for word in ("--set", one)]


def run(*said: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, [*said, "--device", "cpu", "--json"])
    assert told.exit_code == 0, (told.output, told.exception)
    return dict(json.loads(told.stdout.splitlines()[-1]))


def as_torchrun_starts_them(folder: Path, size: int, said: list[str]) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(size)}
    processes = [
        subprocess.Popen([sys.executable, "-m", "whenabouts", *said, "--device", "cpu", "--json"], text=True,
                         env={**os.environ, **place, "RANK": str(rank)}, stdout=subprocess.PIPE, cwd=folder)
        for rank in range(size)
    ]  # fmt: skip
    told = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * size
    return dict(json.loads(told[0].splitlines()[-1]))


def listening(monkeypatch: pytest.MonkeyPatch, heard: Callable[[str], None]) -> list[str]:
    """All that is said from now on; `heard` hears it, too."""
    said: list[str] = []

    def say(self: Terminal, text: str) -> None:
        said.append(text)
        heard(text)

    monkeypatch.setattr(Terminal, "say", say)
    return said


def kill(text: str) -> None:
    """Kill the worker who has said this: NODE/PROCESS: ..."""
    os.kill(int(text.partition(":")[0].rpartition("/")[2]), signal.SIGKILL)


def test_pretraining_goes_on_to_the_same_bits(
    cluster: Any,
    second_node: Any,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of two processes is killed, and a node with it: the backbone is that of two under torchrun."""
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    sets = ["--workers", "1", *words(PRETRAIN)]
    alone = as_torchrun_starts_them(tmp_path, 2, ["pretrain", "--project", str(here), *sets])
    lost: list[str] = []

    def heard(text: str) -> None:
        if ": step 8 of" in text and not lost:
            lost.append(text)
            kill(text)
            second_node.replace()

    said = listening(monkeypatch, heard)
    together = run("pretrain", "--project", str(there), "--on", "ray", *sets)
    assert lost
    assert together["resumed_at"] >= 4  # The checkpoint of a step comes after what is said of it.
    assert {**together, "folder": "", "resumed_at": 0} == {**alone, "folder": ""}
    assert [video["id"] for video in together["broken"]] == ["text"]
    for name in ("model.safetensors", "settings.toml"):
        assert (here / "models/backbone" / name).read_bytes() == (there / "models/backbone" / name).read_bytes()
    assert any("text is unreadable" in line and line.startswith(socket.gethostname()) for line in said)
    (ended,) = [line for line in said if "has ended" in line]
    assert ended.startswith(f"Worker {socket.gethostname()}/")
    assert "All begin again" in ended


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """Twenty-four videos with features, twelve of them with chapters."""
    world = planted_world(24, np.random.default_rng(9), WorldShape(classes=3, seconds=(12.0, 20.0), widths={"rgb": 8}))
    home = Project.create(tmp_path / "rated")
    entries = []
    for number, example in enumerate(world.examples):
        own = world.truth[world.truth.video_ids == example.video_id]
        chapters = [RatedSegment(one.concept, one.start_seconds, one.end_seconds, source="chapter") for one in own]
        labels = tuple(WeakLabel(world.vocabulary.names[index]) for index in example.labels.classes)
        video = Video(example.video_id, home.folder / f"{example.video_id}.mp4", duration_seconds=20.0)
        entries.append(Entry(video, labels, segments=tuple(chapters) if number < 12 else (), split="train"))
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest(tuple(entries)))
    home.features().append([sequence for example in world.examples for sequence in example.features.values()])
    return home.folder


TRAIN = {
    "train.makers": {"folds": 2, "segment_kinds": [], "video_kinds": ["logistic"], "encoders": []},
    "train.makers.video.fit": {"epochs": 1, "least_steps": 120},
    "train.relevance": {"model": "trees"},
    "train.relevance.trees": {"rounds": 60, "subsample": 1.0, "columns_by_level": 1.0},
}


def test_a_localizer_is_trained_to_the_same_nets_and_nearly_the_same_trees(
    cluster: Any, rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker that trains is killed on the way; its trees are boosted by two others."""
    here, there = (shutil.copytree(rated, tmp_path / name) for name in ("here", "there"))
    sets = ["--localizer", "cross-class-relevance", *words(TRAIN)]
    alone = run("train", "--project", str(here), *sets)
    lost: list[str] = []

    def heard(text: str) -> None:
        if "Models for fold 2" in text and not lost:
            lost.append(text)
            kill(text)

    said = listening(monkeypatch, heard)
    together = run("train", "--project", str(there), "--on", "ray", *sets)
    assert lost
    assert any("Boosting trees in 2 processes" in line for line in said)
    (ended,) = [line for line in said if "has ended" in line]
    assert ended.startswith("Worker ")
    assert {**together, "folder": ""} == {**alone, "folder": ""}
    one, two = (load_file(folder / "models/localizer/model.safetensors") for folder in (here, there))
    assert one.keys() == two.keys()
    for name, values in one.items():
        assert values.tobytes() == two[name].tobytes(), name
    cards = [json.loads((folder / "models/localizer/card.json").read_text())["training"] for folder in (here, there)]
    relevance = [card.pop("relevance") for card in cards]
    assert cards[0] == cards[1]
    assert relevance[1]["held_out_loss"] == pytest.approx(relevance[0]["held_out_loss"], rel=0.02)
    assert (there / "models/localizer/trees.ubj").stat().st_size > 1000


@pytest.mark.parametrize("verb", ["pretrain", "train"])
def test_processes_are_of_a_cluster(verb: str, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, [verb, "--processes", "2", "--project", str(tmp_path)])
    assert isinstance(told.exception, SettingsError)
    assert "--processes is for --on a cluster" in str(told.exception)


def test_what_is_no_training_has_no_cluster(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["pretrain", "--on", "ray", "--weights", str(tmp_path)])
    assert isinstance(told.exception, SettingsError)
    assert "leave out --weights" in str(told.exception)
