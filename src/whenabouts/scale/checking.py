"""Looking into files on a cluster: parts of the videos go out to workers, what was seen comes back."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whenabouts.core.progress import Progress
from whenabouts.data.doctor.looking import Looks, Pixels, contents_of, frames_of
from whenabouts.data.manifest import Entry
from whenabouts.scale.crew import Crew, Lost

# A worker's decoder takes half a second to start, and is kept within a part.
_EACH = 16


@dataclass(frozen=True)
class Asked:
    """A video that is to be looked into; it names itself in messages."""

    entry: Entry
    what: Literal["contents", "frames"]

    def __str__(self) -> str:
        return self.entry.id


Seen = bool | Pixels | None


def worker_for(_: None) -> Callable[[tuple[Asked, ...]], list[Seen]]:
    """Within a worker: look into videos, all of one part in the same way."""

    def work(job: tuple[Asked, ...]) -> list[Seen]:
        entries = [asked.entry for asked in job]
        if job[0].what == "contents":
            return [seen for _, seen in contents_of(entries)]
        return [frames for _, frames in frames_of(entries)]

    return work


@contextlib.contextmanager
def looks_on(ray: Any, progress: Progress) -> Iterator[Looks]:
    """What `check_project` takes as `looks`, on a cluster, within the block; `ray` is Ray's module, connected.

    A video at which three workers have ended is told, and nothing was seen of it.
    """
    with Crew[Asked, list[Seen]](ray, worker_for, None, progress) as crew:

        def looked(what: Literal["contents", "frames"], entries: Sequence[Entry]) -> Iterator[tuple[Entry, Any]]:
            if not entries:
                return
            asked = [Asked(entry, what) for entry in entries]
            jobs = (tuple(asked[begin : begin + _EACH]) for begin in range(0, len(asked), _EACH))
            for job, found in crew.results(jobs):
                if isinstance(found, Lost):
                    progress.say(f"{job[0]} was not looked into: {found.reason}")
                    found = [None] * len(job)
                yield from zip((one.entry for one in job), found, strict=True)

        yield Looks(lambda entries: looked("contents", entries), lambda entries: looked("frames", entries))
