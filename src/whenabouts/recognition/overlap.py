"""Several producers in threads, one consumer, bounded memory: decoding goes on while the net computes."""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass
class _Shared(Generic[Item]):
    """What the threads share: sources not yet begun, items not yet taken, and a word to stop."""

    sources: Iterator[tuple[int, Callable[[], Iterable[Item]]]]
    items: "queue.Queue[tuple[int, Item | None, BaseException | None]]"
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def put(self, index: int, item: Item | None, error: BaseException | None = None) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(queue.Full):
                self.items.put((index, item, error), timeout=0.1)
                return

    def work(self) -> None:
        while not self.stop.is_set():
            with self.lock:
                index, source = next(self.sources, (-1, None))
            if source is None:
                return
            try:
                for item in source():
                    self.put(index, item)
                    if self.stop.is_set():
                        return
                self.put(index, None)
            except BaseException as error:  # It belongs to the consumer, who raises it.
                self.put(index, None, error)
                return


@contextlib.contextmanager
def overlapped(
    sources: Sequence[Callable[[], Iterable[Item]]], *, workers: int, depth: int
) -> Iterator[Iterator[tuple[int, Item | None]]]:
    """Give (number of source, item) from all sources as they come, (number, None) at the end of each.

    Each source runs in one of `workers` threads, its items stay in order; at most `depth` items wait. An error in a
    source is raised where items are taken. Leaving the block stops the threads.
    """
    shared: _Shared[Item] = _Shared(iter(enumerate(sources)), queue.Queue(max(1, depth)))
    threads = [threading.Thread(target=shared.work, name=f"decoder-{n}", daemon=True) for n in range(max(1, workers))]

    def taken() -> Iterator[tuple[int, Item | None]]:
        ended = 0
        while ended < len(sources):
            index, item, error = shared.items.get()
            if error is not None:
                raise error
            ended += item is None
            yield index, item

    for thread in itertools.islice(threads, len(sources)):
        thread.start()
    try:
        yield taken()
    finally:
        shared.stop.set()
        for thread in itertools.islice(threads, len(sources)):
            thread.join()
