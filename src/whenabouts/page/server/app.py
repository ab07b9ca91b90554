"""The application: all routes behind the guard."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from whenabouts.core.errors import WhenaboutsError
from whenabouts.page.server import deciding, looking, showing
from whenabouts.page.server.asking import Refused, answer
from whenabouts.page.server.rooms import Rooms
from whenabouts.page.server.safety import Access, Guard


def make_app(rooms: Rooms, access: Access) -> ASGIApp:
    """The application that serves one project to those whom `access` lets in."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            rooms.close()

    handlers = {Refused: _refused, HTTPException: _unknown, WhenaboutsError: _told, Exception: _failed}
    app = Starlette(
        routes=[*looking.ROUTES, *deciding.ROUTES, *showing.ROUTES],
        exception_handlers=handlers,  # type: ignore[arg-type]
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.rooms = rooms
    return Guard(app, access)


def _refused(request: Request, error: Refused) -> Response:
    return answer({"error": error.text}, error.status, error.headers)


def _unknown(request: Request, error: HTTPException) -> Response:
    told = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    return answer({"error": told.get(error.status_code, str(error.detail))}, error.status_code)


def _told(request: Request, error: WhenaboutsError) -> Response:
    return answer({"error": str(error)}, 409)


def _failed(request: Request, error: Exception) -> Response:
    return answer({"error": f"The server failed at this: {type(error).__name__}. Its terminal tells more."}, 500)
