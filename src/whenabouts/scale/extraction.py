"""Extraction on a cluster: videos go out to workers, features come back by value, and this process alone writes them.

So nodes need to see the videos, under the same paths, and nothing else of the project; a node that is lost, or whose
disk is full, has nothing on it that is missed. Features are those that one machine makes, to the bit.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress, Silent
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.recognition.extraction import Extracted, outstanding
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.shares import Share
from whenabouts.recognition.streams import ExtractSettings, Stream
from whenabouts.scale.cluster import Quoted, here, wants_gpu
from whenabouts.scale.crew import Crew, Lost
from whenabouts.scale.folders import packed, unpacked

# A long video goes out alone; short ones together, for a worker's decoder takes half a second to start.
_JOB_SECONDS = 120.0
_FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """What every worker is given: the backbone's files, and how to extract which stream."""

    backbone: Mapping[str, bytes]
    how: ExtractSettings
    stream: str
    statistics: bool
    device: str
    workers: int


@dataclass(frozen=True)
class Named:
    """An entry that names itself in messages."""

    entry: Entry

    def __str__(self) -> str:
        return self.entry.id


@dataclass(frozen=True)
class Brought:
    """What a worker made of a few videos: features, rows of the report, and who it is."""

    sequences: tuple[FeatureSequence, ...]
    rows: tuple[dict[str, Any], ...]
    steps: int
    written: int
    worker: str


def worker_for(task: Task) -> Callable[[tuple[Named, ...]], Brought]:
    """Within a worker: load the backbone once, return what extracts a few videos at a time."""
    from whenabouts.recognition.extraction import extract
    from whenabouts.recognition.taking import saved_backbone
    from whenabouts.training.devices import choose_compute

    with tempfile.TemporaryDirectory(prefix="whenabouts-") as folder:
        encoder = saved_backbone(unpacked(task.backbone, Path(folder) / "backbone"))
    compute = choose_compute(task.device, task.how.precision, task.how.compile)

    def work(job: tuple[Named, ...]) -> Brought:
        with tempfile.TemporaryDirectory(prefix="whenabouts-") as folder:
            store, report = FeatureStore(Path(folder) / "features"), ExtractionReport(Path(folder) / "report.json")
            done = extract(
                [named.entry for named in job],
                encoder,
                task.how,
                store=store,
                report=report,
                compute=compute,
                stream=task.stream,
                statistics=task.statistics,
                workers=task.workers,
                progress=Silent(),
            )
            made = tuple(
                store.read(video_id, modality)
                for modality in store.modalities()
                for video_id in store.video_ids(modality)
            )
            return Brought(made, tuple(report.rows()), done.steps, done.written, here())

    return work


def extract_on(
    ray: Any,
    entries: Sequence[Entry],
    stream: Stream,
    *,
    backbone: Path,
    store: FeatureStore,
    report: ExtractionReport,
    device: str = "auto",
    share: Share | None = None,
    workers: int = 1,
    progress: Progress,
) -> Extracted:
    """Add to the store what it lacks of these videos, as `recognition.extraction.extract` does, on a cluster.

    `backbone` is the folder of the stream's encoder, `ray` Ray's module, connected. Videos at which workers end again
    and again are noted as unreadable for a passing reason: they are tried again the next time.
    """
    left = outstanding(stream, entries, store, report, share, progress)
    started, steps, written = time.perf_counter(), 0, 0
    task = Task(packed(backbone), stream.how, stream.name, stream.statistics, device, workers)
    jobs = list(_jobs(left.due))
    with (
        Crew[Named, Brought](ray, worker_for, task, progress, gpu=wants_gpu(ray, device), most=len(jobs)) as crew,
        store.writer(flush_count=100_000, after_ns=max((entry.changed_ns for entry in left.due), default=0)) as writer,
        contextlib.closing(crew.results(jobs)) as results,
    ):
        flushed = time.monotonic()
        for named, brought in _each_video(progress, results, len(left.due)):
            if isinstance(brought, Lost):
                report.lose(named[0].entry.video, brought.reason, progress)
                continue
            writer.add(*brought.sequences)
            if time.monotonic() - flushed > _FLUSH_SECONDS:
                writer.flush()
                flushed = time.monotonic()
            report.settle([one.entry.video for one in named], brought.rows, Quoted(progress, brought.worker))
            steps, written = steps + brought.steps, written + brought.written
    if left.due or not report.path.exists():
        report.save()
    seconds = time.perf_counter() - started
    return Extracted(written, left.done_before, left.failed_before, steps, seconds)


def _each_video(
    progress: Progress, results: Iterable[tuple[tuple[Named, ...], Brought | Lost]], total: int
) -> Iterator[tuple[tuple[Named, ...], Brought | Lost]]:
    """Results, under a bar that counts videos."""
    held: list[tuple[tuple[Named, ...], Brought | Lost]] = []

    def videos() -> Iterator[Named]:
        for named, brought in results:
            held.append((named, brought))
            yield from named

    for _ in progress.track(videos(), total=total, title="extracting on the cluster"):
        while held:
            yield held.pop()


def _jobs(due: Sequence[Entry]) -> Iterator[tuple[Named, ...]]:
    """Videos in the order in which they lie, as many to a job as make up two minutes; the longest first."""
    job: list[Named] = []
    seconds = 0.0
    for entry in sorted(due, key=lambda entry: -entry.video.duration_seconds):
        length = max(entry.video.duration_seconds, 1.0)
        if job and seconds + length > _JOB_SECONDS:
            yield tuple(job)
            job, seconds = [], 0.0
        job.append(Named(entry))
        seconds += length
    if job:
        yield tuple(job)
