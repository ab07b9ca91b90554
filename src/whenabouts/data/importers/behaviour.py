"""What people coded: ELAN's documents, BORIS's projects and tables, LosslessCut's logs."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.core.timing import seconds_of
from whenabouts.data.importers.annotation_files import (
    Mark,
    Unreadable,
    Videos,
    finite,
    import_marks,
    json_of,
    text_of,
)
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.importers.xml_files import name_of, text_in, xml_of
from whenabouts.data.manifest import Manifest


def import_elan(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read `.eaf` documents: each aligned annotation is a rated segment, named by its text or by its tier."""
    return import_marks(root, (".eaf",), "elan", _elan, settings=settings, known=known, progress=progress)


def import_boris(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read `.boris` projects and tables of events: states are rated segments, points label the whole video."""
    return import_marks(root, (".boris", ".csv", ".tsv"), "boris", _boris, settings=settings, known=known,
                        progress=progress)  # fmt: skip


def import_losslesscut(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read LosslessCut's CSV and TSV logs (start, end, name; no header), each beside the video that names it.

    A missing start is the video's start, a missing end its end.
    """
    return import_marks(root, (".csv", ".tsv"), "losslesscut", _log, settings=settings, known=known,
                        progress=progress)  # fmt: skip


def _elan(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    root = xml_of(path)
    if name_of(root) != "ANNOTATION_DOCUMENT":
        raise Unreadable("it is no document of ELAN", name_of(root))
    media = [each for each in root.iter() if name_of(each) == "MEDIA_DESCRIPTOR"]
    named = [(each.get("RELATIVE_MEDIA_URL") or each.get("MEDIA_URL") or "", each) for each in media]
    name, described = next(((text, each) for text, each in named if videos.named(text)), ("", None))
    origin = (finite(described.get("TIME_ORIGIN")) or 0.0) if described is not None else 0.0
    slots = {each.get("TIME_SLOT_ID"): finite(each.get("TIME_VALUE")) for each in root.iter()
             if name_of(each) == "TIME_SLOT"}  # fmt: skip
    for tier in (each for each in root.iter() if name_of(each) == "TIER"):
        tier_name = tier.get("TIER_ID") or ""
        for note in (each for each in tier.iter() if name_of(each) == "ALIGNABLE_ANNOTATION"):
            text = text_in(next((each for each in note if name_of(each) == "ANNOTATION_VALUE"), None))
            label = tier_name if settings.annotations.elan == "tier" or not text else _without_score(text)
            start, end = slots.get(note.get("TIME_SLOT_REF1")), slots.get(note.get("TIME_SLOT_REF2"))
            span = (0.0, 0.0) if start is None or end is None else ((start + origin) / 1000, (end + origin) / 1000)
            yield Mark(name or videos.beside(path), (label,), span, where=note.get("ANNOTATION_ID") or "")


def _without_score(text: str) -> str:
    """`dive` for `dive [0.25]`, as `whenabouts export --format elan` writes it."""
    label, bracket, score = text.rpartition(" [")
    return label if bracket and score.endswith("]") and finite(score[:-1]) is not None else text


def _boris(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    if path.suffix.lower() == ".boris":
        yield from _boris_project(json_of(path))
        return
    text = text_of(path)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    head = next((number for number, row in enumerate(rows) if "Behavior" in row), None)
    if head is None:
        raise Unreadable("it is no table of BORIS", "no column is called Behavior")
    columns = {name.strip(): place for place, name in enumerate(rows[head])}
    events = [
        {name: row[place] for name, place in columns.items() if place < len(row)} for row in rows[head + 1 :] if row
    ]
    if "Start (s)" in columns:
        yield from (_aggregated(event, number) for number, event in enumerate(events, start=1))
    else:
        yield from _paired([_tabular(event) for event in events])


def _aggregated(event: dict[str, str], number: int) -> Mark:
    name = event.get("Media file name") or event.get("Source") or event.get("Media file") or ""
    start, end = finite(event.get("Start (s)")), finite(event.get("Stop (s)"))
    point = event.get("Behavior type", "").upper() == "POINT" or start == end
    span = None if point else (start or 0.0, end or 0.0)
    return Mark(_media_name(name), (event.get("Behavior", ""),), span, where=f"row {number}")


def _media_name(text: str) -> str:
    """The first media file of an observation: BORIS writes `1:path` where there are several players."""
    first = text.split(";")[0].strip()
    return first[2:] if first[:2] in ("1:", "2:") else first


Event = tuple[str, str, str, float | None, str]
"""Video, what tells one state of a behaviour from another, behaviour, seconds, and START, STOP or POINT."""


def _tabular(event: dict[str, str]) -> Event:
    name = event.get("Media file name") or event.get("Media file path") or event.get("Media file") or ""
    at = finite(event.get("Time") or event.get("Start (s)"))
    behaviour = event.get("Behavior", "")
    kind = (event.get("Behavior type") or event.get("Status") or "POINT").upper()
    return _media_name(name), event.get("Subject", ""), behaviour, at, kind


def _paired(events: list[Event]) -> Iterator[Mark]:
    """States from their starts and stops; what never stops lasts to the video's end, a stop alone is refused."""
    begun: dict[tuple[str, str, str], float] = {}
    for number, (video, subject, behaviour, at, kind) in enumerate(events, start=1):
        key, where = (video, subject, behaviour), f"event {number}"
        if kind == "POINT":
            yield Mark(video, (behaviour,), where=where)
        elif at is None or (kind == "STOP" and key not in begun):
            yield Mark(video, (behaviour,), (0.0, 0.0), where=where)
        elif kind == "START" and key not in begun:
            begun[key] = at
        else:
            yield Mark(video, (behaviour,), (begun.pop(key), at), where=where)
    for (video, _, behaviour), at in begun.items():
        yield Mark(video, (behaviour,), (at, None), where="a state that never stops")


def _boris_project(told: Any) -> Iterator[Mark]:
    observations = told.get("observations") if isinstance(told, dict) else None
    if not isinstance(observations, dict):
        raise Unreadable("it is no project of BORIS", "no observations")
    states = {
        str(each.get("code")) for each in (told.get("behaviors_conf") or {}).values()
        if isinstance(each, dict) and "state" in str(each.get("type", "")).lower()
    } if isinstance(told.get("behaviors_conf"), dict) else set()  # fmt: skip
    for observation in observations.values():
        if not isinstance(observation, dict):
            continue
        video = _first_file(observation.get("file"))
        events: list[Event] = []
        running: set[tuple[str, str]] = set()
        for event in observation.get("events") or []:
            if not isinstance(event, list) or len(event) < 3:
                events.append((video, "", "", None, "START"))
                continue
            subject, code = str(event[1]), str(event[2])
            kind = "POINT"
            if code in states:
                kind = "STOP" if (subject, code) in running else "START"
                running ^= {(subject, code)}
            events.append((video, subject, code, finite(event[0]), kind))
        yield from _paired(events)


def _first_file(players: Any) -> str:
    files = players.get("1") if isinstance(players, dict) else None
    return str(files[0]) if isinstance(files, list) and files else ""


def _log(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    video = videos.beside(path)
    if not video:
        raise Unreadable("no video beside it has a name with which its own begins", path.name)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    for number, row in enumerate(csv.reader(io.StringIO(text_of(path), newline=""), delimiter=delimiter), start=1):
        if not any(cell.strip() for cell in row):
            continue
        try:
            start = seconds_of(row[0]) if row[0].strip() else 0.0
            end = seconds_of(row[1]) if len(row) > 1 and row[1].strip() else None
        except InvalidData:
            start, end = 0.0, 0.0
        yield Mark(video, (row[2],) if len(row) > 2 else (), (start, end), where=f"line {number}")
