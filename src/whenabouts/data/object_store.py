"""A project in an object store (s3:// and whatever else fsspec speaks): put there, and taken from there.

An object appears whole or not at all, as stores put them; files that name others (the manifest, cards) go last, so that
a copy that was ended has no card for what is not there yet. Of a copy, only what differs goes over the net: shards of
features bear names of their own and never change, other files are compared by the SHA-256 that was noted when they were
put, in `.whenabouts.json` beside them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import replacing, sha256_of
from whenabouts.core.progress import Progress

NOTES = ".whenabouts.json"
# What a project is made of; media, caches and logs stay where they are.
_KEPT = ("features", "models", "moments", "reports")
_FILES = ("vocabulary.json", "truth.json", "manifest.jsonl")


@dataclass(frozen=True)
class Copied:
    """How many files went over the net, how many were there already, and the bytes of the first."""

    files: int
    same: int
    bytes: int


def is_address(text: str) -> bool:
    """Whether a text names an object store, such as s3://bucket/project, and no folder."""
    return "://" in text


def put(folder: Path, address: str, progress: Progress) -> Copied:
    """Copy a project's folder into an object store; what is there and the same stays.

    SettingsError for an address that fsspec does not speak, ProjectError where the store does not answer or refuses.
    """
    if not (folder / "manifest.jsonl").is_file():
        raise ProjectError(f"{folder} holds no manifest.jsonl, so it is no project to be copied.")
    with _Store(address) as store:
        known, copied, same, size = store.notes(), 0, 0, 0
        names = list(_names(folder))
        for name in progress.track(names, total=len(names), title=f"copying to {address}"):
            path = folder / name
            digest = sha256_of(path)
            if known.get(name) == digest:
                same += 1
                continue
            store.put(path, name)
            known[name] = digest
            copied, size = copied + 1, size + path.stat().st_size
        gone = known.keys() - set(names)
        store.note({name: digest for name, digest in known.items() if name in set(names)})
        store.remove(gone)
    return Copied(copied, same, size)


def take(address: str, folder: Path, progress: Progress) -> Copied:
    """Copy a project from an object store into a folder; each file is checked, and appears whole or not at all.

    ProjectError where there is none, or the store does not answer; InvalidData where an object is not what was put.
    """
    with _Store(address) as store:
        known = store.notes()
        if "manifest.jsonl" not in known:
            raise ProjectError(f"There is no project at {address}. Put one there: `whenabouts sync {address}`.")
        copied, same, size = 0, 0, 0
        for name, digest in progress.track(known.items(), total=len(known), title=f"copying from {address}"):
            path = folder / _inside(name, address)
            if path.is_file() and sha256_of(path) == digest:
                same += 1
                continue
            with replacing(path) as part:
                store.take(name, part)
                if sha256_of(part) != digest:
                    raise InvalidData(f"{address}/{name} is not what was put there. Put the project there again.")
                size += part.stat().st_size
            copied += 1
    return Copied(copied, same, size)


def _names(folder: Path) -> Iterator[str]:
    """A project's files in the order in which they are copied: what others name comes first."""
    for kind in _KEPT:
        paths = sorted((folder / kind).rglob("*"), key=lambda path: (path.name == "card.json", path))
        for path in paths:
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.is_file() and not hidden:
                yield path.relative_to(folder).as_posix()
    yield from (name for name in _FILES if (folder / name).is_file())


def _inside(name: str, address: str) -> PurePosixPath:
    """A name that leads nowhere but below the folder that it is put in."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise InvalidData(f"The notes at {address} name a file {name!r}, which lies outside the project.")
    return path


class _Store:
    """One folder of an object store."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise SettingsError(f"{address} needs fsspec: pip install 'whenabouts[cluster]'.") from None
        self.address = address.rstrip("/")
        try:
            self._files, root = fsspec.core.url_to_fs(self.address, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise SettingsError(f"{address} is no address that fsspec speaks here: {error}.") from None
        self._root = str(root).rstrip("/")

    def __enter__(self) -> "_Store":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError) and not getattr(error, "filename", None):
            raise ProjectError(
                f"{self.address} does not answer as it should: {error}. What was copied stays: run the same again."
            ) from error

    def notes(self) -> dict[str, str]:
        """SHA-256 by name of what was put here; nothing where nothing was."""
        try:
            noted = json.loads(self._files.cat_file(f"{self._root}/{NOTES}"))["files"]
            return {str(name): str(digest) for name, digest in noted.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidData(
                f"{self.address}/{NOTES} can't be read ({error}). Remove it, and put all there again."
            ) from None

    def note(self, files: dict[str, str]) -> None:
        """Say what is here, in one object."""
        text = json.dumps({"format": "whenabouts copy 1", "files": files}, indent=1, ensure_ascii=False)
        self._files.pipe_file(f"{self._root}/{NOTES}", text.encode())

    def put(self, path: Path, name: str) -> None:
        """One file as one object."""
        self._files.makedirs(str(PurePosixPath(self._root, name).parent), exist_ok=True)
        self._files.put_file(str(path), f"{self._root}/{name}")

    def take(self, name: str, path: Path) -> None:
        """One object into a file."""
        try:
            self._files.get_file(f"{self._root}/{name}", str(path))
        except FileNotFoundError:
            raise InvalidData(
                f"{self.address}/{name} is noted, but is not there. Put the project there again."
            ) from None

    def remove(self, names: set[str]) -> None:
        """Objects that nothing names any more."""
        for name in names:
            self._files.rm_file(f"{self._root}/{name}")
