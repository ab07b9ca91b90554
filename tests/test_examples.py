"""Each example runs, is short, and stands in the list of examples; so do the examples in docstrings and the README."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import WorldShape, planted_world

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


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its six lines, in a home with a project ~/when, as import and extract leave it."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len([line for line in code.splitlines() if line.strip()]) == 6
    world = planted_world(32, np.random.default_rng(8), WorldShape(classes=2, seconds=(20.0, 40.0)))
    names = ("cake cutting", "diving")
    home = Project.create(tmp_path / "when")
    home.write_vocabulary(Vocabulary(names))
    home.write_manifest(Manifest(tuple(
        Entry(Video(each.video_id, tmp_path / f"{each.video_id}.mp4", duration_seconds=40.0),
              tuple(WeakLabel(names[index]) for index in each.labels.classes))
        for each in world.examples
    )))  # fmt: skip
    home.features().append([sequence for each in world.examples for sequence in each.features.values()])
    environment = {**os.environ, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert "cake cutting" in (tmp_path / "cakes.otio").read_text(encoding="utf-8")
