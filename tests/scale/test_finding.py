"""Moments that a cluster finds are those of one machine, byte by byte, broken features and all."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core import Video
from whenabouts.core.progress import Silent
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import WorldShape, planted_world
from whenabouts.localizers import WinnersOut

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Twelve videos with features, one without, and a localizer of a few steps."""
    shape = WorldShape(classes=3, seconds=(12.0, 20.0), widths={"rgb": 16})
    world = planted_world(12, np.random.default_rng(8), shape)
    home = Project.create(tmp_path_factory.mktemp("trained") / "project")
    names = world.vocabulary.names
    entries = [
        Entry(Video(example.video_id, home.folder / f"{example.video_id}.mp4", duration_seconds=20.0),
              tuple(WeakLabel(names[index]) for index in example.labels.classes))
        for example in world.examples
    ]  # fmt: skip
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest((*entries, Entry(Video("without", home.folder / "without.mp4", 20.0)))))
    home.features().append(sequence for example in world.examples for sequence in example.features.values())
    settings = WinnersOut.Settings(epochs=2, attentions=3)
    WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary).save(home.localizer_folder)
    return home


def found(folder: Path, *words: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, ["find", "--project", str(folder), "--device", "cpu", "--json", *words])
    assert told.exit_code == 0, told.output
    # The cluster of all tests lives on after the command, and Ray may tell of nodes that earlier tests have stopped.
    return dict(json.loads(told.stdout.splitlines()[-1]))


def test_a_cluster_finds_what_one_machine_finds(cluster: Any, trained: Project, tmp_path: Path) -> None:
    """One video has no features, and those of another are broken."""
    home = Project(shutil.copytree(trained.folder, tmp_path / "here"))
    (shard,) = home.features_folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-3] ^= 255  # within the values of the last video
    shard.write_bytes(content)
    there = shutil.copytree(home.folder, tmp_path / "there")
    words = ("--set", "train.winners_share=0.5")
    alone, together = found(home.folder, *words), found(there, "--on", "ray", *words)
    assert alone["left_out"] == together["left_out"] == {"without features": 1, "broken features": 1}
    assert alone["videos"] == together["videos"] == 11
    assert alone["moments"] > 0
    assert [alone[name] for name in ("moments", "covered")] == [together[name] for name in ("moments", "covered")]
    assert (home.moments_folder / "moments.json").read_bytes() == (there / "moments" / "moments.json").read_bytes()
