"""Lines of a manifest, looked at one by one: those of a few videos become entries, the others are not even parsed.

Of a million videos the entries fill 1.8 GB, of which a worker with a share of the work needs little. What is asked of
every line stands at its beginning and at its end, as `Manifest.save` writes it; a line of another form is read in full.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from whenabouts.core.errors import InvalidData
from whenabouts.data.manifest import Entry, entry_of

# Within a JSON string a quote is escaped, so what ends like this says it of the video, and of nothing within.
_BEGINNING = re.compile(
    rb'\{"video": \{"id": "([^"\\]+)", "path": "(?:[^"\\]++|\\.)*+", "duration_seconds": (\d{1,12}(?:\.\d{1,25})?),'
)
_END = re.compile(rb', "removed": false, "changed_ns": \d{1,25}, "clocks": \[\]\}[ \n]*\Z')
_END_BYTES = 120
_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """Where a line begins (byte, and number from 1), and what it says of a video: id in UTF-8, seconds, removed."""

    offset: int
    number: int
    video_id: bytes
    seconds: float
    removed: bool


def look_at(file: BinaryIO, path: Path) -> Iterator[Line]:
    """What each line of a manifest says, in order; blank ones say nothing.

    Only lines of another form than `Manifest.save` gives, and those of removed videos, are read in full: InvalidData,
    with the line's number, where that fails. Others are not known to be sound before `read_at` has read them.
    """
    offset = 0
    for number, line in enumerate(file, start=1):
        begun, offset = offset, offset + len(line)
        if number == 1 and line.startswith(_MARK):
            begun, line = len(_MARK), line[len(_MARK) :]
        found = _BEGINNING.match(line)
        if found and b"\r" not in line and _END.search(line, max(found.end() - 1, len(line) - _END_BYTES)):
            yield Line(begun, number, found[1], float(found[2]), False)
        elif line.strip():
            entry = _read(line, number, path)
            name = entry.id.encode("utf-8", "surrogateescape")
            yield Line(begun, number, name, entry.video.duration_seconds, entry.removed)


def read_at(file: BinaryIO, path: Path, offset: int, number: int) -> Entry:
    """The entry that begins at a byte, which is the line of that number; InvalidData where it is broken."""
    file.seek(offset)
    return _read(file.readline(), number, path)


def _read(line: bytes, number: int, path: Path) -> Entry:
    where = f"{path} line {number}"
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{where} is not UTF-8 text: {error}. Mend it, or remove the file and import again."
        ) from None
    return entry_of(text, where, path.parent.resolve())
