"""How long work tells where it is, without knowing who looks."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Shows the way through long work."""

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Yield `items`, moving a bar of `total` steps under `title`."""
        ...

    def say(self, text: str) -> None:
        """Show one line beside the bars: a loss, a warning, a broken video."""
        ...


class Silent:
    """Shows nothing."""

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Yield `items`."""
        return iter(items)

    def say(self, text: str) -> None:
        """Say nothing."""
