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

import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.commands.console import Terminal

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
    end_second_node: Callable[[], None],
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first of two processes is killed, then a node: the backbone is that of two under torchrun."""
    here, there = (shutil.copytree(template, tmp_path / name) for name in ("here", "there"))
    sets = ["--workers", "1", *words(PRETRAIN)]
    alone = as_torchrun_starts_them(tmp_path, 2, ["pretrain", "--project", str(here), *sets])
    losses: list[Callable[[str], None]] = [kill, lambda _: end_second_node()]

    def heard(text: str) -> None:
        if (": step 8 of" in text and len(losses) == 2) or (": step 16 of" in text and len(losses) == 1):
            losses.pop(0)(text)

    said = listening(monkeypatch, heard)
    together = run("pretrain", "--project", str(there), "--on", "ray", *sets)
    assert not losses
    assert together["resumed_at"] >= 8
    assert {**together, "folder": "", "resumed_at": 0} == {**alone, "folder": ""}
    assert [video["id"] for video in together["broken"]] == ["text"]
    for name in ("model.safetensors", "settings.toml"):
        assert (here / "models/backbone" / name).read_bytes() == (there / "models/backbone" / name).read_bytes()
    assert any("text is unreadable" in line and line.startswith(socket.gethostname()) for line in said)
    ended = [line for line in said if "has ended" in line]
    assert ended
    assert all(line.startswith(f"Worker {socket.gethostname()}/") and "begin again" in line for line in ended)
