"""Locks on folders between processes; the system lifts them when a process ends, however it ends.

They bind only those who ask, leave no file behind, and are not there on Windows or on file systems without such locks:
there nothing is held.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from whenabouts.core.errors import ProjectError

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold `folder` within the block, alone or `shared` with others who share it; wait until that can be.

    A folder that is not there is not held.
    """
    handle = opened(folder)
    try:
        if handle is not None:
            hold(handle, shared=shared)
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def claimed(folder: Path, work: str) -> Iterator[None]:
    """Hold `folder`, made where it is missing, alone within the block; where another does, raise ProjectError.

    `work` says what is done there, such as "a training".
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = opened(folder)
    try:
        if handle is not None and taken(handle) is False:
            raise ProjectError(
                f"Another process is at {work} in this project (it holds {folder}). Wait until it is done, or end it."
            )
        yield
    finally:
        if handle is not None:
            os.close(handle)


def opened(folder: Path) -> int | None:
    """A handle of a folder to hold it by; None where it is not there, may not be read, or the system has no such."""
    if sys.platform == "win32":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def hold(handle: int, *, shared: bool = False) -> None:
    """Wait for the lock of an opened folder."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # The file system knows no locks.
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def taken(handle: int) -> bool | None:
    """Take the lock of an opened folder; False where another holds it, None where there are no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


class Claims:
    """Keys that processes on one folder share out: of those that ask for a key, one has it until it ends or drops it.

    They are locks on single bytes of the file `path`, which holds nothing; its place in the file is a hash of the key.
    Within one process a key may be claimed again, so keep one such object for a file and process. Where there are no
    locks, every claim succeeds.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, key: str) -> bool:
        """Claim a key; False where another process has it."""
        if sys.platform == "win32":
            return True
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True  # The file system knows no locks.
        return True

    def drop(self, key: str) -> None:
        """Let others have a key."""
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, _place(key))

    def close(self) -> None:
        """Drop all keys."""
        os.close(self._handle)


def _place(key: str) -> int:
    """Below 2^62: places in a file are signed 64-bit numbers."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:8], "big") >> 2
