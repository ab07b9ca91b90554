"""Running the application on a socket, with patience for slow clients but not without end."""

import asyncio
import socket
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from whenabouts.core.errors import ProjectError

HEAD_SECONDS = 15.0
IDLE_SECONDS = 15
MOST_HEADERS = 64_000


class Patient(H11Protocol):
    """uvicorn's protocol, except that a client that does not finish the head of a request in time is sent away.

    uvicorn waits for ever, and so a few thousand of such clients would use up all connections.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, self._send_away)

    def data_received(self, data: bytes) -> None:
        """Count from the first byte of a request to the end of its head."""
        super().data_received(data)
        waiting = self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)
        if not waiting:
            self._stop_counting()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._send_away)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count no more."""
        self._stop_counting()
        super().connection_lost(exc)

    def _stop_counting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _send_away(self) -> None:
        self._late = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; where the port is taken, ProjectError says so. Port 0 takes any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its full name: asyncio sends small answers at once (TCP_NODELAY) only on sockets that say they are TCP's, and
    # without that a client waits 40 ms for the second half of each.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host.strip("[]"), port))
    except OSError as error:
        found.close()
        raise ProjectError(f"Nothing can listen on {host}, port {port}: {error}. Choose another with --port.") from None
    found.listen(2048)
    return found


def own_names() -> tuple[str, ...]:
    """The names that this machine goes by, as far as it knows them itself: no other machine is asked."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return tuple(dict.fromkeys(each for each in (name, short, f"{short}.local") if each and each != ".local"))


def reached_at(host: str) -> str:
    """Where others find a server that listens on `host`: for "all interfaces" the address of the one that leads out."""
    anywhere = {"0.0.0.0": (socket.AF_INET, "192.0.2.1"), "::": (socket.AF_INET6, "2001:db8::1")}
    if host.strip("[]") not in anywhere:
        return host.strip("[]")
    family, far = anywhere[host.strip("[]")]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # A datagram socket only looks up the route: nothing is sent.
            return str(probe.getsockname()[0])
    except OSError:
        return "localhost"


def run(app: ASGIApp, at: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    server(app).run(sockets=[at])


def server(app: ASGIApp, **more: Any) -> uvicorn.Server:
    """A server that is not running yet."""
    settings = uvicorn.Config(
        app, http=Patient, ws="none", log_level="warning", access_log=False, server_header=False, date_header=True,
        timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=5, h11_max_incomplete_event_size=MOST_HEADERS,
        proxy_headers=False, **more,
    )  # fmt: skip
    return uvicorn.Server(settings)
