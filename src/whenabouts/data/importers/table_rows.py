"""Rows of CSV, TSV and JSON-lines files, each accounted for: read or rejected, with the reason."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.texts import decoded
from whenabouts.data.importers.protocol import Problem, TableSettings
from whenabouts.data.importers.tags import clean

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson")
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "video": ("path", "file_path", "filepath", "video_path", "file", "filename", "file_name", "video", "video_file",
              "video_name", "clip", "media", "video_id", "videoid", "vid", "youtube_id", "id", "name"),
    "label": ("label", "labels", "concept", "concepts", "class", "classes", "class_name", "tag", "tags", "hashtags",
              "category", "categories", "activity", "action", "keyword", "keywords"),
    "start": ("start", "start_seconds", "start_s", "start_time", "segment_start", "t_start", "begin", "from", "in"),
    "end": ("end", "end_seconds", "end_s", "end_time", "segment_end", "t_end", "stop", "to", "out"),
    "present": ("present", "is_present", "positive", "rating"),
    "weight": ("weight", "label_weight"),
    "split": ("split", "subset", "set", "partition"),
    "title": ("title", "caption"),
    "uploader": ("uploader", "channel", "author", "creator", "user"),
}  # fmt: skip
_CELL_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number among all rows (1 is the first after the header) and its cells by role, as text or list."""

    number: int
    cells: Mapping[str, str | list[str]]

    def text(self, role: str) -> str:
        """The cell as text, "" where the table has none."""
        value = self.cells.get(role, "")
        return value if isinstance(value, str) else " ".join(value)


@dataclass
class Table:
    """What a table holds: rows that could be read, how many there are in all, and problems (one per rejected row)."""

    columns: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    total: int = 0
    problems: list[Problem] = field(default_factory=list)

    def reject(self, file: str, number: int, what: str, seen: str = "", do: str = "") -> None:
        """Record why a row is not used."""
        self.problems.append(Problem(f"{file} row {number}", what, clean(seen, 120), do))


def read_table(path: Path, settings: TableSettings) -> Table:
    """Read a table; raises InvalidData where the file can't be used at all, SettingsError where columns misname it."""
    table = Table()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidData(f"{path} can't be read: {error.strerror or error}. Give a CSV, TSV or JSONL file.") from None
    text = _decoded(content, path, table)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        _read_json_lines(text, path.name, settings, table)
    else:
        _read_cells(text, path, settings, table)
    return table


def _decoded(content: bytes, path: Path, table: Table) -> str:
    text, strange = decoded(content)
    if strange is not None:
        do = "Read as Windows-1252. Save it as UTF-8 if accents look wrong."
        table.problems.append(Problem(path.name, "the table is not UTF-8 text", f"byte {strange}", do))
    return text


def _read_cells(text: str, path: Path, settings: TableSettings, table: Table) -> None:
    declared = re.match(r"sep=(.)\r?\n", text)  # Excel's own way of telling the separator
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    records = _records(text, delimiter)
    if settings.header:
        header = next((cells for cells in records if isinstance(cells, list) and any(cells)), [])
        table.columns = tuple(cell.strip() for cell in header)
    else:
        first = next(_records(text, delimiter), [])
        table.columns = tuple(str(place + 1) for place in range(len(first) if isinstance(first, list) else 0))
    places = {role: table.columns.index(name) for role, name in _roles(table.columns, path.name, settings).items()}
    for record in records:
        if isinstance(record, list) and not any(cell.strip() for cell in record):
            continue  # A blank line, or the empty rows that spreadsheets leave at the end.
        table.total += 1
        if isinstance(record, str):
            table.reject(path.name, table.total, f"it can't be read: {record}")
        elif any(cell.strip() for cell in record[len(table.columns) :]):
            seen = f"{len(record)} cells under {len(table.columns)} columns"
            table.reject(path.name, table.total, "too many cells", seen, "Put cells that hold the separator in quotes.")
        else:
            cells = {role: record[place] for role, place in places.items() if place < len(record)}
            table.rows.append(Row(table.total, cells))


def _records(text: str, delimiter: str) -> Iterator[list[str] | str]:
    """Rows of cells; a string where a row breaks the format."""
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield str(error)


def _delimiter(text: str) -> str:
    """The sign that stands most often in the first line outside quotes."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(line.split('"')[::2])
    return max(",;\t", key=outside.count)


def _read_json_lines(text: str, name: str, settings: TableSettings, table: Table) -> None:
    objects: list[tuple[int, dict[str, Any]]] = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        table.total += 1
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            table.reject(name, table.total, "it is not JSON", type(error).__name__)
            continue
        if isinstance(values, dict):
            objects.append((table.total, values))
        else:
            table.reject(name, table.total, "it is not a JSON object", type(values).__name__)
    table.columns = tuple(dict.fromkeys(key for _, values in objects for key in values))
    if not objects:
        return
    roles = _roles(table.columns, name, settings)
    for number, values in objects:
        cells = {role: _cell(values.get(column)) for role, column in roles.items()}
        strange = [column for role, column in roles.items() if cells[role] is None]
        if strange:
            table.reject(name, number, f"{strange[0]!r} is neither text nor number nor a list of texts")
        else:
            table.rows.append(Row(number, {role: cell for role, cell in cells.items() if cell is not None}))


def _cell(value: Any) -> str | list[str] | None:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return [str(item) for item in value]
    return None


def _roles(columns: Sequence[str], file: str, settings: TableSettings) -> dict[str, str]:
    """Column name of each role: as the settings say, else by common names."""
    shown = ", ".join(map(repr, columns)) or "none"
    for role, column in settings.columns.items():
        if role not in SYNONYMS:
            raise SettingsError(f"--map {role}={column}: {role!r} is no role. Roles: {', '.join(SYNONYMS)}.")
        if column not in columns:
            raise SettingsError(f"--map {role}={column}: {file} has no such column. It has: {shown}.")
    plain = {_plain(column): column for column in reversed(columns)}
    roles = dict(settings.columns)
    for role, names in SYNONYMS.items():
        free = (plain[name] for name in names if name in plain and plain[name] not in roles.values())
        found = roles.get(role) or next(free, None)
        if found is not None:
            roles[role] = found
    missing = [role for role in ("video", "label") if role not in roles and not (role == "label" and "split" in roles)]
    if missing:
        raise InvalidData(
            f"{file}: no column is known to hold the {missing[0]}. Its columns: {shown}. "
            f"Say which one does: --map {missing[0]}=COLUMN."
        )
    return roles


def _plain(column: str) -> str:
    return "_".join("".join(sign if sign.isalnum() else " " for sign in column.casefold()).split())
