"""Log-mel spectrograms, 100 rows a second, in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData

FloatArray = NDArray[np.float32]

# The front end of VGGish, hence of AudioSet and YouTube-8M features (Hershey et al. 2017, arXiv 1609.09430, sec. 3.1,
# and the authors' code): Hann windows of 25 ms every 10 ms, 64 HTK mel bands from 125 to 7500 Hz, log(mel + 0.01).
WINDOW_SECONDS = 0.025
HOP_SECONDS = 0.010
LOWEST_HERTZ, HIGHEST_HERTZ = 125.0, 7500.0
LOG_OFFSET = 0.01

# Rows are computed in blocks that begin at multiples of this, so that chunked and whole results agree to the bit.
_BLOCK = 1024


def log_mel(wave: FloatArray, *, rate: int = 16000, bands: int = 64) -> FloatArray:
    """Log-mel spectrogram (T, bands) float32 of a mono wave (samples,); row t looks at 25 ms from t x 10 ms on.

    T is the number of whole windows, 0 for less than 25 ms of sound. Magnitudes, not powers, are pooled.
    """
    rows = list(stream_log_mel([wave], rate=rate, bands=bands))
    return np.concatenate(rows) if rows else np.zeros((0, bands), np.float32)


def stream_log_mel(chunks: Iterable[FloatArray], *, rate: int = 16000, bands: int = 64) -> Iterator[FloatArray]:
    """Blocks of the rows that `log_mel` gives for the chunks put end to end, in bounded memory."""
    steps = _Steps.at(rate)
    waiting = np.zeros(0, np.float32)
    span = (_BLOCK - 1) * steps.hop + steps.window
    for chunk in chunks:
        waiting = np.concatenate([waiting, np.asarray(chunk, np.float32)])
        while len(waiting) >= span:
            yield _rows(waiting[:span], steps, bands)
            waiting = waiting[_BLOCK * steps.hop :]
    if len(waiting) >= steps.window:
        yield _rows(waiting, steps, bands)


@dataclass(frozen=True, slots=True)
class _Steps:
    """Window, hop and FFT length in samples."""

    rate: int
    window: int
    hop: int
    length: int

    @classmethod
    def at(cls, rate: int) -> "_Steps":
        window, hop = round(WINDOW_SECONDS * rate), round(HOP_SECONDS * rate)
        if hop < 1 or abs(hop - HOP_SECONDS * rate) > 1e-9:
            raise InvalidData(f"Sound at {rate} Hz has no whole number of samples in 10 ms. Read it at 16000 Hz.")
        return cls(rate, window, hop, 1 << (window - 1).bit_length())


def _rows(wave: FloatArray, steps: _Steps, bands: int) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view(wave, steps.window)[:: steps.hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / steps.window * np.arange(steps.window))
    magnitudes = np.abs(np.fft.rfft(windows * hann, steps.length))
    return np.log(magnitudes @ mel_matrix(steps.rate, steps.length, bands) + LOG_OFFSET).astype(np.float32)


@lru_cache(maxsize=8)
def mel_matrix(rate: int, length: int, bands: int) -> NDArray[np.float64]:
    """Weights (length // 2 + 1, bands) from FFT bins to HTK mel bands: triangles of height 1, linear in mel.

    mel = 1127 ln(1 + hertz / 700), which is 2595 log10(1 + hertz / 700).
    """
    highest = min(HIGHEST_HERTZ, rate / 2)
    if bands < 1 or highest <= LOWEST_HERTZ:
        raise InvalidData(f"{bands} mel bands between {LOWEST_HERTZ} and {highest} Hz can't be made.")
    edges = np.linspace(_mel(LOWEST_HERTZ), _mel(highest), bands + 2)
    bins = _mel(np.linspace(0.0, rate / 2, length // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0  # as HTK: the constant part carries no sound
    weights.setflags(write=False)
    return weights


def _mel(hertz: "NDArray[np.float64] | float") -> NDArray[np.float64]:
    return 1127.0 * np.log(1.0 + np.asarray(hertz, np.float64) / 700.0)
