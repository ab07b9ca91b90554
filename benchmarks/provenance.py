"""Where figures come from: each result is written with its command, commit, seeds, data, date and machine beside it.

`write_result` is how every benchmark writes its JSON and its page. What `tables.toml` says of a table (data, seeds) is
joined with what only the run knows (the words of the command, the commit, the machine).
"""

import datetime
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.files import sha256_of, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LIST = ROOT / "benchmarks" / "tables.toml"
MARK = "Provenance: "
DIGITS = 12
CODE = ("src", "benchmarks", "recipes", "pyproject.toml", "constraints.txt", ":!benchmarks/results")
"""What figures depend on; a change elsewhere is none to them."""


@dataclass(frozen=True)
class Table:
    """One table of `tables.toml`: how it is made again.

    `data` are paths of what it is made from: within the repository (a folder that plants worlds, a script that draws
    its own numbers), or within $WHENABOUTS_SHARED where they begin with "shared/". `minutes` are CPU minutes, roughly.
    """

    name: str
    command: str
    minutes: float
    seeds: str
    data: tuple[str, ...]
    needs: str = ""
    page: str = ""

    def words(self, shared: Path, work: Path) -> list[str]:
        """The command's words after `python`, with folders in the place of SHARED and WORK."""
        put = {"SHARED": shared, "WORK": work}
        return [_put(word, put) for word in shlex.split(self.command)[1:]]


def tables() -> dict[str, Table]:
    """All tables of the list, by name, in the order in which they are made."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {name: Table(name, **{**row, "data": tuple(row["data"])}) for name, row in listed.items()}


def shared_folder() -> Path:
    """Where data lies that is not in the repository."""
    return Path(os.environ.get("WHENABOUTS_SHARED", ROOT.parent / "shared")).resolve()


def write_result(
    folder: Path,
    name: str,
    values: Mapping[str, Any],
    page: str | None = None,
    *,
    cells: Iterable[Any] = (),
    table: str = "",
) -> str:
    """Write `name`.json, and `name`.md where there is a page, both with their provenance.

    `cells` are results of earlier runs that the table is made from, with what `made_now` noted of each. `table` is its
    name in the list, where the file is called otherwise. Returns the line of the provenance.
    """
    told = provenance(table or name, cells)
    write_json(folder / f"{name}.json", {**values, "provenance": told})
    if page is not None:
        write_text(folder / f"{name}.md", f"{page.rstrip()}\n\n{line(told)}\n")
    return line(told)


def provenance(name: str, cells: Iterable[Any] = ()) -> dict[str, Any]:
    """What is to be known of a result that is written now, by the command that runs."""
    table = tables()[name]
    given = "--seeds" in sys.argv or "--seed" in sys.argv
    seeds = "as in the command" if given else table.seeds
    data = {path: hash_of(place(path)) for path in table.data}
    told = {"command": command(sys.argv), "commit": commit(), "seeds": seeds, "data": data, "date": today(),
            "machine": machine()}  # fmt: skip
    counts = Counter(_commit_of(cell) for cell in cells)
    return {**told, "cells": dict(counts)} if counts else told


def made_now() -> dict[str, str]:
    """What a cell that is kept for later runs notes of itself, under the key "made"."""
    return {"commit": commit(), "date": today()}


def line(told: Mapping[str, Any]) -> str:
    """The line at the end of a page."""
    data = ", ".join(f"{path} {digest[:DIGITS]}" for path, digest in told["data"].items())
    parts = [f"`{told['command']}`", _told_commit(told), f"seeds: {told['seeds']}", f"SHA-256 of data: {data}"]
    if "cells" in told:
        parts.append("cells by commit: " + ", ".join(f"{name} ({count})" for name, count in told["cells"].items()))
    return MARK + "; ".join([*parts, told["date"], told["machine"]]) + "."


def _told_commit(told: Mapping[str, Any]) -> str:
    return f"figures written in commit {told['written_in']}" if "written_in" in told else f"commit {told['commit']}"


def commit() -> str:
    """The newest commit of the main branch that this tree holds, and whether its code differs from it."""
    head = _git("rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown (no git)"
    base = _git("merge-base", "HEAD", "main") or _git("merge-base", "HEAD", "origin/main") or head
    changed = _git("diff", "--name-only", base, "--", *CODE) + _git("ls-files", "-o", "--exclude-standard", "--", *CODE)
    return base[:10] + (" with changes" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def command(words: list[str]) -> str:
    """A command as others can give it: folders of this machine are called WORK and SHARED."""
    script = Path(words[0]).name
    return " ".join(["python", f"benchmarks/{script}", *(shlex.quote(_plain(word)) for word in words[1:])])


def _plain(word: str) -> str:
    path, shared = Path(word), shared_folder()
    if "/" not in word:
        return word
    if path.resolve().is_relative_to(shared):
        return f"SHARED/{path.resolve().relative_to(shared)}".rstrip("/.")
    if path.resolve().is_relative_to(ROOT):
        return str(path.resolve().relative_to(ROOT))
    return "WORK"


def _put(word: str, places: Mapping[str, Path]) -> str:
    head, slash, rest = word.partition("/")
    return f"{places[head]}{slash}{rest}" if head in places else word


def place(path: str) -> Path:
    """Where data of the list lies."""
    return shared_folder() / path.removeprefix("shared/") if path.startswith("shared/") else ROOT / path


def hash_of(path: Path) -> str:
    """SHA-256 of a file; of a folder, that of the names and hashes of all its files; "absent" where nothing is."""
    if path.is_file():
        return sha256_of(path)
    if not path.is_dir():
        return "absent"
    whole = hashlib.sha256()
    for each in sorted(path.rglob("*")):
        inner = each.relative_to(path)
        if each.is_file() and not any(part.startswith((".", "__pycache__")) for part in inner.parts):
            whole.update(f"{inner.as_posix()}\0{sha256_of(each)}\n".encode())
    return whole.hexdigest()


def machine() -> str:
    """The kind of processor, how many cores, and how busy they are."""
    return f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def processor() -> str:
    """The processor's name, or its architecture where the system tells none."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((row.split(":")[1].strip() for row in lines if row.startswith("model name")), platform.machine())


def today() -> str:
    """The date, in the world's time."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _commit_of(cell: Any) -> str:
    noted = cell.get("made") if isinstance(cell, Mapping) else None
    return noted["commit"] if isinstance(noted, Mapping) else "not noted"
