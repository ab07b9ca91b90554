"""Texts that people and spreadsheets wrote: whatever their bytes are, and the numbers of their lines."""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from whenabouts.core.errors import InvalidData


def decoded(content: bytes) -> tuple[str, int | None]:
    """UTF-8 or UTF-16 by their byte order marks, UTF-8 without; else Windows-1252, as spreadsheets write it.

    The number is that of the first byte that is no UTF-8, None where all are.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace"), None
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        return content.decode("cp1252", "replace"), error.start


def text_of(path: Path) -> str:
    """The text of a file in whatever encoding; InvalidData where it can't be read."""
    try:
        return decoded(path.read_bytes())[0]
    except OSError as error:
        raise InvalidData(f"{path} can't be read: {error.strerror or error}.") from None


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row that is not blank, without spaces around, with the number of the line that the row ends on."""
    reader = csv.reader(io.StringIO(text_of(path), newline=""))
    try:
        for row in reader:
            if any(word.strip() for word in row):
                yield reader.line_num, [word.strip() for word in row]
    except csv.Error as error:
        raise InvalidData(f"{path} line {reader.line_num} can't be read: {error}.") from None


def named_rows(path: Path, needed: frozenset[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by the names in the first row, with the numbers of their lines; without the `needed` ones InvalidData."""
    names: list[str] | None = None
    for line, row in csv_rows(path):
        if names is None:
            names = row
            if not needed <= set(names):
                raise InvalidData(
                    f"{path} needs columns {', '.join(sorted(needed))}, but its first row is {','.join(row)[:200]!r}."
                )
            continue
        yield line, dict(zip(names, row, strict=False))
    if names is None:
        raise InvalidData(f"{path} is empty. It needs columns {', '.join(sorted(needed))}.")


def file_name_of(name: str, most: int = 50) -> str:
    """A name, such as a split's, as part of a file's: splits may be called anything, "../x" too.

    Letters, digits, `-`, `_` and points stay, all else becomes `_`; what is longer than `most` signs is cut.
    """
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name)[:most]
