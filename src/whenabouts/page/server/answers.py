"""What the server says of moments, videos and reviews: plain JSON values."""

import hashlib
from typing import Any

from whenabouts.core.moments import KINDS
from whenabouts.data.decisions import Review
from whenabouts.data.manifest import Entry
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.library import key_of
from whenabouts.page.server.plays import plays
from whenabouts.page.server.table import Table

Json = dict[str, Any]


def moment_id(key: str, concept: str, start: float, end: float) -> str:
    """A short text that is the same for the same moment, whatever else was found."""
    told = f"{key} {start!r} {end!r} {concept}"
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def thumbnail(key: str, start: float, end: float) -> str:
    """Where the picture in the middle of a span is."""
    return f"/thumbnails/{key}/{(start + end) / 2:.3f}.jpg"


def moment(snapshot: Snapshot, table: Table, row: int, review: Review | None, useful: float = 0.0) -> Json:
    """One row of a table, with the decision about it."""
    library = snapshot.library
    number = int(table.videos[row])
    entry, key = library.entries[number], library.keys[number]
    start, end = table.spans[row].tolist()
    concept = library.names.names[int(table.concepts[row])]
    values: Json = {
        "id": moment_id(key, concept, start, end),
        "video": key,
        "video_id": entry.id,
        "title": entry.title or entry.id,
        "duration": entry.video.duration_seconds,
        "split": entry.split,
        "concept": concept,
        "start": start,
        "end": end,
        "score": float(table.scores[row]),
        "kind": KINDS[int(table.kinds[row])],
        "usefulness": round(useful, 4),
        "review": None if review is None else review_of_moment(review),
        "thumbnail": thumbnail(key, start, end),
    }
    if values["kind"] == "imported":
        values["present"] = bool(table.present[row])
    return values


def review_of_moment(review: Review) -> Json:
    """The decision as a moment tells it; `found` is what to send for another decision about the same."""
    said = review.decided
    return {"id": review.id, "decision": said.decision, "start": said.start_seconds, "end": said.end_seconds,
            "found": {"start": said.subject[2], "end": said.subject[3], "score": said.found_score}}  # fmt: skip


def review(snapshot: Snapshot, told: Review, stands: bool) -> Json:
    """A decision with all that is stored of it."""
    said, numbers = told.decided, snapshot.library.numbers
    number = numbers.get(said.video_id)
    entry = None if number is None else snapshot.library.entries[number]
    return {
        "id": told.id,
        "decision": said.decision,
        "video": key_of(said.video_id),
        "video_id": said.video_id,
        "title": (entry.title or entry.id) if entry else said.video_id,
        "concept": said.concept,
        "start": said.start_seconds,
        "end": said.end_seconds,
        "found": None
        if said.found is None
        else {"start": said.found[0], "end": said.found[1], "score": said.found_score},
        "origin": said.origin,
        "at": told.at,
        "standing": stands,
        "undone": told.undone,
    }


def video(snapshot: Snapshot, number: int, *, found: int | None = None) -> Json:
    """One video without its moments."""
    library = snapshot.library
    entry, key = library.entries[number], library.keys[number]
    info = entry.video
    return {
        "key": key,
        "id": entry.id,
        "title": entry.title or entry.id,
        "uploader": entry.uploader,
        "split": entry.split,
        "held_out": entry.id in snapshot.held_out,
        "duration": info.duration_seconds,
        "fps": None if info.fps is None else float(info.fps),
        "width": info.width,
        "height": info.height,
        "has_audio": info.has_audio,
        "start_time": info.start_pts_seconds,
        "status": info.status,
        "reason": info.reason,
        "date": float(library.dates[number]),
        "labels": [{"name": each.name, "weight": each.weight, "source": each.source} for each in entry.labels],
        "media": f"/media/{key}",
        "plays": plays(entry),
        "thumbnail": f"/thumbnails/{key}/{middle(entry):.3f}.jpg",
        **({} if found is None else {"moments": found}),
    }


def middle(entry: Entry) -> float:
    """The second in the middle of a video."""
    return entry.video.duration_seconds / 2
