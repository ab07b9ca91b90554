"""What official lists of labelled clips say, and reading their rows: each is used, or told of with its line."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import Fault

# A line that begins an object of an array.
_OBJECT = re.compile(r"(?m)^\s{0,4}\{")


@dataclass(frozen=True, slots=True)
class ListedClip:
    """One clip of a list: its labels (none in a test whose labels are kept back), split, and where the list says so.

    `names` are the file names without ending that a file of this very clip may bear, the likeliest first. `whole` are
    those of a file that holds more than the clip, which then lies in `span`, in seconds. A list that gives only the
    clip leaves `whole` empty.
    """

    names: tuple[str, ...]
    split: str
    labels: tuple[str, ...]
    where: str
    whole: tuple[str, ...] = ()
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class ClipList:
    """A data set's clips, its labels in their own order, rows that could not be used, and counts by name."""

    dataset: str
    labels: tuple[str, ...]
    clips: tuple[ListedClip, ...]
    faults: tuple[Fault, ...]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One row: the file and the line where it ends, as people are told, and its cells by column."""

    where: str
    cells: dict[str, str]

    def first(self, *columns: str) -> str:
        """The first of these columns that the row has, stripped; "" where it has none."""
        return next((self.cells[column].strip() for column in columns if column in self.cells), "")


class Refused(Exception):
    """A row that is not used: what is wrong, and what was seen."""

    def __init__(self, what: str, seen: str = "") -> None:
        super().__init__(what)
        self.what, self.seen = what, seen


@dataclass
class Reading:
    """What several files have given so far."""

    clips: list[ListedClip] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _seen: dict[str, tuple[str, ListedClip]] = field(default_factory=dict)

    def refuse(self, where: str, refusal: Refused) -> None:
        """Note a row that is not used."""
        self.counts["rows_rejected"] += 1
        self.faults.append(Fault(where, refusal.what, refusal.seen[:120]))

    def add(self, clip: ListedClip, key: str) -> None:
        """Take a clip; one whose `key` was there before is refused, and told of as repeated or as contradicting it."""
        earlier = self._seen.get(key)
        if earlier is None:
            self._seen[key] = (clip.where, clip)
            self.clips.append(clip)
            self.counts[f"clips_{clip.split}"] += 1
            return
        where, before = earlier
        same = (before.labels, before.split, before.span) == (clip.labels, clip.split, clip.span)
        kind = "repeated" if same else "contradicting"
        self.counts[f"rows_{kind}"] += 1
        raise Refused("the same clip stood there before" if same else "an earlier row says otherwise", where)


def table_lines(path: Path, reading: Reading, *, delimiter: str = ",", header: tuple[str, ...] = ()) -> Iterator[Line]:
    """The rows of a table with a header, or with the given one; those with too many or too few cells are refused.

    A row is a line: one whose quotes do not close spoils no other. Column names are folded to small letters with
    underscores. A file that can't be read raises InvalidData.
    """
    columns = header
    for number, text in enumerate(_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            row = next(csv.reader([text.rstrip("\r")], delimiter=delimiter, strict=True))
        except csv.Error as error:
            reading.counts["rows"] += 1
            reading.refuse(where, Refused("it can't be read", str(error)))
            continue
        if not columns:
            columns = tuple("_".join(cell.strip().casefold().replace("-", " ").split()) for cell in row)
            continue
        reading.counts["rows"] += 1
        if len(row) != len(columns):
            reading.refuse(where, Refused(f"{len(row)} cells under {len(columns)} columns", str(row)))
        else:
            yield Line(where, dict(zip(columns, row, strict=True)))


def array_objects(path: Path, reading: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON array, each with the file and line where it begins.

    Something else in the array is refused, and after what is no JSON reading goes on at the next line that begins an
    object. A file that is no array raises InvalidData.
    """
    text = _text(path)
    decoder, at = json.JSONDecoder(), _beyond(text, 0, "")
    if text[at : at + 1] != "[":
        raise InvalidData(f"{path} is not a JSON array of objects. Give the list as it was published.")
    at += 1
    line, counted = 1, 0  # Lines are counted on: a count from the beginning for each object takes hours for 170,000.
    while (at := _beyond(text, at, ",")) < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        where = f"{path.name} line {line}"
        reading.counts["rows"] += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            reading.refuse(where, Refused("it is not JSON", f"{error}"))
            following = _OBJECT.search(text, at + 1)
            at = following.start() if following else len(text)
            continue
        if isinstance(value, dict):
            yield where, value
        else:
            reading.refuse(where, Refused("it is not a JSON object", str(value)))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; InvalidData for anything else."""
    try:
        values = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not JSON: {error}. Give the list as it was published.") from None
    if not isinstance(values, dict):
        raise InvalidData(f"{path} is not a JSON object. Give the list as it was published.")
    return values


def lists_at(root: Path, endings: tuple[str, ...]) -> list[Path]:
    """The file itself, or the files with these endings in a folder, in order of their names."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InvalidData(f"There is no file or folder {root}. Give the list, or the folder that holds the lists.")
    return sorted(path for path in root.iterdir() if path.suffix.lower() in endings and path.is_file())


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", "replace").replace("\0", "\ufffd")
    except OSError as error:
        raise InvalidData(f"{path} can't be read: {error.strerror or error}.") from None


def _beyond(text: str, at: int, signs: str) -> int:
    while at < len(text) and (text[at].isspace() or text[at] in signs):
        at += 1
    return at
