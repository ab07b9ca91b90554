"""What extraction found wrong with videos, kept in a project so that nothing is retried in silence."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import write_json
from whenabouts.core.locks import locked
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.media.fingerprints import size_and_time
from whenabouts.media.probe import unreadable

# With many rows, the file is not written again for each new one.
_FEW, _PAUSE_SECONDS = 1000, 1.0


def report_of(folder: Path, stream: str) -> Path:
    """Where a project's reports say what became of one stream."""
    return folder / ("extraction.json" if stream == "rgb" else f"extraction-{stream}.json")


class ExtractionReport:
    """Rows of videos that are partial or unreadable, by id, in one JSON file.

    Several processes may write to it: each changes the rows of the videos that it has read, and leaves the others'.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changed: dict[str, dict[str, Any] | None] = {}
        self._written_at = 0.0
        self._rows = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        return _rows_by_id(self.path) if self.path.exists() else {}

    def rows(self) -> list[dict[str, Any]]:
        """All rows, in order of ids."""
        return [self._rows[video_id] for video_id in sorted(self._rows)]

    def take_in(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep rows that another project's report held."""
        for row in rows:
            self._rows[row["id"]] = self._changed[row["id"]] = row

    def settle(self, videos: Iterable[Video], rows: Iterable[dict[str, Any]], progress: Progress) -> None:
        """Keep what another process found in these videos: its rows; of those without one, older rows are cleared."""
        found = {row["id"]: row for row in rows}
        for row in found.values():
            progress.say(f"{row['id']} is {row['status']}: {row['reason']}")
        gone = {video.id for video in videos} & self._rows.keys() - found.keys()
        for video_id in gone:
            del self._rows[video_id]
            self._changed[video_id] = None
        self.take_in(found.values())
        if found or gone:
            self._save_soon()

    def lose(self, video: Video, reason: str, progress: Progress) -> None:
        """Keep that a video could not be read for a reason that may pass: it is tried again the next time."""
        self.note(unreadable(video.id, video.path, reason, passing=True), progress)

    def failed_before(self, video: Video) -> bool:
        """True where this very file yielded nothing before, for a reason that lies in the file."""
        row = self._rows.get(video.id)
        if row is None or row["status"] != "unreadable" or row.get("passing"):
            return False
        return bool(row["stamp"] == size_and_time(video.path))

    def note(self, video: Video, progress: Progress) -> None:
        """Keep what the full reading of a video found; a complete one only clears an older row."""
        if video.status == "complete":
            if self._rows.pop(video.id, None) is not None:
                self._changed[video.id] = None
                self._save_soon()
            return
        self._rows[video.id] = self._changed[video.id] = {
            "id": video.id,
            "status": video.status,
            "coverage": round(video.coverage, 4),
            "reason": video.reason,
            "passing": video.passing,
            "stamp": size_and_time(video.path),
        }
        progress.say(f"{video.id} is {video.status}: {video.reason}")
        self._save_soon()

    def count(self, status: str) -> int:
        """Videos of one status."""
        return sum(row["status"] == status for row in self._rows.values())

    def save(self) -> None:
        """Write all rows, in order of ids: those that this process changed, and what others wrote since."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):
            merged = {**self._read(), **self._changed}
            self._rows = {video_id: row for video_id, row in merged.items() if row is not None}
            counts = {status: self.count(status) for status in ("partial", "unreadable")}
            write_json(self.path, {**counts, "videos": self.rows()})
        self._written_at = time.monotonic()

    def _save_soon(self) -> None:
        if len(self._rows) < _FEW or time.monotonic() - self._written_at > _PAUSE_SECONDS:
            self.save()


def _rows_by_id(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return {row["id"]: row for row in json.loads(path.read_text(encoding="utf-8"))["videos"]}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"{path} is not an extraction report ({error}). Remove it to start anew.") from None


def join_reports(base: Path | None, mine: Path, theirs: Path) -> None:
    """Make the report `mine` that of two machines: rows that it changed since `base` stay, of all others theirs count.

    Any of the files may be broken or gone: then InvalidData.
    """
    with locked(mine.parent):
        was, ours, others = ({} if path is None else _rows_by_id(path) for path in (base, mine, theirs))
        rows = {video_id: (others if ours.get(video_id) == was.get(video_id) else ours).get(video_id)
                for video_id in sorted({*was, *ours, *others})}  # fmt: skip
        kept = [row for row in rows.values() if row is not None]
        counts = {status: sum(row["status"] == status for row in kept) for status in ("partial", "unreadable")}
        write_json(mine, {**counts, "videos": kept})
