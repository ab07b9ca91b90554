"""The documents: links lead somewhere, commands exist with their options, Python compiles, settings are the code's."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from whenabouts.cli import app
from whenabouts.config import as_table, load, to_toml
from whenabouts.localizers import LOCALIZERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
RESULTS = sorted(ROOT.glob("benchmarks/results/*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app)


@pytest.mark.parametrize("page", [*PAGES, *RESULTS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    lost = [
        link for link in LINK.findall(text)
        if not link.startswith(("http://", "https://", "#")) and not (page.parent / link.partition("#")[0]).exists()
    ]  # fmt: skip
    assert lost == []


@pytest.mark.parametrize("page", [*PAGES, *RESULTS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_line_is_taken_for_a_heading(page: Path) -> None:
    """The site's Markdown makes one of "#tag" at the beginning of a line, too."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert re.findall(r"^#+[^#\s].*", text, re.MULTILINE) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_python_are_real(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            compile(block, str(page), "exec")
    for line in re.findall(r"^(?: {4})?(whenabouts [^\n]*)$", text, re.MULTILINE):
        for command in re.split(r"\s+(?:&&|\|)\s+", line.partition("  #")[0]):
            if command.startswith("whenabouts "):
                assert_real(shlex.split(command, comments=True)[1:])


def assert_real(words: list[str]) -> None:
    """Verb, sub-verb and long options are those of the command line."""
    command: Any = COMMANDS
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words


def test_something_is_looked_at() -> None:
    assert len(PAGES) >= 15
    with pytest.raises(AssertionError):
        assert_real(["find", "--no-such-option"])
    with pytest.raises(AssertionError):
        assert_real(["no-such-verb"])


def settings_page() -> ModuleType:
    """`docs/make_settings.py`, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs" / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_settings_is_that_of_the_code() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert settings_page().page() == written, "Run `python docs/make_settings.py`."


KINDS = {name: kind for name, (_, kind) in settings_page().SECTIONS.items()}
KINDS |= {f"train, {name}": localizer.Settings for name, localizer in LOCALIZERS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_who_names_a_default_that_the_page_lists_changes_nothing(name: str) -> None:
    """One value at a time, at any depth; and a saved model, whose settings are all told, has the same again."""
    usual = KINDS[name]()
    table = as_table(usual)
    assert load(KINDS[name], tomllib.loads(to_toml(table)), name) == usual
    named = list(values_of(table))
    assert len(named) > 3
    for path, value in named:
        told: Any = value
        for part in reversed(path):
            told = {part: told}
        assert load(KINDS[name], told, name) == usual, path


def values_of(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from values_of(value, (*path, key))
        elif value is not None:
            yield (*path, key), value


def test_every_page_stands_in_the_site() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in listed] == []


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Links that leave docs/ lead to pages and files that the site has."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*")}
    assert {f"benchmarks/results/{page.stem}/index.html" for page in RESULTS} <= made
    assert "src/whenabouts/localizers/protocol.py" in made
    text = (tmp_path / "site" / "guide" / "index.html").read_text(encoding="utf-8")
    assert 'href="../benchmarks/results/winners_out/"' in text
