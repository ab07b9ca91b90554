"""Small frames, or fields of flow, of many videos on disk: each is decoded once, clips are then read by memory map.

One safetensors file per video holds `frames` (F, H, W, C) uint8 and, in its header, what the decoder found. Videos that
can't be read leave a file without frames, so that they are told of, and not tried again, until their file changes.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
from numpy.typing import NDArray

from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.media.fingerprints import size_and_time
from whenabouts.media.flow import FlowForm, flow_parts
from whenabouts.media.parts import video_parts
from whenabouts.media.watch import Limits
from whenabouts.media.workers import Decoding, Job, decode_many, decoding
from whenabouts.training.processes import ALONE, World

# The header's room: shapes, offsets and the decoder's findings, padded with spaces as the format allows.
HEADER_BYTES = 8192
_REASON = 400


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """Frames at `rate` a second of `height` x `width` pixels; of each video at most the first `longest_seconds`.

    Without a width each video keeps its shape, and its shorter side has `height` pixels. With `flow` they are its
    quantised fields (H, W, 2), from each frame to the next, in place of colours (H, W, 3).
    """

    rate: float
    height: int
    width: int | None
    longest_seconds: float = math.inf
    flow: FlowForm | None = None
    resize: Literal["area", "bilinear"] = "area"

    @property
    def channels(self) -> int:
        """Numbers per pixel."""
        return 3 if self.flow is None else 2

    @property
    def name(self) -> str:
        """Frames with the same name are the same, as far as they go."""
        across = "own" if self.width is None else self.width
        rate = f"{self.rate:g}" if float(f"{self.rate:g}") == self.rate else repr(self.rate)
        size = f"{rate}_{self.height}x{across}" + ("" if self.resize == "area" else f"_{self.resize}")
        flow = self.flow
        return size if flow is None else f"{size}_{flow.method}-{flow.side}-{flow.bound:g}"

    @property
    def limits(self) -> Limits | None:
        """What one decoding may use."""
        return limits_of(self.flow)

    def job(self, video: Video) -> Job:
        """What a child process does to decode one video so."""
        until = None if math.isinf(self.longest_seconds) else self.longest_seconds
        size = self.height if self.width is None else [self.height, self.width]
        how = {"rate": self.rate, "size": size, "until_seconds": until, "video_id": video.id}
        if self.flow is None:
            return Job(video_parts, video.path, {**how, "resize": self.resize}, video.id)
        return Job(flow_parts, video.path, {**how, "flow": asdict(self.flow)}, video.id)


@dataclass(frozen=True, slots=True)
class Cached:
    """One video in the cache: its file, number of frames, and the video as its full reading found it."""

    path: Path
    frames: int
    video: Video

    def read(self, first: int, stop: int) -> NDArray[np.uint8]:
        """Frames (stop - first, H, W, C)."""
        with safetensors.safe_open(self.path, framework="np") as file:
            pixels: NDArray[np.uint8] = file.get_slice("frames")[first:stop]
        return pixels


class FrameCache:
    """The cached frames of one format below `folder`."""

    def __init__(self, folder: Path, form: FrameFormat) -> None:
        self.form = form
        self.folder = folder / form.name

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
        if found.pop("stamp") != size_and_time(video.path) or found.pop("stopped_at") not in (None, self._longest):
            return None
        seen = Video.from_json({**found, "id": video.id, "path": str(video.path)})
        return None if seen.passing else Cached(path, frames, seen)

    @property
    def _longest(self) -> float | None:
        return None if math.isinf(self.form.longest_seconds) else self.form.longest_seconds

    def fill(self, videos: Sequence[Video], *, workers: int, progress: Progress, world: World = ALONE) -> list[Cached]:
        """Decode what is not there yet, in child processes that may crash without harm; the result is in order.

        Of the processes of `world`, which share the cache, each decodes its part, and all have all in the end.
        """
        found = {video.id: self.find(video) for video in videos}
        wanted = part_of(videos, {video_id for video_id, cached in found.items() if cached is None}, world)
        decodings = decode_many((self.form.job(video) for video in wanted), workers=workers, limits=self.form.limits)
        pairs = zip(wanted, decodings, strict=False)  # The decodings end with their jobs.
        for video, under_way in progress.track(pairs, total=len(wanted), title="decoding small frames"):
            found[video.id] = self._stored(video, under_way)
        if world.size > 1:
            self._share({video.id: found[video.id] for video in wanted}, found, world)
        return [cached for video in videos if (cached := found[video.id]) is not None]

    def _share(self, mine: Mapping[str, Cached | None], found: dict[str, Cached | None], world: World) -> None:
        """Learn what the others have decoded, and tell them: also of what no file will tell another run."""
        told = {key: (cached.frames, cached.video.to_json()) for key, cached in mine.items() if cached is not None}
        for theirs in world.gather(told):
            for key, (frames, video) in theirs.items():
                found[key] = Cached(self.path(key), frames, Video.from_json(video))

    def trim(self, videos: Sequence[Video], room_bytes: float) -> list[str]:
        """Remove frames of this form of all other videos, and what of these is beyond `room_bytes`; the ids of those.

        Of headers that promised less than there was, the last videos bear the loss.
        """
        kept, gone, used = set(), [], 0
        for video in videos:
            size = self.path(video.id).stat().st_size
            if used + size > room_bytes:
                gone.append(video.id)
                continue
            used += size
            kept.add(self.path(video.id))
        for path in self.folder.glob("*.safetensors"):
            if path not in kept:
                path.unlink(missing_ok=True)
        return gone

    def add(self, video: Video) -> Cached:
        """Decode one video into the cache; one that can't be read leaves its reason."""
        with decoding(self.form.job(video), limits=self.form.limits) as under_way:
            return self._stored(video, under_way)

    def _stored(self, video: Video, under_way: Decoding) -> Cached:
        """Write what a decoding yields, part by part."""
        path, stamp, frames = self.path(video.id), size_and_time(video.path), 0
        sides = (self.form.height, self.form.width or self.form.height)
        with replacing(path) as part, part.open("wb") as file:
            file.write(b" " * HEADER_BYTES)
            for arrays in under_way.parts():
                frames += len(arrays["frames"])
                sides = arrays["frames"].shape[1:3]
                file.write(np.ascontiguousarray(arrays["frames"]).data)
            seen = dataclasses.replace(_outcome(under_way.outcome, frames), id=video.id, path=video.path)
            whole = frames < self.form.longest_seconds * self.form.rate - 1e-9
            known = {"stamp": stamp, "stopped_at": None if whole else self._longest}
            file.seek(0)
            shape = (frames, *sides, self.form.channels)
            file.write(_header(shape, {**seen.to_json(), **known}))
        return Cached(path, frames, seen)


def _outcome(seen: Video, frames: int) -> Video:
    if frames == 0 and seen.status != "unreadable":
        return dataclasses.replace(seen, status="unreadable", coverage=0.0, reason="no frame could be decoded")
    return dataclasses.replace(seen, reason=seen.reason[:_REASON])


def _header(shape: tuple[int, ...], video: dict[str, Any]) -> bytes:
    told = json.dumps({**video, "path": "", "id": ""})
    values = {
        "__metadata__": {"video": told},
        "frames": {"dtype": "U8", "shape": list(shape), "data_offsets": [0, int(np.prod(shape, dtype=np.int64))]},
    }
    text = json.dumps(values).encode().ljust(HEADER_BYTES - 8)
    return (HEADER_BYTES - 8).to_bytes(8, "little") + text


def part_of(videos: Sequence[Video], wanted: Set[str], world: World) -> list[Video]:
    """The videos that this process is to decode, of those that the first one found wanting: long and short alike."""
    ids = set(world.gather(sorted(wanted) if world.first else [])[0])
    named = sorted((video for video in videos if video.id in ids), key=lambda video: -video.duration_seconds)
    mine = {video.id for video in named[world.rank :: world.size]}
    return [video for video in videos if video.id in mine]


def limits_of(flow: FlowForm | None) -> Limits | None:
    """TV-L1 takes long, 14 s for a second of video, so only silence ends it early."""
    return Limits(total_seconds=30 * 24 * 3600.0) if flow is not None and flow.method == "tvl1" else None


def clip_at(cached: Cached, first: int, frames: int) -> NDArray[np.uint8]:
    """A clip (frames, H, W, C) from frame `first` on; behind the video's end the last frame stays on screen."""
    pixels = cached.read(first, min(first + frames, cached.frames))
    return held(pixels, frames)


def held(pixels: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """Repeat the last frame until there are `frames` of them."""
    missing = frames - len(pixels)
    if missing <= 0:
        return pixels
    return np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
