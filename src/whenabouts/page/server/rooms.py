"""What routes share: the desk, the model, the makers of pictures, and the job that learns again."""

import hashlib
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
from starlette.requests import Request

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.files import read_json, reading_folder
from whenabouts.core.moments import KINDS
from whenabouts.core.timing import temporal_iou
from whenabouts.data.manifest import Entry, file_of
from whenabouts.data.project import Project
from whenabouts.page.review.likeness import unit_rows
from whenabouts.page.server.asking import Asked, Refused
from whenabouts.page.server.curves import Model
from whenabouts.page.server.desk import Desk, Snapshot
from whenabouts.page.server.kept import Kept
from whenabouts.page.server.learning import Learning
from whenabouts.page.server.lookalikes import Lookalikes
from whenabouts.page.server.makers import Picture, Proxies, Thumbnails, content_of

NEAREST = 5
COMPARED = 200
CACHE_BYTES = 10_000_000_000
HEIGHTS = (60, 360)


class Rooms:
    """One project being served."""

    def __init__(
        self, project: Project, *, truth: Path | None = None, device: str = "auto", cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.project = project
        self.desk = Desk(project, truth=truth)
        self.model = Model(project)
        self.lookalikes = Lookalikes(self.model)
        self.cache = project.cache_folder / "page"
        kept = Kept(self.cache, cache_bytes)
        self.thumbnails, self.proxies = Thumbnails(kept), Proxies(kept)
        self.learning = Learning(project, truth=truth, device=device)
        threading.Thread(target=self.desk.current().library.warm, daemon=True).start()

    def close(self) -> None:
        """End what runs beside."""
        self.learning.stop()
        self.thumbnails.close()
        self.proxies.close()
        self.desk.reviews.close()

    def version(self, snapshot: Snapshot) -> str:
        """Changes when the files that are shown, or the decisions, do."""
        return hashlib.sha256(f"{snapshot.stamp} {snapshot.step}".encode()).hexdigest()[:16]

    def localizer_name(self) -> str | None:
        """The name of the localizer that is there."""
        folder = self.project.localizer_folder
        try:  # Not through the localizers, which would bring in torch: it takes longer than all else here.
            with reading_folder(folder) as there:
                return str(read_json(there / "card.json")["localizer"])
        except (OSError, WhenaboutsError, KeyError):
            return None

    def video_number(self, snapshot: Snapshot, key: str) -> int:
        """The number of the video that a key names; else 404."""
        found = snapshot.library.by_key.get(key)
        if found is None:
            raise Refused(404, "There is no such video in this project.")
        return found

    def span(self, snapshot: Snapshot, asked: Asked) -> tuple[int, float, float]:
        """The video and the seconds that a request names."""
        number = self.video_number(snapshot, asked.text("video"))
        start, end = asked.needed("start"), asked.needed("end")
        if not 0 <= start < end:
            raise Refused(400, f"A moment starts at 0 s or later and ends after that, but got {start} to {end}.")
        return number, start, end

    def source(self, snapshot: Snapshot, number: int) -> tuple[Entry, Path]:
        """A video and the file it lies in; 404 where it has no file of its own."""
        entry = snapshot.library.entries[number]
        path = entry.video.path
        if file_of(path) != path or not path.is_file():
            raise Refused(404, "There is no file of this video here: only its features are known.")
        return entry, path

    def picture(self, snapshot: Snapshot, number: int, seconds: float, height: int) -> Picture:
        """What to make for a thumbnail, with the place where it is kept."""
        entry, path = self.source(snapshot, number)
        video = entry.video
        height = min(max(height, HEIGHTS[0]), HEIGHTS[1]) // 2 * 2
        width = round(height * video.width / video.height / 2) * 2 if video.height else height * 16 // 9
        width = min(max(2, width), 4 * height)
        key = snapshot.library.keys[number]
        name = f"{round(seconds * 1000)}-{height}.jpg"
        return Picture(path, seconds, (height, width), self.cache / "thumbnails" / f"{key}-{content_of(path)}" / name)

    def proxy_file(self, snapshot: Snapshot, number: int) -> tuple[Entry, Path, Path]:
        """A video, its file, and where its copy for browsers is kept."""
        entry, path = self.source(snapshot, number)
        kept = self.cache / "proxies" / f"{snapshot.library.keys[number]}-{content_of(path)}.mp4"
        return entry, path, kept

    def proxy_state(self, snapshot: Snapshot, number: int) -> dict[str, Any]:
        """How far the copy of a video is, without beginning it."""
        address = f"/proxy/{snapshot.library.keys[number]}"
        try:
            state = self.proxies.state(self.proxy_file(snapshot, number)[2])
        except (Refused, OSError):
            return {"state": "no file", "progress": 0.0, "address": address}
        if state is None:
            return {"state": "none", "progress": 0.0, "address": address}
        told = {"state": state.state, "progress": state.progress, "address": address}
        return told | ({"reason": state.reason} if state.reason else {})

    def concepts_at(self, snapshot: Snapshot, number: int, start: float, end: float) -> list[str]:
        """Concepts that were found, or confirmed, at a span, best score first."""
        table, names = snapshot.library.table, snapshot.library.names.names
        rows = table.of_video(number)
        rows = rows[table.kinds[rows] == KINDS.index("found")]
        near = rows[temporal_iou(table.spans[rows], [[start, end]]).reshape(-1) >= 0.3] if len(rows) else rows
        ranked = near[np.argsort(-table.scores[near], kind="stable")].tolist()
        return list(dict.fromkeys(names[int(table.concepts[row])] for row in ranked))[:5]

    def nearest_decided(
        self, snapshot: Snapshot, example: tuple[int, float, float], concept: str
    ) -> list[dict[str, Any]]:
        """The decided moments of a concept whose features are most like those of a span."""
        reviews = [review for review in snapshot.standing()
                   if review.decided.concept == concept and review.decided.video_id in snapshot.library.numbers
                   and snapshot.library.numbers[review.decided.video_id] != example[0]][-COMPARED:]  # fmt: skip
        try:
            stream, aim = self.lookalikes.vector(snapshot.library, *example)
            listed = []
            for review in reviews:
                said = review.decided
                number = snapshot.library.numbers[said.video_id]
                try:
                    _, vector = self.lookalikes.vector(
                        snapshot.library, number, said.start_seconds, said.end_seconds, stream
                    )
                except Refused:
                    continue
                likeness = float((unit_rows(vector)[0] * unit_rows(aim)[0]).sum())
                listed.append({"video": snapshot.library.keys[number], "title": snapshot.library.entries[number].title,
                               "start": said.start_seconds, "end": said.end_seconds, "decision": said.decision,
                               "similarity": likeness})  # fmt: skip
        except (Refused, WhenaboutsError):
            return []
        return sorted(listed, key=lambda each: -cast(float, each["similarity"]))[:NEAREST]


def rooms_of(request: Request) -> Rooms:
    """The rooms of the application that answers."""
    return cast(Rooms, request.app.state.rooms)
