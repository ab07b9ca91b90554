"""Every result stands in the list of tables, its command parses, and says where its figures come from."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PARSE = """
import argparse, json, os, runpy, sys
sys.path.insert(0, sys.argv[1])
class Parsed(Exception): pass
whole = argparse.ArgumentParser.parse_args
def parse(self, *words):
    whole(self, *words)
    raise Parsed
argparse.ArgumentParser.parse_args = parse
for name, words in json.loads(sys.stdin.read()):
    sys.argv = words
    try:
        runpy.run_path(os.path.abspath(sys.argv[0]), run_name="__main__")
        print(name, "did not parse its words")
    except Parsed:
        pass
    except SystemExit:
        print(name, "refused its words")
    except ModuleNotFoundError as error:
        if error.name not in ("playwright", "cv2", "tfrecord"):
            raise
"""


@pytest.fixture
def provenance(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import provenance as module

    return module


@pytest.fixture
def making(provenance: ModuleType) -> ModuleType:
    import tables as module

    return module


def test_every_result_is_of_a_table_of_the_list(provenance: ModuleType) -> None:
    listed = provenance.tables()
    names = {path.stem for path in RESULTS.iterdir()}
    assert sorted(name for name in names if not any(name.startswith(each) for each in listed)) == []
    assert {path.stem for path in RESULTS.glob("*.json")} <= set(listed)
    for table in listed.values():
        assert table.minutes > 0
        assert table.seeds
        assert table.data
        absent = [path for path in table.data if not path.startswith("shared/") and not (ROOT / path).exists()]
        assert absent == []
        assert (RESULTS / f"{table.name}.json").exists() or table.needs, table.name


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_says_where_its_figures_come_from(path: Path, provenance: ModuleType) -> None:
    told = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    table = provenance.tables()[path.stem]
    script = table.command.split()[1]
    assert script in told["command"]
    assert re.match(r"[0-9a-f]{10}", told.get("commit", told.get("written_in")))
    assert told["seeds"]
    assert set(told["data"]) == set(table.data)
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in told["data"].values())
    page = ROOT / table.page if table.page else path.with_suffix(".md")
    assert provenance.line(told) in page.read_text(encoding="utf-8")


def test_every_command_of_the_list_parses(provenance: ModuleType, tmp_path: Path) -> None:
    scripts = {ROOT / table.command.split()[1] for table in provenance.tables().values()}
    deaf = [path.name for path in scripts if ".parse_args(" not in path.read_text(encoding="utf-8")]
    assert deaf == []  # It would not parse, but run.
    commands = [(table.name, table.words(tmp_path, tmp_path)) for table in provenance.tables().values()]
    done = subprocess.run([sys.executable, "-c", PARSE, str(ROOT / "benchmarks")], input=json.dumps(commands),
                          capture_output=True, text=True, cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert len(commands) >= 40


def test_a_result_is_written_with_all_that_is_to_be_known_of_it(
    provenance: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    data = tmp_path / "s" / "data"
    data.mkdir(parents=True)
    data.joinpath("a.txt").write_text("one")
    monkeypatch.setenv("WHENABOUTS_SHARED", str(data.parent))
    table = provenance.Table("t", "python benchmarks/t.py WORK SHARED/data", 1, "0 to 4", ("shared/data",))
    monkeypatch.setattr(provenance, "tables", lambda: {"t": table})
    monkeypatch.setattr(sys, "argv", ["/any/where/t.py", str(work), str(data), "--seeds", "0"])
    cells = [{"made": {"commit": "abc"}}, {"made": {"commit": "abc"}}, {"rows": 1}]
    text = provenance.write_result(tmp_path, "t", {"x": 1}, "# T\n", cells=cells)
    told = json.loads((tmp_path / "t.json").read_text())
    assert told["x"] == 1
    assert told["provenance"]["command"] == "python benchmarks/t.py WORK SHARED/data --seeds 0"
    assert told["provenance"]["seeds"] == "as in the command"
    assert told["provenance"]["cells"] == {"abc": 2, "not noted": 1}
    assert (tmp_path / "t.md").read_text() == f"# T\n\n{text}\n"
    assert "cells by commit: abc (2), not noted (1)" in text
    assert str(tmp_path) not in text
    before = provenance.hash_of(data)
    data.joinpath("a.txt").write_text("two")
    assert provenance.hash_of(data) != before
    data.joinpath("a.txt").rename(data / "b.txt")
    assert provenance.hash_of(data) not in (before, "absent")
    assert provenance.hash_of(tmp_path / "none") == "absent"


def test_a_table_is_made_once_for_a_commit(
    making: ModuleType, provenance: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "count.py"
    script.write_text("import pathlib, sys\nwith (pathlib.Path(sys.argv[1]) / 'n').open('a') as f: f.write('x')\n")
    monkeypatch.setenv("WHENABOUTS_SHARED", str(tmp_path))
    monkeypatch.setattr(provenance, "commit", lambda: "abc")
    table = provenance.Table("t", f"python {script} WORK", 1, "0", ("shared/count.py",))
    outcomes = [making.make(table, tmp_path / "work", again) for again in (False, False, True)]
    assert outcomes == ["made", "as it was: this commit made it", "made"]
    assert (tmp_path / "work" / "t" / "n").read_text() == "xx"
    monkeypatch.setattr(provenance, "commit", lambda: "abc with changes")
    assert [making.make(table, tmp_path / "work", False) for _ in range(2)] == ["made", "made"]
    broken = provenance.Table("b", f"python {tmp_path}/none.py", 1, "0", ("shared/count.py",))
    assert making.make(broken, tmp_path / "work", False).startswith("FAILED")
    absent = provenance.Table("c", "python x.py", 1, "0", ("shared/no/such",))
    assert "shared/no/such is not there" in making.make(absent, tmp_path / "work", False)
    needing = provenance.Table("d", "python x.py", 1, "0", ("shared/count.py",), needs="no_such_module")
    assert making.make(needing, tmp_path / "work", False) == "left out: it needs no_such_module"
