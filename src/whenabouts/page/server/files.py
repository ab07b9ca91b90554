"""Sending files, whole or one range of them, without holding them in memory."""

import os
import re
import stat
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from whenabouts.page.server.asking import Refused

CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm",
    ".mkv": "video/x-matroska", ".avi": "video/x-msvideo", ".ts": "video/mp2t", ".mpg": "video/mpeg",
    ".jpg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml", ".ico": "image/x-icon",
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2", ".webmanifest": "application/manifest+json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [first, last] of a file."""

    first: int
    last: int


def span_of(header: str | None, size: int) -> Span | None:
    """The one range of a `Range` header; None for the whole file: no header, another unit, several, or nonsense.

    RFC 9110, 14.2: a header that makes no sense is as if it were not there. One that makes sense but lies outside the
    file is refused with 416.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first and not last:
        return None
    if not first:
        length = min(int(last), size)
        span = Span(size - length, size - 1) if length else None
    else:
        if last and int(last) < int(first):
            return None
        span = Span(int(first), min(int(last) if last else size - 1, size - 1))
    if span is None or span.first >= size:
        raise Refused(416, f"The file has {size} bytes.", {"Content-Range": f"bytes */{size}"})
    return span


def file_answer(request: Request, path: Path, *, cache: str = "private, no-cache") -> Response:
    """Send a regular file, or the one range that was asked for; 404 where there is none. Opens nothing else."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        raise Refused(404, "There is no such file any more.") from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise Refused(404, "That is no file.")
        tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        kind = TYPES.get(path.suffix.lower(), "application/octet-stream")
        headers = {"Accept-Ranges": "bytes", "ETag": tag, "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
                   "Content-Type": kind, "Cache-Control": cache}  # fmt: skip
        if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
            os.close(handle)
            return Response(status_code=304, headers=headers)
        asked = request.headers.get("range") if request.headers.get("if-range", tag) == tag else None
        span = span_of(asked, facts.st_size)
    except BaseException:
        os.close(handle)
        raise
    status = 200
    if span is None:
        span = Span(0, facts.st_size - 1)
    else:
        status = 206
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{facts.st_size}"
    return _Sending(handle, span, status, headers)


class _Sending(Response):
    """The bytes of an opened file, read as fast as the client takes them."""

    def __init__(self, handle: int, span: Span, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self.headers["Content-Length"] = str(span.last - span.first + 1)
        self._handle, self._span = handle, span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send start and body."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            left, at = self._span.last - self._span.first + 1, self._span.first
            if scope["method"] == "HEAD":
                left = 0
            while left:
                part = await to_thread.run_sync(_read, self._handle, at, min(CHUNK, left))
                if not part:  # The file was cut meanwhile: the connection ends short, which clients notice.
                    break
                left, at = left - len(part), at + len(part)
                await send({"type": "http.response.body", "body": part, "more_body": left > 0})
            else:
                if scope["method"] == "HEAD" or self._span.last < self._span.first:
                    await send({"type": "http.response.body", "body": b""})
        finally:
            os.close(self._handle)


def _read(handle: int, at: int, length: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, length, at)
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, length)
