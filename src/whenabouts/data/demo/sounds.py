"""The sounds of the demo archive: one that has a name, chiming, among others that have none."""

import numpy as np
from numpy.typing import NDArray

from whenabouts.data.demo.plan import VideoPlan

Wave = NDArray[np.float32]


def soundtrack(plan: VideoPlan, *, rate: int, rng: np.random.Generator) -> Wave:
    """One channel of samples in [-1, 1], as long as the video, with a floor of noise and hum under all that happens."""
    samples = round(plan.duration_seconds * rate)
    seconds = np.arange(samples) / rate
    wave = rng.uniform(0.003, 0.01) * rng.standard_normal(samples)
    wave += rng.uniform(0.0, 0.02) * np.sin(2 * np.pi * rng.uniform(45, 65) * seconds)
    for stretch in plan.heard:
        first, stop = (round(frame / plan.frames_per_second * rate) for frame in (stretch.first, stretch.stop))
        wave[first:stop] += rng.uniform(0.25, 0.6) * sound_of(stretch.name, stop - first, rate, rng)
    return np.clip(wave, -1.0, 1.0).astype(np.float32)


def sound_of(name: str, samples: int, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A named sound of so many samples, peaking near 1; pitch and rhythm are drawn from `rng`.

    chiming: bell strokes with the partials of a bell, 600-1000 Hz at the bottom; knocking: low thumps; buzzing: a
    sawtooth near 110 Hz; hissing: bursts of noise; beeping: plain tones of 350-500 Hz, on and off.
    """
    seconds = np.arange(samples) / rate
    pitch, beat = rng.uniform(0.8, 1.25), rng.uniform(0.3, 0.5)
    since = seconds % beat
    if name == "chiming":
        partials = ((1.0, 0.5, 6.0), (2.76, 0.3, 8.0), (5.4, 0.2, 12.0))
        tones = [share * np.sin(2 * np.pi * 780 * pitch * ratio * since) * np.exp(-fade * since)
                 for ratio, share, fade in partials]  # fmt: skip
        return np.asarray(sum(tones), np.float64)
    if name == "knocking":
        return np.asarray(np.sin(2 * np.pi * 140 * pitch * since) * np.exp(-22 * since), np.float64)
    if name == "buzzing":
        return np.asarray(0.5 * (2 * (seconds * 110 * pitch % 1.0) - 1), np.float64)
    if name == "hissing":
        return np.asarray(0.3 * rng.standard_normal(samples) * np.exp(-5 * since), np.float64)
    tone = 0.6 * np.sin(2 * np.pi * 420 * pitch * seconds)
    return np.asarray(tone * (since < beat / 2), np.float64)
