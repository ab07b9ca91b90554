"""A project in an object store (s3:// and whatever else fsspec speaks): put there, and taken from there.

Objects bear the name of a file and the first digits of its SHA-256, and are never changed. What a project is made of
stands in its latest version, `.whenabouts/0000000007.json`: names and SHA-256 of all files. A version is created as one
object, and only where there is none of its number yet; so a change of many files is seen whole or not at all, and of
two machines that put the next version one is told. Needs a store that can do that, as S3 does (If-None-Match).
"""

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from whenabouts.core.addresses import asked, store_of
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import replacing, sha256_of
from whenabouts.core.progress import Progress

VERSIONS, FORMAT = ".whenabouts", "whenabouts project 2"
# What a project is made of; media, caches and logs stay where they are.
_KEPT = ("features", "models", "moments", "activities", "boxes", "reports")
_FILES = ("vocabulary.json", "truth.json", "manifest.jsonl")
# Who reads a version has time to do so while others put this many more.
_VERSIONS_KEPT, _TRIES, _DIGITS = 10, 10, 16
_FLAT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "oss", "memory"})
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@dataclass(frozen=True)
class Copied:
    """How many files went over the net, how many were there already, and the bytes of the first."""

    files: int
    same: int
    bytes: int


@dataclass(frozen=True)
class Version:
    """A state of a project: its number (0: nothing was put yet), and the SHA-256 of each file by name."""

    number: int = 0
    files: Mapping[str, str] = field(default_factory=dict)


def put(folder: Path, address: str, progress: Progress) -> Copied:
    """Make the project in an object store that of a folder, whatever is there; what is the same stays.

    SettingsError for an address that fsspec does not speak, ProjectError where the store does not answer or refuses.
    """
    if not (folder / "manifest.jsonl").is_file():
        raise ProjectError(f"{folder} holds no manifest.jsonl, so it is no project to be copied.")
    store, size, copied = ObjectStore(address), 0, set[str]()
    files = {name: sha256_of(folder / name) for name in names_in(folder)}
    for _ in range(_TRIES):
        there = store.latest()
        due = [name for name, digest in files.items() if there.files.get(name) != digest]
        for name in progress.track(due, total=len(due), title=f"copying to {address}"):
            size += store.put(folder / name, name, files[name])
            copied.add(name)
        if there.files == files or store.commit(there, files):
            return Copied(len(copied), len(files) - len(copied), size)
    raise store.contested()


def take(address: str, folder: Path, progress: Progress) -> Copied:
    """Copy a project from an object store into a folder; each file is checked, and appears whole or not at all.

    ProjectError where there is none, or the store does not answer; InvalidData where an object is not what was put.
    """
    store, size, copied = ObjectStore(address), 0, set[str]()
    for _ in range(_TRIES):
        there = store.latest()
        if "manifest.jsonl" not in there.files:
            raise ProjectError(f"There is no project at {address}. Put one there: `whenabouts sync {address}`.")
        due = [
            name
            for name, digest in sorted(there.files.items(), key=lambda file: order(file[0]))
            if not (folder / inside(name, address)).is_file() or sha256_of(folder / name) != digest
        ]
        try:
            for name in progress.track(due, total=len(due), title=f"copying from {address}"):
                size += store.take(name, there.files[name], folder / name)
                copied.add(name)
        except InvalidData:
            if store.latest().number == there.number:
                raise
            continue  # Another version came meanwhile, and objects of this one are gone.
        return Copied(len(copied), len(there.files.keys() - copied), size)
    raise store.contested()


def names_in(folder: Path) -> Iterator[str]:
    """A project's files in the order in which they are copied: what others name comes first."""
    for kind in _KEPT:
        paths = sorted((folder / kind).rglob("*"), key=lambda path: (path.name == "card.json", path))
        for path in paths:
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden:
                yield path.relative_to(folder).as_posix()
    yield from (name for name in _FILES if (folder / name).is_file())


def order(name: str) -> tuple[bool, bool, str]:
    """Sorts names in that order, too."""
    return "/" not in name, name.endswith("card.json") or name == "manifest.jsonl", name


def inside(name: str, address: str) -> PurePosixPath:
    """A name that leads nowhere but below the folder that it is put in, to a file as `names_in` finds them.

    Nothing else is let in: not what a shell or git would run, and not what this machine notes there.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise InvalidData(f"{address} names a file {name!r}, which lies outside the project.")
    kept = name in _FILES or (len(path.parts) > 1 and path.parts[0] in _KEPT)
    if not kept or "\0" in name or any(part.startswith(".") for part in path.parts):
        raise InvalidData(
            f"{address} names a file {name!r}, which is none of a project's. Was it put by a newer whenabouts?"
        )
    return path


class ObjectStore:
    """The versions and objects of one project. What the store refuses raises ProjectError."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._files, root = store_of(self.address)
        kinds = self._files.protocol
        self._flat = not _FLAT.isdisjoint((kinds,) if isinstance(kinds, str) else kinds)
        self._root = root.rstrip("/")

    def latest(self) -> Version:
        """What the project is made of now."""
        while True:
            numbers = self._numbers()
            if not numbers:
                return Version()
            try:
                return self._read(numbers[-1])
            except FileNotFoundError:
                continue  # Ten others came meanwhile.

    def commit(self, after: Version, files: Mapping[str, str]) -> bool:
        """Let `files`, all of them put, be the version that follows `after`; False where another came first.

        Then objects that `after` had alone are removed, and versions that are long past.
        """
        number = after.number + 1
        values = {"format": FORMAT, "files": dict(sorted(files.items()))}
        text = json.dumps(values, indent=1, ensure_ascii=False).encode("utf-8", "surrogateescape")
        try:
            self._folder_for(self._path_of(number))
            asked(lambda: self._files.pipe_file(self._path_of(number), text, mode="create"), self.address)
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in str(error) or "ConditionalRequestConflict" in str(error):
                return False
            raise self._refused(error) from error
        numbers = self._numbers()
        if numbers[-1] > number:  # So late that versions after `after` were there, and are removed.
            self._remove([self._path_of(number)])
            return False
        gone = after.files.items() - files.items()
        self._remove([self._object(name, digest) for name, digest in gone])
        self._remove([self._path_of(old) for old in numbers if old <= number - _VERSIONS_KEPT])
        return True

    def put(self, path: Path, name: str, digest: str) -> int:
        """One file as one object; its size in bytes."""
        place = self._object(name, digest)
        try:
            self._folder_for(place)
            asked(lambda: self._files.put_file(str(path), place), self.address)
        except OSError as error:
            if not path.exists():
                raise FileNotFoundError(0, f"{path} is gone") from error
            raise self._refused(error) from error
        return path.stat().st_size

    def take(self, name: str, digest: str, path: Path) -> int:
        """One object into a file, which appears whole and checked; its size in bytes."""
        with replacing(path) as part:
            try:
                asked(lambda: self._files.get_file(self._object(name, digest), str(part)), self.address)
            except FileNotFoundError:
                raise InvalidData(
                    f"{self.address}/{name} is noted, but is not there. Put the project there again."
                ) from None
            except OSError as error:
                if error.errno in _OF_THE_DISK:
                    raise
                raise self._refused(error) from error
            if sha256_of(part) != digest:
                raise InvalidData(f"{self.address}/{name} is not what was put there. Put the project there again.")
            return part.stat().st_size

    def contested(self) -> ProjectError:
        """What to say where others were always first."""
        return ProjectError(
            f"Others change {self.address} all the time: no try came through in time. Run the same again."
        )

    def _folder_for(self, path: str) -> None:
        """Where names alone make folders there is nothing to do, and a bucket that is missing is to be told."""
        if not self._flat:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _numbers(self) -> list[int]:
        try:
            listed = asked(lambda: self._files.ls(f"{self._root}/{VERSIONS}", detail=False), self.address)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._refused(error) from error
        stems = [str(path).rpartition("/")[2].removesuffix(".json") for path in listed]
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def _read(self, number: int) -> Version:
        path = self._path_of(number)
        try:
            noted = json.loads(asked(lambda: self._files.cat_file(path), self.address))["files"]
            return Version(number, {str(name): str(digest) for name, digest in noted.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidData(f"{path} can't be read ({error}). Remove it, and put all there again.") from None

    def _path_of(self, number: int) -> str:
        return f"{self._root}/{VERSIONS}/{number:010d}.json"

    def _object(self, name: str, digest: str) -> str:
        return f"{self._root}/{name}.{digest[:_DIGITS]}"

    def _remove(self, paths: Iterable[str]) -> None:
        """What can't be removed is only in the way: it is no reason to fail where all is there."""
        for path in paths:
            try:
                self._files.rm_file(path)
            except Exception:
                continue

    def _refused(self, error: OSError) -> ProjectError:
        return ProjectError(
            f"{self.address} does not answer as it should: {error.strerror or error}. What was copied stays: run the "
            "same again."
        )
