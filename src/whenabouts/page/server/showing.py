"""Routes that send files: the page, videos, their copies for browsers, thumbnails."""

import asyncio
import math
from pathlib import Path, PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from whenabouts.core.errors import WhenaboutsError
from whenabouts.page.server.asking import Asked, Refused, answer
from whenabouts.page.server.files import TYPES, file_answer
from whenabouts.page.server.makers import Picture, ProxyState
from whenabouts.page.server.rooms import Rooms, rooms_of

STATIC = Path(__file__).resolve().parents[1] / "static"
PICTURE_SECONDS = 30.0


def page(request: Request) -> Response:
    """GET /."""
    if not (STATIC / "index.html").is_file():
        return Response("<!doctype html><title>whenabouts</title><p>This installation has no page; its API answers.",
                        media_type="text/html")  # fmt: skip
    return file_answer(request, STATIC / "index.html")


def static(request: Request) -> Response:
    """GET /static/…: files of the page by plain relative names; nothing is looked up outside of its folder."""
    name = request.path_params["path"]
    parts = PurePosixPath(name).parts
    plain = all(part not in ("..", ".") and not part.startswith(".") for part in parts) and parts
    if not plain or any(sign in name for sign in "\\\0:%") or "//" in name or name.startswith("/"):
        raise Refused(404, "There is no such file.")
    path = STATIC.joinpath(*parts)
    if path.suffix.lower() not in TYPES or not path.resolve().is_relative_to(STATIC) or not path.is_file():
        raise Refused(404, "There is no such file.")
    return file_answer(request, path)


def media(request: Request) -> Response:
    """GET /media/{key}."""
    rooms = rooms_of(request)
    snapshot = rooms.desk.current()
    _, path = rooms.source(snapshot, rooms.video_number(snapshot, request.path_params["key"]))
    return file_answer(request, path)


async def proxy(request: Request) -> Response:
    """GET /proxy/{key}."""
    rooms = rooms_of(request)
    state, kept = await run_in_threadpool(_proxy, rooms, request.path_params["key"])
    if state.state == "failed":
        raise Refused(409, f"No copy can be made: {state.reason}")
    if state.state == "making":
        return answer({"state": "making", "progress": round(state.progress, 3)}, 202, {"Retry-After": "1"})
    return await run_in_threadpool(file_answer, request, kept)


def _proxy(rooms: Rooms, key: str) -> tuple[ProxyState, Path]:
    snapshot = rooms.desk.current()
    entry, path, kept = rooms.proxy_file(snapshot, rooms.video_number(snapshot, key))
    if entry.video.status == "unreadable":
        raise Refused(409, f"No copy can be made: {entry.video.reason}")
    return rooms.proxies.ask(path, kept, entry.video.duration_seconds), kept


async def thumbnail(request: Request) -> Response:
    """GET /thumbnails/{key}/{seconds}.jpg."""
    rooms = rooms_of(request)
    picture = await run_in_threadpool(_picture, rooms, request)
    try:
        asked = asyncio.wrap_future(rooms.thumbnails.ask(picture))
        kept = await asyncio.wait_for(asyncio.shield(asked), PICTURE_SECONDS)
    except TimeoutError:
        raise Refused(503, "The picture is not ready yet. Ask again.", {"Retry-After": "2"}) from None
    except (WhenaboutsError, OSError, asyncio.CancelledError) as error:
        raise Refused(404, f"There is no picture: {error}") from None
    return await run_in_threadpool(file_answer, request, kept, cache="private, max-age=86400")


def _picture(rooms: Rooms, request: Request) -> Picture:
    asked = Asked(request, ("height",))
    text = request.path_params["seconds"]
    try:
        seconds = float(text) if len(text) < 20 and set(text) <= set("0123456789.") else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Refused(400, "Say the seconds of the picture, such as 12.5.jpg.")
    snapshot = rooms.desk.current()
    number = rooms.video_number(snapshot, request.path_params["key"])
    end = snapshot.library.entries[number].video.duration_seconds
    return rooms.picture(snapshot, number, min(seconds, end) if end else seconds, asked.count("height", 120, 1000))


ROUTES = [
    Route("/", page),
    Route("/static/{path:path}", static),
    Route("/media/{key}", media),
    Route("/proxy/{key}", proxy),
    Route("/thumbnails/{key}/{seconds}.jpg", thumbnail),
]
