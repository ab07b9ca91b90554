"""A folder of this machine that stands for a project in an object store while a verb works on it.

Before and after the verb both are made the same. What changed on one side alone goes to the other; where both changed
the same model, manifest or moments, nothing is copied and a person is asked. What is known of the last time both were
the same lies in the folder's `.sync`, so a copy whose process was killed is brought up to date the next time.
"""

import contextlib
import hashlib
import random
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json, replacing, sha256_of, write_json
from whenabouts.core.locks import locked
from whenabouts.core.progress import Progress
from whenabouts.data.object_store import Copied, ObjectStore, Version, inside, names_in, order

Files = Mapping[str, str]
# base, mine, theirs: makes `mine` what it is together with the others; base is None where there is none.
Join = Callable[[Path | None, Path, Path], None]

_TRIES = 20
_OF_AN_IMPORT = frozenset({"manifest.jsonl", "vocabulary.json", "truth.json", "reports/import.json"})


def copy_of(address: str, cache: Path) -> Path:
    """Where on this machine the working copy of a project lies, below the folder of caches."""
    address = address.rstrip("/")
    return cache / "projects" / f"{address.rpartition('/')[2]}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class WorkingCopy:
    """One working copy.

    `giving` one takes no features that others have put since: of many workers each would take what all make.
    Only files whose first folder is in `only`, where there is any, and not in `without` are looked at. `join` knows how
    reports of several machines become one, and which these are: names beginning with `joined`.
    """

    folder: Path
    address: str
    join: Join
    joined: str
    without: Collection[str] = ()
    only: Collection[str] = ()
    giving: bool = False

    def synchronise(self, progress: Progress) -> Copied:
        """Make both the same; files and bytes that went either way.

        ProjectError where both changed, or the store refuses: what is here stays, and nothing there is changed.
        """
        store = ObjectStore(self.address)
        (self.folder / ".sync").mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".sync"):
            copied, size = set[str](), 0
            for number in range(_TRIES):
                self._step_back(number)
                there = store.latest()
                try:
                    with self._noting() as state:
                        done = self._once(store, there, state, progress)
                except InvalidData:
                    if store.latest().number == there.number:
                        raise
                    continue  # Another version came meanwhile, and objects of this one are gone.
                if done is None:
                    continue
                names, moved, result = done
                copied, size = copied | names, size + moved
                return Copied(len(copied), len(result) - len(copied), size)
        raise store.contested()

    def _step_back(self, number: int) -> None:
        """Of many that were late at once, let some be first: a pause that grows, and is another one on each machine."""
        time.sleep(min(2.0, 0.05 * 2**number) * random.random() if number else 0.0)

    def _once(
        self, store: ObjectStore, there: Version, state: "_State", progress: Progress
    ) -> tuple[set[str], int, Files] | None:
        """One try; None where something changed on the way."""
        mine, theirs = self._mine(state), self._looked_at(there.files)
        if self.giving:
            known = state.base.keys() | mine.keys()
            theirs = {name: theirs[name] for name in theirs if name in known or not name.startswith("features/")}
        # What an earlier try had begun to take is theirs, not a change of ours.
        arrived = {name: digest for name, digest in state.coming.items() if mine.get(name) == digest}
        state.base.update(arrived)  # Whatever becomes of this try, and of the version that it is about.
        if self._join(store, state, mine, theirs):
            mine = self._mine(state)
        base = self._looked_at(state.base)
        result, contested = merged(base, mine, theirs)
        if contested:
            raise self._contested(contested)
        taken = self._take(store, mine, result, state, progress)
        put = self._put(store, mine, result, theirs, state, progress)
        if put is None:
            return None
        if result != theirs:
            others = {name: digest for name, digest in there.files.items() if name not in theirs}
            if not store.commit(there, {**others, **result}):
                return None
        state.base = {**{name: digest for name, digest in state.base.items() if not self._sees(name)}, **result}
        state.coming = {}
        self._remember(result)
        return {*taken[0], *put[0]}, taken[1] + put[1], result

    def _take(
        self, store: ObjectStore, mine: Files, result: Files, state: "_State", progress: Progress
    ) -> tuple[set[str], int]:
        due = [name for name in sorted(result, key=order) if mine.get(name) != result[name]]
        state.coming = {name: result[name] for name in due}
        if due:
            self._save(state)
        size = 0
        for name in progress.track(due, total=len(due), title=f"taking from {self.address}") if due else ():
            size += store.take(name, result[name], self.folder / inside(name, self.address))
        for name in mine.keys() - result.keys():
            (self.folder / name).unlink(missing_ok=True)
            state.base.pop(name, None)
        return set(due), size

    def _put(
        self, store: ObjectStore, mine: Files, result: Files, theirs: Files, state: "_State", progress: Progress
    ) -> tuple[set[str], int] | None:
        """None where a file was changed while it was put."""
        due = [name for name in sorted(result, key=order) if theirs.get(name) != result[name]]
        size = 0
        for name in progress.track(due, total=len(due), title=f"putting to {self.address}") if due else ():
            try:
                size += store.put(self.folder / name, name, result[name])
                if self._digest(name, state) != result[name]:
                    return None
            except FileNotFoundError:
                return None
        return set(due), size

    def _join(self, store: ObjectStore, state: "_State", mine: Files, theirs: Files) -> bool:
        """Make reports that both changed one, here; theirs are what these now follow. Whether there were any."""
        base, found = dict(state.base), False
        for name in mine.keys() & theirs.keys():
            changed = name.startswith(self.joined) and len({base.get(name), mine[name], theirs[name]}) == 3
            if changed or (name.startswith(self.joined) and name not in base and mine[name] != theirs[name]):
                other, before = self.folder / ".sync" / "theirs" / name, self.folder / ".sync" / "base" / name
                store.take(name, theirs[name], other)
                self.join(before if before.is_file() else None, self.folder / name, other)
                before.parent.mkdir(parents=True, exist_ok=True)
                other.replace(before)
                state.base[name], found = theirs[name], True
        return found

    def _remember(self, result: Files) -> None:
        """Keep reports as both have them, to see the next time what either changed."""
        for name in result:
            if name.startswith(self.joined) and (self.folder / name).is_file():
                with replacing(self.folder / ".sync" / "base" / name) as part:
                    shutil.copyfile(self.folder / name, part)

    def _contested(self, names: Collection[str]) -> ProjectError:
        return ProjectError(
            f"{self.address} was changed by another machine, and here, too: {', '.join(sorted(names)[:5])}. Nothing "
            f"was copied. What was made here lies in {self.folder}. Keep one of both: `whenabouts sync {self.address} "
            f"--project {self.folder}` puts this one there; `whenabouts sync {self.address} --back --project "
            f"{self.folder}` takes the other. Then run the same again."
        )

    def _sees(self, name: str) -> bool:
        kind = name.partition("/")[0]
        return kind not in self.without and (not self.only or kind in self.only)

    def _looked_at(self, files: Files) -> dict[str, str]:
        return {name: digest for name, digest in files.items() if self._sees(name)}

    def _mine(self, state: "_State") -> dict[str, str]:
        found = {}
        for name in names_in(self.folder):
            if self._sees(name):
                with contextlib.suppress(FileNotFoundError):
                    found[name] = self._digest(name, state)
        return found

    def _digest(self, name: str, state: "_State") -> str:
        """A file's SHA-256, read again where its size or time is another."""
        status = (self.folder / name).stat()
        told = [status.st_size, status.st_mtime_ns]
        known = state.seen.get(name)
        if known is None or known[:2] != told:
            known = state.seen[name] = [*told, sha256_of(self.folder / name)]
        return str(known[2])

    def _state(self) -> "_State":
        """What was noted; nothing where that can't be read: then what differs on both sides is asked for."""
        try:
            noted = read_json(self.folder / ".sync" / "state.json")
            return _State(dict(noted["base"]), dict(noted["coming"]), dict(noted["seen"]))
        except (FileNotFoundError, InvalidData, KeyError, TypeError, ValueError):
            return _State()

    def _save(self, state: "_State") -> None:
        write_json(self.folder / ".sync" / "state.json", {"address": self.address, **vars(state)}, indent=None)

    @contextlib.contextmanager
    def _noting(self) -> Iterator["_State"]:
        state = self._state()
        try:
            yield state
        finally:
            self._save(state)


@dataclass
class _State:
    """SHA-256 by name: when both were the same, and of what is being taken; size, time and SHA-256 of files here."""

    base: dict[str, str] = field(default_factory=dict)
    coming: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[Any]] = field(default_factory=dict)


def merged(base: Files, mine: Files, theirs: Files) -> tuple[dict[str, str], set[str]]:
    """What both sides come to, of what they were; and names of what can't be joined.

    A model, or what an import writes, counts as one thing. Of reports that both changed, ours stays.
    """
    result: dict[str, str] = {}
    contested: set[str] = set()
    units: dict[str, list[str]] = {}
    for name in {*base, *mine, *theirs}:
        units.setdefault(_unit(name), []).append(name)
    for unit, names in units.items():
        was, ours, other = ({name: files[name] for name in names if name in files} for files in (base, mine, theirs))
        if ours == was:
            result.update(other)
        elif other in (was, ours) or unit.startswith("reports/"):
            result.update(ours)
        else:
            contested.add(unit)
    return result, contested


def _unit(name: str) -> str:
    parts = name.split("/")
    if name in _OF_AN_IMPORT or parts[0] == "boxes":
        return "manifest.jsonl"
    return "/".join(parts[:2]) if parts[0] == "models" else name
