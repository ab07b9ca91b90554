"""Make every table of benchmarks/results again, or those that are named, one after the other.

    python benchmarks/tables.py --list                 what there is, what it takes, what it needs
    python benchmarks/tables.py                        all: about nine hours of one core
    python benchmarks/tables.py loop relevance         these two (`make tables ONLY="loop relevance"`)

The list is `tables.toml`. A table that this commit, without changes, has made from the same data is not made again
(--again does), so a run that was stopped goes on where it was; long tables keep their finished cells in --work and go
on within. What lacks its data, a program or a GPU is left out and told. --history notes, in results that have no
provenance yet, the commit that wrote their figures.
"""

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import provenance
from provenance import RESULTS, ROOT, Table, hash_of, line, place, shared_folder, tables
from whenabouts.core.files import read_json, write_json, write_text

WORK = ROOT / "benchmarks" / "work"
COMMAND = re.compile(r"`(python benchmarks/\w+\.py[^`]*)`")


def lacking(table: Table) -> str:
    """Why a table can't be made here; empty where it can."""
    absent = [path for path in table.data if not place(path).exists()]
    if absent:
        return f"{', '.join(absent)} is not there (set WHENABOUTS_SHARED)"
    known = re.fullmatch(r"\w+", table.needs) and importlib.util.find_spec(table.needs)
    return "" if not table.needs or known else f"it needs {table.needs}"


def make(table: Table, work: Path, again: bool) -> str:
    """Make one table; returns what became of it: "made", "as it was", or why not."""
    reason = lacking(table)
    if reason:
        return f"left out: {reason}"
    store = work / "made.json"
    kept: dict[str, Any] = read_json(store) if store.exists() else {}
    state = {"command": table.command, "commit": provenance.commit(),
             "data": {path: hash_of(place(path)) for path in table.data}}  # fmt: skip
    if kept.get(table.name) == state and not state["commit"].endswith("changes") and not again:
        return "as it was: this commit made it"
    own = work / table.name
    own.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, *table.words(shared_folder(), own)], cwd=ROOT, stdout=subprocess.DEVNULL)
    if done.returncode:
        return f"FAILED with exit code {done.returncode}"
    write_json(store, {**(read_json(store) if store.exists() else {}), table.name: state})
    return "made"


def note_history(table: Table) -> str:
    """Give a result without provenance that of the commit which last wrote its figures, as git tells."""
    path = RESULTS / f"{table.name}.json"
    page = path.with_suffix(".md")
    values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    if values is None:
        return "no result"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if "provenance" in values and (not text or provenance.MARK in text):
        return "has it"
    told = values.get("provenance") or _written(table, path, text)
    write_json(path, {**values, "provenance": told})
    if text:
        write_text(page, f"{text.rstrip()}\n\n{line(told)}\n")
    return f"noted: {told.get('written_in')}"


def _written(table: Table, path: Path, text: str) -> dict[str, Any]:
    found = COMMAND.search(text)
    at, date = _git("log", "-1", "--format=%h %cs", "--abbrev=10", "--", str(path)).split()
    planted = {each: _hash_at(at, each) for each in table.data if not each.startswith("shared/")}
    real = {each: hash_of(place(each)) for each in table.data if each.startswith("shared/")}
    machine = "machine and load: as far as told above"
    if real:
        machine += f"; hashes of data are of {provenance.today()}"
    return {"command": " ".join(found[1].split()) if found else table.command, "written_in": at, "seeds": table.seeds,
            "data": {**real, **planted}, "date": date, "machine": machine}  # fmt: skip


def _hash_at(commit: str, path: str) -> str:
    """The hash of a file or folder of the repository as a commit had it."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit, path], cwd=ROOT, capture_output=True)
        if packed.returncode:
            return "absent"
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        return hash_of(Path(folder) / path)


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tables; all where none is named")
    parser.add_argument("--list", action="store_true", help="only tell what there is")
    parser.add_argument("--again", action="store_true", help="also what this commit has made already")
    parser.add_argument("--history", action="store_true", help="note the commit of figures that have no provenance")
    parser.add_argument("--work", type=Path, default=WORK, help="where finished cells lie")
    given = parser.parse_args()
    known = tables()
    strange = [name for name in given.names if name not in known]
    if strange:
        parser.error(f"no table is called {', '.join(strange)}. There are: {', '.join(known)}.")
    failed = False
    for table in [known[name] for name in given.names or known]:
        if given.list:
            told = f"{table.minutes:g} CPU min; {table.command}" + (f"; {lacking(table)}" if lacking(table) else "")
        else:
            told = note_history(table) if given.history else make(table, given.work.resolve(), given.again)
        failed |= told.startswith("FAILED")
        print(f"{table.name}: {told}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
