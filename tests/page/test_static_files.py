"""The page's files: shipped, whole, and bound to load and run nothing but themselves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import whenabouts.page

STATIC = Path(whenabouts.page.__file__).parent / "static"
FILES = sorted(STATIC.iterdir())


def test_no_file_is_kept_out_of_the_wheel() -> None:
    """Hatchling leaves out what git ignores: a rule for a folder of that name would take the page away."""
    if shutil.which("git") is None or not (STATIC.parents[3] / ".git").exists():
        pytest.skip("needs git and a checkout")
    asked = subprocess.run(["git", "check-ignore", *map(str, FILES)], cwd=STATIC, capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (1, "")


def test_modules_import_only_files_that_are_there() -> None:
    names = {path.name for path in FILES}
    for path in STATIC.glob("*.js"):
        wanted = re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8"))
        assert all(name.startswith("./") and name[2:] in names for name in wanted), path.name
    linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', (STATIC / "index.html").read_text(encoding="utf-8"))
    assert linked
    assert {Path(address).name for address in linked if address.endswith(".js")} == {
        n for n in names if n.endswith(".js")
    }
    assert all(Path(address).name in names for address in linked)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix in (".js", ".html", ".css")], ids=lambda p: p.name
)
def test_no_file_makes_markup_of_text_or_names_another_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert word not in text, word
    assert not re.search(r"(https?:)?//(?!www\.w3\.org)[a-z0-9-]+\.[a-z]{2,}", text)
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|<style|\sstyle=", text)
