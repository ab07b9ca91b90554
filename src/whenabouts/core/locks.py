"""Locks on folders between processes; the system lifts them when a process ends, however it ends.

They bind only those who ask, leave no file behind, and are not there on Windows or on file systems without such locks:
there nothing is held.
"""

import contextlib
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
