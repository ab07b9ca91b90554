"""Videos to the batches of windows that a backbone takes, and to the features of their sound."""

import contextlib
import dataclasses
import itertools
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.media.parts import Arrays
from whenabouts.media.probe import unreadable
from whenabouts.media.resizing import middle, target_size
from whenabouts.media.workers import Decoding, Job, decode_many
from whenabouts.recognition.clip_parts import clip_parts
from whenabouts.recognition.frame_cache import Cached, FrameCache, FrameFormat, limits_of
from whenabouts.recognition.window_encoder import WindowForm
from whenabouts.recognition.windows import FrameWindows, batched, sound_statistics

# What made the sound features; a change of the front end or of the statistics changes this name.
SOUND_SOURCE = "log-mel-64-mean-std-max@1"
SOUND_WIDTH = 192

# The sides of pictures of which nothing is known.
_UNKNOWN = 256

# A window of more bytes is not made: a dozen of them may wait at a time, and a net takes many times their memory.
WINDOW_BYTES = 256 << 20

# Cached frames are read so many at a time.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one video: what its reading found, its grid (None where nothing was decoded), its sound features.

    `sound` is (T, 192) on the same grid, or None where the video has no sound that can be decoded.
    """

    video: Video
    grid: TimeGrid | None
    sound: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Windows:
    """A batch of windows of the video with this number: (B, F, H, W, C) uint8, or of sound (B, rows, 64) float32."""

    number: int
    clips: NDArray[Any]


@dataclass(frozen=True, slots=True)
class End:
    """All windows of the video with this number have come."""

    number: int
    finished: Finished


@dataclass(frozen=True, slots=True)
class WindowSource:
    """Cuts videos into windows of one form, one each `hop_seconds`, `batch` at a time.

    Small frames that `cache` holds are read from there: they are the same as freshly decoded ones. All else is
    decoded in a child process, whose crash, hang or greed ends one video and not the run.
    """

    form: WindowForm
    hop_seconds: float
    batch: int
    sound: bool = True
    cache: Path | None = None

    def read(self, videos: Iterable[tuple[int, Video]]) -> Iterator[Windows | End]:
        """Batches of each numbered video in order of time, then its end; one video after the other, bounded memory.

        The batches of a video depend on nothing else, so its features are the same in whatever company.
        """
        begun: deque[tuple[int, Video, Cached | None]] = deque()

        def jobs() -> Iterator[Job]:
            for number, video in videos:
                begun.append((number, video, self._cached(video)))
                yield self._job(video, pictures=begun[-1][2] is None, too_large=bool(self._too_large(video)))

        limits = limits_of(self.form.flow)
        decodings = cast(Generator[Decoding], decode_many(jobs(), workers=1, ahead=2, limits=limits))
        with contextlib.closing(decodings):
            for under_way in decodings:
                yield from self._pieces(under_way, *begun.popleft())

    def _pieces(self, under_way: Decoding, number: int, video: Video, cached: Cached | None) -> Iterator[Windows | End]:
        if reason := self._too_large(video):
            yield End(number, Finished(unreadable(video.id, video.path, reason, passing=True), None, None))
            return
        parts = _Parts(under_way)
        windows = FrameWindows(self.form.pictures, rate=self.form.rate, grid=self.grid(), lag=self.form.lag)
        grid: TimeGrid | None = None

        def cut() -> Iterator[NDArray[np.uint8]]:
            nonlocal grid
            for pixels in parts.frames() if cached is None else _blocks(cached, self.form.crop):
                yield from windows.add(pixels)
            if windows.seen:
                found = under_way.outcome if cached is None else cached.video
                grid = self._decoded(found, windows)
                yield from windows.rest(grid.steps)

        for clips in batched(cut(), self.batch):
            yield Windows(number, clips)
        sound = None if grid is None else parts.sound(grid)
        found = under_way.outcome if cached is None else cached.video
        yield End(number, Finished(dataclasses.replace(found, id=video.id, path=video.path), grid, sound))

    def grid(self, duration_seconds: float = 0.0) -> TimeGrid:
        """The windows of a video that lasts so long."""
        return self.form.grid(self.hop_seconds, duration_seconds)

    def _decoded(self, found: Video, windows: FrameWindows) -> TimeGrid:
        """Steps over the time that was decoded, at least as many as were already cut."""
        decoded = windows.seen / self.form.rate
        grid = self.grid(min(found.duration_seconds, decoded) if found.duration_seconds > 0 else decoded)
        return dataclasses.replace(grid, steps=max(grid.steps, windows.made))

    def _cached(self, video: Video) -> Cached | None:
        form = self.form
        if self.cache is None or not isinstance(form.size, tuple):
            return None
        kept = FrameFormat(form.rate, *form.size, flow=form.flow, resize=form.resize)
        return FrameCache(self.cache / "frames", kept).find(video)

    def _size(self, video: Video) -> tuple[int, int] | int:
        """(height, width) that its pictures are decoded at, or the length of their shorter side."""
        size = self.form.size
        if isinstance(size, int | tuple):
            return size
        return size.of(video.height or _UNKNOWN, video.width or _UNKNOWN)

    def _too_large(self, video: Video) -> str:
        """Why no windows are cut out of a video, where its pictures would fill too much memory; "" where they fit."""
        size = target_size(self._size(video), video.height, video.width, crop=self.form.crop) or (_UNKNOWN, _UNKNOWN)
        picture = math.prod(size) * 3
        window = self.form.pictures * (picture if self.form.crop is None else self.form.crop**2 * 3)
        if max(window, picture) <= WINDOW_BYTES:
            return ""
        return (
            f"{self.form.pictures} pictures of {size[0]} x {size[1]} pixels make a window of {window / 2**20:.0f} MiB, "
            f"and {WINDOW_BYTES >> 20} are the most: make extract.short_side smaller"
        )

    def _job(self, video: Video, *, pictures: bool, too_large: bool) -> Job:
        form, size = self.form, self._size(video)
        how = {"rate": form.rate, "size": size if isinstance(size, int) else list(size), "crop": form.crop}
        flow = None if form.flow is None else dataclasses.asdict(form.flow)
        wanted = {"pictures": pictures and not too_large, "sound": self.sound and not too_large}
        return Job(
            clip_parts,
            video.path,
            {**how, **wanted, "resize": form.resize, "video_id": video.id, "flow": flow},
            video.id,
        )


class _Parts:
    """What a child sends: first frames, then rows of sound."""

    def __init__(self, under_way: Decoding) -> None:
        self._under_way = under_way
        self._parts = under_way.parts()
        self._held: Arrays | None = None

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        for part in self._parts:
            if "frames" not in part:
                self._held = part
                return
            yield from part["frames"]

    def sound(self, grid: TimeGrid) -> NDArray[np.float32] | None:
        """Statistics of the sound on a grid; None where there is none, or where decoding it failed."""
        first = self._held or next(self._parts, None)
        if first is None:
            return None
        statistics = sound_statistics((part["rows"] for part in itertools.chain([first], self._parts)), grid)
        deque(self._parts, maxlen=0)  # Sound behind the last window.
        return None if self._under_way.failure else statistics


def _blocks(cached: Cached, crop: int | None) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, cached.frames, _BLOCK):
        yield from middle(cached.read(first, min(first + _BLOCK, cached.frames)), crop)
