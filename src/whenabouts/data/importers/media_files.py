"""Finding media files, telling their contents apart, and probing them."""

import fnmatch
import os
import unicodedata
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from whenabouts.core.addresses import Address, place_of
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.data.importers.protocol import ImportSettings, Problem
from whenabouts.data.manifest import Entry, FileStamp, Manifest
from whenabouts.media.fingerprints import file_fingerprint

_NOT_PROBED = "not probed yet"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A media file below a root: its path, its path relative to the root (with `/`), and the id that this gives."""

    path: Path
    relative: str
    video_id: str


def checked_root(root: Path) -> Path:
    """The folder, resolved; raises InvalidData where there is none."""
    root = place_of(root)
    if not root.is_dir():
        raise InvalidData(f"There is no folder {root}. Give the folder that holds the videos.")
    return root.resolve()


def files_below(root: Path, problems: list[Problem]) -> list[Path]:
    """All files below `root` in order of their paths, hidden ones and those in hidden folders left out."""

    def noted(error: OSError) -> None:
        where = Path(str(error.filename))
        name = readable(where.relative_to(root).as_posix()) if where.is_relative_to(root) else "."
        problems.append(Problem(name, "the folder can't be listed", error.strerror or "", "Check its permissions."))

    if isinstance(root, Address):
        return _objects_below(root, problems)
    found = []
    for folder, folders, names in os.walk(root, onerror=noted):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if not name.startswith(".")]
    return sorted(found)


def _objects_below(root: Address, problems: list[Problem]) -> list[Path]:
    """Objects whose names differ in empty or dotted parts alone (`a//b`, `a/./b`) are one to a path: one is taken."""
    found = set[Path]()
    for path in root.files():
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path in found:
            problems.append(
                Problem(readable(str(relative)), "objects bear the same name but for empty or dotted parts",
                        "only one of them is read", "Rename the others, and import again.")
            )  # fmt: skip
        found.add(path)
    return sorted(found)


def media_among(files: Iterable[Path], root: Path, settings: ImportSettings) -> list[MediaFile]:
    """Those files that end like videos and fit `include` and `exclude`; ids are unique, ties go by path."""
    found: list[MediaFile] = []
    taken: set[str] = set()
    for path in files:
        relative = readable(path.relative_to(root).as_posix())
        if path.suffix.lower() in settings.endings and _wanted(relative, settings):
            video_id = free_id(relative.removesuffix(readable(path.suffix)), path.suffix, taken)
            taken.add(video_id)
            found.append(MediaFile(path, relative, video_id))
    return found


def readable(name: str) -> str:
    """A file name as text that can be shown and stored: composed accents, bytes that are no text as `\\xff`."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def free_id(wanted: str, suffix: str, taken: Container[str]) -> str:
    """`wanted` where it is free, else with the file's ending, else with a number."""
    choices = (wanted, wanted + suffix)
    for choice in choices:
        if choice not in taken:
            return choice
    number = 2
    while f"{wanted}~{number}" in taken:
        number += 1
    return f"{wanted}~{number}"


def catalogue(
    files: Sequence[MediaFile], settings: ImportSettings, known: Manifest, progress: Progress
) -> dict[Path, Entry]:
    """An entry without labels for each file, in order; probes, in child processes, what `known` does not hold."""
    from whenabouts.media.probing import probed

    earlier = {entry.video.path: entry for entry in known}
    entries = {}
    for file in progress.track(files, total=len(files), title="Reading files"):
        entries[file.path] = _stamped(file, settings, earlier.get(file.path))
    new = [file for file in files if entries[file.path].video.reason == _NOT_PROBED]
    videos = probed((file.path, file.video_id) for file in new)
    pairs = zip(new, videos, strict=True)
    for file, video in progress.track(pairs, total=len(new), title="Reading headers"):
        entries[file.path] = replace(entries[file.path], video=video)
    return entries


def _stamped(file: MediaFile, settings: ImportSettings, earlier: Entry | None) -> Entry:
    """The entry with its stamp; its video is the earlier one where the content is the same, else not yet probed."""
    before = earlier.stamp if earlier else None
    unread = Video(file.video_id, file.path, status="unreadable", coverage=0.0, reason=_NOT_PROBED)
    try:
        stamp = stamp_of(file.path, before, verify=settings.verify)
    except OSError as error:
        reason = f"The file can't be read: {error.strerror or error}."
        return Entry(replace(unread, reason=reason, passing=True), split=settings.split)
    same = before is not None and before.fingerprint == stamp.fingerprint
    if earlier is not None and same and earlier.video.status != "unreadable":
        return Entry(replace(earlier.video, id=file.video_id), split=settings.split, stamp=stamp)
    return Entry(unread, split=settings.split, stamp=stamp)


def stamp_of(path: Path, earlier: FileStamp | None = None, *, verify: bool = False) -> FileStamp:
    """Size, time of change, and fingerprint of the whole content of a file. Raises OSError.

    Where size and time are those of `earlier`, the content is not read again, unless to `verify` it.
    """
    size, modified_ns = (status := path.stat()).st_size, status.st_mtime_ns
    if not verify and earlier is not None and (earlier.bytes, earlier.modified_ns) == (size, modified_ns):
        return earlier
    return FileStamp(size, modified_ns, file_fingerprint(path))


def _wanted(relative: str, settings: ImportSettings) -> bool:
    if settings.include and not any(fnmatch.fnmatchcase(relative, pattern) for pattern in settings.include):
        return False
    return not any(fnmatch.fnmatchcase(relative, pattern) for pattern in settings.exclude)
