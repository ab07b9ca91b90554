"""Routes that look: the project, moments, videos, curves, reasons, look-alikes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whenabouts.core.moments import KINDS
from whenabouts.core.timing import temporal_iou
from whenabouts.data.decisions import DECISIONS, Decided, told_passed_over
from whenabouts.page.server import answers
from whenabouts.page.server.asking import DEEPEST_OFFSET, Asked, Refused, answer
from whenabouts.page.server.curves import curves, why
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.judging import matches
from whenabouts.page.server.library import Library
from whenabouts.page.server.rooms import Rooms, rooms_of
from whenabouts.page.server.searching import Query, search_moments, search_videos

SAME_HIT = 0.5


def project(request: Request) -> Response:
    """GET /api/project."""
    Asked(request, ())
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    return answer(_project(rooms, snapshot))


def moments(request: Request) -> Response:
    """GET /api/moments."""
    asked = Asked(request, ("concept", "text", "min_score", "kind", "split", "reviewed", "sort", "offset", "limit"))
    kinds = tuple(dict.fromkeys(asked.texts("kind"))) or ("found",)
    for kind in kinds:
        if kind not in KINDS:
            raise Refused(400, f"kind is one of {', '.join(KINDS)}, but got {kind[:50]!r}.")
    query = Query(
        concepts=tuple(asked.texts("concept")),
        text=asked.text("text"),
        min_score=asked.number("min_score"),
        kinds=kinds,
        split=asked.text("split"),
        reviewed=asked.choice("reviewed", ("", "yes", "no"), ""),
        sort=asked.choice("sort", ("score", "usefulness", "date"), "score"),
        offset=asked.count("offset", 0, DEEPEST_OFFSET),
        limit=asked.count("limit", 50, 500),
    )
    return answer(search_moments(rooms_of(request).desk.current(), query))


def videos(request: Request) -> Response:
    """GET /api/videos."""
    asked = Asked(request, ("text", "concept", "split", "sort", "offset", "limit"))
    query = Query(
        concepts=tuple(asked.texts("concept")),
        text=asked.text("text"),
        split=asked.text("split"),
        sort=asked.choice("sort", ("title", "date", "moments", "score"), "title"),
        offset=asked.count("offset", 0, DEEPEST_OFFSET),
        limit=asked.count("limit", 50, 500),
    )
    return answer(search_videos(rooms_of(request).desk.current(), query))


def video(request: Request) -> Response:
    """GET /api/videos/{key}."""
    Asked(request, ())
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    number = rooms.video_number(snapshot, request.path_params["key"])
    values = answers.video(snapshot, number)
    entry = snapshot.library.entries[number]
    store = rooms.model.store()
    values["features"] = [name for name in store.modalities() if store.has(entry.id, name)]
    values["proxy"] = rooms.proxy_state(snapshot, number)
    values["lanes"] = _lanes(snapshot, number)
    return answer(values)


def scores(request: Request) -> Response:
    """GET /api/videos/{key}/scores."""
    asked = Asked(request, ("concept", "points"))
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    number = rooms.video_number(snapshot, request.path_params["key"])
    concept = asked.text("concept")
    if not concept:
        raise Refused(400, "Say which concept.")
    points = max(1, asked.count("points", 1000, 10_000))
    return answer(curves(rooms.model.scores(snapshot.library.entries[number]), concept, points))


def reasons(request: Request) -> Response:
    """GET /api/why."""
    asked = Asked(request, ("video", "concept", "start", "end"))
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    number, start, end = rooms.span(snapshot, asked)
    entry, concept = snapshot.library.entries[number], asked.text("concept")
    values = why(rooms.model.scores(entry), concept, start, end)
    values["labels"] = [label.name for label in entry.labels]
    values["rank_in_video"] = _rank(snapshot, number, concept, (start, end))
    values["nearest"] = rooms.nearest_decided(snapshot, (number, start, end), concept)
    values["features"] = rooms.model.moved(entry, concept, start, end)
    return answer(values)


def similar(request: Request) -> Response:
    """GET /api/similar."""
    asked = Asked(request, ("video", "start", "end", "limit", "exclude_self"))
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    example = rooms.span(snapshot, asked)
    own = {example[0]} if asked.choice("exclude_self", ("yes", "no"), "yes") == "yes" else set[int]()
    spans, values = rooms.lookalikes.like(snapshot, [example], without=own)
    order = np.argsort(-values, kind="stable")
    listed = _apart(spans.videos, spans.spans, order, asked.count("limit", 50, 500), values)
    library = snapshot.library
    found = []
    for row in listed:
        number, (start, end) = int(spans.videos[row]), spans.spans[row].tolist()
        entry, key = library.entries[number], library.keys[number]
        found.append({"video": key, "video_id": entry.id, "title": entry.title or entry.id,
                      "duration": entry.video.duration_seconds, "start": start, "end": end,
                      "similarity": float(values[row]), "thumbnail": answers.thumbnail(key, start, end),
                      "concepts": rooms.concepts_at(snapshot, number, start, end)})  # fmt: skip
    return answer({"total": len(found), "stream": spans.stream, "moments": found})


def _apart(numbers: Any, spans: Any, order: Any, limit: int, values: Any) -> list[int]:
    """The first rows in order that overlap no earlier one by more than a third."""
    chosen: list[int] = []
    by_video: dict[int, list[int]] = {}
    for row in order.tolist():
        if len(chosen) >= limit or values[row] <= -1:
            break
        earlier = by_video.setdefault(int(numbers[row]), [])
        if earlier and temporal_iou(spans[[row]], spans[earlier]).max() > 1 / 3:
            continue
        earlier.append(row)
        chosen.append(row)
    return chosen


def _project(rooms: Rooms, snapshot: Snapshot) -> dict[str, Any]:
    library, decisions = snapshot.library, [review.decided for review in snapshot.standing()]
    kinds = Counter(each.decision for each in decisions)
    return {
        "name": library.project.folder.resolve().name,
        "version": rooms.version(snapshot),
        "videos": len(library.entries),
        "moments": len(library.found_rows),
        "splits": list(library.splits),
        "concepts": _concepts(library, decisions),
        "tags": [{"name": name, "videos": videos} for name, videos in library.tags[:500]],
        "streams": list(rooms.model.store().modalities()),
        "localizer": rooms.localizer_name(),
        "truth": bool((library.table.kinds == KINDS.index("truth")).any()),
        "reviews": {kind: kinds[kind] for kind in DECISIONS},
        "held_out": {"videos": len(snapshot.held_out), "drawn": bool(snapshot.held_out)},
        "learning": rooms.learning.state(),
        "writable": rooms.desk.reviews.writable,
        "notes": [*rooms.desk.notes, *filter(None, [told_passed_over(snapshot.passed_over)]), *library.notes],
    }


def _concepts(library: Library, decisions: Sequence[Decided]) -> list[dict[str, Any]]:
    """What is known of each concept, but for names that came with a decision which counts no more.

    Others may decide meanwhile, so that names join the list: it is read once.
    """
    names = tuple(library.names.names)
    said = Counter((each.concept, each.present) for each in decisions)
    by_example = {each.concept for each in decisions if each.origin == "example" and each.decision == "added"}
    return [
        {
            "name": name,
            **counts,
            "labelled": library.labelled.get(number, 0),
            "confirmed": said[name, True],
            "rejected": said[name, False],
            "example": name in by_example,
            "learned": name in library.model_names,
        }
        for number, (name, counts) in enumerate(zip(names, _found(library, len(names)), strict=True))
        if number < library.names.own or said[name, True] or said[name, False]
    ]


def _found(library: Library, names: int) -> list[dict[str, Any]]:
    """For each concept how many moments were found, in how many videos, and their best and lowest score."""
    table, rows = library.table, library.found_rows
    concepts, scores = table.concepts[rows], table.scores[rows]
    moments = np.bincount(concepts, minlength=names).tolist()
    best, lowest = np.full(names, -np.inf), np.full(names, np.inf)
    np.maximum.at(best, concepts, scores)
    np.minimum.at(lowest, concepts, scores)
    count = max(1, len(library.entries))
    videos = np.bincount(np.unique(concepts * count + table.videos[rows]) // count, minlength=names).tolist()
    return [
        {"videos": videos[number], "moments": found, "best": float(best[number]) if found else None,
         "lowest": float(lowest[number]) if found else None}
        for number, found in enumerate(moments)
    ]  # fmt: skip


def _lanes(snapshot: Snapshot, number: int) -> dict[str, list[dict[str, Any]]]:
    table = snapshot.library.table
    rows = table.of_video(number)
    hits = matches(table, rows)
    useful = snapshot.useful()
    lanes: dict[str, list[dict[str, Any]]] = {
        kind: [] for kind in ("found", "confirmed", "rejected", "imported", "truth")
    }
    for row in rows.tolist():
        told = answers.moment(snapshot, table, row, snapshot.judging.get(row), float(useful[row]))
        if told["kind"] in ("found", "truth"):
            told["match"] = hits.get(row)
        lanes.setdefault(told["kind"], []).append(told)
    for kind in ("confirmed", "rejected"):
        own, reviews = snapshot.table_of_reviews([kind], video=number)
        lanes[kind] = [answers.moment(snapshot, own, row, review) for row, review in enumerate(reviews)]
    return lanes


def _rank(snapshot: Snapshot, number: int, concept: str, span: tuple[float, float]) -> int | None:
    """The place, from 1, of the moment among those found of its concept in its video."""
    table = snapshot.library.table
    index = snapshot.library.names.numbers.get(concept, -1)
    rows = [row for row in table.of_video(number).tolist()
            if table.concepts[row] == index and KINDS[int(table.kinds[row])] == "found"]  # fmt: skip
    ranked = sorted(rows, key=lambda row: -table.scores[row])
    overlaps = temporal_iou(table.spans[ranked], [span]).reshape(-1) if ranked else np.zeros(0)
    return int(overlaps.argmax()) + 1 if len(overlaps) and overlaps.max() >= SAME_HIT else None


ROUTES = [
    Route("/api/project", project),
    Route("/api/moments", moments),
    Route("/api/videos", videos),
    Route("/api/videos/{key}", video),
    Route("/api/videos/{key}/scores", scores),
    Route("/api/why", reasons),
    Route("/api/similar", similar),
]
