"""YouTube-8M's vocabulary: rows in any order, classes without names, names that come twice, broken tables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.youtube8m.vocabulary import ClassRow, ClassTable, read_class_table, write_class_table

HEADER = "Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl,Vertical1,Vertical2,Vertical3,WikiDescription\n"


def table(tmp_path: Path, text: str) -> ClassTable:
    path = tmp_path / "vocabulary.csv"
    path.write_bytes(text.encode())
    return read_class_table(path)


def test_rows_in_any_order_with_quotes_and_unknown_verticals(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "\ufeff" + HEADER + '2,123,/m/c,Cooking,,Food & Drink,Hobbies & Leisure,,"Heat, ""fire""\nand food"\r\n'
        "0,7,/m/a,Game,https://x/Game,Games,,,Play\n"
        "1,5,/m/b,,,(Unknown),,,\n",
    )  # fmt: skip
    assert found.indices == (0, 1, 2)
    assert found.vocabulary == Vocabulary(
        ("Game", "/m/b", "Cooking"),
        descriptions={"Game": "Play", "Cooking": 'Heat, "fire"\nand food'},
        parents={"Game": "Games", "Cooking": "Food & Drink"},
    )
    assert found.rows[2] == ClassRow(
        2, "Cooking", "/m/c", ("Food & Drink", "Hobbies & Leisure"), 'Heat, "fire"\nand food', 123
    )
    assert repr(found) == "ClassTable(3 classes)"


def test_a_part_of_the_classes_keeps_their_numbers(tmp_path: Path) -> None:
    found = table(tmp_path, "Index,Name\n900,Late\n3,Early\n")
    assert found.indices == (3, 900)
    assert found.vocabulary.names == ("Early", "Late")
    assert found.names == {3: "Early", 900: "Late"}


def test_classes_without_a_name_or_with_one_that_is_taken_get_their_own(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "Index,KnowledgeGraphId,Name\n0,/m/a,Jump\n1,/m/b,Jump\n2,,Jump\n3,,\n4,/m/e,\n5,/m/e,\n6,,class 3\n",
    )
    assert found.vocabulary.names == (
        "Jump", "Jump (/m/b)", "Jump (class 2)", "class 3", "/m/e", "/m/e (class 5)", "class 3 (class 6)",
    )  # fmt: skip


def test_a_class_is_not_its_own_parent(tmp_path: Path) -> None:
    assert table(tmp_path, "Index,Name,Vertical1\n0,Shopping,Shopping\n").vocabulary.parents == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"has no column \['Index', 'Name'\]; its columns are None"),
        ("a,b\n1,2\n", r"has no column \['Index', 'Name'\]; its columns are \['a', 'b'\]"),
        ("Index,Name\n0,A\nx,B\n", "line 3: whole numbers are needed, but got Index 'x'"),
        ("Index,Name\n0,A\n,B\n", "line 3: whole numbers are needed, but got Index ''"),
        ("Index,Name,TrainVideoCount\n0,A,many\n", "line 2: whole numbers are needed, .* TrainVideoCount 'many'"),
        ("Index,Name\n0,A\n0,B\n", r"each Index once, but \[0\]"),
        ("Index,Name\n-1,A\n", "An Index is 0 or more, but one is -1"),
        ('Index,Name\n0,"A', "is not CSV after line 1"),
    ],
)
def test_broken_tables_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidData, match=told):
        table(tmp_path, text)


def test_a_missing_table_and_one_that_is_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"There is no .*absent\.csv"):
        read_class_table(tmp_path / "absent.csv")
    (tmp_path / "x.csv").write_bytes(b"Index,Name\n0,\xff\n")
    with pytest.raises(InvalidData, match="UTF-8"):
        read_class_table(tmp_path / "x.csv")


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["", "A", "B", "class 3", "A (class 3)"]))))
def test_names_are_always_there_and_never_alike(rows: list[tuple[int, str]]) -> None:
    found = ClassTable(tuple(ClassRow(index, name) for index, name in dict(rows).items()))
    assert len(found.vocabulary) == len(dict(rows))
    assert [found.names[index] for index in found.indices] == list(found.vocabulary.names)


def test_a_vocabulary_is_written_as_such_a_table(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("b, c", 'a "quoted" name', "ü"), {"ü": "line\nline"}, {"b, c": "Letters"})
    write_class_table(tmp_path / "v.csv", vocabulary, [3, 0, 1])
    found = read_class_table(tmp_path / "v.csv")
    assert found.vocabulary == vocabulary
    assert found.indices == (0, 1, 2)
    assert [row.train_videos for row in found.rows] == [3, 0, 1]
    assert (tmp_path / "v.csv").read_text(encoding="utf-8").startswith(HEADER)


@pytest.mark.golden
def test_the_real_vocabulary(shared: Path, tmp_path: Path) -> None:
    found = read_class_table(shared / "data/y8m/vocabulary.csv")
    assert found.indices == tuple(range(3862))
    lines = (shared / "data/y8m/label_names_2018.csv").read_text(encoding="utf-8").splitlines()[1:]
    listed = {int(number): name.strip() for number, _, name in (line.partition(",") for line in lines)}
    assert len(listed) == 3862
    assert dict(found.names) == listed
    assert sum(not row.name for row in found.rows) == 56
    assert len(found.vocabulary.parents) == 3862 - 138
    assert len(set(found.vocabulary.parents.values())) == 24
    write_class_table(tmp_path / "v.csv", found.vocabulary, [row.train_videos for row in found.rows])
    assert read_class_table(tmp_path / "v.csv").vocabulary == found.vocabulary


@pytest.mark.golden
def test_real_tables_of_a_part_of_the_classes(shared: Path) -> None:
    whole = read_class_table(shared / "data/y8m/vocabulary.csv")
    parts = ("data/y8m/vocabulary_kaggle2019_1000.csv", "data/y8m/segment_vocabulary.csv",
             "golden/y8m/records/vocabulary_excerpt.csv")  # fmt: skip
    counts, others = [], {}
    for name in parts:
        part = read_class_table(shared / name)
        counts.append(len(part))
        others |= {index: own for index, own in part.names.items() if whole.names[index] != own}
    assert counts == [1000, 1000, 41]
    assert others == {271: "Nike"}  # "Nike, Inc." in the whole table
