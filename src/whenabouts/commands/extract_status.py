"""`whenabouts extract --status`: how far all workers are, and what went wrong, in one place."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from whenabouts.commands.console import Terminal

if TYPE_CHECKING:
    from whenabouts.data.project import Project
    from whenabouts.recognition.worker_notes import WorkerState

_MOST = 20


def tell_status(home: "Project", terminal: Terminal) -> None:
    """Tell what is done of each stream, each worker's last sign, and the videos that are partial or unreadable."""
    from whenabouts.recognition.extraction_report import ExtractionReport
    from whenabouts.recognition.worker_notes import workers_of

    store, wanted = home.features(), [entry for entry in home.manifest() if not entry.removed]
    ids = {entry.id for entry in wanted}
    done = {stream: len(ids.intersection(store.video_ids(stream))) for stream in store.modalities()}
    workers = workers_of(home.reports_folder / "workers")
    failures = {
        stream: ExtractionReport(path).rows() for stream, path in home.extraction_reports().items() if path.exists()
    }
    lines = [*(f"{stream}: {count} of {len(ids)} videos" for stream, count in done.items()), *map(_line, workers)]
    for stream, rows in failures.items():
        lines += _failures(stream, rows)
    values = {"videos": len(ids), "done": done, "workers": [vars(worker) for worker in workers], "failures": failures}
    terminal.result("\n".join(lines) or "Nothing was extracted yet.", values)


def _line(worker: "WorkerState") -> str:
    done, total = worker.done
    ago = (datetime.now(UTC) - datetime.fromisoformat(worker.seen)).total_seconds() / 60
    state = worker.ended or "at work"
    last = f"; last told: {worker.told[-1]}" if worker.told else ""
    return f"{worker.share} on {worker.worker}: {done} of {total} videos, {state}, last sign {ago:.0f} min ago{last}"


def _failures(stream: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows[:_MOST]:
        again = " (tried again the next time)" if row.get("passing") else ""
        yield f"{row['id']} is {row['status']} ({stream}): {row['reason']}{again}"
    if len(rows) > _MOST:
        yield f"... and {len(rows) - _MOST} more ({stream})"
