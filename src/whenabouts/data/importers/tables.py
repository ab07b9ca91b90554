"""Labels, segments and splits from a table: CSV, TSV or JSON lines."""

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from whenabouts.core.addresses import below
from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.timing import seconds_of
from whenabouts.data.importers.folders import SPLITS
from whenabouts.data.importers.matching import Matcher
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import (
    NOTHING_KNOWN,
    SILENT,
    Imported,
    ImportSettings,
    TableSettings,
)
from whenabouts.data.importers.table_rows import ENDINGS, Row, read_table
from whenabouts.data.importers.tags import clean
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel

SOURCE = "csv"
_YES = {"", "1", "1.0", "yes", "y", "true", "t", "present", "positive", "+"}
_NO = {"0", "0.0", "-1", "no", "n", "false", "f", "absent", "negative", "-"}


def import_table(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read a table and the videos that it speaks of.

    `root` is the table, or a folder that holds just one. Each row is read or rejected; a rejected one is a problem.
    Videos that no row names stay, without labels.
    """
    path = _table_in(root)
    table = read_table(path, settings.csv)
    media_root = checked_root(below(path.parent, settings.csv.media))
    files = media_among(files_below(media_root, table.problems), media_root, settings)
    if not files and not settings.csv.media:
        raise InvalidData(
            f"No video lies below {media_root}, where {path.name} is. If the videos lie elsewhere, name their folder "
            "with --set import.csv.media=FOLDER; else check --include, --exclude and import.endings."
        )
    entries = catalogue(files, settings, known, progress)
    rows = Rows(Matcher(files), entries, f"{SOURCE}:{path.name}", settings.csv)
    read = 0
    for row in table.rows:
        try:
            rows.take(row)
            read += 1
        except Rejected as refusal:
            table.reject(path.name, row.number, *refusal.told)
    counts = {"rows": table.total, "rows_read": read, "rows_rejected": table.total - read, **rows.counts}
    return Imported(tuple(entries.values()), tuple(table.problems), media_root, rows.source, counts)


class Rejected(Exception):
    """A row is not used: what is wrong, what was seen, what to do."""

    def __init__(self, what: str, seen: str = "", do: str = "") -> None:
        super().__init__(what)
        self.told = (what, seen, do)


@dataclass
class Rows:
    """Applies rows to `entries`, which it changes; `assigned` holds the splits that rows have named."""

    matcher: Matcher
    entries: dict[Path, Entry]
    source: str
    settings: TableSettings
    assigned: dict[Path, str] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: {"rows_unmatched": 0, "rows_ambiguous": 0, "rows_repeated": 0}
    )

    def take(self, row: Row) -> None:
        """Apply one row, or raise Rejected and change nothing."""
        found = self.matcher.find(row.text("video"))
        if len(found) != 1:
            self.counts["rows_ambiguous" if found else "rows_unmatched"] += 1
            raise Rejected(*_unmatched(row.text("video"), [file.relative for file in found]))
        before = self.entries[found[0].path]
        after = _split(row, _applied(row, before, self.source, self.settings), self.assigned)
        self.counts["rows_repeated"] += after == before
        self.entries[found[0].path] = after


def _table_in(root: Path) -> Path:
    if root.is_file():
        if root.suffix.lower() not in ENDINGS:
            raise InvalidData(f"{root} does not end in {', '.join(ENDINGS)}. Rename the table, or give another file.")
        return root.resolve()
    folder = checked_root(root)
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if len(tables) != 1:
        seen = ", ".join(path.name for path in tables[:10]) or "none"
        raise InvalidData(f"{root} should hold one table ({', '.join(ENDINGS)}), but holds: {seen}. Give its path.")
    return tables[0]


def _unmatched(text: str, choices: list[str]) -> tuple[str, str, str]:
    if not text.strip():
        return "it names no video", "an empty cell", "Fill it in, or remove the row."
    if choices:
        seen = f"{text} could be {', '.join(choices[:3])}" + (" and others" if len(choices) > 3 else "")
        return "several videos have this name", seen, "Write the path below the folder of the videos."
    return "no such video", text, "Add the file, correct the name, or name the videos' folder with csv.media."


def _applied(row: Row, entry: Entry, source: str, settings: TableSettings) -> Entry:
    """The entry with what the row says; repeated rows change nothing. Raises Rejected."""
    names = _names(row, settings)
    span = _span(row, entry)
    present, weight = _present(row), _weight(row)
    evidence = f"row {row.number}"
    title, uploader = clean(row.text("title")), clean(row.text("uploader"), 100)
    entry = replace(entry, title=entry.title or title, uploader=entry.uploader or uploader)
    if span is not None:
        if not names:
            raise Rejected("a segment needs a label", f"{row.text('start')}..{row.text('end')}")
        segments = [RatedSegment(name, *span, present, source) for name in names]
        return replace(entry, segments=tuple(dict.fromkeys((*entry.segments, *segments))))
    had = {label.name for label in entry.labels}
    labels = [WeakLabel(name, weight, source, evidence) for name in names if name not in had]
    return replace(entry, labels=(*entry.labels, *labels))


def _names(row: Row, settings: TableSettings) -> list[str]:
    cell = row.cells.get("label", "")
    if isinstance(cell, str):
        cell = re.split(f"[{re.escape(settings.separators)}]", cell) if settings.separators else [cell]
    return list(dict.fromkeys(name for name in (clean(text) for text in cell) if name))


def _span(row: Row, entry: Entry) -> tuple[float, float] | None:
    """The row's span in seconds; None for a label of the whole video. A row that rates a whole video as not showing
    something becomes a segment over all of it.
    """
    start, end = row.text("start").strip(), row.text("end").strip()
    duration = entry.video.duration_seconds
    if not start and not end:
        if _present(row):
            return None
        if duration <= 0:
            raise Rejected("it rates a whole video as absent, but the video's length is unknown", entry.id)
        return 0.0, duration
    try:
        first, last = seconds_of(start), seconds_of(end)
    except InvalidData:
        do = "Write seconds (63.4) or h:m:s (0:01:03.4) in both, or leave both empty."
        raise Rejected("start and end are no times", f"{start!r}..{end!r}", do) from None
    if last <= first:
        raise Rejected("the segment does not end after its start", f"{first:g}..{last:g} s")
    if duration > 0 and (first >= duration or last > duration + 1.0):
        seen = f"{first:g}..{last:g} s of {duration:g} s"
        raise Rejected("the segment reaches beyond the video", seen, "Check that the times belong to this file.")
    return first, min(last, duration) if duration > 0 else last


def _present(row: Row) -> bool:
    text = row.text("present").strip().casefold()
    if text in _YES or text in _NO:
        return text in _YES
    raise Rejected("`present` is neither yes nor no", text, "Write yes or no, or leave it empty for yes.")


def _weight(row: Row) -> float:
    text = row.text("weight").strip()
    try:
        weight = float(text.replace(",", ".")) if text else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1:
        raise Rejected("the weight does not lie in (0, 1]", text)
    return weight


def _split(row: Row, entry: Entry, assigned: dict[Path, str]) -> Entry:
    """The first row that names a split for a video decides; a later one that contradicts it raises Rejected."""
    text = clean(row.text("split"), 50).casefold()
    if not text:
        return entry
    split = SPLITS.get(text, text)
    first = assigned.setdefault(entry.video.path, split)
    if first != split:
        raise Rejected("another row puts this video in another split", f"{first} and {split}", "Keep one of them.")
    return replace(entry, split=split)
