import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from whenabouts.data.feature_store import FeatureStore

RECIPE = """
[backbone]
widths = [8]
blocks = [1]
stem = 4
frames = 4
short_side = 16

[pretrain]
steps = 60
batch = 4
checkpoint_every = 2
precision = "float32"

[extract]
hop_seconds = 0.25
precision = "float32"
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, moving_project: Callable[..., Path]) -> Path:
    """A project of six small videos and one file that is none."""
    return moving_project(tmp_path_factory.mktemp("template"), ("train",) * 6, frames=36, recipe=RECIPE)


def command(verb: str, folder: Path, *more: str) -> list[str]:
    options = ["--project", str(folder), "--recipe", str(folder / "small.toml"), "--device", "cpu", "--json"]
    return [sys.executable, "-m", "whenabouts", verb, *options, *more]


def run(verb: str, folder: Path, *more: str) -> dict:
    done = subprocess.run(command(verb, folder, *more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def killed_when(verb: str, folder: Path, reached: Callable[[], bool]) -> None:
    """Start a verb and kill it, without warning, as soon as `reached`."""
    with subprocess.Popen(command(verb, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        limit = time.monotonic() + 120
        while not reached() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)


def features_of(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    store = FeatureStore(folder / "features")
    return {(m, v): store.read(v, m).values for m in store.modalities() for v in store.video_ids(m)}


def test_killed_at_any_point_both_verbs_end_at_the_same_files(template: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        shutil.copytree(template, folder)
    told = run("pretrain", whole)
    assert told["videos"] == 6
    assert told["resumed_at"] == 0

    checkpoint = cut / "cache" / "pretrain" / "checkpoint.safetensors"
    killed_when("pretrain", cut, checkpoint.exists)
    assert not (cut / "models" / "backbone").exists()
    resumed = run("pretrain", cut)
    assert resumed["resumed_at"] > 0
    assert resumed["source"] == told["source"]
    names = ("model.safetensors", "settings.toml", "vocabulary.json")
    for name in names:
        assert (whole / "models/backbone" / name).read_bytes() == (cut / "models/backbone" / name).read_bytes()

    done = run("extract", whole, "--workers", "2")
    assert (done["written"], done["unreadable"]) == (6, 1)
    killed_when("extract", cut, lambda: any((cut / "features").glob("*.safetensors")))
    again = run("extract", cut, "--workers", "1")
    assert again["done_before"] >= 1
    assert again["written"] + again["done_before"] == 6
    first, second = features_of(whole), features_of(cut)
    assert first.keys() == second.keys()
    assert len(first) == 6
    for key, values in first.items():
        np.testing.assert_array_equal(values, second[key])
    reports = [json.loads((folder / "reports" / "extraction.json").read_text()) for folder in (whole, cut)]
    assert [row["id"] for row in reports[0]["videos"]] == [row["id"] for row in reports[1]["videos"]] == ["text"]

    weighed = run("pretrain", cut, "--weights", str(whole / "models" / "backbone"))
    assert weighed["source"] == told["source"]
    model = safetensors.numpy.load_file(cut / "models" / "backbone" / "model.safetensors")
    assert model["fc.weight"].shape == (2, 8)


def test_unknown_settings_and_weights_are_told_in_plain_words(template: Path, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "Did you mean 'steps'" in refused("pretrain", template, "--set", "pretrain.stepz=3")
    assert "whenabouts pretrain" in refused("extract", template)
    assert "no weights" in refused("pretrain", template, "--weights", str(tmp_path / "none.safetensors"))
