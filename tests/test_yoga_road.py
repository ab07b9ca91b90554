"""The plain road on real video that nobody rendered: each verb of the command line, as a user types it."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.moments import Moments
from whenabouts.data.project import Project

FOLD, EACH = "0", 2
# A net and a training that are only large enough to run.
SMALL = ("backbone.widths=[4]", "backbone.blocks=[1]", "backbone.stem=4", "backbone.short_side=16", "backbone.frames=4")
QUICK = ("pretrain.steps=3", "pretrain.batch=4", "pretrain.precision=float32")


def run(*words: str, project: Path) -> dict[str, object]:
    result = CliRunner().invoke(app, [*words, "--project", str(project), "--json"])
    assert result.exit_code == 0, result.output
    values: dict[str, object] = json.loads(result.stdout)
    return values


def changed(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture
def table(shared: Path, tmp_path: Path) -> Path:
    """Two training takes and two held-out takes of each of two poses, in a table apart from the videos."""
    if not (shared / "data" / "yoga6").is_dir():
        pytest.skip("needs the real takes in the shared folder's data/yoga6")
    with (shared / "data" / "yoga6" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in ("shavasana", "trikonasana")]
    chosen: dict[tuple[str, bool], list[dict[str, str]]] = {}
    for row in rows:
        chosen.setdefault((row["label"], row["fold"] == FOLD), []).append(row)
    path = tmp_path / "some.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "label", "set"])
        for (label, held_out), takes in chosen.items():
            writer.writerows([take["clip"], label, "test" if held_out else "train"] for take in takes[:EACH])
    return path


def test_real_takes_go_from_a_table_to_moments(shared: Path, table: Path, tmp_path: Path) -> None:
    home = tmp_path / "project"
    with table.open(newline="", encoding="utf-8") as file:
        takes = [Path(row["clip"]).stem for row in csv.DictReader(file)]
    only = [word for take in takes for word in ("--include", f"*{take}.mp4")]
    folder = shared / "data" / "yoga6"
    told = run("import", "csv", str(table), "--map", "video=clip,label=label,split=set", "--min-count", "2", *only,
               *changed(f"import.csv.media={folder}"), project=home)  # fmt: skip
    assert (told["new"], told["unreadable"], told["problem_count"], told["concepts"]) == (4 * EACH, 0, 0, 2)
    assert run("check", project=home)["trainable"]
    assert run("pretrain", *changed(*SMALL, *QUICK), "--device", "cpu", project=home)["videos"] == 2 * EACH
    told = run("extract", *changed("extract.precision=float32"), "--device", "cpu", project=home)
    assert (told["written"], told["unreadable"]) == (4 * EACH, 0)
    assert run("check", "--no-frames", project=home)["next_step"] == "Run `whenabouts train`."
    told = run("train", *changed("train.epochs=1"), "--device", "cpu", project=home)
    assert told["videos"] == 2 * EACH
    told = run("find", "--split", "test", "--device", "cpu", project=home)
    assert told["videos"] == 2 * EACH
    found = Moments.from_json(json.loads((home / "moments" / "moments.json").read_text(encoding="utf-8")))
    held_out = {entry.id: entry.video.duration_seconds for entry in Project.open(home).manifest().of_split("test")}
    assert set(found.video_ids.tolist()) == set(held_out)
    for moment in found:
        assert 0 <= moment.start_seconds < moment.end_seconds <= held_out[moment.video_id] + 1e-6
    assert len(list((home / "moments" / "vtt").rglob("*.vtt"))) == 2 * EACH
