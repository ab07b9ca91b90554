"""The page that shows newcomers the way names files and rooms that are there, and every room."""

import re
from pathlib import Path

import pytest

import whenabouts
from whenabouts.cli import VERBS

ROOT = Path(whenabouts.__file__).parent
REPOSITORY = Path(__file__).resolve().parents[1]
FILES = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}


@pytest.fixture(scope="module")
def page() -> str:
    return (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_each_file_that_the_page_names_is_there(page: str) -> None:
    named = re.findall(r"`([\w./]+\.py)`", page)
    assert len(named) > 30
    known = FILES | {f"tests/{path.name}" for path in (REPOSITORY / "tests").glob("*.py")}
    assert [name for name in named if not any(file == name or file.endswith(f"/{name}") for file in known)] == []


def test_each_room_and_verb_stands_on_the_page(page: str) -> None:
    rooms = {path.name for path in (*ROOT.iterdir(), *(ROOT / "data").iterdir()) if (path / "__init__.py").is_file()}
    assert {"core", "nets", "doctor"} <= rooms
    assert [room for room in sorted(rooms) if f"`{room}/" not in page] == []
    picture = page.split("```")[1]
    assert [verb for verb in VERBS if not re.search(rf"^ +(.*, )?{verb}\b", picture, re.MULTILINE)] == []
