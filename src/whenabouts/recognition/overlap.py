"""Several producers in threads, one consumer, bounded memory: decoding goes on while the net computes."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


class SharedIterator(Iterator[Item]):
    """An iterator that several threads may take from: each item goes to one of them."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self._lock = iter(items), threading.Lock()

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)


@dataclass(frozen=True, slots=True)
class _Over:
    """A producer has ended, perhaps by an error."""

    error: BaseException | None = None


@dataclass(frozen=True)
class _Shared(Generic[Item]):
    """What the threads share: items not yet taken, and a word to stop."""

    items: "queue.Queue[Item | _Over]"
    stop: threading.Event = field(default_factory=threading.Event)

    def put(self, item: "Item | _Over") -> None:
        while not self.stop.is_set():
            with contextlib.suppress(queue.Full):
                self.items.put(item, timeout=0.1)
                return

    def produce(self, source: Callable[[], Iterable[Item]]) -> None:
        try:
            for item in source():
                self.put(item)
                if self.stop.is_set():
                    return
            self.put(_Over())
        except BaseException as error:  # It belongs to the consumer, who raises it.
            self.put(_Over(error))


@contextlib.contextmanager
def overlapped(sources: Sequence[Callable[[], Iterable[Item]]], *, depth: int) -> Iterator[Iterator[Item]]:
    """Give the items of all sources as they come; those of one source stay in order, at most `depth` wait.

    Each source runs in a thread of its own. An error in one is raised where items are taken. Leaving the block stops
    the threads.
    """
    shared: _Shared[Item] = _Shared(queue.Queue(max(1, depth)))
    threads = [threading.Thread(target=shared.produce, args=(source,), daemon=True) for source in sources]

    def taken() -> Iterator[Item]:
        running = len(sources)
        while running:
            item = shared.items.get()
            if not isinstance(item, _Over):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running -= 1

    for thread in threads:
        thread.start()
    try:
        yield taken()
    finally:
        shared.stop.set()
        for thread in threads:
            thread.join()
