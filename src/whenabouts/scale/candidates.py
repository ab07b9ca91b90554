"""Candidates on a cluster: parts of the videos are scored by workers, and what they kept is merged by twos.

Parts lie as files in a folder that all nodes see. What is kept depends neither on how many workers there are nor on
which are lost, and a part that is there is not made again. Merged in one place, parts would take as long as there are
workers; by twos they take as long as its logarithm.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData, ProcessLost
from whenabouts.core.progress import Progress
from whenabouts.localizers.concepts.candidate_files import merged_candidates, save_candidates
from whenabouts.localizers.concepts.candidates import best_videos
from whenabouts.scale.crew import Crew, Lost

Scoring = Callable[[Sequence[str]], Iterable[tuple[str, ArrayLike]]]


@dataclass(frozen=True)
class Part:
    """Videos to be scored, or files to be merged, and the file that comes of them."""

    path: Path
    video_ids: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class _Given:
    make: Callable[[Any], Scoring]
    given: Any
    limits: tuple[int, ...]


_Crew = Crew[Part, dict[str, str]]


def candidates_on(
    ray: Any,
    video_ids: Sequence[str],
    make: Callable[[Any], Scoring],
    given: Any,
    limits: Sequence[int],
    *,
    place: Path,
    each: int = 1000,
    progress: Progress,
) -> tuple[Path, dict[str, str]]:
    """Score videos in parts of `each`, keep the best `limits` (C,) of each class; the merged file, who was left out.

    `make(given)`, at the top of a module that nodes have, returns what scores videos: ids -> (id, scores (C,) or
    (S, C)). Parts stay in `place` until it is emptied: so use one folder for one set of videos and one model.
    """
    if not video_ids or each < 1:
        raise InvalidData(
            f"Candidates need videos, in parts of 1 or more, but got {len(video_ids)} in parts of {each}."
        )
    place.mkdir(parents=True, exist_ok=True)
    ordered = sorted(video_ids)
    parts = [
        Part(place / f"part {begin:09d} of {len(ordered)} by {each}.safetensors", tuple(ordered[begin : begin + each]))
        for begin in range(0, len(ordered), each)
    ]
    todo = [part for part in parts if not part.path.is_file()]
    task = _Given(make, given, tuple(limits))
    with _Crew(ray, worker_for, task, progress, most=len(parts)) as crew:
        left_out = _done(crew, todo, progress, "scoring candidates")
        return _merged(crew, [part.path for part in parts], place, progress), left_out


def _merged(crew: _Crew, files: Sequence[Path], place: Path, progress: Progress) -> Path:
    """Merge files of candidates by twos on the workers, level by level, until one is left."""
    level, depth = list(files), 0
    while len(level) > 1:
        depth += 1
        pairs = [tuple(level[begin : begin + 2]) for begin in range(0, len(level), 2)]
        parts = [Part(place / f"merged {depth:02d} {number:06d}.safetensors", files=pair) for number, pair in
                 enumerate(pairs) if len(pair) == 2]  # fmt: skip
        _done(crew, parts, progress, f"merging candidates, level {depth}")
        level = [part.path for part in parts] + [pair[0] for pair in pairs if len(pair) == 1]
    return level[0]


def worker_for(task: _Given) -> Callable[[tuple[Part, ...]], dict[str, str]]:
    """Within a worker: make what scores videos once, then do parts."""
    scoring = task.make(task.given)

    def work(job: tuple[Part, ...]) -> dict[str, str]:
        left_out: dict[str, str] = {}
        for part in job:
            if part.files:
                save_candidates(part.path, merged_candidates(part.files))
                continue
            best, left = best_videos(scoring(part.video_ids), task.limits)
            save_candidates(part.path, best)
            left_out.update(left)
        return left_out

    return work


def _done(crew: _Crew, parts: Sequence[Part], progress: Progress, title: str) -> dict[str, str]:
    """Do all parts; one at which workers are lost again and again raises ProcessLost: without it, lists were wrong."""
    left_out: dict[str, str] = {}
    results = crew.results([(part,) for part in parts])
    for job, found in progress.track(results, total=len(parts), title=title):
        if isinstance(found, Lost):
            raise ProcessLost(f"{job[0]}: {found.reason}. What was finished is kept: the same call goes on from there.")
        left_out.update(found)
    return left_out
