"""Finding on a cluster: workers hold the localizer, features go out by value, moments come back in their order."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.localizers.finding import Localized, Searched
from whenabouts.scale.crew import Crew, Lost
from whenabouts.scale.folders import packed, unpacked


@dataclass(frozen=True)
class Task:
    """What every worker is given: the model's files, the changes to its settings, the device."""

    model: Mapping[str, bytes]
    changes: Mapping[str, Any]
    device: str


@dataclass(frozen=True)
class Asked:
    """One video: its number in order, and its features by stream."""

    number: int
    video_id: str
    features: Mapping[str, FeatureSequence]

    def __str__(self) -> str:
        return self.video_id


def worker_for(task: Task) -> Callable[[tuple[Asked, ...]], list[Moments | str]]:
    """Within a worker: load the model once, return what localizes videos; a broken one gives its reason."""
    from whenabouts.localizers import load_localizer

    with tempfile.TemporaryDirectory(prefix="whenabouts-") as folder:
        localizer = load_localizer(unpacked(task.model, Path(folder) / "localizer"), device=task.device,
                                   changes=task.changes)  # fmt: skip

    def work(job: tuple[Asked, ...]) -> list[Moments | str]:
        found: list[Moments | str] = []
        for asked in job:
            try:
                found.append(localizer.localize(asked.features))
            except InvalidData as error:
                found.append(str(error))
        return found

    return work


def localizing_on(
    ray: Any, model: Path, changes: Mapping[str, Any], progress: Progress, *, device: str = "cpu"
) -> Localized:
    """What `find_moments` takes as `localized`, on a cluster.

    Videos are read as workers become free; moments that are ready wait for those of videos before them. A video at
    which three workers have ended is left out, with that reason.
    """
    task = Task(packed(model), dict(changes), device)
    gpu = device.startswith("cuda")

    def localized(videos: Iterator[Searched]) -> Iterator[tuple[Searched, Moments | str]]:
        under_way: dict[int, Searched] = {}
        ready: dict[int, Moments | str] = {}

        def jobs() -> Iterator[tuple[Asked, ...]]:
            for number, searched in enumerate(videos):
                under_way[number] = replace(searched, features={})  # Its features are on their way, and large.
                if isinstance(searched.features, str):
                    ready[number] = searched.features
                    continue
                yield (Asked(number, searched.video_id, searched.features),)

        following = 0
        with Crew[Asked, list[Moments | str]](ray, worker_for, task, progress, gpu=gpu) as crew:
            for job, found in crew.results(jobs()):
                results: Sequence[Moments | str] = [found.reason] if isinstance(found, Lost) else found
                ready.update({asked.number: result for asked, result in zip(job, results, strict=True)})
                while following in ready:
                    yield under_way.pop(following), ready.pop(following)
                    following += 1
        while following in ready:
            yield under_way.pop(following), ready.pop(following)
            following += 1

    return localized
