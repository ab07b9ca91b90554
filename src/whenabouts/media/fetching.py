"""Videos in object stores, fetched to a folder of limited size while they are read.

FFmpeg jumps about in files, and a broken one is to be the same broken file for everyone: so a video is fetched whole,
by the process that reads it. Copies stay for the next reading (an import reads a video twice) until others need their
room; one that a process reads is held by a lock and stays.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from whenabouts.core.addresses import Address, asked
from whenabouts.core.errors import MediaError, SettingsError, WriteError
from whenabouts.core.files import replacing
from whenabouts.core.locks import hold, locked, taken
from whenabouts.core.video import Video

if TYPE_CHECKING:
    from whenabouts.media.parts import Part

FOLDER, BYTES = "WHENABOUTS_FETCHED", "WHENABOUTS_FETCHED_BYTES"
_BYTES = 4_000_000_000
_BLOCK = 8 << 20


class Unfetched(MediaError):
    """A video can't be fetched from its store: that says nothing of what is in it."""


@contextlib.contextmanager
def fetched(path: Path) -> Iterator[Path]:
    """Where a video lies on disk within the block: itself, or its copy. OSError where it can't be fetched."""
    if not isinstance(path, Address):
        yield path
        return
    with contextlib.ExitStack() as held:
        fetching = _fetch(path, held)
        while True:
            try:
                next(fetching)
            except StopIteration as end:
                yield end.value
                return


def parts_of(function: "Callable[..., Iterator[Part]]", arguments: Mapping[str, Any]) -> "Iterator[Part]":
    """What a job yields, on copies of the videos in object stores that it names; None while they are fetched.

    Raises Unfetched, with the reason.
    """
    with contextlib.ExitStack() as held:
        given, remote = dict(arguments), None
        for name, value in arguments.items():
            if isinstance(value, Address):
                remote = value
                try:
                    given[name] = yield from _fetch(value, held)
                except OSError as error:
                    raise Unfetched(f"It can't be fetched: {error.strerror or error}.") from error
                except (WriteError, SettingsError) as error:  # A full disk here, an address that nothing here speaks.
                    raise Unfetched(f"It can't be fetched: {error}") from error
        for part in function(**given):
            yield replace(part, path=remote) if remote is not None and isinstance(part, Video) else part


def folder_and_limit() -> tuple[Path, int]:
    """Where copies lie, and how many bytes of them: from $WHENABOUTS_FETCHED and $WHENABOUTS_FETCHED_BYTES."""
    folder = Path(os.environ.get(FOLDER) or Path(tempfile.gettempdir()) / f"whenabouts-fetched-{os.getuid()}")
    try:
        return folder, int(float(os.environ.get(BYTES) or _BYTES))
    except ValueError:
        raise SettingsError(f"{BYTES} is {os.environ[BYTES]!r}. Give a number of bytes, such as 4e9.") from None


def _fetch(address: Address, held: contextlib.ExitStack) -> Generator[None, None, Path]:
    """Fetch a video unless its copy is there, and hold it until `held` closes; yields after each block."""
    folder, limit = folder_and_limit()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = f"{folder}, where copies of videos go, can't be made ({error.strerror}): name another in {FOLDER}"
        raise OSError(0, reason) from error
    address = Address(str(address))  # Without what a list has told: the object may have been replaced since.
    status = address.stat()
    name = hashlib.sha256(f"{address} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:32]
    copy = folder / f"{name}{address.suffix}"
    while True:
        file = _held(copy)
        if file is not None:
            held.enter_context(file)
            return copy
        with locked(folder):
            _make_room(folder, limit - status.st_size)
        with replacing(copy) as part, address.open("rb") as source, part.open("wb") as target:
            size = 0
            while block := asked(lambda: source.read(_BLOCK), address):
                size += target.write(block)
                yield
            if size != status.st_size:
                raise OSError(0, f"{size} of {status.st_size} bytes came ({address})")


def _held(copy: Path) -> IO[bytes] | None:
    """The copy, opened and held together with others who read it; None where it is not there, or was just removed."""
    try:
        file = copy.open("rb")
    except FileNotFoundError:
        return None
    hold(file.fileno(), shared=True)
    if not copy.exists() or not os.path.samestat(os.fstat(file.fileno()), copy.stat()):
        file.close()
        return None
    os.utime(copy)
    return file


def _make_room(folder: Path, limit: int) -> None:
    """Remove copies that nobody reads, those that were read longest ago first, until the rest is within a limit."""
    copies = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    total = sum(path.stat().st_size for path in copies)
    for path in copies:
        if total <= limit:
            return
        with path.open("rb") as file:
            if taken(file.fileno()) is not False:
                total -= path.stat().st_size
                path.unlink()
