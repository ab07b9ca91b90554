"""`whenabouts pretrain` in two real processes: without room, killed, resumed by torchrun, with a broken video."""

import json
import shutil
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
    "pretrain": {"steps": 12, "batch": 3, "accumulate": 2, "checkpoint_every": 2, "report_every": 4},
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

    # Small frames fit in 100,000 bytes, a checkpoint does not.
    assert runs.ended(runs.begun(runs.limited_verb, ["100000", *words(cut)], 2)) == [1, 1]
    said = [(tmp_path / f"said{rank}.txt").read_text() for rank in (0, 1)]
    assert "checkpoint.safetensors can't be written: File too large" in said[0]
    assert "Process 1 of 2 has lost the others. Process 0 ended: " in said[1]
    assert not list(cut.rglob("*.part"))
    assert not checkpoint_of(cut / "cache").exists()

    runs.kill_at(runs.begun(runs.verb, words(cut), 2), checkpoint_of(cut / "cache"), 4)
    assert not (cut / "models").exists()
    launch = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--nproc-per-node", "2", "-m", "whenabouts"]
    resumed = runs.torchrun([*launch, *words(cut)], tmp_path / "torchrun")
    again = json.loads(resumed[0].splitlines()[-1])
    assert resumed[1:] == [""]
    assert again["resumed_at"] >= 4
    assert {**again, "folder": "", "resumed_at": 0} == {**told, "folder": ""}
    for name in ("model.safetensors", "settings.toml"):
        assert (whole / "models/backbone" / name).read_bytes() == (cut / "models/backbone" / name).read_bytes()
    card = json.loads((whole / "models/backbone/card.json").read_text())
    assert card["processes"] == 2
