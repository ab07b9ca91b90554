"""Matrices of other programs: what is taken, and what is refused before it is read."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.feature_files import arrays
from whenabouts.data.feature_files.arrays import read_matrix


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (3, 4, 1, 1), (3, 1, 1, 4)])
def test_axes_of_length_one_say_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(12.0).reshape(shape)
    np.save(tmp_path / "x.npy", values)
    matrix = read_matrix(tmp_path / "x.npy")
    assert (matrix.shape, matrix.dtype) == ((3, 4), np.float32)
    np.testing.assert_array_equal(matrix.ravel(), values.ravel())


def test_one_step_stays_a_step(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 1, 4), np.float16))
    assert read_matrix(tmp_path / "x.npy").shape == (1, 4)
    np.save(tmp_path / "x.npy", np.ones((3, 1)))
    assert read_matrix(tmp_path / "x.npy").shape == (3, 1)


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (np.ones(5), r"has shape \(5,\)"),
        (np.ones((5, 10, 4)), r"has shape \(5, 10, 4\), not \(steps, width\). Average crops"),
        (np.asarray([["a", "b"]]), "holds <U1, not numbers"),
        (np.ones((2, 70_000), np.int8), "Are its axes swapped"),
        (np.asarray([[1], [1, 2]], object), "holds Python objects, which only pickle reads"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path: Path, array: np.ndarray, wanted: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InvalidData, match=wanted):
        read_matrix(tmp_path / "x.npy")


def test_a_million_rows_are_refused_by_the_header_alone(tmp_path: Path) -> None:
    """A sparse file of 8 GB: only its header can have been read."""
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1_000_001, 2048)})
        os.truncate(path, file.tell() + 1_000_001 * 2048 * 4)
    with pytest.raises(InvalidData, match=r"1,000,001 rows of 2,048 numbers"):
        read_matrix(path)


def test_damage_and_archives_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 4)))
    whole = (tmp_path / "x.npy").read_bytes()
    for content in (whole[:-1], whole[:20], b"", b"\x80\x04K\x01."):
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(InvalidData, match=r"x\.npy"):
            read_matrix(tmp_path / "x.npy")
    np.savez(tmp_path / "y.npz", a=np.ones((3, 4)))
    (tmp_path / "y.npz").rename(tmp_path / "y.npy")
    with pytest.raises(InvalidData, match="is an archive"):
        read_matrix(tmp_path / "y.npy")


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    array = np.empty(1, object)
    array[0] = Bomb()
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(InvalidData):
        read_matrix(tmp_path / "x.npy")
    assert not (tmp_path / "ran").exists()


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("f0,f1,f2\n1,2.5,-3e-1\n4,5,6\n\n")
    np.testing.assert_allclose(read_matrix(path), [[1, 2.5, -0.3], [4, 5, 6]], rtol=1e-6)
    path.write_text("1,2\n3\n")
    with pytest.raises(InvalidData, match="line 2 has 1 cells, not 2"):
        read_matrix(path)
    path.write_text("1,2\n3,x\n")
    with pytest.raises(InvalidData, match="line 2 is no row of numbers"):
        read_matrix(path)
    path.write_text("a,b\n")
    assert read_matrix(path).size == 0
    monkeypatch.setattr(arrays, "MOST_ROWS", 2)
    path.write_text("1\n" * 3 + json.dumps("never read"))
    with pytest.raises(InvalidData, match="3 rows of 1 numbers"):
        read_matrix(path)
