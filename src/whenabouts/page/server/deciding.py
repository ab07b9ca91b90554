"""Routes that decide: reviews, the queue, concepts from examples, learning again."""

import contextlib
from collections.abc import Iterator
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.data.decisions import LONGEST, ORIGINS, Decided, Decision, Origin, standing
from whenabouts.data.reviews import Overtaken
from whenabouts.page.review.queue import queue
from whenabouts.page.server import answers
from whenabouts.page.server.asking import (
    DEEPEST_OFFSET,
    Asked,
    Refused,
    answer,
    body_of,
    new_name,
    number_in,
    text_in,
)
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.library import key_of
from whenabouts.page.server.rooms import Rooms, rooms_of

MOST_AT_ONCE = 500
LEAST_EXAMPLES, LEAST_VIDEOS = 3, 2
BODY_SECONDS = 20.0
_VERBS: dict[str, Decision] = {"confirm": "confirmed", "reject": "rejected", "correct": "corrected", "add": "added"}
_KEYS = ("decision", "video", "concept", "start", "end", "found", "origin", "seen")


async def review(request: Request) -> Response:
    """POST /api/reviews."""
    values = await _body(request, ("reviews", *_KEYS))
    return await run_in_threadpool(_review, rooms_of(request), values)


async def undo(request: Request) -> Response:
    """POST /api/reviews/undo."""
    values = await _body(request, ("id", "alone"))
    return await run_in_threadpool(_undo, rooms_of(request), values)


async def redo(request: Request) -> Response:
    """POST /api/reviews/redo."""
    await _body(request, ())
    return await run_in_threadpool(_redo, rooms_of(request))


def history(request: Request) -> Response:
    """GET /api/reviews."""
    asked = Asked(request, ("video", "concept", "standing", "offset", "limit"))
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    key = asked.text("video")
    if key:
        video_id = snapshot.library.entries[rooms.video_number(snapshot, key)].id
        told = rooms.desk.reviews.history(video_id)
    else:
        told = rooms.desk.reviews.history()
    counting = {each.id for each in standing(told)}
    concept, only = asked.text("concept"), asked.choice("standing", ("yes", "no"), "no") == "yes"
    kept = [each for each in reversed(told)
            if (not concept or each.decided.concept == concept) and (not only or each.id in counting)]  # fmt: skip
    offset, limit = asked.count("offset", 0, DEEPEST_OFFSET), asked.count("limit", 100, 500)
    listed = [answers.review(snapshot, each, each.id in counting) for each in kept[offset : offset + limit]]
    return answer({"total": len(kept), "offset": offset, "limit": limit, "reviews": listed})


def asked_next(request: Request) -> Response:
    """GET /api/queue."""
    asked = Asked(request, ("concept", "limit"))
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    return answer(_queue(snapshot, asked.text("concept"), asked.count("limit", 20, MOST_AT_ONCE)))


async def save_concept(request: Request) -> Response:
    """POST /api/concepts."""
    values = await _body(request, ("name", "examples"))
    return await run_in_threadpool(_save_concept, rooms_of(request), values)


async def learn(request: Request) -> Response:
    """POST /api/learn."""
    values = await _body(request, ("localizer", "even_if_worse"))
    return await run_in_threadpool(_learn, rooms_of(request), values)


async def stop(request: Request) -> Response:
    """POST /api/learn/stop."""
    await _body(request, ())
    rooms = rooms_of(request)
    if not await run_in_threadpool(rooms.learning.stop):
        raise Refused(409, "No learning is under way.")
    return answer(_learning(rooms))


def learned(request: Request) -> Response:
    """GET /api/learn."""
    Asked(request, ())
    return answer(_learning(rooms_of(request)))


async def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object of a request; a client that takes too long over it gets 408."""
    try:
        with anyio.fail_after(BODY_SECONDS):
            return await body_of(request, known)
    except TimeoutError:
        raise Refused(408, "The request took too long.") from None
    except ClientDisconnect:
        raise Refused(400, "The request was broken off.") from None


def _review(rooms: Rooms, values: dict[str, Any]) -> Response:
    snapshot = rooms.desk.current()
    if "reviews" in values:
        rows = values["reviews"]
        if len(values) > 1 or not isinstance(rows, list) or not 0 < len(rows) <= MOST_AT_ONCE:
            raise Refused(400, f"reviews is a list of 1 to {MOST_AT_ONCE} decisions, and stands alone.")
    else:
        rows = [values]
    decisions = [_decided(rooms, snapshot, row) for row in rows]
    seen = {place: _seen(row["seen"]) for place, row in enumerate(rows) if "seen" in row}
    try:
        with _writing():
            stored = rooms.desk.decide(decisions, seen=seen)
    except Overtaken as error:
        return answer({"error": str(error), "review": answers.review(rooms.desk.current(), error.review, True)}, 409)
    snapshot = rooms.desk.current()
    return answer({"reviews": [answers.review(snapshot, each, True) for each in stored]}, 201)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """503 where the file of reviews can't be written."""
    try:
        yield
    except ProjectError as error:
        raise Refused(503, str(error)) from None


def _decided(rooms: Rooms, snapshot: Snapshot, row: Any) -> Decided:
    """One decision as it is stored; 400 where it makes no sense."""
    if not isinstance(row, dict) or set(row) - set(_KEYS):
        raise Refused(400, f"A decision is an object with {', '.join(_KEYS)}.")
    verb = row.get("decision")
    if not isinstance(verb, str) or verb not in _VERBS:
        raise Refused(400, f"decision is one of {', '.join(_VERBS)}, but got {str(verb)[:50]!r}.")
    origin = row.get("origin", "search")
    if origin not in ORIGINS:
        raise Refused(400, f"origin is one of {', '.join(ORIGINS)}, but got {str(origin)[:50]!r}.")
    number = rooms.video_number(snapshot, text_in(row, "video"))
    entry = snapshot.library.entries[number]
    found, score = _found(row.get("found"))
    start, end = number_in(row, "start"), number_in(row, "end")
    duration = entry.video.duration_seconds
    if duration and start >= duration:
        raise Refused(400, f"The video ends at {duration} s, but the moment starts at {start} s.")
    if found is None and verb in ("confirm", "reject"):
        found = (start, end)
    if duration:
        end = min(end, duration)
    concept = _meant(snapshot, text_in(row, "concept", longest=LONGEST))
    try:
        return Decided(_VERBS[verb], entry.id, concept, start, end, found, score, _origin(origin))
    except InvalidData as error:
        raise Refused(400, str(error)) from None


def _seen(value: Any) -> int:
    """The number of a review; 0 for null."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62):
        raise Refused(400, "seen is the number of the review that stood there when this was decided, or null.")
    return value or 0


def _origin(name: str) -> Origin:
    return next(origin for origin in ORIGINS if origin == name)


def _meant(snapshot: Snapshot, name: str) -> str:
    """The concept that a name means: a known one, in whatever spelling training takes for it, else a new one."""
    names = snapshot.library.names
    return name if name in names.numbers else names.meant(new_name(name).strip())


def _found(value: Any) -> tuple[tuple[float, float] | None, float | None]:
    if value is None:
        return None, None
    if not isinstance(value, dict) or set(value) - {"start", "end", "score"}:
        raise Refused(400, "found is an object with start, end and score.")
    score = None if value.get("score") is None else number_in(value, "score")
    return (number_in(value, "start"), number_in(value, "end")), score


def _undo(rooms: Rooms, values: dict[str, Any]) -> Response:
    which = values.get("id")
    if which is not None and (isinstance(which, bool) or not isinstance(which, int) or not 0 < which < 2**62):
        raise Refused(400, "id is the number of a review.")
    alone = values.get("alone", False)
    if not isinstance(alone, bool) or (alone and which is None):
        raise Refused(400, "alone is true or false, and goes with an id.")
    with _writing():
        undone = rooms.desk.reviews.undo(which, alone=alone)
    if undone is None:
        raise Refused(404, "There is nothing to undo." if which is None else f"No review {which} is there to undo.")
    return answer({"review": answers.review(rooms.desk.current(), undone, False)})


def _redo(rooms: Rooms) -> Response:
    with _writing():
        redone = rooms.desk.reviews.redo()
    if redone is None:
        raise Refused(404, "There is nothing to redo.")
    return answer({"review": answers.review(rooms.desk.current(), redone, True)})


def _queue(snapshot: Snapshot, concept: str, limit: int) -> dict[str, Any]:
    library, table = snapshot.library, snapshot.library.table
    useful = snapshot.asking()
    names = library.names
    if concept:
        useful = useful * (table.concepts == names.numbers.get(concept, -1))
    rows = library.found_rows
    chosen = rows[queue(useful[rows], library.candidates, limit)].tolist()
    listed = [answers.moment(snapshot, table, row, None, float(useful[row])) for row in chosen]
    left: dict[int, int] = {}
    for each in table.concepts[useful > 0].tolist():
        left[each] = left.get(each, 0) + 1
    concepts = [{"name": names.names[each], "left": count} for each, count in sorted(left.items())]
    return {"moments": listed, "left": int((useful > 0).sum()), "concepts": concepts}


def _save_concept(rooms: Rooms, values: dict[str, Any]) -> Response:
    snapshot = rooms.desk.current()
    name = _meant(snapshot, text_in(values, "name", longest=LONGEST))
    examples = _examples(rooms, snapshot, name, values.get("examples"))
    with _writing():
        stored = rooms.desk.decide(examples)
    snapshot = rooms.desk.current()
    return answer({"concept": name, "reviews": [answers.review(snapshot, each, True) for each in stored]}, 201)


def _examples(rooms: Rooms, snapshot: Snapshot, name: str, rows: Any) -> list[Decided]:
    """Moments that show a concept; 400 for what is no list of such, 409 where they are too few to learn from."""
    if not isinstance(rows, list) or len(rows) > MOST_AT_ONCE:
        raise Refused(400, "examples is a list of moments: video, start, end.")
    said = {"decision": "add", "concept": name, "origin": "example"}
    plain = [isinstance(row, dict) and set(row) <= {"video", "start", "end"} for row in rows]
    decided = [_decided(rooms, snapshot, {**row, **said} if fits else None)
               for row, fits in zip(rows, plain, strict=True)]  # fmt: skip
    spans, videos = {each.subject for each in decided}, {each.video_id for each in decided}
    if len(spans) < LEAST_EXAMPLES or len(videos) < LEAST_VIDEOS:
        raise Refused(
            409, f"Pick at least {LEAST_EXAMPLES} examples in {LEAST_VIDEOS} videos before you save a concept."
        )
    return decided


def _learn(rooms: Rooms, values: dict[str, Any]) -> Response:
    from whenabouts.localizers import LOCALIZERS

    localizer = values.get("localizer")
    if localizer is not None and (not isinstance(localizer, str) or localizer not in LOCALIZERS):
        raise Refused(400, f"localizer is one of {', '.join(LOCALIZERS)}.")
    insisted = values.get("even_if_worse", False)
    if not isinstance(insisted, bool):
        raise Refused(400, "even_if_worse is true or false.")
    if not rooms.desk.current().standing():
        raise Refused(409, "Nothing was decided yet, so there is nothing new to learn.")
    if not rooms.learning.begin(localizer, even_if_worse=insisted):
        raise Refused(409, "Learning is under way already.")
    return answer(_learning(rooms), 202)


def _learning(rooms: Rooms) -> dict[str, Any]:
    """The job, its moments with the keys of their videos, and which localizers may be asked for."""
    from whenabouts.localizers import LOCALIZERS

    told = rooms.learning.to_json()
    numbers = rooms.desk.current().library.numbers
    for change in (told["result"] or {}).get("changed", []):
        for moment in (change["moment"], change["was"]):
            if moment and moment["video_id"] in numbers:
                moment["video"] = key_of(moment["video_id"])
    return {**told, "localizers": list(LOCALIZERS)}


ROUTES = [
    Route("/api/reviews", history, methods=["GET"]),
    Route("/api/reviews", review, methods=["POST"]),
    Route("/api/reviews/undo", undo, methods=["POST"]),
    Route("/api/reviews/redo", redo, methods=["POST"]),
    Route("/api/queue", asked_next, methods=["GET"]),
    Route("/api/concepts", save_concept, methods=["POST"]),
    Route("/api/learn", learned, methods=["GET"]),
    Route("/api/learn", learn, methods=["POST"]),
    Route("/api/learn/stop", stop, methods=["POST"]),
]
