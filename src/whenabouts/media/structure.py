"""Checks of a container's own bytes: checksums, sync bytes, and lengths that reach beyond the end of the file."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK = 1 << 20

# MPEG transport packets are 188 bytes long, with 4 bytes of time before (Blu-ray) or 16 bytes of parity after them.
_TRANSPORT = ((188, 0), (192, 4), (204, 0))
_SYNC = 0x47

# Matroska element ids: the checksum, and the masters whose children are walked.
_CRC32, _SEGMENT = 0xBF, 0x18538067

# A day of video has some 20 000 clusters: what has far more elements at its top is no sane file.
_MOST_ELEMENTS = 1_000_000


def structural_damage(path: Path, container: str) -> list[str]:
    """What a container's bytes say against it, in words; empty where nothing is wrong or nothing can be checked.

    `container` is FFmpeg's name of the format. Reads the whole file of Matroska and MPEG-TS, the box headers of MP4.
    """
    kinds = set(container.split(","))
    try:
        if "mpegts" in kinds:
            return _transport_damage(path)
        with path.open("rb") as file:
            if "matroska" in kinds:
                return list(_matroska_damage(file, path.stat().st_size))
            if "mov" in kinds:
                return list(_boxes_damage(file, path.stat().st_size))
    except OSError as error:
        return [f"the file can't be read ({error.strerror})"]
    return []


def _transport_damage(path: Path) -> list[str]:
    if path.stat().st_size == 0:
        return ["the file is empty"]
    data = np.memmap(path, np.uint8, "r")
    for length, offset in _TRANSPORT:
        marks = data[offset : offset + 20 * length : length]
        if len(marks) and (marks == _SYNC).mean() > 0.9:
            stride = _CHUNK * length
            chunks = (data[at : at + stride : length] for at in range(offset, len(data), stride))
            lost = sum(int((chunk != _SYNC).sum()) for chunk in chunks)
            wrong = [f"{lost} transport packets have lost their sync byte"] if lost else []
            return [*wrong, "the file ends within a transport packet"] if len(data) % length else wrong
    return ["the transport packets have no regular length"]


def _boxes_damage(file: BinaryIO, size: int) -> Iterator[str]:
    """MP4 and QuickTime: boxes of the file follow each other up to its very end (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            return
        if length < 8 or at + length > size:
            if all(32 <= byte < 127 or byte == 0xA9 for byte in kind):
                yield f"the box {kind.decode('latin-1')!r} reaches beyond the end of the file"
            return
        at += length


def _matroska_damage(file: BinaryIO, size: int) -> Iterator[str]:
    """Matroska and WebM: checksums of the top elements (RFC 9559 and RFC 8794, 11.3.1), and lengths."""
    at = 0
    for _ in range(_MOST_ELEMENTS):
        if at >= size:
            return
        file.seek(at)
        kind, length, start = _element(file)
        if kind is None:
            yield "an element has no valid id"
            return
        if kind == _SEGMENT:
            if length is not None and start + length > size:
                yield "the file ends before its contents do"
            at = start
            continue
        if length is None:
            return
        if start + length > size:
            yield "the last element is cut off"
            return
        if not _checksum_holds(file, start, length):
            yield f"the checksum of the element at byte {at} is wrong"
        at = start + length


def _element(file: BinaryIO) -> tuple[int | None, int | None, int]:
    """Id, length (None: unknown) and first byte of the contents of the element at the file's place."""
    start = file.tell()
    head = file.read(12)
    id_length = _width(head[:1], longest=4)
    size_length = _width(head[id_length : id_length + 1], longest=8) if id_length else 0
    if not id_length or not size_length or len(head) < id_length + size_length:
        return None, None, start
    kind = int.from_bytes(head[:id_length], "big")
    bits = 7 * size_length
    length = int.from_bytes(head[id_length : id_length + size_length], "big") & ((1 << bits) - 1)
    return kind, None if length == (1 << bits) - 1 else length, start + id_length + size_length


def _width(first: bytes, *, longest: int) -> int:
    """Bytes of an EBML number by its first byte: leading zero bits + 1; 0 where that is too long."""
    width = 9 - first[0].bit_length() if first and first[0] else 0
    return width if width <= longest else 0


def _checksum_holds(file: BinaryIO, start: int, length: int) -> bool:
    """True where the first child is no checksum, or the right one."""
    file.seek(start)
    head = file.read(6)
    if length < 6 or head[:2] != bytes([_CRC32, 0x84]):
        return True
    left, checksum = length - 6, 0
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        checksum = zlib.crc32(chunk, checksum)
        left -= len(chunk)
    return checksum == int.from_bytes(head[2:], "little")
