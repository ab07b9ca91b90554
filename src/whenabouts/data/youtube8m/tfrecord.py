"""TFRecord files: records of bytes, framed by length and checksums; read and written without TensorFlow.

A record is a length (8 bytes, little-endian), the masked CRC32C of the length (4 bytes), the data, and the masked
CRC32C of the data (4 bytes). Records are numbered from 1; offsets are those of the length's first byte.
"""

import functools
import itertools
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.data.youtube8m.crc32c import masked_crc32c

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_FRAME_BYTES = _HEADER.size + _FOOTER.size
_LARGE_BLOCK = 16 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: file, number (from 1), offset of its first byte, and its size with the frame."""

    path: Path
    number: int
    offset: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.path}, record {self.number} at byte {self.offset}"


class RecordError(InvalidData):
    """A record that can't be used: its place, the reason, and how many bytes of the file are lost with it."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


@dataclass(frozen=True, slots=True)
class Record:
    """The data of one record, their masked checksum, and where they stand: file, number (from 1), first byte."""

    data: bytes
    checksum: int
    path: Path
    number: int
    offset: int

    @property
    def bytes(self) -> int:
        """Size with the frame."""
        return len(self.data) + _FRAME_BYTES

    @property
    def place(self) -> Place:
        """Where it stands, for errors."""
        return Place(self.path, self.number, self.offset, self.bytes)

    def __repr__(self) -> str:
        return f"Record({len(self.data)} bytes, {self.place})"


def read_records(path: Path, problems: list[RecordError] | None = None) -> Iterator[Record]:
    """Read a file record by record, every checksum checked; an empty file holds no records.

    Without `problems`, the first damage raises RecordError. With it, damage is appended there: a record whose data do
    not fit their checksum is left out and the next one is read; where a length does not fit its checksum or the file
    ends within a record, the rest of the file is lost and told as one problem, for nobody knows where records begin.
    The sizes of all records and problems add up to the size of the file.
    """
    _keep_freed_memory()
    try:
        file = path.open("rb")
        size = file.seek(0, os.SEEK_END)
    except OSError as error:
        _tell(RecordError(Place(path, 1, 0, 0), f"the file can't be opened ({error.strerror or error})"), problems)
        return
    with file:
        file.seek(0)
        offset = 0
        for number in itertools.count(1):
            if offset >= size:
                return
            try:
                record = _next_record(file, path, number, offset, size - offset)
            except RecordError as error:
                _tell(error, problems)
                offset += error.place.bytes
                continue
            yield record
            offset += len(record.data) + _FRAME_BYTES


def write_records(path: Path, payloads: Iterable[bytes]) -> int:
    """Write a file of one record per payload, whole or not at all; returns how many."""
    count = 0
    with replacing(path) as part, part.open("wb") as file:
        for data in payloads:
            length = struct.pack("<Q", len(data))
            file.write(length + _FOOTER.pack(masked_crc32c(length)))
            file.write(data)
            file.write(_FOOTER.pack(masked_crc32c(data)))
            count += 1
    return count


@functools.cache
def _keep_freed_memory() -> None:
    """Free one large block, once in a process, so that the C library keeps the memory of records for the next ones.

    glibc learns from it that blocks up to this size come and go. Else it gives each record's memory back to the
    system, and a third of the reading time goes into fetching it again, page by page. The block is never touched.
    """
    bytes(_LARGE_BLOCK)


def _next_record(file: BinaryIO, path: Path, number: int, offset: int, left: int) -> Record:
    """The record that begins here; raises RecordError for it alone, or for all `left` bytes of the file."""
    try:
        header = file.read(_HEADER.size)
        refusal = _refusal(header, number, left)
        if refusal:
            raise RecordError(Place(path, number, offset, left), refusal)
        length, _ = _HEADER.unpack(header)
        data, footer = file.read(length), file.read(_FOOTER.size)
    except OSError as error:
        reason = f"the file can't be read on from here ({error.strerror or error})"
        raise RecordError(Place(path, number, offset, left), reason) from None
    if len(footer) < _FOOTER.size:
        raise RecordError(Place(path, number, offset, left), "the file became shorter while it was read")
    (checksum,) = _FOOTER.unpack(footer)
    if masked_crc32c(data) != checksum:
        place = Place(path, number, offset, length + _FRAME_BYTES)
        raise RecordError(place, f"its {length} bytes of data do not fit their checksum")
    return Record(data, checksum, path, number, offset)


def _refusal(header: bytes, number: int, left: int) -> str:
    """Why no record can begin with this header, where so many bytes are left of the file; empty where one can."""
    if len(header) < _HEADER.size:
        return f"the file ends after {len(header)} of the {_HEADER.size} bytes of its header"
    length, checksum = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        hint = ""
        if number == 1:
            packed = header[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\x01", b"\x78\xda")
            hint = ". It is compressed: unpack it first" if packed else ". Perhaps this is no TFRecord file"
        return f"its length does not fit its checksum{hint}; {left} bytes to the end of the file are lost"
    if length + _FRAME_BYTES > left:
        return f"it should take {length + _FRAME_BYTES} bytes, but the file ends after {left} of them"
    return ""


def _tell(error: RecordError, problems: list[RecordError] | None) -> None:
    if problems is None:
        raise error
    problems.append(error)
