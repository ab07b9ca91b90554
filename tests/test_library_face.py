"""`import whenabouts`: the nouns and the verbs, nothing else, and no time."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import whenabouts
from whenabouts.cli import VERBS
from whenabouts.core.errors import ProjectError


def test_every_public_name_is_there_typed_and_documented() -> None:
    for name in whenabouts.__all__:
        thing = getattr(whenabouts, name)
        assert inspect.getdoc(thing), name
    assert sorted(whenabouts.__all__) == list(whenabouts.__all__)
    assert set(dir(whenabouts)) == {*whenabouts.__all__, "__version__"}


def test_every_verb_of_the_command_line_is_a_function() -> None:
    assert {name.replace("import", "import_") for name in VERBS} <= set(whenabouts.__all__)


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, whenabouts; print([m for m in ('torch', 'numpy', 'typer', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_verb_returns_what_it_would_print_and_raises_what_it_would_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ProjectError, match="There is no folder"):
        whenabouts.find("dive", project=str(tmp_path / "none"))
    with pytest.raises(TypeError, match="no_such"):
        whenabouts.find("dive", no_such=1)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = whenabouts.nothing
    assert capsys.readouterr().out == ""


def test_its_text_is_the_same_under_names_of_paths(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    truth.write_text('{"database": {"v": {"subset": "validation", "duration": 9.0, "annotations": '
                     '[{"label": "dive", "segment": [1, 3]}]}}}')  # fmt: skip
    found = tmp_path / "found.json"
    found.write_text('{"results": {"v": [{"label": "dive", "segment": [1, 3], "score": 0.5}]}}')
    by_text = whenabouts.evaluate(str(truth), str(found), tiou="0.5")
    assert by_text == whenabouts.evaluate(truth, found, tiou="0.5")
    assert by_text
