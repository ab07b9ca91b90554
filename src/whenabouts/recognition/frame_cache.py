"""Small frames of many videos on disk: each video is decoded once, clips are then read by memory map.

One safetensors file per video holds `frames` (F, H, W, 3) uint8 and, in its header, what the decoder found. Videos that
can't be read leave a file without frames, so that they are told of, and not tried again, until their file changes.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
from numpy.typing import NDArray

from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.media.reader import VideoReader

# The header's room: shapes, offsets and the decoder's findings, padded with spaces as the format allows.
_HEADER = 4096
_REASON = 1000


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Frames at `rate` a second of `height` x `width` pixels; of each video at most the first `longest_seconds`."""

    rate: float
    height: int
    width: int
    longest_seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Cached:
    """One video in the cache: its file, number of frames, and the video as its full reading found it."""

    path: Path
    frames: int
    video: Video

    def read(self, first: int, stop: int) -> NDArray[np.uint8]:
        """Frames (stop - first, H, W, 3)."""
        with safetensors.safe_open(self.path, framework="np") as file:
            pixels: NDArray[np.uint8] = file.get_slice("frames")[first:stop]
        return pixels


class FrameCache:
    """The cached frames of one format below `folder`."""

    def __init__(self, folder: Path, form: FrameFormat) -> None:
        self.form = form
        self.folder = folder / f"{form.rate:g}_{form.height}x{form.width}"

    def path(self, video_id: str) -> Path:
        """The file of a video: named by a hash, since ids may hold any character."""
        return (
            self.folder / f"{hashlib.sha256(video_id.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.safetensors"
        )

    def find(self, video: Video) -> Cached | None:
        """The cached frames of a video, or None where there are none, or not as many, of its file as it is now."""
        path = self.path(video.id)
        try:
            with safetensors.safe_open(path, framework="np") as file:
                frames = file.get_slice("frames").get_shape()[0]
                found = json.loads((file.metadata() or {})["video"])
        except (OSError, safetensors.SafetensorError, KeyError, ValueError):
            return None
        if found.pop("stamp") != file_stamp(video.path) or found.pop("stopped_at") not in (None, self._longest):
            return None
        seen = Video.from_json({**found, "id": video.id, "path": str(video.path)})
        return Cached(path, frames, seen)

    @property
    def _longest(self) -> float | None:
        return None if math.isinf(self.form.longest_seconds) else self.form.longest_seconds

    def fill(self, videos: Sequence[Video], *, workers: int, progress: Progress) -> list[Cached]:
        """Decode what is not there yet, in threads (FFmpeg works outside Python's lock); the result is in order."""
        found: dict[str, Cached | None] = {video.id: self.find(video) for video in videos}
        wanted = [video for video in videos if found[video.id] is None]
        with ThreadPoolExecutor(max(1, workers), thread_name_prefix="decoder") as pool:
            try:
                futures = [pool.submit(self.add, video) for video in wanted]
                for future in progress.track(as_completed(futures), total=len(futures), title="decoding small frames"):
                    added = future.result()
                    found[added.video.id] = added
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [cached for video in videos if (cached := found[video.id]) is not None]

    def add(self, video: Video) -> Cached:
        """Decode one video into the cache, in bounded memory; one that can't be read leaves its reason."""
        form, stamp = self.form, file_stamp(video.path)
        reader = VideoReader(video.path, rate=form.rate, size=(form.height, form.width), threads=1)
        with replacing(self.path(video.id)) as part, part.open("wb") as file:
            file.write(b" " * _HEADER)
            frames, whole = _write_frames(reader, form, file)
            seen = dataclasses.replace(_outcome(reader, frames), id=video.id, path=video.path)
            file.seek(0)
            known = {"stamp": stamp, "stopped_at": None if whole else self._longest}
            file.write(_header(form, frames, {**seen.to_json(), **known}))
        return Cached(self.path(video.id), frames, seen)


def _write_frames(reader: VideoReader, form: FrameFormat, file: BinaryIO) -> tuple[int, bool]:
    """How many frames were written, and whether they are all."""
    count = 0
    for seconds, pixels in reader:
        if seconds >= form.longest_seconds:
            return count, False
        file.write(np.ascontiguousarray(pixels).tobytes())
        count += 1
    return count, True


def _outcome(reader: VideoReader, frames: int) -> Video:
    seen = reader.outcome
    if frames == 0 and seen.status != "unreadable":
        return dataclasses.replace(seen, status="unreadable", coverage=0.0, reason="no frame could be decoded")
    return dataclasses.replace(seen, reason=seen.reason[:_REASON])


def _header(form: FrameFormat, frames: int, video: dict[str, Any]) -> bytes:
    shape = [frames, form.height, form.width, 3]
    told = json.dumps({**video, "path": "", "id": ""})
    values = {
        "__metadata__": {"video": told},
        "frames": {"dtype": "U8", "shape": shape, "data_offsets": [0, int(np.prod(shape, dtype=np.int64))]},
    }
    text = json.dumps(values, ensure_ascii=False).encode().ljust(_HEADER - 8)
    return (_HEADER - 8).to_bytes(8, "little") + text


def file_stamp(path: Path) -> list[int]:
    """Size in bytes and time of change in nanoseconds; zeros for a file that is gone."""
    try:
        status = path.stat()
    except OSError:
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]


def clip_at(cached: Cached, first: int, frames: int) -> NDArray[np.uint8]:
    """A clip (frames, H, W, 3) from frame `first` on; behind the video's end the last frame stays on screen."""
    pixels = cached.read(first, min(first + frames, cached.frames))
    return held(pixels, frames)


def held(pixels: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """Repeat the last frame until there are `frames` of them."""
    missing = frames - len(pixels)
    if missing <= 0:
        return pixels
    return np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
