"""Workers on a cluster that are handed jobs one by one, whichever of them end on the way.

A job is a few items, such as videos. Where a worker or its node ends, the items of its job are handed out again, each
by itself; what has ended three workers is given up, told, and costs nothing but itself. Results come as they are ready.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from whenabouts import __version__
from whenabouts.core.errors import ProcessLost, WhenaboutsError, WriteError
from whenabouts.core.progress import Progress
from whenabouts.scale.cluster import cause_of, greeting, of_ray, processors, told

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES = 3
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that no worker brought back: why."""

    reason: str


class _Worker:
    """What stands in a process of the cluster: one thing that was made there, and does jobs."""

    def begin(self, version: str, make: Callable[..., Callable[[Any], Any]], given: Any) -> str:
        """Make what does the work; say which node and process this is."""
        name = greeting(version)
        try:
            self._work = make(given)
        except OSError as error:
            raise WriteError(f"Worker {name} can't start: {error}. Look at the disk of that node.") from error
        return name

    def run(self, job: Any) -> Any:
        """Do one job."""
        return self._work(job)


class Crew(Generic[Item, Result]):
    """Workers that each hold what `make(given)` returned: a function from a job (items) to its result.

    `ray` is Ray's module, connected; `make` stands at the top of a module that the nodes have, too. Each worker takes
    one CPU, and one GPU with `gpu`; there are as many as the cluster has room for, `most` at most. They wait for
    more jobs until the block of `with` ends.
    """

    def __init__(
        self,
        ray: Any,
        make: Callable[..., Callable[[tuple[Item, ...]], Result]],
        given: Any,
        progress: Progress,
        *,
        gpu: bool = False,
        most: int = 1_000_000,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._ray, self._progress, self._patience = ray, progress, patience_seconds
        options = {"num_cpus": 1, "num_gpus": int(gpu), "max_restarts": 0}
        self._kind = ray.remote(**options)(_Worker)
        self._given = (__version__, make, ray.put(given))
        cpus, gpus = processors(ray)
        self.size = max(1, min(most, min(cpus, gpus) if gpu else cpus))
        self._idle: list[tuple[Any, str]] = []
        self._coming: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, str, tuple[Item, ...]]] = {}
        self._again: deque[tuple[Item, ...]] = deque()
        self._tries: dict[int, int] = {}
        self._failed_starts = 0

    def results(
        self, jobs: Iterable[tuple[Item, ...]]
    ) -> Generator[tuple[tuple[Item, ...], Result | Lost], None, None]:
        """Each job with its result, as they are ready; jobs may come back in parts.

        An error that a job raised is raised here, and a worker's want of room counts as the worker's end. ProcessLost
        is raised where no worker is left and none comes.
        """
        todo = iter(jobs)
        first = next(todo, None)
        if first is None:
            return
        todo = itertools.chain([first], todo)
        for _ in range(self.size - len(self._idle) - len(self._coming)):
            self._call()
        try:
            while True:
                self._hand_out(todo)
                if not self._running and not self._again:
                    return
                yield from self._heard()
        finally:
            self._dismiss(worker for worker, *_ in self._running.values())
            self._running, self._again = {}, deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dismiss(worker for worker, _ in self._idle)
        self._dismiss(self._coming.values())
        self._idle, self._coming = [], {}

    def _call(self) -> None:
        worker = self._kind.remote()
        self._coming[worker.begin.remote(*self._given)] = worker

    def _hand_out(self, todo: Iterator[tuple[Item, ...]]) -> None:
        """Give a job to each idle worker; without any that wait, look whether there is a next job at all."""
        while self._idle or not (self._running or self._again):
            job = self._again.popleft() if self._again and self._idle else next(todo, None)
            if job is None:
                return
            if not self._idle:
                self._again.append(job)
                return
            worker, name = self._idle.pop()
            self._running[worker.run.remote(job)] = worker, name, job

    def _heard(self) -> Iterator[tuple[tuple[Item, ...], Result | Lost]]:
        """Wait for the next sign of any worker."""
        waiting = [*self._running, *self._coming]
        patience = None if self._running else self._patience
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=patience)
        if not ready:
            raise ProcessLost(
                f"No worker is left on the cluster, and none has come for {self._patience:g} s. What was finished is "
                "kept: start nodes, then the same command again."
            )
        reference = ready[0]
        if reference in self._coming:
            self._welcome(reference, self._coming.pop(reference))
            return
        worker, name, job = self._running.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(worker, name, job, cause_of(error))
            return
        self._idle.append((worker, name))
        yield job, result

    def _welcome(self, reference: Any, worker: Any) -> None:
        try:
            self._idle.append((worker, self._ray.get(reference)))
        except self._ray.exceptions.RayError as error:
            cause = cause_of(error)
            if isinstance(cause, WhenaboutsError) and not isinstance(cause, WriteError):
                raise cause from None
            self._progress.say(told(cause))
            self._ray.kill(worker)
            self._failed_starts += 1
            self._replace(cause)

    def _replace(self, cause: BaseException) -> None:
        """Call another worker, unless too many have ended as they started: then those that are left do the work."""
        if self._failed_starts <= TRIES * self.size:
            self._call()
        elif not (self._running or self._idle or self._coming):
            raise ProcessLost(
                f"Workers end as soon as they start: {told(cause)} What was finished is kept: the same command goes on."
            ) from None

    def _lost(
        self, worker: Any, name: str, job: tuple[Item, ...], cause: BaseException
    ) -> Iterator[tuple[tuple[Item, ...], Lost]]:
        """A worker has ended over a job: call another, hand the items out again or give them up."""
        ended = not isinstance(cause, Exception) or isinstance(cause, WriteError) or of_ray(cause)
        if not ended:
            raise cause
        self._ray.kill(worker)
        self._replace(cause)
        self._progress.say(f"Worker {name} has ended at {', '.join(map(str, job))}: {told(cause)}")
        for item in job:
            tries = self._tries[id(item)] = self._tries.get(id(item), 0) + 1
            if len(job) == 1 and tries >= TRIES:
                if isinstance(cause, WriteError):
                    raise cause
                yield job, Lost(f"{tries} workers have ended at it, the last: {told(cause)}")
            else:
                self._again.append((item,))

    def _dismiss(self, workers: Iterable[Any]) -> None:
        for worker in workers:
            self._ray.kill(worker)
