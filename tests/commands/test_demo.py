"""The demo's commands for archives of few videos: told before an hour is spent, not after."""

from pathlib import Path
from typing import Any

import pytest

from whenabouts.commands import demo
from whenabouts.commands.console import Terminal
from whenabouts.core.errors import InvalidData
from whenabouts.data.demo.archive import DemoArchive, DemoArchiveSettings
from whenabouts.data.demo.plan import plan_archive


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are run, in place of running them; imports tell of as many concepts as the last word of the
    project's name says."""
    typed: list[list[str]] = []

    def run(name: str, command: list[str], terminal: Terminal) -> demo.Stage:
        typed.append(command)
        concepts = int(command[command.index("--project") + 1].split("-")[-1])
        return demo.Stage(name, 0.0, {"concepts": concepts})

    monkeypatch.setattr(demo, "_run", run)
    return typed


def archive_of(videos: int) -> DemoArchive:
    return DemoArchive(Path("archive"), plan_archive(DemoArchiveSettings().scaled(videos), seed=0))


def stages(videos: int, concepts: int, **change: Any) -> list[demo.Stage]:
    chosen = demo._Chosen(**{"seed": 0, "order": "ordered", "device": "cpu", "recipe": None, **change})
    return demo._stages(archive_of(videos), Path(f"project-{concepts}"), Terminal(as_json=True), chosen)


@pytest.mark.parametrize(("videos", "asked"), [(24, True), (99, True), (100, False), (440, False)])
def test_few_videos_need_few_tags(commands: list[list[str]], videos: int, asked: bool) -> None:
    assert [stage.name for stage in stages(videos, 9)][-1] == "find"
    assert ("--min-count" in commands[0]) is asked
    assert "--min-count" not in commands[1]


def test_a_recipe_says_itself_how_many(commands: list[list[str]]) -> None:
    stages(24, 9, recipe=Path("small.toml"))
    assert "--min-count" not in commands[0]


def test_one_concept_stops_before_pretraining(commands: list[list[str]]) -> None:
    with pytest.raises(InvalidData, match=r"With 24 videos, tags name 1 concepts .* Give more --videos"):
        stages(24, 1)
    assert [command[0] for command in commands] == ["import", "import"]
