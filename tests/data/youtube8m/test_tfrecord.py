"""TFRecord framing: checked against a bit-by-bit CRC32C, hand-written bytes, damage of every kind, and golden files."""

import gzip
import json
import os
import re
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m.crc32c import masked_crc32c
from whenabouts.data.youtube8m.tfrecord import Record, RecordError, read_records, write_records

EMPTY_RECORD = bytes.fromhex("00000000 00000000 29039807 d8ea82a2".replace(" ", ""))
SAME_FOLDER = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def plain_crc32c(data: bytes) -> int:
    """The definition: reflected polynomial 0x82F63B78, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def plain_mask(crc: int) -> int:
    rotated = (crc >> 15) | (crc << 17) & 0xFFFFFFFF
    return (rotated + 0xA282EAD8) % 2**32


def framed(data: bytes) -> bytes:
    """One record, written from the definition."""
    length = struct.pack("<Q", len(data))
    sums = (struct.pack("<I", plain_mask(plain_crc32c(part))) for part in (length, data))
    return length + next(sums) + data + next(sums)


def read(path: Path, content: bytes) -> tuple[list[Record], list[RecordError]]:
    path.write_bytes(content)
    problems: list[RecordError] = []
    return list(read_records(path, problems)), problems


def accounted(records: list[Record], problems: list[RecordError]) -> int:
    return sum(record.bytes for record in records) + sum(problem.place.bytes for problem in problems)


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, B.4, and the usual check value
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_checksums_are_the_published_values(data: bytes, crc: int) -> None:
    assert plain_crc32c(data) == crc
    assert masked_crc32c(data) == plain_mask(crc)


@given(st.binary(max_size=300))
def test_masked_checksums_follow_the_definition(data: bytes) -> None:
    assert masked_crc32c(data) == plain_mask(plain_crc32c(data))


def test_a_record_is_written_byte_for_byte_as_defined(tmp_path: Path) -> None:
    assert write_records(tmp_path / "a", [b""]) == 1
    assert (tmp_path / "a").read_bytes() == EMPTY_RECORD
    assert write_records(tmp_path / "b", [b"abc", b"\0" * 1000]) == 2
    assert (tmp_path / "b").read_bytes() == framed(b"abc") + framed(b"\0" * 1000)


def test_records_know_where_they_stand(tmp_path: Path) -> None:
    records, problems = read(tmp_path / "x", framed(b"abc") + framed(b"") + framed(b"12345"))
    assert [(record.data, record.number, record.offset, record.bytes) for record in records] == [
        (b"abc", 1, 0, 19), (b"", 2, 19, 16), (b"12345", 3, 35, 21)
    ]  # fmt: skip
    assert not problems
    assert str(records[2].place) == f"{tmp_path / 'x'}, record 3 at byte 35"


def test_an_empty_file_holds_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "x", b"") == ([], [])


@given(payloads=st.lists(st.binary(max_size=200), max_size=8))
@SAME_FOLDER
def test_what_is_written_is_read(tmp_path: Path, payloads: list[bytes]) -> None:
    assert write_records(tmp_path / "x", payloads) == len(payloads)
    assert [record.data for record in read_records(tmp_path / "x")] == payloads


def test_a_failed_writing_leaves_the_old_file(tmp_path: Path) -> None:
    write_records(tmp_path / "x", [b"old"])

    def failing() -> object:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(tmp_path / "x", failing())  # type: ignore[arg-type]
    assert [record.data for record in read_records(tmp_path / "x")] == [b"old"]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_broken_data_cost_one_record(tmp_path: Path) -> None:
    broken = bytearray(framed(b"second"))
    broken[14] ^= 1
    records, problems = read(tmp_path / "x", framed(b"first") + bytes(broken) + framed(b"third"))
    assert [(record.number, record.data) for record in records] == [(1, b"first"), (3, b"third")]
    assert [str(problem) for problem in problems] == [
        f"{tmp_path / 'x'}, record 2 at byte 21: its 6 bytes of data do not fit their checksum"
    ]
    with pytest.raises(RecordError, match=r"x, record 2 at byte 21: its 6 bytes"):
        list(read_records(tmp_path / "x"))


def test_a_broken_length_costs_the_rest(tmp_path: Path) -> None:
    broken = bytearray(framed(b"second"))
    broken[0] ^= 1
    records, problems = read(tmp_path / "x", framed(b"first") + bytes(broken) + framed(b"third"))
    assert [record.data for record in records] == [b"first"]
    assert [str(problem) for problem in problems] == [
        f"{tmp_path / 'x'}, record 2 at byte 21: its length does not fit its checksum; "
        "43 bytes to the end of the file are lost"
    ]


def test_every_cut_is_told_and_nothing_is_invented(tmp_path: Path) -> None:
    content = framed(b"first") + framed(b"second one")
    for cut in range(len(content)):
        records, problems = read(tmp_path / "x", content[:cut])
        assert len(records) == (cut >= 21)
        assert accounted(records, problems) == cut
        at_border = cut in (0, 21)
        assert len(problems) == (not at_border)
        assert all(problem.place.offset == (21 if cut > 21 else 0) for problem in problems)
        if 0 < cut % 21 < 12 and cut < 33:
            assert f"the file ends after {cut % 21} of the 12 bytes of its header" in str(problems[0])


def test_a_length_beyond_the_file_never_takes_memory(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**62)
    header = length + struct.pack("<I", plain_mask(plain_crc32c(length)))
    records, problems = read(tmp_path / "x", header + b"some data and more")
    assert not records
    assert f"it should take {2**62 + 16} bytes, but the file ends after 30" in str(problems[0])


def test_other_kinds_of_file_are_told_apart(tmp_path: Path) -> None:
    _, problems = read(tmp_path / "x.csv", b"video,label\na.mp4,diving\n")
    assert "Perhaps this is no TFRecord file" in str(problems[0])
    _, problems = read(tmp_path / "x.gz", gzip.compress(framed(b"abc")))
    assert "It is compressed: unpack it first" in str(problems[0])


def test_a_missing_file_and_a_folder_are_problems(tmp_path: Path) -> None:
    problems: list[RecordError] = []
    assert list(read_records(tmp_path / "absent", problems)) == []
    assert list(read_records(tmp_path, problems)) == []
    assert [bool(re.search("the file can't be opened", str(problem))) for problem in problems] == [True, True]
    with pytest.raises(InvalidData, match="absent, record 1 at byte 0: the file can't be opened"):
        list(read_records(tmp_path / "absent"))


def test_a_file_that_shrinks_under_the_reader_is_told(tmp_path: Path) -> None:
    size = 100_000  # more than a file's buffer holds
    write_records(tmp_path / "x", [bytes(size), bytes(size)])
    problems: list[RecordError] = []
    reader = read_records(tmp_path / "x", problems)
    assert next(reader).number == 1
    os.truncate(tmp_path / "x", size + 50_000)
    assert list(reader) == []
    assert "record 2 at byte 100016: the file became shorter while it was read" in str(problems[0])


@given(data=st.data())
@SAME_FOLDER
def test_no_damage_raises_or_is_missed(tmp_path: Path, data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
    content = bytearray(b"".join(framed(payload) for payload in payloads))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    content = content[: data.draw(st.integers(0, len(content)))]
    records, problems = read(tmp_path / "x", bytes(content))
    assert accounted(records, problems) == len(content)
    assert all(record.data == payloads[record.number - 1] for record in records)
    numbers = sorted([record.number for record in records] + [problem.place.number for problem in problems])
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.golden
def test_files_that_tensorflow_wrote(shared: Path) -> None:
    folder = shared / "golden/y8m/records"
    odd = json.loads((folder / "odd_expected.json").read_text(encoding="utf-8"))
    damaged = {row["file"]: row for row in odd if "records_read_by_tensorflow_before_the_error" in row}
    files = sorted(folder.glob("*.tfrecord"))
    assert len(files) == 14
    for path in files:
        problems: list[RecordError] = []
        records = list(read_records(path, problems))
        assert accounted(records, problems) == path.stat().st_size
        if path.name not in damaged:
            assert records
            assert not problems
            continue
        row = damaged.pop(path.name)
        before = [record for record in records if not problems or record.number < problems[0].place.number]
        assert len(before) == row["records_read_by_tensorflow_before_the_error"]
        assert len(problems) == (row["records_written"] != len(before))
        if problems:
            with pytest.raises(RecordError, match=f"{path.name}, record {len(before) + 1} at byte"):
                list(read_records(path))
    assert not damaged


@pytest.mark.golden
def test_our_files_are_those_of_tensorflow_to_the_byte(shared: Path, tmp_path: Path) -> None:
    path = shared / "golden/y8m/records/frame_train00.tfrecord"
    assert write_records(tmp_path / "x", (record.data for record in read_records(path))) == 12
    assert (tmp_path / "x").read_bytes() == path.read_bytes()
