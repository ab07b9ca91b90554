"""Log-mel of many videos on disk: the sound of each is decoded once, windows are then read by memory map."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file

from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.media.fingerprints import size_and_time
from whenabouts.media.workers import Decoding, Job, decode_many
from whenabouts.recognition.clip_parts import sound_window_parts
from whenabouts.recognition.frame_cache import part_of
from whenabouts.recognition.sound_source import NO_SOUND
from whenabouts.recognition.window_encoder import SOUND_BANDS, SOUND_RATE
from whenabouts.training.processes import ALONE, World

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CachedSound:
    """The sound of one video in the cache: its file and number of rows; `reason` says why there are none."""

    video: Video
    path: Path
    rows: int
    reason: str = ""

    def read(self, first: int, stop: int) -> Rows:
        """Rows (stop - first, 64)."""
        with safetensors.safe_open(self.path, framework="np") as file:
            rows: Rows = file.get_slice("rows")[first:stop]
        return rows


@dataclass(frozen=True, slots=True)
class SoundCache:
    """The log-mel of videos below `folder`; of each at most the first `longest_seconds`.

    A video whose sound can't be decoded leaves a file without rows, so that it is not tried again until it changes.
    """

    folder: Path
    longest_seconds: float

    def fill(
        self, videos: Sequence[Video], *, workers: int, progress: Progress, world: World = ALONE
    ) -> list[CachedSound]:
        """Decode what is not there yet, in child processes that may crash without harm; the result is in order.

        Of the processes of `world`, which share the cache, each decodes its part, and all have all in the end.
        """
        found = {video.id: self.find(video) for video in videos}
        wanted = part_of(videos, {video_id for video_id, cached in found.items() if cached is None}, world)
        jobs = (Job(sound_window_parts, video.path, {"video_id": video.id}, video.id) for video in wanted)
        pairs = zip(wanted, decode_many(jobs, workers=workers), strict=False)  # The decodings end with their jobs.
        for video, under_way in progress.track(pairs, total=len(wanted), title="decoding sound"):
            found[video.id] = self._stored(video, under_way)
        if world.size > 1:
            self._share({video.id: found[video.id] for video in wanted}, found, world)
        return [cached for video in videos if (cached := found[video.id]) is not None]

    def _share(
        self, mine: Mapping[str, CachedSound | None], found: dict[str, CachedSound | None], world: World
    ) -> None:
        told = {key: (item.rows, item.reason, item.video.to_json()) for key, item in mine.items() if item is not None}
        for theirs in world.gather(told):
            for key, (rows, reason, video) in theirs.items():
                found[key] = CachedSound(Video.from_json(video), self._path(key), rows, reason)

    def find(self, video: Video) -> CachedSound | None:
        """The cached sound of a video; None where there is none, or not as much, of its file as it is now."""
        path = self._path(video.id)
        try:
            with safetensors.safe_open(path, framework="np") as file:
                rows = file.get_slice("rows").get_shape()[0]
                noted = json.loads((file.metadata() or {})["sound"])
            if noted["stamp"] != size_and_time(video.path) or noted["longest"] not in (None, self._limit):
                return None
            return CachedSound(video, path, rows, str(noted["reason"]))
        except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError):
            return None

    @property
    def _limit(self) -> int:
        return round(self.longest_seconds * SOUND_RATE)

    def _path(self, video_id: str) -> Path:
        name = hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / f"{name}.safetensors"

    def _stored(self, video: Video, under_way: Decoding) -> CachedSound:
        blocks, rows = [np.zeros((0, SOUND_BANDS), np.float32)], 0
        for part in under_way.parts():
            blocks.append(part["rows"])
            rows += len(part["rows"])
            if rows >= self._limit:
                break
        kept, path = np.concatenate(blocks)[: self._limit], self._path(video.id)
        reason = "" if len(kept) else under_way.failure or NO_SOUND
        if under_way.passing and not len(kept):
            return CachedSound(video, path, 0, reason)  # Another reading may find it.
        noted = {
            "stamp": size_and_time(video.path),
            "longest": self._limit if rows >= self._limit else None,
            "reason": reason,
        }
        with replacing(path) as part_path:
            save_file({"rows": kept}, part_path, metadata={"sound": json.dumps(noted)})
        return CachedSound(video, path, len(kept), reason)
