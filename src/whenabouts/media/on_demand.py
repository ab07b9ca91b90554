"""Decoding small parts of many videos as they are asked for, in child processes that stay."""

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from whenabouts.core.errors import InvalidData
from whenabouts.media.watch import Child, Limits
from whenabouts.media.workers import Decoding, Job

# What one job yields waits in memory until it is taken: for parts of videos, not for whole ones.
_BYTES = 1 << 62


class Decoders:
    """`workers` child processes that run jobs from any thread, in the order in which they are asked.

    A child that crashes, hangs, or takes too much time or memory ends its own job only: the outcome says why.
    """

    def __init__(self, workers: int, limits: Limits | None = None) -> None:
        if workers < 1:
            raise InvalidData(f"Needs at least 1 worker, but got {workers}.")
        self._children = [Child(limits or Limits()) for _ in range(workers)]
        self._idle: queue.SimpleQueue[Child] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decoder")

    def run(self, jobs: Sequence[Job]) -> list[Decoding]:
        """Run jobs to their ends; their parts lie ready."""
        return list(self._pool.map(self._one, jobs))

    def close(self) -> None:
        """End the children, and the jobs under way with them."""
        for child in self._children:
            child.interrupt()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

    def _one(self, job: Job) -> Decoding:
        decoding, child = Decoding(job, _BYTES), self._idle.get()
        try:
            child.run(job.request(), decoding)
        except Exception as error:
            decoding.end(f"decoding failed: {type(error).__name__}: {error}", passing=True)
        finally:
            self._idle.put(child)
        return decoding
