"""Videos to the batches of windows that a backbone takes, and to the features of their sound."""

import contextlib
import dataclasses
import itertools
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
from whenabouts.media.resizing import middle
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
                yield self._job(video, pictures=begun[-1][2] is None)

        limits = limits_of(self.form.flow)
        decodings = cast(Generator[Decoding], decode_many(jobs(), workers=1, ahead=2, limits=limits))
        with contextlib.closing(decodings):
            for under_way in decodings:
                yield from self._pieces(under_way, *begun.popleft())

    def _pieces(self, under_way: Decoding, number: int, video: Video, cached: Cached | None) -> Iterator[Windows | End]:
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

    def _job(self, video: Video, *, pictures: bool) -> Job:
        form = self.form
        size: int | list[int]
        if isinstance(form.size, int | tuple):
            size = form.size if isinstance(form.size, int) else list(form.size)
        else:
            size = list(form.size.of(video.height or _UNKNOWN, video.width or _UNKNOWN))
        how = {"rate": form.rate, "size": size, "crop": form.crop, "resize": form.resize}
        flow = None if form.flow is None else dataclasses.asdict(form.flow)
        what = {"video_id": video.id, "pictures": pictures, "sound": self.sound, "flow": flow}
        return Job(clip_parts, video.path, {**how, **what}, video.id)


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
