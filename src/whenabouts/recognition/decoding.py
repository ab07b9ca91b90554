"""One video to the batches of windows that a backbone takes, and to the features of its sound."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import MediaError
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.media.audio import stream_audio
from whenabouts.media.mel import stream_log_mel
from whenabouts.media.reader import VideoReader
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.frame_cache import FrameCache, FrameFormat
from whenabouts.recognition.windows import FrameWindows, batched, sound_statistics

# What made the sound features; a change of the front end or of the statistics changes this name.
SOUND_SOURCE = "log-mel-64-mean-std-max@1"
SOUND_WIDTH = 192

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
class WindowSource:
    """Cuts videos into windows of a backbone's clip length, one each `hop_seconds`, `batch` at a time.

    Small frames that `cache` holds are read from there: they are the same as freshly decoded ones.
    """

    shape: BackboneSettings
    hop_seconds: float
    batch: int
    sound: bool = True
    cache: Path | None = None

    def read(self, video: Video) -> Iterator[NDArray[np.uint8] | Finished]:
        """Yield batches (B, F, H, W, 3) uint8 in order of time, then one `Finished`; bounded memory.

        The batches of a video depend on nothing else, so its features are the same in whatever company.
        """
        frames = _Frames(video, self.shape, self.cache)
        windows = FrameWindows(self.shape.frames, rate=self.shape.rate, hop_seconds=self.hop_seconds)
        grids: list[TimeGrid] = []

        def cut() -> Iterator[NDArray[np.uint8]]:
            for pixels in frames:
                yield from windows.add(pixels)
            grids.append(self._grid(frames.outcome(), windows.seen))
            yield from windows.rest(grids[0].steps)

        yield from batched(cut(), self.batch)
        found = frames.outcome()
        if windows.seen == 0:
            yield Finished(found, None, None)
        else:
            yield Finished(found, grids[0], self._sound(video.path, grids[0]))

    def _grid(self, found: Video, frames: int) -> TimeGrid:
        """Steps over the time that was decoded."""
        decoded = frames / self.shape.rate
        duration = min(found.duration_seconds, decoded) if found.duration_seconds > 0 else decoded
        return TimeGrid.covering(duration, hop_seconds=self.hop_seconds, window_seconds=self.shape.window_seconds)

    def _sound(self, path: Path, grid: TimeGrid) -> NDArray[np.float32] | None:
        if not self.sound:
            return None
        with contextlib.suppress(MediaError):
            return sound_statistics(stream_log_mel(stream_audio(path)), grid)
        return None


class _Frames:
    """The small frames of a video, from the cache where it holds all of them, else freshly decoded."""

    def __init__(self, video: Video, shape: BackboneSettings, cache: Path | None) -> None:
        self._video = video
        form = FrameFormat(shape.rate, *shape.box)
        self._cached = None if cache is None else FrameCache(cache / "frames", form).find(video)
        self._reader = VideoReader(video.path, rate=form.rate, size=(form.height, form.width), threads=1)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        if self._cached is None:
            for _, pixels in self._reader:
                yield pixels
            return
        for first in range(0, self._cached.frames, _BLOCK):
            yield from self._cached.read(first, min(first + _BLOCK, self._cached.frames))

    def outcome(self) -> Video:
        """What the full reading found, under the video's own id."""
        if self._cached is not None:
            return self._cached.video
        return dataclasses.replace(self._reader.outcome, id=self._video.id, path=self._video.path)
