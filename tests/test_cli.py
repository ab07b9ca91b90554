import ast
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import whenabouts
from whenabouts import cli
from whenabouts.cli import app

HEAVY = {"torch", "av", "scipy", "sklearn", "xgboost", "matplotlib"}


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from whenabouts.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('LOADED', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "LOADED []" in done.stdout
    for verb in ("demo", "import", "check", "pretrain", "extract", "train", "find", "evaluate", "show"):
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize(
    "verb", ["demo", "import", "check", "pretrain", "extract", "train", "find", "evaluate", "show"]
)
def test_each_verb_explains_itself(verb: str) -> None:
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(("words", "last"), [([], "show them on a page."), (["evaluate"], "with the right borders?")])
def test_the_list_of_commands_cuts_no_sentence(words: list[str], last: str) -> None:
    listed = CliRunner().invoke(app, [*words, "--help"]).output
    assert last in " ".join(listed.split())
    assert "..." not in listed.replace("[ARGS]...", "")


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.output == f"whenabouts {whenabouts.__version__}\n"


def test_no_pickle_anywhere() -> None:
    root = Path(whenabouts.__file__).parent
    imported = {
        name.split(".")[0]
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 6400 bytes"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (RuntimeError("more than one element of the written-to tensor refers to a single memory location"), False),
        (RuntimeError("something of the program itself"), False),
    ],
)
def test_too_little_memory_is_told_without_a_traceback(
    error: Exception, told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit if told else RuntimeError):
        cli.main()
    assert ("there is not enough memory" in capsys.readouterr().err) is told
