"""Finding on a cluster: workers hold the localizer and read features, moments come back in their order.

Files of features never change, bear names that no two of them share, and note a CRC-32 of each video's bytes. So a
worker whose node sees the file of that name, with bytes that fit, has what this process would send. Where it does not
(another disk, a copy that is not whole, features of before there were such sums) they are read here and sent.
"""

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.data.shards import Record, read_sequence
from whenabouts.localizers.finding import Localized, Searched
from whenabouts.scale.crew import Crew, Lost
from whenabouts.scale.folders import packed, unpacked

# So many more videos may go out in vain than workers have read: then nodes don't share the disk.
_IN_VAIN = 3
# A job takes a millisecond to hand out, which is as long as some videos take.
_NAMED = 8


@dataclass(frozen=True)
class Task:
    """What every worker is given: the model's files, the changes to its settings, the device."""

    model: Mapping[str, bytes]
    changes: Mapping[str, Any]
    device: str


@dataclass(frozen=True)
class Asked:
    """One video: its number in order, and by stream its features, or where they stand."""

    number: int
    video_id: str
    features: Mapping[str, FeatureSequence | Record]

    def __str__(self) -> str:
        return self.video_id

    def read(self) -> Mapping[str, FeatureSequence] | None:
        """Its features; None where they don't stand here as they do where this comes from."""
        try:
            return {
                name: read_sequence(found) if isinstance(found, Record) else found
                for name, found in self.features.items()
            }
        except (OSError, InvalidData):
            return None


def worker_for(task: Task) -> Callable[[tuple[Asked, ...]], list[Moments | str | None]]:
    """Within a worker: load the model once, return what localizes videos.

    A broken one gives its reason, None one whose features can't be read here.
    """
    from whenabouts.localizers import load_localizer

    with tempfile.TemporaryDirectory(prefix="whenabouts-") as folder:
        localizer = load_localizer(unpacked(task.model, Path(folder) / "localizer"), device=task.device,
                                   changes=task.changes)  # fmt: skip

    def localized(asked: Asked) -> Moments | str | None:
        features = asked.read()
        try:
            return None if features is None else localizer.localize(features)
        except InvalidData as error:
            return str(error)

    return lambda job: [localized(asked) for asked in job]


def localizing_on(
    ray: Any, model: Path, changes: Mapping[str, Any], progress: Progress, *, device: str = "cpu"
) -> Localized:
    """What `find_moments` takes as `localized`, on a cluster.

    Videos go out as workers become free; moments that are ready wait for those of videos before them. A video at
    which three workers have ended is left out, with that reason.
    """
    task = Task(packed(model), dict(changes), device)
    gpu = device.startswith("cuda")

    def localized(videos: Iterator[Searched]) -> Iterator[tuple[Searched, Moments | str]]:
        way = _Way(videos)
        with Crew[Asked, list[Moments | str | None]](ray, worker_for, task, progress, gpu=gpu) as crew:
            while way.has_more:
                for job, found in crew.results(way.jobs()):
                    results: Sequence[Moments | str | None] = [found.reason] if isinstance(found, Lost) else found
                    for asked, result in zip(job, results, strict=True):
                        way.take(asked, result)
                    yield from way.ready()
                yield from way.ready()

    return localized


class _Way:
    """Videos on their way to workers and back: which go out with their features, and which results are next."""

    def __init__(self, videos: Iterator[Searched]) -> None:
        self._videos = enumerate(videos)
        self._out: dict[int, Searched] = {}
        self._unread: deque[int] = deque()
        self._back: dict[int, Moments | str] = {}
        self._following, self._in_vain = 0, 0
        self.has_more = True

    def jobs(self) -> Iterator[tuple[Asked, ...]]:
        """Some named videos each, or one with its features; those that a worker could not read before the next ones."""
        named: list[Asked] = []
        while True:
            while self._unread:
                yield from self._sent(self._unread.popleft())
            number, searched = next(self._videos, (-1, None))
            if searched is None:
                break
            self._out[number] = searched
            if self._in_vain > _IN_VAIN or (places := _places(searched)) is None:
                yield from self._sent(number)
                continue
            named.append(Asked(number, searched.video_id, places))
            if len(named) == _NAMED:
                yield tuple(named)
                named = []
        self.has_more = False
        if named:
            yield tuple(named)

    def _sent(self, number: int) -> Iterator[tuple[Asked, ...]]:
        features = self._out[number].features()
        if isinstance(features, str):  # Broken here, too: the worker has seen what there is to be seen.
            self._back[number] = features
            self._in_vain -= 1
            return
        yield (Asked(number, self._out[number].video_id, features),)

    def take(self, asked: Asked, result: Moments | str | None) -> None:
        """Note what a worker gave: None where it could not read the features."""
        if result is None:
            self._unread.append(asked.number)
            self._in_vain, self.has_more = self._in_vain + 1, True
        else:
            self._back[asked.number] = result
            self._in_vain -= any(isinstance(found, Record) for found in asked.features.values())

    def ready(self) -> Iterator[tuple[Searched, Moments | str]]:
        """What is next in order, as far as it is there."""
        while self._following in self._back:
            yield self._out.pop(self._following), self._back.pop(self._following)
            self._following += 1


def _places(searched: Searched) -> dict[str, Record] | None:
    """Where the features of a video stand, as other processes name it; None where they could not check what they see.

    Features that are gone are None, too: reading them tells why.
    """
    try:
        records = searched.records()
    except InvalidData:
        return None
    if any(record.crc32 is None for record in records.values()):
        return None
    return {name: replace(record, shard=record.shard.absolute()) for name, record in records.items()}
