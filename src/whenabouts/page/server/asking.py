"""What a request asks, read strictly: unknown, malformed or overlong parameters are refused, never guessed."""

import json
import math
import unicodedata
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

LONGEST_TEXT = 500
LARGEST_BODY = 1_000_000
DEEPEST_OFFSET = 10_000_000


class Refused(Exception):
    """A request that gets an error: its status, and what is wrong and what to do."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


def answer(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Values as JSON, in ASCII: ids may hold what UTF-8 can't."""
    content = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return Response(content, status, media_type="application/json", headers=headers)


class Asked:
    """The query parameters of a request, of which only `known` ones are allowed."""

    def __init__(self, request: Request, known: Iterable[str]) -> None:
        self._values: dict[str, list[str]] = {}
        allowed = tuple(known)
        for name, value in request.query_params.multi_items():
            if name not in allowed:
                listed = ", ".join(allowed) or "none"
                raise Refused(400, f"There is no parameter {name[:50]!r} here. Known: {listed}.")
            if len(value) > LONGEST_TEXT:
                raise Refused(400, f"{name} has {len(value)} characters; at most {LONGEST_TEXT} are read.")
            self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """All that was given, without empty texts."""
        found = [value for value in self._values.get(name, []) if value]
        if len(found) > 100:
            raise Refused(400, f"{name} was given {len(found)} times; at most 100 are read.")
        return found

    def text(self, name: str) -> str:
        """The one text, "" where nothing was given."""
        found = self.texts(name)
        if len(found) > 1:
            raise Refused(400, f"{name} was given {len(found)} times. Give it once.")
        return found[0] if found else ""

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """One of some words."""
        value, known = self.text(name) or default, tuple(choices)
        if value not in known:
            raise Refused(400, f"{name} is one of {', '.join(filter(None, known))}, but got {value[:50]!r}.")
        return value

    def number(self, name: str, default: float | None = None) -> float | None:
        """A finite number."""
        value = self.text(name)
        if not value:
            return default
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise Refused(400, f"{name} is a number, but got {value[:50]!r}.")
        return found

    def needed(self, name: str) -> float:
        """A finite number that must be given."""
        value = self.number(name)
        if value is None:
            raise Refused(400, f"Say {name}.")
        return value

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to `most`."""
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 12 and int(value) <= most):
            raise Refused(400, f"{name} is a whole number from 0 to {most}, but got {value[:50]!r}.")
        return int(value)


async def body_of(request: Request, known: Iterable[str]) -> dict[str, Any]:
    """The JSON object in a request, of which only `known` keys are allowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "Send JSON, with Content-Type: application/json.")
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise Refused(413, f"A request may have {LARGEST_BODY} bytes.")
        parts.append(part)
    try:
        values = json.loads(b"".join(parts) or b"{}")
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(values, dict):
        raise Refused(400, "The body is not a JSON object.")
    strangers = sorted(set(values) - set(known))
    if strangers:
        raise Refused(400, f"There is no key {strangers[0][:50]!r} here. Known: {', '.join(known)}.")
    return values


def text_in(values: dict[str, Any], name: str, *, longest: int = LONGEST_TEXT) -> str:
    """A text in a JSON object that must be there."""
    value = values.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise Refused(400, f"{name} is a text of 1 to {longest} characters, but got {str(value)[:50]!r}.")
    return value


def number_in(values: dict[str, Any], name: str) -> float:
    """A finite number in a JSON object that must be there."""
    value = values.get(name)
    try:
        found = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # JSON knows whole numbers of any length.
        found = math.inf
    if not math.isfinite(found):
        raise Refused(400, f"{name} is a finite number, but got {str(value)[:50]!r}.")
    return found


def new_name(name: str) -> str:
    """A name that people give to something: text that every file and terminal can hold; else 400."""
    kinds = [unicodedata.category(sign) for sign in name]
    if "Cc" in kinds or "Cs" in kinds:
        raise Refused(400, "A name has no control characters and no halves of characters in it. Type it anew.")
    if all(kind[0] in "CZ" for kind in kinds):
        raise Refused(400, "A name has a sign in it that can be seen. Type it anew.")
    return name
