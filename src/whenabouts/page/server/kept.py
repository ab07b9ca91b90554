"""What the server keeps in its cache, pictures and copies for browsers, within so many bytes."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SHARE_LEFT = 0.9
"""Once the room is used up, so much of it is kept: not every new file should begin a search for old ones."""


@dataclass(frozen=True, slots=True)
class _File:
    used: float
    size: int
    path: Path


class Kept:
    """Files below `folder`, of which those that were not used for longest go when all take more than `most_bytes`.

    A file counts as used when it is made and when `use` is told of it. Folders that become empty go too. What other
    programs put there counts, and goes, as well.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._lock = threading.Lock()
        self._size: int | None = None

    def use(self, path: Path) -> None:
        """Note that a file was asked for; it may be gone. Its time of change stays: caches of browsers go by that."""
        with contextlib.suppress(OSError):
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))

    def made(self, path: Path) -> None:
        """Count a new file, and make room where there is none; the new file stays."""
        with self._lock:
            if self._size is not None:
                with contextlib.suppress(OSError):
                    self._size += path.stat().st_size
            if self._size is None or self._size > self.most_bytes:
                self._prune(path)

    def _prune(self, fresh: Path) -> None:
        files = self._files()
        left = sum(each.size for each in files)
        if left > self.most_bytes:
            for each in sorted(files, key=lambda each: each.used):
                if left <= SHARE_LEFT * self.most_bytes:
                    break
                if each.path == fresh:
                    continue
                with contextlib.suppress(OSError):  # In use on systems that hold on to open files, or gone already.
                    each.path.unlink()
                    left -= each.size
                with contextlib.suppress(OSError):
                    if each.path.parent != self.folder:
                        each.path.parent.rmdir()
        self._size = left

    def _files(self) -> list[_File]:
        found = []
        for place, _, names in os.walk(self.folder):
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(OSError):
                    facts = path.lstat()
                    found.append(_File(max(facts.st_atime, facts.st_mtime), facts.st_size, path))
        return found
