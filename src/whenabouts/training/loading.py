"""Which batches a process draws, and drawing them ahead of time."""

import collections
import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from whenabouts.training.processes import World

Batch = TypeVar("Batch")


def batch_numbers(steps: Iterable[int], accumulate: int, world: World) -> Iterator[int]:
    """The batches that this process draws: in each step `accumulate` for each process, one process after another."""
    for step in steps:
        for part in range(accumulate):
            yield (step * world.size + world.rank) * accumulate + part


@contextlib.contextmanager
def drawn_ahead(draw: Callable[[int], Batch], numbers: Iterable[int], loaders: int) -> Iterator[Iterator[Batch]]:
    """Give the batches of some numbers, in order, drawn by `loaders` threads up to two each ahead."""
    # One thread each for torch: teams of threads would only wait for one another, spinning.
    threads = torch.get_num_threads()
    single = functools.partial(torch.set_num_threads, 1)
    pool = ThreadPoolExecutor(max(1, loaders), thread_name_prefix="loader", initializer=single)

    def batches() -> Iterator[Batch]:
        waiting: collections.deque[Future[Batch]] = collections.deque()
        coming = iter(numbers)
        while True:
            for number in itertools.islice(coming, 2 * max(1, loaders) - len(waiting)):
                waiting.append(pool.submit(draw, number))
            if not waiting:
                return
            yield waiting.popleft().result()

    try:
        yield batches()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)
