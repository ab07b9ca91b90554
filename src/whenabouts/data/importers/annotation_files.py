"""Annotations of other programs as rows of a table: found below a folder, matched to videos, accounted for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.addresses import below
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.texts import decoded
from whenabouts.core.video import Video
from whenabouts.data.importers.matching import Matcher
from whenabouts.data.importers.media_files import MediaFile, catalogue, checked_root, files_below, media_among, readable
from whenabouts.data.importers.protocol import Imported, ImportSettings, Problem, TableSettings
from whenabouts.data.importers.table_rows import Row
from whenabouts.data.importers.tables import Rejected, Rows
from whenabouts.data.manifest import Entry, Manifest

LARGEST = 200_000_000
"""Bytes of one file of annotations: more is no list of labels."""

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_PLAIN = TableSettings(separators="")


class Unreadable(Exception):
    """A file can't be used: what is wrong, and what was seen."""

    def __init__(self, what: str, seen: str = "") -> None:
        super().__init__(what)
        self.told = (what, seen)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a file says: these labels are in a video (`whole`), or within seconds `span` of it.

    A missing end of the span is the video's end. `where` says where it stands in its file.
    """

    video: str
    labels: tuple[str, ...]
    span: tuple[float, float | None] | None = None
    weight: float = 1.0
    present: bool = True
    title: str = ""
    where: str = ""

    def row(self, number: int, video: Video | None) -> Row:
        """The mark as a row of a table."""
        cells: dict[str, str | list[str]] = {
            "video": self.video, "label": list(self.labels), "weight": repr(min(1.0, self.weight)),
            "present": "yes" if self.present else "no", "title": self.title,
        }  # fmt: skip
        if self.span is not None:
            end = self.span[1]
            if end is None:
                end = video.duration_seconds if video is not None else 0.0
            cells |= {"start": repr(self.span[0]), "end": repr(end)}
        return Row(number, cells)


@dataclass(frozen=True)
class Videos:
    """The videos below a folder, found by name or by what lies beside them."""

    files: Sequence[MediaFile]
    entries: Mapping[Path, Entry]
    matcher: Matcher
    stems: Mapping[Path, list[tuple[str, MediaFile]]] = field(default_factory=dict)

    def named(self, text: str) -> Video | None:
        """The one video that a text names, if there is just one."""
        found = self.matcher.find(text)
        return self.entries[found[0].path].video if len(found) == 1 else None

    def beside(self, path: Path) -> str:
        """The video in the same folder whose name begins a file's name: `a.b.mp4` for `a.b.en.srt`; else ""."""
        name = readable(path.name)
        fitting = [
            (len(stem), file.relative) for stem, file in self.stems.get(path.parent, ())
            if name.startswith(stem) and not name[len(stem) :][:1].isalnum()
        ]  # fmt: skip
        return max(fitting, default=(0, ""))[1]


Read = Callable[[Path, Videos, ImportSettings], Iterable[Mark]]


def import_marks(
    root: Path, endings: Sequence[str], source: str, read: Read, *, settings: ImportSettings, known: Manifest,
    progress: Progress,
) -> Imported:  # fmt: skip
    """Read every file that ends so, at `root` or below it, and the videos that they speak of.

    A file that can't be used and a mark that fits no video are problems; archives are never opened.
    """
    problems: list[Problem] = []
    files, folder = _annotation_files(root, endings, problems)
    media_root = checked_root(below(folder, settings.annotations.media))
    media = media_among(files_below(media_root, problems), media_root, settings)
    if not media:
        raise InvalidData(
            f"No video lies below {media_root}. Name the videos' folder with --set import.annotations.media=FOLDER."
        )
    entries = catalogue(media, settings, known, progress)
    videos = Videos(media, entries, Matcher(media), _stems(media))
    told = _Told(source, entries, videos, settings, problems)
    for path in progress.track(files, total=len(files), title="Reading annotations"):
        told.read(path, read, readable(path.relative_to(folder).as_posix()))
    counts = {"files": len(files), "files_rejected": told.refused, "rows": told.total, "rows_read": told.taken,
              "rows_rejected": told.total - told.taken}  # fmt: skip
    return Imported(tuple(entries.values()), tuple(problems), media_root, source, counts)


@dataclass
class _Told:
    """Applies marks to `entries`, file by file, and counts."""

    source: str
    entries: dict[Path, Entry]
    videos: Videos
    settings: ImportSettings
    problems: list[Problem]
    refused: int = 0
    total: int = 0
    taken: int = 0

    def read(self, path: Path, read: Read, name: str) -> None:
        rows = Rows(self.videos.matcher, self.entries, f"{self.source}:{name}", _PLAIN)
        try:
            for number, mark in enumerate(read(path, self.videos, self.settings), start=1):
                self.total += 1
                try:
                    rows.take(mark.row(number, self.videos.named(mark.video)))
                    self.taken += 1
                except Rejected as refusal:
                    self.problems.append(Problem(f"{name} {mark.where or number}", *refusal.told))
        except Unreadable as error:
            self.refused += 1
            self.problems.append(Problem(name, *error.told, do="It was left out."))


def text_of(path: Path) -> str:
    """A file's text, UTF-8 or UTF-16 by its mark, else Windows-1252; Unreadable where it is too large or not there."""
    return decoded(bytes_of(path))[0]


def bytes_of(path: Path) -> bytes:
    """A file's content; Unreadable where it is too large, an archive, or can't be read."""
    try:
        if path.stat().st_size > LARGEST:
            raise Unreadable("it is too large for a file of labels", f"{path.stat().st_size:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable("it can't be read", error.strerror or type(error).__name__) from None
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh")):
        raise Unreadable("it is an archive, and archives are not opened: unpack it first")
    return content


def json_of(path: Path) -> Any:
    """A file's JSON; Unreadable for anything else."""
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON", str(error)[:120] or type(error).__name__) from None


def finite(value: Any) -> float | None:
    """A finite number (or the text of one) as float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") and number == number else None


def listed(value: Any) -> Iterator[dict[str, Any]]:
    """The JSON objects of a list; anything else has none."""
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _annotation_files(root: Path, endings: Sequence[str], problems: list[Problem]) -> tuple[list[Path], Path]:
    if root.is_file():
        if root.suffix.lower() in _ARCHIVES:
            raise InvalidData(f"{root} is an archive. Archives are not opened: unpack it, and give the folder.")
        return [root.resolve()], root.resolve().parent
    folder = checked_root(root)
    files = [path for path in files_below(folder, problems) if path.name.lower().endswith(tuple(endings))]
    if not files:
        raise InvalidData(f"No file below {root} ends in {', '.join(endings)}. Give the folder that holds them.")
    return files, folder


def _stems(media: Sequence[MediaFile]) -> dict[Path, list[tuple[str, MediaFile]]]:
    stems: dict[Path, list[tuple[str, MediaFile]]] = {}
    for file in media:
        stems.setdefault(file.path.parent, []).append((readable(file.path.stem), file))
    return stems
