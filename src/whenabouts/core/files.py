"""Writing files and folders so that a half-written one never bears a final name, whatever ends the process.

What is written grows in a hidden folder beside its place, `.NAME.0123456789ab.part`, and is renamed when it is on disk.
The process holds that folder's lock: so the next write beside it can tell what a killed process left, and removes it.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, WriteError
from whenabouts.core.locks import hold, locked, opened, taken

_PART = re.compile(r"\..*\.[0-9a-f]{12}\.part")
_SWEPT: set[Path] = set()
_MANY = 100

_ROOM = "Make room, then run the same command again: what is finished is kept."
_RIGHT = "Choose another place, or change its rights, and run the same command again."
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`), and run the same command again.",
    errno.EROFS: _RIGHT,
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path; at the end sync it to disk and rename it to `path`; on an error remove it.

    A full disk, a limit or missing rights raise WriteError.
    """
    with _telling(path), _part(path) as folder:
        part = folder / path.name
        part.touch()
        rights = part.stat().st_mode
        yield part
        part.chmod(rights)  # safetensors puts another file in its place, which only its owner may read.
        _sync(part)
        part.replace(path)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder; at the end sync it to disk and let it take the place of `path`; on an error remove it.

    A full disk, a limit or missing rights raise WriteError. Two renames can't be one: a process killed between them
    leaves the old folder as `.NAME.old`, where `reading_folder` finds it and the next write puts it back.
    """
    with _telling(path), _part(path) as part:
        yield part
        _finish(part)
        with locked(path.parent):
            _settle(path)
            if path.exists():
                path.replace(_old(path))
            part.replace(path)
            sync_folder(path.parent)
            _settle(path)


@contextlib.contextmanager
def reading_folder(path: Path) -> Iterator[Path]:
    """Give where the folder `path` stands whole, and keep others from replacing it within the block."""
    with locked(path.parent, shared=True):
        old = _old(path)
        yield old if old.exists() and not path.exists() else path


def remove_folder(path: Path) -> None:
    """Remove a folder as one, if it is there: whatever ends the process, no part of it stays under its name."""
    gone = _hidden(path)
    with contextlib.suppress(FileNotFoundError):
        path.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any, *, indent: int | None = 1) -> None:
    """Write JSON, whole or not at all; NaN and infinity are refused, for other tools can't read them."""
    text = json.dumps(values, ensure_ascii=False, indent=indent, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # A file name that is not Unicode: its bytes survive as escapes.
        text = json.dumps(values, indent=indent, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file: FileNotFoundError where there is none, InvalidData where it holds anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise InvalidData(f"{path} is not a JSON object.")
    return values


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system lets a folder be opened."""
    handle = opened(folder)
    if handle is not None:
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits; OSError where it can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_content(path: Path, noted: object) -> None:
    """Raise InvalidData where a file's SHA-256 is not the `noted` one; with None, as cards once were, all is well."""
    if noted is None:
        return
    found = sha256_of(path)
    if found != noted:
        raise InvalidData(
            f"{path} is not what its card tells: its SHA-256 is {found[:16]}..., but card.json notes "
            f"{str(noted)[:16]}.... The file was damaged or exchanged."
        )


def checksum(path: Path) -> str:
    """A short hash of a file's content; "" for a file that is not there or can't be read."""
    try:
        return sha256_of(path)[:16]
    except OSError:
        return ""


def sweep(folder: Path) -> int:
    """Remove what killed processes left half-written in `folder`, and return how many such parts there were."""
    parts = [part for part in folder.iterdir() if _PART.fullmatch(part.name)] if folder.is_dir() else []
    return sum(_removed(part) for part in parts)


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, held by this process, and removed in the end with what is still in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _SWEPT:  # Once in a process: a folder may hold many files.
        _SWEPT.add(path.parent)
        sweep(path.parent)
    part, handle = _hidden(path), None
    try:
        handle = _held(part)
        yield part
    finally:
        try:
            shutil.rmtree(part, ignore_errors=True)
        except BaseException:  # A signal's handler may end the process in the midst of the removal.
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            if handle is not None:
                os.close(handle)


def _held(part: Path) -> int | None:
    """Make the folder and take its lock; begin again where a sweep came in between the two."""
    while True:
        part.mkdir(exist_ok=True)
        handle = opened(part)
        if handle is None and part.is_dir():
            return None
        if handle is None:
            continue
        hold(handle)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), part.stat()):
                return handle
        os.close(handle)


def _removed(part: Path) -> bool:
    """Remove a part unless a living process holds it."""
    handle = opened(part)
    if handle is None:
        return False
    try:
        if taken(handle):
            shutil.rmtree(part, ignore_errors=True)
        return not part.exists()
    finally:
        os.close(handle)


def _settle(path: Path) -> None:
    """Put the old folder of a replacing back where it has no heir yet, else remove it; the caller holds the lock."""
    old = _old(path)
    if not old.exists():
        return
    if not path.exists():
        old.replace(path)
        return
    remove_folder(old)


def _finish(part: Path) -> None:
    """Give what lies in a folder the rights of new files, and bring it to disk: one by one, or all that waits."""
    rights, within = part.stat().st_mode & 0o666, list(part.rglob("*"))
    for file in within:
        file.chmod(file.stat().st_mode | rights)
    if len(within) > _MANY and hasattr(os, "sync"):
        os.sync()
        return
    for file in [*within, part]:
        _sync(file)


def _old(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def _hidden(path: Path) -> Path:
    return path.parent / f".{path.name[:40]}.{uuid.uuid4().hex[:12]}.part"


def _sync(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that says what to do."""
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number not in _REMEDIES or not _concerns(error, path):
            raise
        raise WriteError(f"{path} can't be written: {os.strerror(number)}. {_REMEDIES[number]}") from error


def _number(error: Exception) -> int:
    """The system's number of an error, 0 for others; safetensors tells it in its text only."""
    if isinstance(error, OSError):
        return error.errno or 0
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told and type(error).__name__ == "SafetensorError" else 0


def _concerns(error: Exception, path: Path) -> bool:
    """False where the error is about another file, such as one that is read meanwhile."""
    name = getattr(error, "filename", None)
    return not isinstance(name, str) or path.is_relative_to(name) or Path(name).is_relative_to(path.parent)
