"""Matrices from files of other programs, checked before they are read, never by pickle."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData

MOST_ROWS = 1_000_000
MOST_COLUMNS = 65_536

Matrix = NDArray[Any]


def read_matrix(path: Path) -> Matrix:
    """A matrix (T, D) of floats from an .npy or a .csv file; axes of length 1 before or behind them are dropped.

    Raises InvalidData for anything else: objects, other shapes, more than a million rows, damage.
    """
    matrix = _of_table(path) if path.suffix.lower() == ".csv" else _of_array(path)
    return matrix if matrix.dtype == np.float16 else np.asarray(matrix, np.float32)


def plain_array(path: Path) -> NDArray[Any]:
    """An .npy file's array, mapped, not yet read; objects, which only pickle reads, raise InvalidData."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InvalidData(f"There is no file {path}.") from None
    except (ValueError, OSError, EOFError, SyntaxError, MemoryError) as error:
        if holds_objects(path):
            raise InvalidData(f"{path.name} holds Python objects, which only pickle reads, and pickle can run code.") \
                from None  # fmt: skip
        raise InvalidData(f"{path.name} can't be read as an array: {str(error).split(chr(10))[0]}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise InvalidData(f"{path.name} is an archive of arrays. Give one .npy file for each video.")
    return array


def holds_objects(path: Path) -> bool:
    """True for an .npy file whose header says that it holds Python objects."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return bool(read(file)[2].hasobject)
    except (ValueError, OSError, SyntaxError):
        return False


def _of_array(path: Path) -> Matrix:
    array = plain_array(path)
    shape = _matrix_shape(array.shape)
    if shape is None:
        raise InvalidData(f"{path.name} has shape {array.shape}, not (steps, width). Average crops, or write one each.")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise InvalidData(f"{path.name} holds {array.dtype}, not numbers.")
    _check_size(path, *shape)
    return np.array(array).reshape(shape)


def _matrix_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(T, D) of (T, D), (1, T, D), (T, 1, D), (T, D, 1, 1) and the like; None where more than two axes say something.

    An array of a single step keeps its two axes.
    """
    if len(shape) == 2:
        return shape
    long = [size for size in shape if size != 1]
    if len(shape) > 2 and len(long) == 2:
        return long[0], long[1]
    return (1, long[0]) if len(shape) > 2 and len(long) == 1 else None


def _of_table(path: Path) -> Matrix:
    rows: list[NDArray[np.float32]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, cells in enumerate(csv.reader(file), start=1):
                if not cells or (number == 1 and not _is_number(cells[0])):
                    continue  # A blank line, or the names of the columns.
                rows.append(np.asarray(cells, np.float32))
                if len(rows[-1]) != len(rows[0]):
                    raise InvalidData(f"{path.name} line {number} has {len(rows[-1])} cells, not {len(rows[0])}.")
                _check_size(path, len(rows), len(cells))
    except (ValueError, csv.Error) as error:
        raise InvalidData(f"{path.name} line {number} is no row of numbers: {str(error)[:80]}.") from None
    except OSError as error:
        raise InvalidData(f"{path.name} can't be read: {error.strerror or error}.") from None
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def _check_size(path: Path, rows: int, columns: int) -> None:
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise InvalidData(
            f"{path.name} has {rows:,} rows of {columns:,} numbers: over {MOST_ROWS:,} rows or {MOST_COLUMNS:,} "
            "columns are no features of one video. Are its axes swapped, or does it hold many videos?"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
