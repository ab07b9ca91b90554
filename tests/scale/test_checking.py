"""What a cluster sees in files is what one machine sees: the same report, and the same frames kept."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.data.doctor.check import check_project
from whenabouts.data.manifest import Manifest
from whenabouts.data.project import Project
from whenabouts.scale.checking import looks_on
from whenabouts.scale.crew import Lost

from .telling import Telling

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def archive(template: Path, tmp_path: Path) -> Path:
    """The archive in two splits, with a copy across them, and a file that has changed under the same size and time."""
    folder = shutil.copytree(template, tmp_path / "archive")
    shutil.rmtree(folder / "models")
    entries = Project(folder).manifest().entries
    copy = replace(entries[0], video=replace(entries[0].video, id="copy"), split="test",
                   stamp=replace(entries[0].stamp, fingerprint="another encoding"))  # fmt: skip
    changed = replace(entries[1], stamp=replace(entries[1].stamp, fingerprint="0"))
    Project(folder).write_manifest(Manifest((copy, entries[0], changed, *entries[2:])))
    return folder


def checked(folder: Path, *words: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, ["check", "--project", str(folder), "--files", "--json", *words])
    assert told.exit_code == 0, told.output
    return dict(json.loads(told.stdout.splitlines()[-1]))


def test_a_cluster_sees_what_one_machine_sees(cluster: Any, archive: Path) -> None:
    alone = checked(archive)
    frames = archive / "cache" / "small_frames.safetensors"
    kept = load_file(frames)["frames"].tolist()
    frames.unlink()
    alone["figures"].pop("cache_bytes")
    together = checked(archive, "--on", "ray")
    together["figures"].pop("cache_bytes")
    assert together == alone
    assert load_file(frames)["frames"].tolist() == kept
    texts = [finding["text"] for finding in alone["findings"]]
    assert any(text.startswith("other content than at the import: 2 of 6") for text in texts), texts
    assert any("copies of a video in two splits" in text and "1 by frames" in text for text in texts), texts


def test_a_program_elsewhere_may_ask_a_cluster(cluster: Any, address: str, archive: Path) -> None:
    """By the address that --on names, from a process of its own."""
    words = ["check", "--project", str(archive), "--files", "--no-frames", "--json", "--on", address]
    told = subprocess.run([sys.executable, "-m", "whenabouts", *words], capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout.splitlines()[-1])["figures"]
    assert (figures["videos"], figures["contents_changed"]) == (6, 2)
    assert "Reading files (6 steps)" in told.stderr


class Losing:
    """A crew that loses one video again and again."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> "Losing":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def results(self, jobs: Any) -> Iterator[tuple[Any, Any]]:
        for asked in [one for job in jobs for one in job]:
            lost = asked.entry.id == "2"
            seen = True if asked.what == "contents" else None
            yield (asked,), Lost("3 workers have ended at it") if lost else [seen]


def test_a_video_that_ends_workers_is_told_and_costs_nothing_else(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Making:
        def __class_getitem__(cls, _: object) -> type[Losing]:
            return Losing

    monkeypatch.setattr("whenabouts.scale.checking.Crew", Making)
    told = Telling()
    with looks_on(None, told) as looks:
        report = check_project(archive, frames=True, files=True, progress=told, looks=looks)
    (unread,) = [finding for finding in report.findings if "could not be looked into" in finding.text]
    assert unread.names == ("2",)
    assert told.said.count("2 was not looked into: 3 workers have ended at it") == 2


def test_other_checks_have_no_cluster(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["check", "--against", str(tmp_path), "--on", "ray"])
    assert "leave out --annotations and --against" in str(told.exception)
