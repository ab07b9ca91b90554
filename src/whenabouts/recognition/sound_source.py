"""Videos to the batches of windows of sound that an encoder takes."""

import contextlib
import dataclasses
import itertools
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.media.mel import LOG_OFFSET
from whenabouts.media.probe import unreadable
from whenabouts.media.workers import Decoding, Job, decode_many
from whenabouts.recognition.clip_parts import sound_window_parts
from whenabouts.recognition.window_encoder import SOUND_BANDS, SOUND_RATE, SoundForm
from whenabouts.recognition.window_source import End, Finished, Windows
from whenabouts.recognition.windows import batched

Rows = NDArray[np.float32]

NO_SOUND = "its sound can't be decoded, or is shorter than 25 ms"


@dataclass(frozen=True, slots=True)
class SoundSource:
    """Cuts the sound of videos into windows of one form, one each `hop_seconds`, `batch` at a time.

    A video whose sound can't be decoded ends as unreadable, and says so.
    """

    form: SoundForm
    hop_seconds: float
    batch: int

    def read(self, videos: Iterable[tuple[int, Video]]) -> Iterator[Windows | End]:
        """Batches (B, rows, 64) float32 of each numbered video in order of time, then its end; bounded memory."""
        begun: deque[tuple[int, Video]] = deque()

        def jobs() -> Iterator[Job]:
            for number, video in videos:
                begun.append((number, video))
                yield Job(sound_window_parts, video.path, {"video_id": video.id}, video.id)

        decodings = cast(Generator[Decoding], decode_many(jobs(), workers=1, ahead=2))
        with contextlib.closing(decodings):
            for under_way in decodings:
                yield from self._pieces(under_way, *begun.popleft())

    def _pieces(self, under_way: Decoding, number: int, video: Video) -> Iterator[Windows | End]:
        blocks = (part["rows"] for part in under_way.parts())
        first, grid = next(blocks, None), None
        known = video if under_way.failure else under_way.outcome
        lasts = known.duration_seconds if known.duration_seconds > 0 else None
        windows = _Cut(itertools.chain([] if first is None else [first], blocks), self.form.rows, self._grid())
        if first is not None:
            for clips in batched(windows.until(lasts), self.batch):
                yield Windows(number, clips)
            deque(blocks, maxlen=0)  # Sound behind the last window.
            grid = self._grid(lasts or windows.seen / SOUND_RATE)
        yield End(number, Finished(_found(under_way, video, windows.seen), grid, None))

    def _grid(self, duration_seconds: float = 0.0) -> TimeGrid:
        return self.form.grid(self.hop_seconds, duration_seconds)


def _found(under_way: Decoding, video: Video, rows: int) -> Video:
    """What the reading of a video's sound found: pictures that can't be read do no harm here."""
    found = dataclasses.replace(under_way.outcome, id=video.id, path=video.path)
    if under_way.failure and rows:
        share = min(rows / SOUND_RATE / video.duration_seconds, 1.0) if video.duration_seconds > 0 else 0.0
        cut = dataclasses.replace(video, status="partial", coverage=share, reason=under_way.failure)
        return dataclasses.replace(cut, passing=under_way.passing)
    if not rows and not under_way.failure:
        return unreadable(video.id, video.path, NO_SOUND)
    if rows and found.status == "unreadable":
        return dataclasses.replace(found, status="complete", coverage=1.0, reason="")
    return found


class _Cut:
    """Windows of `length` rows where the steps of a grid begin; before the first row and behind the last is silence."""

    def __init__(self, blocks: Iterable[Rows], length: int, grid: TimeGrid) -> None:
        self._blocks, self._length, self._grid = iter(blocks), length, grid
        self._kept, self._start = np.zeros((0, SOUND_BANDS), np.float32), 0
        self.seen = 0

    def until(self, lasts: float | None) -> Iterator[Rows]:
        """Windows (length, 64) of as many steps as a video that `lasts` so long has; None: as the sound has."""
        for step in itertools.count():
            first = round(float(self._grid.begin(step)) * SOUND_RATE)
            ended = self._take_until(first + self._length)
            end = lasts if lasts is not None else self.seen / SOUND_RATE if ended else math.inf
            if step and float(self._grid.centre(step)) >= end - 1e-9:
                return
            yield self._window(first)

    def _take_until(self, stop: int) -> bool:
        while self.seen < stop:
            block = next(self._blocks, None)
            if block is None:
                return True
            drop = min(max(0, stop - self._length - self._start), len(self._kept))
            self._kept, self._start = np.concatenate([self._kept[drop:], block]), self._start + drop
            self.seen += len(block)
        return False

    def _window(self, first: int) -> Rows:
        made = np.full((self._length, SOUND_BANDS), math.log(LOG_OFFSET), np.float32)
        heard = self._kept[max(0, first - self._start) : max(0, first + self._length - self._start)]
        begin = max(0, self._start - first)
        made[begin : begin + len(heard)] = heard
        return made
