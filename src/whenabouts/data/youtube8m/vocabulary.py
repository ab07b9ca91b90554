"""YouTube-8M's `vocabulary.csv`: the classes behind the label numbers, with descriptions and verticals.

A row's place says nothing: the column Index is the class. Columns: Index, TrainVideoCount, KnowledgeGraphId, Name,
WikiUrl, Vertical1, Vertical2, Vertical3, WikiDescription; all but Index and Name may be missing.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import write_text
from whenabouts.core.vocabulary import Vocabulary

_VERTICALS = ("Vertical1", "Vertical2", "Vertical3")
_COLUMNS = ("Index", "TrainVideoCount", "KnowledgeGraphId", "Name", "WikiUrl", *_VERTICALS, "WikiDescription")
_UNKNOWN = "(Unknown)"


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: its number, its name as written (some have none), and what else the table says of it."""

    index: int
    name: str
    knowledge_graph_id: str = ""
    verticals: tuple[str, ...] = ()
    description: str = ""
    train_videos: int = 0
    url: str = ""


@dataclass(frozen=True)
class ClassTable:
    """Classes (L,) in order of their numbers, each number once; a table may hold a part of the dataset's classes."""

    rows: tuple[ClassRow, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.rows, key=lambda row: row.index))
        object.__setattr__(self, "rows", ordered)
        twice = [index for index, count in Counter(row.index for row in ordered).items() if count > 1]
        if twice:
            raise InvalidData(f"A class table holds each Index once, but {twice[:5]} stand there more often.")
        if ordered and ordered[0].index < 0:
            raise InvalidData(f"An Index is 0 or more, but one is {ordered[0].index}.")

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"ClassTable({len(self)} classes)"

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Class number -> a name of its own.

        A class without a name bears its knowledge-graph id, or else its number; of classes of one name, the second
        and later ones bear that in brackets.
        """
        given: dict[int, str] = {}
        taken: set[str] = set()
        for row in self.rows:
            number = f"class {row.index}"
            name = row.name or row.knowledge_graph_id or number
            if name in taken and row.name and row.knowledge_graph_id:
                name = f"{name} ({row.knowledge_graph_id})"
            while name in taken:
                name = f"{name} ({number})"
            given[row.index] = name
            taken.add(name)
        return given

    @property
    def indices(self) -> tuple[int, ...]:
        """Class numbers (L,) of the vocabulary's names: the same as their places where the table is whole."""
        return tuple(row.index for row in self.rows)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Names in order of their numbers; the parent of a class is its first vertical, where that is known."""
        named = [(self.names[row.index], row) for row in self.rows]
        parents = {name: row.verticals[0] for name, row in named if row.verticals and row.verticals[0] != name}
        descriptions = {name: row.description for name, row in named if row.description}
        return Vocabulary(tuple(name for name, _ in named), descriptions=descriptions, parents=parents)


def read_class_table(path: Path) -> ClassTable:
    """Read a table; a missing or broken file raises InvalidData with the line.

    Verticals that are empty or "(Unknown)" are left out.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidData(f"There is no {path}. Fetch YouTube-8M's vocabulary.csv, or name the file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} can't be read as UTF-8 text: {error}.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        missing = {"Index", "Name"} - set(reader.fieldnames or ())
        if missing:
            raise InvalidData(f"{path} has no column {sorted(missing)}; its columns are {reader.fieldnames}.")
        rows = [_row(values, f"{path} line {reader.line_num}") for values in reader]
        return ClassTable(tuple(rows))
    except csv.Error as error:
        raise InvalidData(f"{path} is not CSV after line {reader.line_num}: {error}.") from None


def write_class_table(path: Path, vocabulary: Vocabulary, train_videos: Sequence[int]) -> None:
    """Write a vocabulary (L,) as such a table, whole or not at all: a name's place is its Index.

    `train_videos` (L,) says how many training videos carry each class.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for index, (name, count) in enumerate(zip(vocabulary.names, train_videos, strict=True)):
        parent = vocabulary.parents.get(name, "")
        writer.writerow([index, count, "", name, "", parent, "", "", vocabulary.descriptions.get(name, "")])
    write_text(path, out.getvalue())


def _row(values: Mapping[str | None, str | None], where: str) -> ClassRow:
    def cell(name: str) -> str:
        return (values.get(name) or "").strip()

    verticals = tuple(text for text in map(cell, _VERTICALS) if text and text != _UNKNOWN)
    try:
        index, count = int(cell("Index")), int(cell("TrainVideoCount") or 0)
    except ValueError:
        seen = f"Index {cell('Index')!r} and TrainVideoCount {cell('TrainVideoCount')!r}"
        raise InvalidData(f"{where}: whole numbers are needed, but got {seen}.") from None
    return ClassRow(
        index, cell("Name"), cell("KnowledgeGraphId"), verticals, cell("WikiDescription"), count, cell("WikiUrl")
    )
