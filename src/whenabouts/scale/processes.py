"""Processes on a cluster that work together, as `torchrun` would start them: one lost, all begin again.

So what they do has to go on from where it was, as trainings do from their last checkpoint, or to come to the same end.
What any of them says is heard where the command runs.
"""

import contextlib
import math
import os
import queue
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar

from whenabouts import __version__
from whenabouts.core.errors import ProcessLost, ProjectError
from whenabouts.core.progress import Progress
from whenabouts.scale.cluster import cause_of, greeting, of_ray, processors, told

Given = TypeVar("Given")
Result = TypeVar("Result")
Item = TypeVar("Item")

TRIES = 3
_PATIENCE_SECONDS = 60.0
# After one has lost the others, these have so long to say why, or to be found dead.
_GRACE_SECONDS = 10.0
_LISTEN_SECONDS = 1.0
_LATER = "What was finished is kept: the same command goes on from there."


class _Ended(Exception):
    """A process has ended before its work."""


class _Telling:
    """Progress within a worker: its lines are fetched from elsewhere."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def say(self, text: str) -> None:
        """Keep a line."""
        self._lines.put(text)

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Say that a stage begins."""
        self.say(f"{title} ({total if total is not None else 'unknown number of'} steps)")
        yield from items

    def lines(self, wait_seconds: float) -> list[str]:
        """What was said and not fetched yet; wait where nothing was."""
        found = list[str | None]()
        with contextlib.suppress(queue.Empty):
            found.append(self._lines.get(timeout=wait_seconds) if wait_seconds else self._lines.get_nowait())
            while True:
                found.append(self._lines.get_nowait())
        return [line for line in found if line is not None]

    def end(self) -> None:
        """Who waits for a line need not wait any more."""
        self._lines.put(None)


class _Member:
    """One of the processes: it works in one thread, and is listened to in another."""

    def __init__(self) -> None:
        self._telling = _Telling()

    def begin(self, version: str) -> tuple[str, str, int]:
        """Who this is, its node's address, and a port that is free there."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            address: Any = ray.util.get_node_ip_address  # It has no types.
            return greeting(version), address(), free.getsockname()[1]

    def run(self, work: Callable[[Any, Progress], Any], given: Any, variables: Mapping[str, str]) -> Any:
        """Do the work in an environment with these variables."""
        os.environ.update(variables)
        try:
            return work(given, self._telling)
        finally:
            self._telling.end()

    def heard(self, wait_seconds: float) -> list[str]:
        """What was said since the last time; wait a little where nothing was."""
        return self._telling.lines(wait_seconds)


def size_of(ray: Any, asked: int | None, *, gpu: bool) -> int:
    """How many processes work together: as many as asked for, else one a GPU, or one a node with a CPU."""
    if asked is not None:
        return asked
    if gpu:
        return max(1, processors(ray)[1])
    return max(1, len([node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]))


def run_together(
    ray: Any,
    work: Callable[[Given, Progress], Result],
    given: Given,
    *,
    size: int,
    progress: Progress,
    gpu: bool = False,
    cpus: int | None = 1,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Result:
    """What `work(given, progress)` returns in the first of `size` processes, each of which has torchrun's variables.

    `work` stands at the top of a module that the nodes have. Where a process or its node is lost all begin again, up to
    TRIES times in all; then, and where the cluster has no room for them, ProcessLost is raised. An error of the
    work itself is raised as it is. Each process takes so many `cpus` (None: room to begin, and none from then on).
    """
    for number in range(1, TRIES + 1):
        try:
            with _Group(ray, size, gpu=gpu, cpus=cpus, patience_seconds=patience_seconds, progress=progress) as group:
                return group.result(work, given)  # type: ignore[no-any-return]
        except _Ended as ended:
            last = str(ended)
        except ProjectError as error:
            if number == 1:
                raise
            last = str(error)  # What is left of a lost process may hold the project a little longer.
        progress.say(last if number == TRIES else f"{last}. All begin again, from the last checkpoint.")
    raise ProcessLost(f"{TRIES} times a worker has ended, the last time: {last}. {_LATER}")


class _Group:
    """The processes of one attempt; they end with the block."""

    def __init__(
        self, ray: Any, size: int, *, gpu: bool, cpus: int | None, patience_seconds: float, progress: Progress
    ) -> None:
        self._ray, self._patience, self._progress = ray, patience_seconds, progress
        options: dict[str, int] = {"max_restarts": 0, "max_concurrency": 2}
        if gpu:
            options |= {"num_gpus": 1, "num_cpus": cpus or 0}
        elif cpus is not None:  # Without a word of either, Ray asks for a CPU to begin, and leaves it to others then.
            options["num_cpus"] = cpus
        kind = ray.remote(**options)(_Member)
        spread = "DEFAULT" if gpu else "SPREAD"  # GPUs of one node are near each other.
        self._members = [kind.options(scheduling_strategy=spread).remote() for _ in range(size)]
        self._names = [""] * size
        self._runs: dict[Any, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            self._ray.kill(member)
        if self._runs:  # The next ones must find the project free.
            self._ray.wait(list(self._runs), num_returns=len(self._runs), timeout=_GRACE_SECONDS)

    def result(self, work: Callable[[Given, Progress], Result], given: Given) -> Any:
        """What the first process brings, once all have done their work."""
        address, port = self._met()
        given = self._ray.put(given)
        for rank, member in enumerate(self._members):
            variables = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": len(self._members), "MASTER_ADDR": address,
                         "MASTER_PORT": port}  # fmt: skip
            self._runs[member.run.remote(work, given, {name: str(value) for name, value in variables.items()})] = rank
        results, failed = self._heard()
        if failed:
            self._fail(failed)
        return results[0]

    def _met(self) -> tuple[str, int]:
        """Wait for all to be there; address and port of the first."""
        coming = {member.begin.remote(__version__): rank for rank, member in enumerate(self._members)}
        place = "", 0
        while coming:
            ready, _ = self._ray.wait(list(coming), num_returns=1, timeout=self._patience)
            if not ready:
                size = len(self._members)
                raise ProcessLost(
                    f"The cluster has room for {size - len(coming)} of {size} processes now, and none more for "
                    f"{self._patience:g} s. Start nodes, or begin anew with fewer --processes. {_LATER}"
                )
            rank = coming.pop(ready[0])
            try:
                self._names[rank], *where = self._ray.get(ready[0])
            except self._ray.exceptions.RayError as error:
                self._fail({rank: cause_of(error)})
            if rank == 0:
                place = where[0], where[1]
        return place

    def _heard(self) -> tuple[dict[int, Any], dict[int, BaseException]]:
        """Listen until all have ended, or one before its work; what they bring, and why they have ended, by number."""
        running, results, failed = dict(self._runs), dict[int, Any](), dict[int, BaseException]()
        listening = {member.heard.remote(_LISTEN_SECONDS): rank for rank, member in enumerate(self._members)}
        until = math.inf
        while running and time.monotonic() < until:
            ready, _ = self._ray.wait([*running, *listening], num_returns=1, timeout=_LISTEN_SECONDS)
            for reference in ready:
                if reference in listening:
                    rank = listening.pop(reference)
                    if self._tell(reference, rank):
                        listening[self._members[rank].heard.remote(_LISTEN_SECONDS)] = rank
                    continue
                rank = running.pop(reference)
                try:
                    results[rank] = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    failed[rank] = cause_of(error)
                    grace = _GRACE_SECONDS if isinstance(failed[rank], ProcessLost) else 0.0
                    until = min(until, time.monotonic() + grace)
        last = {member.heard.remote(0.0): rank for rank, member in enumerate(self._members)}
        for reference, rank in [*listening.items(), *last.items()]:
            self._tell(reference, rank)
        return results, failed

    def _tell(self, reference: Any, rank: int) -> bool:
        """Tell what a process has said; False where it can't be heard any more."""
        try:
            lines = self._ray.get(reference, timeout=2 * _LISTEN_SECONDS)
        except self._ray.exceptions.RayError:
            return False
        for line in lines:
            self._progress.say(f"{self._names[rank]}: {line}")
        return True

    def _fail(self, failed: Mapping[int, BaseException]) -> None:
        """Raise what was wrong with the work, else _Ended with who was lost and why."""
        alone = len(self._members) == 1  # Others that it has lost are no members of this group.
        for error in failed.values():
            if isinstance(error, Exception) and not of_ray(error) and (alone or not isinstance(error, ProcessLost)):
                raise error
        gone = {rank: error for rank, error in failed.items() if not isinstance(error, ProcessLost)} or dict(failed)
        said = [
            f"Worker {self._names[rank] or 'that was starting'} (process {rank} of {len(self._members)}) has ended: "
            f"{told(error)}"
            for rank, error in gone.items()
        ]
        raise _Ended("; ".join(said))
