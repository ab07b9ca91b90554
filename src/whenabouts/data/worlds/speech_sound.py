"""Sound of the speech world: real recordings of spoken digits, laid over made beds of noise, as bytes of every second.

Semi-synthetic: each word was really spoken (Free Spoken Digit Dataset, 8 kHz); order, times and noise are drawn.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.data.youtube8m.frames import nearest_bytes
from whenabouts.data.youtube8m.reader import ByteArray
from whenabouts.media.mel import log_mel

Wave = NDArray[np.float32]

RATE = 8000
BANDS = 32
WIDTH = 3 * BANDS
_ROWS_A_SECOND = 100  # of the log-mel spectrogram
_DEVIATION = 0.5  # as the columns of YouTube-8M, whose bytes stand for -2 to 2
_LEAST_VARIANCE = 1e-4  # as YouTube-8M's whitening


@dataclass(frozen=True)
class Recordings:
    """Spoken digits: waves (R), digits (R,) 0..9, speakers (R,)."""

    waves: tuple[Wave, ...]
    digits: tuple[int, ...]
    speakers: tuple[str, ...]

    def __post_init__(self) -> None:
        if len({len(self.waves), len(self.digits), len(self.speakers)}) != 1:
            raise InvalidData(f"{len(self.waves)} recordings need as many digits and speakers.")

    def __len__(self) -> int:
        return len(self.waves)

    def __repr__(self) -> str:
        return f"Recordings({len(self)} of {len(set(self.speakers))} speakers)"

    def seconds(self, row: int) -> float:
        """Length of one recording."""
        return len(self.waves[row]) / RATE


def read_recordings(folder: Path) -> Recordings:
    """Read `fsdd_int16_8k.npz` and `labels.csv` of a folder; InvalidData where they are absent or broken."""
    try:
        with np.load(folder / "fsdd_int16_8k.npz", allow_pickle=False) as stored:
            sound, offsets = stored["audio"], stored["offsets"]
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        digits = tuple(int(row["digit"]) for row in rows)
        speakers = tuple(row["speaker"] for row in rows)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidData(f"{folder} holds no recordings of spoken digits ({type(error).__name__}: {error}).") from None
    if len(offsets) != len(rows) + 1 or offsets[-1] != len(sound):
        raise InvalidData(f"{folder}: {len(rows)} labels and {len(offsets)} offsets do not fit each other.")
    waves = tuple(part.astype(np.float32) / np.float32(32768) for part in np.split(sound, offsets[1:-1]))
    return Recordings(waves, digits, speakers)


@dataclass(frozen=True)
class NoiseBed:
    """A steady noise: its power falls with frequency to the power of `tilt`, and swells with `depth` at `hertz`."""

    tilt: float
    depth: float
    hertz: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "NoiseBed":
        """One of its own: from white to brown, still or swelling."""
        return cls(float(rng.uniform(0, 2)), float(rng.uniform(0, 0.8)), float(rng.uniform(0.1, 2)))

    def wave(self, samples: int, rng: np.random.Generator) -> Wave:
        """Noise (samples,) of power 1."""
        spectrum = fft.rfft(rng.standard_normal(samples, np.float32))
        hertz = np.maximum(np.linspace(0, RATE / 2, len(spectrum), dtype=np.float32), np.float32(20))
        noise: Wave = fft.irfft(spectrum * hertz ** np.float32(-self.tilt / 2), samples)
        turns = np.arange(samples, dtype=np.float32) * np.float32(self.hertz / RATE) + np.float32(rng.random())
        noise *= 1 + np.float32(self.depth) * np.sin(np.float32(2 * np.pi) * turns)
        noise /= np.sqrt(np.mean(noise**2))
        return noise


def mixed(recordings: Recordings, rows: Sequence[int], starts: FloatArray, noise: Wave, ratio_decibels: float) -> Wave:
    """Recordings `rows` (N), each of power 1, from `starts` (N,) seconds on over noise of that power ratio."""
    sound = noise * np.float32(10 ** (-ratio_decibels / 20))
    for row, start in zip(rows, starts.tolist(), strict=True):
        wave = recordings.waves[row]
        first = round(start * RATE)
        level = np.sqrt(np.mean(wave**2)) or 1.0
        sound[first : first + len(wave)] += (wave / level)[: max(0, len(sound) - first)]
    return sound


def pooled(sound: Wave) -> NDArray[np.float32]:
    """Mean, deviation and maximum of the log-mel rows of each whole second: (seconds, 96)."""
    rows = log_mel(sound, rate=RATE, bands=BANDS)
    seconds = len(sound) // RATE
    # The last window of the last second reaches out of the sound: its row stands for the ones that lack.
    rows = np.concatenate([rows, np.repeat(rows[-1:], max(0, seconds * _ROWS_A_SECOND - len(rows)), axis=0)])
    parts = rows[: seconds * _ROWS_A_SECOND].reshape(seconds, _ROWS_A_SECOND, BANDS)
    return np.concatenate([parts.mean(axis=1), parts.std(axis=1), parts.max(axis=1)], axis=1)


@dataclass(frozen=True)
class Whitening:
    """Moves and turns columns so that those that it was fitted on are uncorrelated: mean (D,), turn (D, D)."""

    mean: FloatArray
    turn: FloatArray

    @classmethod
    def fitted(cls, matrices: Iterable[NDArray[np.float32]]) -> "Whitening":
        """Fit to the rows (T, D) of matrices, which stream by once; InvalidData without a row."""
        count, total, square = 0, np.zeros(1), np.zeros((1, 1))
        for matrix in matrices:
            rows = matrix.astype(np.float64)
            count, total, square = count + len(rows), total + rows.sum(axis=0), square + rows.T @ rows
        if not count:
            raise InvalidData("Whitening needs at least one row.")
        mean = total / count
        values, vectors = np.linalg.eigh(square / count - np.outer(mean, mean))
        # Of both signs of an eigenvector, the one whose greatest number is positive: no library decides.
        signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
        return cls(mean, (vectors * signs / np.sqrt(np.maximum(values, 0) + _LEAST_VARIANCE))[:, ::-1])

    def bytes(self, rows: NDArray[np.float32]) -> ByteArray:
        """Rows (T, D) -> bytes (T, D), columns of falling variance; four deviations fit."""
        return nearest_bytes((rows - self.mean) @ self.turn * _DEVIATION)
