"""Tables: every row is read or rejected with a reason."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData, SettingsError, WhenaboutsError
from whenabouts.data.importers import IMPORTERS, Imported, ImportSettings
from whenabouts.data.importers.protocol import TableSettings
from whenabouts.data.importers.table_rows import Table, read_table
from whenabouts.data.manifest import RatedSegment

Media = Callable[..., Path]


def imported(root: Path, content: str | bytes, name: str = "labels.csv", **table: object) -> Imported:
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = IMPORTERS["csv"](root / name, ImportSettings(csv=TableSettings(**table)))
    counts = found.counts
    assert counts["rows"] == counts["rows_read"] + counts["rows_rejected"]
    assert sum(" row " in problem.file for problem in found.problems) == counts["rows_rejected"]
    return found


def labels(found: Imported) -> dict[str, list[str]]:
    return {entry.id: [label.name for label in entry.labels] for entry in found.entries}


def told(found: Imported) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_labels_of_several_rows_and_separators(media: Media) -> None:
    root = media("a.mp4", "b.mp4", "c.mp4")
    found = imported(root, "video,label\na.mp4,dive|jump\nb,run; swim;;\na.mp4,turn\na.mp4,dive\n")
    assert labels(found) == {"a": ["dive", "jump", "turn"], "b": ["run", "swim"], "c": []}
    assert (found.counts["rows_read"], found.counts["rows_repeated"]) == (4, 1)
    assert found.entries[0].labels[0].source == "csv:labels.csv"
    assert found.entries[0].labels[0].evidence == "row 1"


def test_a_table_apart_from_its_videos_is_told_how_to_name_their_folder(media: Media, tmp_path: Path) -> None:
    root, apart = media("a.mp4"), tmp_path / "tables"
    apart.mkdir()
    with pytest.raises(InvalidData, match=r"where labels\.csv is\. .* name their folder with --set import\.csv\.media"):
        imported(apart, "video,label\na.mp4,dive\n")
    assert labels(imported(apart, "video,label\na.mp4,dive\n", media=str(root))) == {"a": ["dive"]}


@pytest.mark.parametrize(
    "content",
    [
        "video,label\na.mp4,Café\n".encode("utf-8-sig"),
        "video,label\na.mp4,Café\n".encode("utf-16"),
        "video;label\r\na.mp4;Café\r\n".encode(),
        "sep=;\r\nvideo;label\r\na.mp4;Café\r\n".encode(),
        "video\tlabel\na.mp4\tCafé\n".encode(),
        '"video","label"\n"a.mp4","Café"\n'.encode(),
        "\n\nVideo , Label\na.mp4,Café\n,\n\n".encode(),
    ],
)
def test_how_programs_write_tables(media: Media, content: bytes) -> None:
    found = imported(media("a.mp4"), content)
    assert labels(found) == {"a": ["Café"]}
    assert not found.problems
    assert found.counts["rows"] == 1


def test_a_table_of_windows_1252_is_read_and_told(media: Media) -> None:
    found = imported(media("a.mp4"), "video,label\na.mp4,Café\n".encode("cp1252"))
    assert labels(found) == {"a": ["Café"]}
    assert told(found) == [
        "labels.csv: the table is not UTF-8 text (seen: byte 21). "
        "Read as Windows-1252. Save it as UTF-8 if accents look wrong."
    ]


def test_quoting_and_windows_paths(media: Media) -> None:
    root = media("x/a, b.mp4", "y/z.mp4")
    found = imported(root, 'file,tags\n"x\\a, b.mp4","one ""two"", three|line\nbreak"\nD:\\old\\y\\z.mp4,run\n')
    assert labels(found) == {"x/a, b": ['one "two", three', "line break"], "y/z": ["run"]}


def test_rejected_rows_say_what_was_seen_and_what_to_do(media: Media) -> None:
    root = media("a.mp4", "x/b.mp4", "y/b.mp4", seconds=20)
    rows = [
        "gone.mp4,dive,,,", ",dive,,,", "b.mp4,dive,,,", "a.mp4,dive,x,9,", "a.mp4,dive,5,5,", "a.mp4,dive,30,40,",
        "a.mp4,dive,15,25,", "a.mp4,,1,2,", "a.mp4,dive,1,,", "a.mp4,dive,,,maybe", "a.mp4,dive,,,yes,more",
        "a.mp4,dive,0:01,0:02.5,no",
    ]  # fmt: skip
    found = imported(root, "video,label,start,end,present\n" + "\n".join(rows) + "\n")
    assert (found.counts["rows"], found.counts["rows_read"]) == (12, 1)
    assert (found.counts["rows_unmatched"], found.counts["rows_ambiguous"]) == (2, 1)
    for line, wanted in zip(
        sorted(told(found), key=lambda text: int(text.split("row ")[1].split(":")[0])),
        ["row 1: no such video (seen: gone.mp4)", "row 2: it names no video", "could be x/b.mp4, y/b.mp4", "no times",
         "does not end after its start (seen: 5..5 s)", "beyond the video (seen: 30..40 s of 20 s)", "beyond the video",
         "needs a label", "no times (seen: '1'..'')", "neither yes nor no (seen: maybe)",
         "too many cells (seen: 6 cells under 5 columns)"], strict=True,
    ):  # fmt: skip
        assert wanted in line
    assert found.entries[0].segments == (RatedSegment("dive", 1.0, 2.5, False, "csv:labels.csv"),)


def test_segments_videos_rated_absent_and_weights(media: Media) -> None:
    rows = ["a,dive,1.5,0:02.5,1,", "a,jump,,,0,", "a,run,,,,0.5", "a,swim,99.5,100.7,,", "a,x,,,,2"]
    found = imported(media("a.mp4"), "\n".join(["video,label,start,end,present,weight", *rows]))
    source = "csv:labels.csv"
    assert found.entries[0].segments == (
        RatedSegment("dive", 1.5, 2.5, True, source),
        RatedSegment("jump", 0.0, 100.0, False, source),
        RatedSegment("swim", 99.5, 100.0, True, source),
    )
    assert [(label.name, label.weight) for label in found.entries[0].labels] == [("run", 0.5)]
    assert "the weight does not lie in (0, 1] (seen: 2)" in told(found)[0]


def test_splits_titles_and_uploaders(media: Media) -> None:
    found = imported(
        media("a.mp4", "b.mp4", "c.mp4"),
        "video,label,subset,title,channel\na,x,Testing,A day,Ann\na,y,test,Other,Bob\nb,x,VAL,,\na,z,train,,\n",
    )
    assert [(entry.split, entry.title, entry.uploader) for entry in found.entries] == [
        ("test", "A day", "Ann"), ("validation", "", ""), ("train", "", ""),
    ]  # fmt: skip
    assert labels(found)["a"] == ["x", "y"]
    assert "another row puts this video in another split (seen: test and train)" in told(found)[0]


def test_a_table_of_splits_alone(media: Media) -> None:
    found = imported(media("a.mp4", "b.mp4"), "id,split\na,test\n")
    assert [entry.split for entry in found.entries] == ["test", "train"]


def test_json_lines(media: Media) -> None:
    lines = [
        {"path": "a.mp4", "labels": ["dive", "jump|no cut"]}, {"path": "b", "labels": "x|y", "start": 1, "end": 2.5},
        {"path": "b", "labels": 7}, {"path": "b", "labels": None}, {"path": "b", "labels": {"no": 1}}, [1], "text",
        {"path": {}, "labels": "a"}, {"labels": "a"},
    ]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines) + "\n{broken\n\n"
    found = imported(media("a.mp4", "b.mp4"), text, "labels.jsonl")
    assert labels(found) == {"a": ["dive", "jump|no cut"], "b": ["7"]}
    assert [segment.name for segment in found.entries[1].segments] == ["x", "y"]
    assert (found.counts["rows"], found.counts["rows_read"]) == (10, 4)


def test_columns_can_be_named_or_counted(media: Media) -> None:
    root = media("a.mp4")
    assert labels(imported(root, "was,wo\nrun,a\n", columns={"video": "wo", "label": "was"})) == {"a": ["run"]}
    found = imported(root, "run,a\njump,a\n", columns={"video": "2", "label": "1"}, header=False)
    assert labels(found) == {"a": ["run", "jump"]}


def test_columns_that_are_not_there_name_those_that_are(media: Media) -> None:
    root = media("a.mp4")
    with pytest.raises(SettingsError, match=r"--map video=wer: labels\.csv has no such column. It has: 'was', 'wo'"):
        imported(root, "was,wo\n", columns={"video": "wer"})
    with pytest.raises(SettingsError, match=r"'vidoe' is no role. Roles: video, label"):
        imported(root, "was,wo\n", columns={"vidoe": "wo"})
    with pytest.raises(InvalidData, match=r"no column is known to hold the video.*--map video=COLUMN"):
        imported(root, "was,wo\n")
    with pytest.raises(InvalidData, match=r"no column is known to hold the video. Its columns: none"):
        imported(root, "")


def test_the_table_may_lie_elsewhere(media: Media, tmp_path: Path) -> None:
    root = media("a.mp4")
    found = imported(tmp_path, "video,label\na,x\n", media=root.name)
    assert (labels(found), found.root) == ({"a": ["x"]}, root.resolve())


def test_a_folder_holds_one_table(media: Media) -> None:
    root = media("a.mp4")
    with pytest.raises(InvalidData, match=r"should hold one table .* but holds: none"):
        IMPORTERS["csv"](root, ImportSettings())
    imported(root, "video,label\na,x\n")
    assert labels(IMPORTERS["csv"](root, ImportSettings())) == {"a": ["x"]}
    (root / "other.tsv").write_text("")
    with pytest.raises(InvalidData, match=r"but holds: labels.csv, other.tsv"):
        IMPORTERS["csv"](root, ImportSettings())
    with pytest.raises(InvalidData, match=r"does not end in .csv"):
        IMPORTERS["csv"](root / "a.mp4", ImportSettings())


def accounted(table: Table) -> bool:
    return table.total == len(table.rows) + sum(" row " in problem.file for problem in table.problems)


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(content=st.binary(max_size=200), name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl"]), header=st.booleans())
def test_any_bytes_are_accounted_for_or_refused(tmp_path: Path, content: bytes, name: str, header: bool) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        assert accounted(
            read_table(tmp_path / name, TableSettings(header=header, columns={"video": "1"} if header else {}))
        )
    except WhenaboutsError as error:
        assert name in str(error)  # noqa: PT017


@QUICK
@given(body=st.text(alphabet='a,;\t|"\n\r\0 é1', max_size=120))
def test_any_rows_below_a_good_header_are_accounted_for(tmp_path: Path, body: str) -> None:
    (tmp_path / "t.csv").write_bytes(f"video,label,start,end\n{body}".encode())
    assert accounted(read_table(tmp_path / "t.csv", TableSettings()))


@QUICK
@given(
    rows=st.lists(
        st.tuples(*[st.sampled_from(["", "a.mp4", "gone", "1", "2.5", "-1", "nan", "x|y", "0:03", "no"])] * 6)
    )
)
def test_rows_of_odd_cells_are_read_or_rejected(media: Media, rows: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("video", "label", "start", "end", "present", "weight"), *rows])
    found = imported(media("a.mp4", "b.mp4"), text.getvalue())
    assert found.counts["rows"] == sum(any(row) for row in rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@QUICK
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(["video", "label", "start", "end", "present", "weight", "split"]), JSON)
    )
)
def test_json_rows_of_any_kind_are_read_or_rejected(media: Media, rows: list[dict[str, object]]) -> None:
    lines = [json.dumps({"video": "a", "label": "x"} | row) for row in rows]
    found = imported(media("a.mp4", "b.mp4"), "\n".join(lines), "t.jsonl") if rows else None
    assert found is None or found.counts["rows"] == len(rows)
