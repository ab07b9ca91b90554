"""Charades' tables as they are: dirty, with each finding on its line."""

from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.charades import is_charades, read_charades
from whenabouts.data.annotations.checking import check_annotations
from whenabouts.data.annotations.nouns import Instance
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.charades import import_charades
from whenabouts.data.importers.protocol import CharadesSettings

HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length"
CLASSES = "c000 Holding some clothes\nc001 Putting clothes somewhere\nc002 Taking some clothes\n"
ROWS = (
    'AAAAA,S1,Bedroom,,6,Yes,"A person, tired",bed,x,c000 1.00 4.00;c001 2.50 9.90;c000 6.00 7.00,8.0',
    "BBBBB,S1,Bedroom,5,6,Yes,s,bed,x,,10.0",
    "CCCCC,S2,Bedroom,5,6,Yes,s,bed,x,c001 5.00 5.00;c002 6.00 3.00;c009 1 2;c000 -1.00 2.00,12.0",
    "AAAAA,S3,Bedroom,5,6,Yes,s,bed,x,c002 0.00 1.00,12.0",
    "DDDDD,S3,Bedroom,5,6,Yes,s,bed,x,c002 0.00 1.00;c002 0.00 1.00,",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Charades_v1_train.csv").write_text("\n".join((HEADER, *ROWS)) + "\n")
    (tmp_path / "Charades_v1_test.csv").write_text(
        f"{HEADER}\nEEEEE,S9,x,5,6,Yes,s,o,d,c001 0.50 2.00,4.0\n{ROWS[1]}\n"
    )
    (tmp_path / "Charades_v1_classes.txt").write_text(CLASSES)
    return tmp_path


def test_actions_become_instances(folder: Path) -> None:
    found = read_charades(folder)
    assert found.labels == ("Holding some clothes", "Putting clothes somewhere", "Taking some clothes")
    first = found.of_split("train")[0]
    assert first.instances[1] == Instance("Putting clothes somewhere", 2.5, 9.9)
    assert first.labels == ("Holding some clothes", "Putting clothes somewhere")
    assert [video.id for video in found.of_split("train")] == ["AAAAA", "BBBBB", "CCCCC", "DDDDD"]
    assert found.of_split("test")[0].duration_seconds == 4.0
    assert list(found.truth()["database"]) == ["EEEEE"]


def test_findings_name_their_lines(folder: Path) -> None:
    found = {(fault.where, fault.what) for fault in read_charades(folder).faults}
    train = "Charades_v1_train.csv line"
    assert found == {
        (f"{train} 2", "an action ends after its video"),
        (f"{train} 4", "an action without length"),
        (f"{train} 4", "an action ends before it starts"),
        (f"{train} 4", "no action 'cNNN start end' of a known class: 'c009 1 2'"),
        (f"{train} 4", "an action begins before its video"),
        (f"{train} 5", "AAAAA stands there twice; the first row counts"),
        (f"{train} 6", "an action is written twice"),
        (f"{train} 6", "no length"),
        ("Charades_v1_test.csv line 3", "the video stands in two files"),
    }
    checked = check_annotations(folder)
    assert (checked.kind, checked.to_json()["finding_count"]) == ("charades", 9)
    assert f"{train} 4: an action ends before it starts (seen: Taking some clothes 6..3 s of 12 s)" in checked.to_text()


def test_training_videos_get_labels_and_times_within_them(folder: Path) -> None:
    made = import_charades(folder, ImportSettings())
    entries = {entry.id: entry for entry in made.entries}
    assert [(row.name[:7], row.start_seconds, row.end_seconds) for row in entries["AAAAA"].segments] == [
        ("Holding", 1.0, 4.0), ("Putting", 2.5, 8.0), ("Holding", 6.0, 7.0),
    ]  # fmt: skip
    assert [row.name[:7] for row in entries["CCCCC"].segments] == ["Holding"]  # From 0 on; the others tell no time.
    assert len(entries["CCCCC"].labels) == 3
    assert entries["EEEEE"].labels == entries["EEEEE"].segments == ()
    assert len(made.problems) == 9
    bare = import_charades(folder, ImportSettings(charades=CharadesSettings(segments=False)))
    assert not any(entry.segments for entry in bare.entries)


@pytest.mark.parametrize("change", ["bom", "crlf", "latin-1"])
def test_files_as_editors_leave_them(change: str, folder: Path) -> None:
    path = folder / "Charades_v1_train.csv"
    text = path.read_text()
    if change == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    elif change == "crlf":
        path.write_bytes(text.replace("\n", "\r\n").encode())
    else:
        path.write_bytes(text.replace("A person, tired", "Une fenêtre").encode("latin-1"))
    assert is_charades(folder)
    found = read_charades(folder)
    assert len(found.of_split("train")) == 4
    assert {fault.where for fault in found.faults} >= {"Charades_v1_train.csv line 6"}


def test_one_table_alone_and_none(folder: Path) -> None:
    assert read_charades(folder / "Charades_v1_test.csv").of_split("test")[0].id == "EEEEE"
    assert is_charades(folder / "Charades_v1_test.csv")
    (folder / "Charades_v1_test.csv").write_text(HEADER + "\n")
    with pytest.raises(InvalidData, match="holds no video"):
        read_charades(folder / "Charades_v1_test.csv")
    (folder / "empty").mkdir()
    with pytest.raises(InvalidData, match=r"no \*_train\.csv"):
        read_charades(folder / "empty")
    (folder / "Charades_v1_classes.txt").unlink()
    assert read_charades(folder / "Charades_v1_train.csv").labels[156] == "c156"


def test_rows_that_end_early_and_classes_of_one_name_are_told_apart(folder: Path) -> None:
    """A quote that is never closed takes the rows behind it into one cell: that row is no video without actions."""
    table = folder / "Charades_v1_train.csv"
    table.write_text("\n".join((HEADER, ROWS[1], 'FFFFF,S1,Bedroom,5,6,Yes,"never closed', *ROWS[2:])))
    (folder / "Charades_v1_classes.txt").write_text("c000 Holding\nc001 Putting\nc002 Holding\n")
    found = read_charades(folder)
    assert found.labels == ("c000 Holding", "Putting", "c002 Holding")
    assert [video.id for video in found.of_split("train")] == ["BBBBB"]
    assert (f"{table.name} line 6", "'FFFFF' ends after 7 columns; it is left out") in {
        (fault.where, fault.what) for fault in found.faults
    }
