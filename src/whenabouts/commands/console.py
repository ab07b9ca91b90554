"""Speaking to people on stderr and to programs on stdout."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")
_collecting: ContextVar[list[dict[str, Any]] | None] = ContextVar("collecting", default=None)


@contextmanager
def collected_results() -> Iterator[list[dict[str, Any]]]:
    """Within the block results go to the list that this gives, and not to stdout: for callers in Python."""
    results: list[dict[str, Any]] = []
    token = _collecting.set(results)
    try:
        yield results
    finally:
        _collecting.reset(token)


class Terminal:
    """Progress bars and remarks on stderr (bars only on a terminal); results on stdout, as text or as JSON."""

    def __init__(self, *, as_json: bool = False) -> None:
        from rich.console import Console

        self.as_json = as_json
        self._errors = Console(stderr=True, highlight=False)

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Yield `items` under a progress bar; without a terminal only say that the stage begins."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        if not self._errors.is_terminal:
            self.say(f"{title} ({total if total is not None else 'unknown number of'} steps)")
            yield from items
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=self._errors) as bars:
            yield from bars.track(items, total=total, description=title)

    def say(self, text: str) -> None:
        """One remark on stderr, under --json too: stdout is for the result alone."""
        self._errors.print(text, markup=False, emoji=False, soft_wrap=True)

    def result(self, text: str, values: dict[str, Any]) -> None:
        """The verb's outcome on stdout: `values` as one JSON object under --json, else `text`."""
        collecting = _collecting.get()
        if collecting is not None:
            collecting.append(values)
            return
        sys.stdout.write((json.dumps(values, ensure_ascii=False, allow_nan=False) if self.as_json else text) + "\n")
