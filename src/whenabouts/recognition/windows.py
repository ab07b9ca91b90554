"""From frames or sound in order of time to the windows of a grid, in bounded memory."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import TimeGrid, nearest_frame
from whenabouts.media.mel import HOP_SECONDS, LOG_OFFSET, WINDOW_SECONDS

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


class FrameWindows:
    """Cuts frames at `rate` a second into windows of `frames`, where the steps of a grid begin.

    Frame k is what is on screen at k / rate, or what stands `lag` frames later. Feed frames with `add`, then call
    `rest` with the number of steps that the grid has once the video's end is known: before its beginning the first
    frame stays on screen, behind its end the last.
    """

    def __init__(self, frames: int, *, rate: float, grid: TimeGrid, lag: float = 0.0) -> None:
        self.frames, self.rate, self.grid, self.lag = frames, rate, grid, lag
        self.seen = 0
        self.made = 0
        self._kept: deque[Pixels] = deque(maxlen=frames)

    def add(self, pixels: Pixels) -> list[Pixels]:
        """Take the next frame (H, W, C); return the windows (F, H, W, C) that are now whole."""
        self._kept.append(pixels)
        self.seen += 1
        whole = []
        while self._first(self.made) + self.frames == self.seen:
            kept = list(self._kept)
            whole.append(np.stack(kept[:1] * (self.frames - len(kept)) + kept))
            self.made += 1
        return whole

    def rest(self, steps: int) -> Iterator[Pixels]:
        """Windows up to `steps`, the last frame held; none where no frame came."""
        kept = list(self._kept)
        while kept and self.made < steps:
            begin = self._first(self.made) - (self.seen - len(kept))
            shown = kept[:1] * -begin + kept[max(0, min(begin, len(kept) - 1)) :]
            yield np.stack(shown + kept[-1:] * (self.frames - len(shown)))
            self.made += 1

    def _first(self, window: int) -> int:
        return nearest_frame(float(self.grid.begin(window)), self.rate, self.lag)


# A batch holds no more bytes than this, unless one window does: large pictures come in smaller batches.
BATCH_BYTES = 64 << 20


def batched(windows: Iterable[NDArray[Any]], size: int, *, most_bytes: int | None = None) -> Iterator[NDArray[Any]]:
    """Windows (F, H, W, C), or of sound (rows, 64), all of one shape, stacked to batches (B, ...).

    Each is of `size` windows, or of as many as fit into `most_bytes` (None: `BATCH_BYTES`), but of one at least; the
    last one is smaller.
    """
    waiting: list[NDArray[Any]] = []
    room = BATCH_BYTES if most_bytes is None else most_bytes
    for window in windows:
        waiting.append(window)
        if len(waiting) >= min(size, max(1, room // max(1, window.nbytes))):
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def sound_statistics(rows: Iterable[FloatArray], grid: TimeGrid, *, bands: int = 64) -> FloatArray:
    """Mean, standard deviation and maximum of log-mel rows in each window of a grid: (T, 3 bands) float32.

    `rows` are blocks (N, bands), 100 rows a second from second 0 on; a row belongs to a window that holds its middle.
    Where the sound has ended, and in windows without any row, there is silence.
    """
    silence = np.full((1, bands), math.log(LOG_OFFSET), np.float32)
    result = np.empty((grid.steps, 3 * bands), np.float32)
    blocks, kept, start = iter(rows), np.zeros((0, bands), np.float32), 0
    for step, (first, stop) in enumerate(_rows_within(grid.windows()).tolist()):
        while start + len(kept) < stop and (block := next(blocks, None)) is not None:
            drop = min(max(0, first - start), len(kept))
            kept, start = np.concatenate([kept[drop:], block]), start + drop
        heard = kept[max(0, first - start) : max(0, stop - start)]
        missing = max(1, stop - first) - len(heard)
        if missing > 0:
            heard = np.concatenate([heard, np.repeat(silence, missing, axis=0)])
        result[step] = np.concatenate([heard.mean(0, np.float64), heard.std(0, np.float64), heard.max(0)])
    return result


def _rows_within(windows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows (T, 2) `[first, stop)` whose middle lies in each window (T, 2) in seconds."""
    rows = np.ceil((windows - WINDOW_SECONDS / 2) / HOP_SECONDS - 1e-9)
    return np.maximum(rows, 0).astype(np.int64)
