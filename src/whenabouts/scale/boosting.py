"""Boosted trees on a cluster: each worker holds a part of the rows, and XGBoost sums their histograms over the net.

XGBoost's own collective does this; here rows are dealt out, and workers started again where one is lost. As many
workers make the same trees each time, and another number nearly the same: sums are in another order, thresholds are
chosen from other summaries of the rows, and each worker draws its own rows for a tree.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.errors import ProcessLost
from whenabouts.core.progress import Progress, Silent
from whenabouts.localizers.concepts.boosting import Blocks, Boosting, Lesson, Trees, TreeSettings, boost_here
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.scale.cluster import connected
from whenabouts.scale.processes import run_together

# A worker that is silent for so long in the middle of a round counts as lost.
_PATIENCE_SECONDS = 300
# Rounds of asking for the first worker, who may still be starting: each waits longer than the one before.
_RETRIES = 10


@dataclass(frozen=True)
class Task:
    """Parts of the rows, one list for each worker, and how to learn from them."""

    lessons: tuple[tuple[Any, ...], ...]
    held_out: tuple[tuple[Any, ...], ...] | None
    columns: Columns
    how: TreeSettings
    seed: int
    rounds: int


def boosting_on(ray: Any, size: int, progress: Progress) -> Boosting:
    """What `boosted_by` takes, on a cluster: trees trained by `size` workers, or fewer where there are fewer rows.

    One worker is this process, and its trees are those of one machine. `ray` is Ray's module, connected.
    """

    def boost(
        blocks: Blocks,
        columns: Columns,
        how: TreeSettings,
        *,
        seed: int,
        rounds: int = 0,
        held_out: Blocks | None = None,
    ) -> tuple[Trees, list[float]]:
        workers = min(size, _most(blocks), size if held_out is None else _most(held_out))
        if workers == 1:
            return boost_here(blocks, columns, how, seed=seed, rounds=rounds, held_out=held_out)
        lessons = dealt(blocks, workers, ray.put)
        judged = None if held_out is None else dealt(held_out, workers, ray.put)
        task = Task(lessons, judged, columns, how, seed, rounds)
        progress.say(f"Boosting trees in {workers} processes")
        raw, losses = run_together(ray, _boosted, task, size=workers, progress=progress, cpus=how.threads)
        return _trees(raw, columns, how.threads), losses

    return boost


def boosting_within(size: int, progress: Progress) -> Boosting:
    """`boosting_on` for a process of the cluster, which need not be connected first."""

    def boost(*given: Any, **how: Any) -> tuple[Trees, list[float]]:
        with connected("ray") as ray:
            return boosting_on(ray, size, progress)(*given, **how)

    return boost


@dataclass(frozen=True)
class Meeting:
    """Where workers meet: this one is number `rank` of `size`, the first one's node is `host`."""

    rank: int
    size: int
    host: str
    port: int


def boost_together(
    meeting: Meeting, lessons: Blocks, held_out: Blocks | None, task: Task, progress: Progress
) -> tuple[Trees, list[float]]:
    """Train on blocks of one's own together with the others, who all get the same trees; ProcessLost without them."""
    import xgboost

    tracker = None
    try:
        if meeting.rank == 0:
            tracker = xgboost.tracker.RabitTracker(
                host_ip=meeting.host, n_workers=meeting.size, port=meeting.port, sortby="task"
            )
            tracker.start()
        with xgboost.collective.CommunicatorContext(
            dmlc_communicator="rabit", dmlc_tracker_uri=meeting.host, dmlc_tracker_port=meeting.port,
            dmlc_task_id=f"{meeting.rank:06d}", dmlc_retry=_RETRIES, dmlc_timeout=_PATIENCE_SECONDS,
        ):  # fmt: skip
            made = boost_here(lessons, task.columns, task.how, seed=task.seed, rounds=task.rounds, held_out=held_out,
                              progress=progress)  # fmt: skip
        if tracker is not None:  # The others part by it.
            tracker.wait_for(timeout=_PATIENCE_SECONDS)
        return made
    except xgboost.core.XGBoostError as error:
        raise ProcessLost(f"XGBoost has ended: {str(error).strip().splitlines()[-1][:300]}") from None


def _boosted(task: Task, progress: Progress) -> tuple[bytes, list[float]]:
    """Within a worker: take the own part of the rows, and train together with the others."""
    import ray

    def blocks_of(parts: Sequence[Any]) -> Blocks:
        return lambda: map(ray.get, parts)

    told = os.environ
    meeting = Meeting(int(told["RANK"]), int(told["WORLD_SIZE"]), told["MASTER_ADDR"], int(told["MASTER_PORT"]))
    held_out = None if task.held_out is None else blocks_of(task.held_out[meeting.rank])
    speaking = progress if meeting.rank == 0 else Silent()
    trees, losses = boost_together(meeting, blocks_of(task.lessons[meeting.rank]), held_out, task, speaking)
    return trees.raw(), losses


def _most(blocks: Blocks) -> int:
    """Rows of the largest block: with as many workers none is left without any."""
    return max((len(lesson.rows) for lesson in blocks()), default=1)


def dealt(blocks: Blocks, workers: int, put: Callable[[Lesson], Any]) -> tuple[tuple[Any, ...], ...]:
    """Put an equal part of each block's rows away for each worker; what `put` gave, by worker."""
    parts: list[list[Any]] = [[] for _ in range(workers)]
    for lesson in blocks():
        for rank, rows in enumerate(np.array_split(np.arange(len(lesson.rows)), workers)):
            if len(rows):
                own = slice(rows[0], rows[-1] + 1)
                parts[rank].append(put(Lesson(lesson.rows[own], lesson.targets[own], lesson.weights[own])))
    return tuple(map(tuple, parts))


def _trees(raw: bytes, columns: Columns, threads: int) -> Trees:
    import xgboost

    booster = xgboost.Booster({"nthread": threads})
    booster.load_model(bytearray(raw))
    return Trees(booster, columns, threads)
