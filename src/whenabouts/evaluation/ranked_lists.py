"""Ranked segments per class, read line by line from submission files of the YouTube-8M segment challenge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whenabouts.core.errors import InvalidData

Convention = Literal["kaggle", "official-script"]
HEADER = "Class,Segments"
_MOST_DIGITS = 18  # any such number fits 64 bits


@dataclass(frozen=True)
class RankedList:
    """The segments of one class, `video:start` with the start in seconds, best first."""

    class_id: int
    segments: Sequence[str]

    def __repr__(self) -> str:
        shown = " ".join(self.segments[:3]) + (" ..." if len(self.segments) > 3 else "")
        return f"RankedList(class {self.class_id}, {len(self.segments)} segments: {shown})"


def read_ranked_lists(path: Path, *, convention: Convention = "kaggle") -> Iterator[RankedList]:
    """Read `class,video:start video:start ...`, one line a class; only one line is ever in memory.

    "kaggle" takes a header or none, any line ends, blanks at the end and empty lists, and refuses a class that comes
    twice. "official-script" splits lines as Google's segment_eval_inference.py does: the last segment keeps its line
    end (so it is never found among the rated ones, unless a blank stands before it), and a header is an error.
    Raises InvalidData with the line number for what can't be read.
    """
    read = _official_line if convention == "official-script" else _kaggle_line
    seen: dict[int, int] = {}
    try:
        with path.open(encoding="utf-8-sig" if convention == "kaggle" else "utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                ranked = read(line, f"{path} line {number}", first=number == 1)
                if ranked is None:
                    continue
                before = seen.setdefault(ranked.class_id, number)
                if before != number and convention == "kaggle":
                    raise InvalidData(
                        f"{path}: class {ranked.class_id} stands in line {before} and again in line {number}. "
                        "Give each class one line."
                    )
                yield ranked
    except FileNotFoundError:
        raise InvalidData(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} can't be read as text: {error}.") from None


def _kaggle_line(line: str, where: str, *, first: bool) -> RankedList | None:
    """One line, None for a header or an empty line."""
    if not line.strip():
        return None
    name, comma, listed = line.replace('"', "").partition(",")
    if first and name.strip().lower() == "class":
        return None
    segments = listed.split()
    if not comma or not is_whole(name) or "," in listed:
        raise InvalidData(
            f"{where} is {_shown(line)}, but should be a class number, one comma, then segments with blanks between "
            f"them: 3,002G:35 002G:40. (A first line {HEADER!r} may stand above.)"
        )
    for segment in (*segments[:1], *segments[-1:]):  # the ends tell of a damaged line without reading all of it twice
        video, _, start = segment.rpartition(":")
        if not video or not is_whole(start):
            raise InvalidData(f"{where} holds {segment!r}, which is no segment. Write video:start, as in 002G:35.")
    return RankedList(int(name), segments)


def _official_line(line: str, where: str, *, first: bool) -> RankedList:
    fields = line.split(",")
    if len(fields) != 2 or not is_whole(fields[0]):
        hint = " It can't read a header: leave it away, or use --convention kaggle." if first else ""
        raise InvalidData(f"The official script stops with a ValueError at {where}, {_shown(line)}.{hint}")
    return RankedList(int(fields[0]), fields[1].split(" "))


def is_whole(text: str) -> bool:
    """Whether this is a whole number from 0 on that a table of 64-bit numbers can hold."""
    digits = text.strip()
    return digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS


def _shown(line: str) -> str:
    text = line.rstrip("\n")
    return repr(text if len(text) <= 60 else text[:60] + "...")
