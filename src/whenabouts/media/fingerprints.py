"""Knowing a file again: at a glance by size and time, for sure by its content."""

import errno
import hashlib
from pathlib import Path

from whenabouts.core.addresses import Address
from whenabouts.media.fetching import fetched


def file_fingerprint(path: Path) -> str:
    """Size and SHA-256 of a file's contents, `<bytes>-<32 hex digits>`: any changed bit changes it.

    Many formats (MP4, AVI, VP8, most H.264) carry no checksum: a flipped bit may decode to other pixels without any
    sign. A fingerprint recorded at import tells that the file is no longer the one that was imported. Reads the whole
    file, at about the speed of the disk. Raises OSError, also for a pipe or a device, which may never end.
    """
    if isinstance(path, Address):
        with fetched(path) as copy:
            return file_fingerprint(copy)
    if not path.is_file():
        path.stat()  # Where there is nothing, this says so.
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{path.stat().st_size}-{digest[:32]}"


def size_and_time(path: Path) -> list[int]:
    """Size in bytes and time of change in nanoseconds; zeros for a file that is gone."""
    try:
        status = path.stat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]
