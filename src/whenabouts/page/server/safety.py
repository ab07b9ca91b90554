"""Who may ask: the right host and origin, a token where others can reach the server; and what a page may load."""

import hmac
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whenabouts.page.server.asking import answer

_COOKIE = "whenabouts_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:@/\[\]]+)(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Access:
    """Host names that the server answers to (without ports), and the token that it asks for ("" for none)."""

    hosts: frozenset[str]
    token: str = ""

    @classmethod
    def of(cls, host: str, *, token: str = "", more: Iterable[str] = ()) -> "Access":
        """Access for a server that listens on `host`; "localhost" is always known, and names in `more` are."""
        names = {"127.0.0.1", "localhost", "[::1]", host.lower(), *(name.lower() for name in more)}
        return cls(frozenset(names - {"0.0.0.0", "::", "[::]", ""}), token)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header is one of ours; with a token also any bare address of this machine.

        Names are refused even then: that is what keeps a foreign page from reaching the server by a name that it has
        pointed here (DNS rebinding).
        """
        name = _without_port(host)
        return name in self.hosts or (bool(self.token) and _is_address(name))


class Guard:
    """Middleware: refuses before anything is read, and adds headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on, one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    added[name] = value
                added.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refusal or self.app)(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.access.knows(hosts[0]):
            return answer({"error": "This server does not answer to that host name."}, 421)
        if scope["method"] not in _SAFE and not _own_origin(headers, hosts[0]):
            return answer({"error": "Only pages of this server may change something."}, 403)
        return self._token_refusal(scope, headers) if self.access.token else None

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        asked = parse_qsl(scope["query_string"].decode("latin-1"))
        told = [value for name, value in asked if name == "token"]
        if scope["method"] == "GET" and scope["path"] == "/" and told and _same(told[0], self.access.token):
            rest = urlencode([(name, value) for name, value in asked if name != "token"])
            moved = RedirectResponse(f"/?{rest}" if rest else "/", 303)
            moved.set_cookie(cookie_of(scope), self.access.token, httponly=True, samesite="strict", path="/")
            return moved
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(bearer.strip(), self.access.token):
            return None
        if _same(_cookie(headers, cookie_of(scope)), self.access.token):
            return None
        return answer({"error": "Give the token: open the address that `whenabouts serve` printed."}, 401)


def _own_origin(headers: Headers, host: str) -> bool:
    """Whether a request that changes something comes from a page of this server, or from no browser at all."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origins = headers.getlist("origin")
    return not origins or (
        len(origins) == 1 and origins[0].lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
    )


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def cookie_of(scope: Scope) -> str:
    """The name of the cookie that holds the token: browsers share cookies between all ports of a host."""
    server = scope.get("server")
    return f"{_COOKIE}_{server[1]}" if server and server[1] else _COOKIE


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _without_port(host: str) -> str:
    """The name in a `Host` header; "" where what follows it is no port."""
    found = _HOST.fullmatch(host.strip().lower())
    return found[1] if found else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
