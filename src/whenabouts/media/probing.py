"""Reading the headers of many files in child processes: no file can end the run."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from whenabouts.core.video import Video
from whenabouts.media.parts import probe_parts
from whenabouts.media.watch import Limits
from whenabouts.media.workers import Job, decode_many

# Headers take milliseconds. A disk that wakes up, or a scan for the end of a long stream, may take a minute.
_LIMITS = Limits(silence_seconds=120.0, total_seconds=600.0)


def probed(files: Iterable[tuple[Path, str]], *, workers: int = 2) -> Iterator[Video]:
    """What `probe` says of each file, under the id that comes with it, in order.

    A file that crashes FFmpeg or lets it hang is unreadable, with that as its reason.
    """
    jobs = (Job(probe_parts, path, {"video_id": video_id}, video_id) for path, video_id in files)
    for under_way in decode_many(jobs, workers=workers, limits=_LIMITS, ahead=8 * workers):
        for _ in under_way.parts():
            pass
        yield under_way.outcome
