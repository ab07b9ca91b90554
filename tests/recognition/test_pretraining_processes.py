"""`whenabouts pretrain` in two real processes: killed and resumed, with a broken video, as torchrun starts it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.recognition.pretraining import checkpoint_of

SETTINGS = {
    "backbone": {"widths": [8, 16], "blocks": [1, 1], "stem": 8, "frames": 4, "rate": 6.0, "short_side": 24},
    "pretrain": {"steps": 24, "batch": 3, "accumulate": 2, "checkpoint_every": 4, "report_every": 8},
}


@pytest.fixture(scope="module")
def runs() -> Iterator[ModuleType]:
    folder = str(Path(__file__).parents[1] / "training")
    sys.path.insert(0, folder)
    import process_runs

    yield process_runs
    sys.path.remove(folder)


def words(project: Path) -> list[str]:
    sets = [f"{section}.{name}={value}" for section, table in SETTINGS.items() for name, value in table.items()]
    said = ["pretrain", "--project", str(project), "--device", "cpu", "--workers", "1", "--json"]
    return [*said, *(word for one in sets for word in ("--set", one))]


def test_killed_and_resumed_under_torchrun_it_writes_the_same_backbone(
    runs: ModuleType, own_archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = tmp_path / "lost.mp4"
    lost.write_text("not a video")
    entries = own_archive.manifest().entries
    broken = Entry(Video("lost", lost), (WeakLabel("going left"),), split="train")
    own_archive.write_manifest(Manifest((*entries, broken)))
    whole, cut = own_archive.folder, tmp_path / "cut"
    shutil.copytree(whole, cut)
    monkeypatch.chdir(tmp_path)
    assert runs.ended(runs.begun(runs.verb, words(whole), 2)) == [0, 0]
    assert (tmp_path / "said1.txt").read_text() == "", "one process speaks for all"
    told = json.loads((tmp_path / "said0.txt").read_text().splitlines()[-1])
    assert (told["videos"], told["resumed_at"]) == (4, 0)
    assert [(video["id"], video["status"]) for video in told["broken"]] == [("lost", "unreadable")]

    runs.kill_at(runs.begun(runs.verb, words(cut), 2), checkpoint_of(cut / "cache"), 8)
    assert not (cut / "models").exists()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "whenabouts"]
    resumed = subprocess.run(
        [*torchrun, *words(cut)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    again = json.loads(resumed.stdout)
    assert again["resumed_at"] >= 8
    assert {**again, "folder": "", "resumed_at": 0} == {**told, "folder": ""}
    for name in ("model.safetensors", "settings.toml"):
        assert (whole / "models/backbone" / name).read_bytes() == (cut / "models/backbone" / name).read_bytes()
    card = json.loads((whole / "models/backbone/card.json").read_text())
    assert card["processes"] == 2
