"""Where the clips of pre-training come from: small frames that are kept, or the videos' own files."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.media.on_demand import Decoders
from whenabouts.media.probe import unreadable
from whenabouts.media.resizing import target_size
from whenabouts.media.workers import Job
from whenabouts.recognition.clip_parts import drawn_clip_parts
from whenabouts.recognition.frame_cache import HEADER_BYTES, Cached, FrameCache, FrameFormat, clip_at
from whenabouts.training.processes import ALONE, World


@dataclass(frozen=True, slots=True)
class OnDemand:
    """A video whose clips are decoded from its file whenever they are drawn; `frames` is what its headers promise."""

    video: Video
    frames: int

    @property
    def path(self) -> Path:
        """Its file."""
        return self.video.path


Source = Cached | OnDemand
Clip = NDArray[np.uint8]
# From the videos and first frames of some clips to the clips; None for one whose file gave none.
Taken = Callable[[Sequence[tuple[Source, int]]], list[Clip | None]]


def expected_frames(video: Video, form: FrameFormat) -> int:
    """Frames that a video's headers promise; 0 where they do not say how long it is."""
    return math.ceil(min(video.duration_seconds, form.longest_seconds) * form.rate - 1e-9)


def expected_bytes(video: Video, form: FrameFormat) -> float:
    """What the small frames of a video take on disk, by its headers; infinity where they do not say how long it is."""
    frames, (height, width) = expected_frames(video, form), _size(video, form)
    return HEADER_BYTES + frames * height * width * form.channels if frames > 0 else math.inf


def to_keep(videos: Sequence[Video], form: FrameFormat, room_bytes: float) -> set[str]:
    """The videos whose small frames are kept in so many bytes: the smallest ones, so that they are the most.

    It depends on nothing but the videos: a training that goes on chooses the same. Motion can't be decoded in parts.
    """
    if math.isinf(room_bytes):
        return {video.id for video in videos}
    if form.flow is not None:
        raise SettingsError("--cache-gb bounds frames of pictures: motion is measured once, and kept. Leave it out.")
    kept, used = set(), 0.0
    for size, video_id in sorted((expected_bytes(video, form), video.id) for video in videos):
        used += size
        if used > room_bytes:
            break
        kept.add(video_id)
    return kept


def clip_sources(
    videos: Sequence[Video],
    cache: FrameCache,
    room_bytes: float,
    *,
    workers: int,
    progress: Progress,
    world: World = ALONE,
) -> list[Source]:
    """Where the clips of each video come from, after the small frames that `room_bytes` have room for are there."""
    kept = to_keep(videos, cache.form, room_bytes)
    within = [video for video in videos if video.id in kept]
    cached = cache.fill(within, workers=workers, progress=progress, world=world)
    found = {video.id: item for video, item in zip(within, cached, strict=True)}
    if not math.isinf(room_bytes):
        gone = world.gather(cache.trim(within, room_bytes) if world.first else None)[0]
        found = {video_id: item for video_id, item in found.items() if video_id not in gone}
        progress.say(
            f"Small frames of {len(found)} of {len(videos)} videos are kept; clips of the others are decoded when they "
            "are drawn."
        )
    return [found.get(video.id) or OnDemand(video, expected_frames(video, cache.form)) for video in videos]


class ClipFiles:
    """Clips of one form from kept frames, or decoded on demand by `workers` child processes.

    `broken` names the videos of which a clip was asked for in vain, with their reasons: each is tried once, unless the
    system was to blame.
    """

    def __init__(self, form: FrameFormat, pictures: int, workers: int) -> None:
        self._form, self._pictures = form, pictures
        self._decoders = Decoders(workers, form.limits)
        self.broken: dict[str, Video] = {}

    def take(self, wanted: Sequence[tuple[Source, int]]) -> list[Clip | None]:
        """The clips (pictures, H, W, C) of some videos from given frames on; None where a file gives none."""
        clips: list[Clip | None] = [
            clip_at(source, first, self._pictures) if isinstance(source, Cached) else None for source, first in wanted
        ]
        places = [
            place
            for place, (source, _) in enumerate(wanted)
            if isinstance(source, OnDemand) and not self._known(source.video)
        ]
        jobs = [self._job(*wanted[place]) for place in places]
        for place, decoding in zip(places, self._decoders.run(jobs), strict=True):
            parts = [part["frames"] for part in decoding.parts()]
            if parts and not decoding.failure:
                clips[place] = parts[0]
                continue
            video, reason = wanted[place][0].video, decoding.failure or "no frame could be decoded"
            self.broken[video.id] = unreadable(video.id, video.path, reason, passing=decoding.passing)
        return clips

    def close(self) -> None:
        """End the child processes."""
        self._decoders.close()

    def _known(self, video: Video) -> bool:
        return video.id in self.broken and not self.broken[video.id].passing

    def _job(self, source: Source, first: int) -> Job:
        """Behind the end the last frame stays on screen, as it does with kept frames."""
        last = source.frames - 1 if source.frames else first + self._pictures
        places = [min(first + place, last) for place in range(self._pictures)]
        how = {"rate": self._form.rate, "places": places, "resize": self._form.resize}
        return Job(
            drawn_clip_parts, source.path, {**how, "size": list(_size(source.video, self._form))}, source.video.id
        )


def _size(video: Video, form: FrameFormat) -> tuple[int, int]:
    if form.width is not None:
        return form.height, form.width
    return target_size(form.height, video.height, video.width) or (form.height, form.height)
