"""Chapters as rated segments: from a sidecar's list, or from time stamps in a description."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import seconds_of
from whenabouts.data.importers.tags import LONGEST, clean
from whenabouts.data.manifest import RatedSegment

_STAMP = r"\(?\[?(\d{1,2}(?::\d{1,2})?:\d{2})\]?\)?"
_BEFORE = re.compile(rf"^[\W_]*{_STAMP}[\s\-–—:|.)]*(\S.*)$")
_AFTER = re.compile(rf"^(\S.*?)[\s\-–—:|(]+{_STAMP}\W*$")
_EMPTY = re.compile(r"(?i)^(<untitled chapter \d+>|\[sponsorblock\].*|(chapter|part|track|section)?\s*\d*)$")
_FEWEST = 3
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch of time in seconds."""

    title: str
    start_seconds: float
    end_seconds: float


def number(value: Any) -> float | None:
    """A finite number as float, None for everything else that JSON may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def listed_chapters(listed: Sequence[Any], duration_seconds: float) -> tuple[list[Chapter], int]:
    """Chapters of a sidecar's list `{start_time, end_time, title}` and how many of them are broken.

    A missing end is the next start, or the video's end. Untitled chapters are left out and are not broken.
    """
    found: list[Chapter] = []
    failed = 0
    for place, item in enumerate(listed):
        following = listed[place + 1] if place + 1 < len(listed) else {"start_time": duration_seconds}
        fallback = following.get("start_time") if isinstance(following, dict) else None
        try:
            title = item.get("title")
            end = item.get("end_time")
            chapter = _chapter(title or "", item.get("start_time"), fallback if end is None else end)
        except (InvalidData, AttributeError):
            failed += 1
            continue
        if chapter is not None:
            found.append(chapter)
    return found, failed


def described_chapters(text: str, duration_seconds: float) -> list[Chapter]:
    """Chapters from lines like `1:02 Title` or `Title (1:02)`.

    As YouTube does it: at least three stamps in rising order, the first at 0:00; anything else is not a table of
    contents and gives nothing.
    """
    found: list[tuple[float, str]] = []
    for line in (line.strip() for line in text.split("\n")):
        if len(line) > _LONGEST_LINE:
            continue
        before, after = _BEFORE.match(line), _AFTER.match(line)
        if before:
            found.append((seconds_of(before[1]), before[2]))
        elif after:
            found.append((seconds_of(after[2]), after[1]))
    starts = [start for start, _ in found]
    rising = all(one < other for one, other in itertools.pairwise(starts))
    if len(found) < _FEWEST or starts[0] != 0 or not rising or starts[-1] >= duration_seconds:
        return []
    ends = [*starts[1:], duration_seconds]
    chapters = (_chapter(title, start, end) for (start, title), end in zip(found, ends, strict=True))
    return [chapter for chapter in chapters if chapter is not None]


def as_segments(chapters: Sequence[Chapter], duration_seconds: float, source: str) -> tuple[RatedSegment, ...]:
    """Chapters as segments rated present, cut at the video's end; those that begin behind it are left out."""
    return tuple(
        RatedSegment(chapter.title, chapter.start_seconds, min(chapter.end_seconds, duration_seconds), True, source)
        for chapter in chapters
        if chapter.start_seconds < duration_seconds
    )


def _chapter(title: Any, start: Any, end: Any) -> Chapter | None:
    """A chapter, None where its title says nothing; raises InvalidData where its times are no times."""
    first, last = number(start), number(end)
    if first is None or last is None or not isinstance(title, str) or not 0 <= first < last:
        raise InvalidData("A chapter needs a text as title, and numbers of seconds, the end after the start.")
    name = clean(title, LONGEST).casefold()
    return None if _EMPTY.match(name) or "://" in name else Chapter(name, first, last)
