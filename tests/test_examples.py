"""Each example runs, is short, and stands in the list of examples; so do the examples in docstrings and the README."""

import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_is_short(path: Path, tmp_path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_all_examples_are_listed() -> None:
    listed = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 4
    assert [path.name for path in EXAMPLES if f"`{path.name}`" not in listed] == []


def test_examples_in_docstrings_hold() -> None:
    source = ROOT / "src"
    files = [path for path in sorted(source.rglob("*.py")) if "    >>> " in path.read_text(encoding="utf-8")]
    ran = 0
    for path in files:
        module = importlib.import_module(".".join(path.relative_to(source).with_suffix("").parts))
        result = doctest.testmod(module)
        assert result.failed == 0, path
        ran += result.attempted
    assert ran >= 7
