"""Texts of other people: encodings, line numbers, and files that are no tables."""

from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.texts import csv_rows, decoded, named_rows, text_of

NEEDED = frozenset({"id", "actions"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("id,actions\r\ncafé, c001 \r\n".encode(encoding))
    assert list(named_rows(path, NEEDED)) == [(2, {"id": "café", "actions": "c001"})]


def test_strange_bytes_are_told() -> None:
    assert decoded(b"caf\xe9") == ("café", 3)
    assert decoded("café".encode()) == ("café", None)


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """A quoted cell over two lines, a blank line and a row of spaces."""
    path = tmp_path / "rows.csv"
    path.write_text('id,actions\n"a\nb",x\n\n , \nshort\nlong,y,z\n', encoding="utf-8")
    assert list(csv_rows(path))[1:] == [(3, ["a\nb", "x"]), (6, ["short"]), (7, ["long", "y", "z"])]
    assert [row for _, row in named_rows(path, NEEDED)][1:] == [{"id": "short"}, {"id": "long", "actions": "y"}]


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("", encoding="utf-8")
    with pytest.raises(InvalidData, match="is empty"):
        list(named_rows(path, NEEDED))
    path.write_text("id,labels\n", encoding="utf-8")
    with pytest.raises(InvalidData, match="needs columns actions, id"):
        list(named_rows(path, NEEDED))
    with pytest.raises(InvalidData, match="can't be read"):
        text_of(tmp_path / "nowhere.csv")
