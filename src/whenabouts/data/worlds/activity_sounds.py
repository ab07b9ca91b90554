"""Short streams in which several words are spoken at once, as maps of frequency and time: several labels, real sound.

Semi-synthetic: every word was really spoken (Free Spoken Digit Dataset, 8 kHz); who says what when, how loud, and the
noise are drawn. Labels are the digits and the speakers that are heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.worlds.activity_plan import LOOK, PLAN, SCENE, ActivityKnobs, drawn_labels, drawn_scenes
from whenabouts.data.worlds.activity_videos import Occurrence
from whenabouts.data.worlds.speech_sound import BANDS, RATE, NoiseBed, Recordings, Wave
from whenabouts.data.worlds.speech_streams import DIGITS, SpeechSettings, recording_pools
from whenabouts.media.mel import log_mel

ROWS_A_SECOND = 100


@dataclass(frozen=True)
class SoundKnobs:
    """Streams of `seconds` in which 1 to `most` different digits are heard, each once, by one of `voices` speakers.

    `together`, `apart` and `shifted` as in `ActivityKnobs`, over digits. Words begin anywhere, so that they overlap, at
    levels down to `faintest` decibels, over noise of `noise` decibels, both against a word at full level.
    """

    seconds: float = 2.0
    most: int = 4
    voices: int = 2
    together: float = 0.8
    apart: bool = True
    shifted: bool = False
    faintest: float = -15.0
    noise: float = -10.0

    def __post_init__(self) -> None:
        if self.seconds < 1 or self.voices < 1 or self.faintest > 0:
            raise InvalidData(f"A stream needs a second, a voice, and words of 0 dB at most: {self}.")
        self.plan()

    def plan(self) -> ActivityKnobs:
        """What decides which digits are heard."""
        return ActivityKnobs(most=self.most, together=self.together, apart=self.apart, shifted=self.shifted)


@dataclass(frozen=True)
class ActivitySounds:
    """One side: log-mel maps (V, T, 32) at 100 rows a second, labels (V, A), and who and what is heard when.

    Occurrences are in rows; their boxes hold all frequencies.
    """

    maps: NDArray[np.float32]
    labels: BoolArray
    occurrences: tuple[tuple[Occurrence, ...], ...]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.maps)

    def heard(self, stream: int, label: int) -> BoolArray:
        """When (T,) a label is heard in a stream."""
        there = np.zeros(self.maps.shape[1], bool)
        for each in self.occurrences[stream]:
            if each.activity == label:
                there[each.start : each.stop] = True
        return there


@dataclass(frozen=True)
class SoundWorld:
    """Both sides, which have no recording in common, and the knobs behind them."""

    train: ActivitySounds
    test: ActivitySounds
    knobs: SoundKnobs


@dataclass(frozen=True)
class Voices:
    """Recordings of one side by digit and speaker."""

    recordings: Recordings
    speakers: tuple[str, ...]
    rows: dict[tuple[int, str], IntArray]

    @classmethod
    def of(cls, recordings: Recordings, pool: IntArray) -> "Voices":
        """Those of a pool of recordings."""
        rows: dict[tuple[int, str], list[int]] = {}
        for row in pool.tolist():
            rows.setdefault((recordings.digits[row], recordings.speakers[row]), []).append(row)
        speakers = tuple(sorted(set(recordings.speakers)))
        return cls(recordings, speakers, {pair: np.asarray(each) for pair, each in rows.items()})


def sound_world(
    recordings: Recordings, knobs: SoundKnobs | None = None, *, train: int = 600, test: int = 300, seed: int = 0
) -> SoundWorld:
    """Make a world of sounds; the same recordings, knobs and seed always give the same."""
    if min(train, test) < 1:
        raise InvalidData(f"A world needs streams on both sides, but got {train} and {test}.")
    knobs = knobs or SoundKnobs()
    pools = recording_pools(recordings, SpeechSettings(seed=seed))
    counts = (train, test)
    sides = [_side(Voices.of(recordings, pools[side]), knobs, counts[side], seed, side) for side in (0, 1)]
    return SoundWorld(sides[0], sides[1], knobs)


def _side(voices: Voices, knobs: SoundKnobs, count: int, seed: int, side: int) -> ActivitySounds:
    own = side if knobs.shifted else 0
    scenes = drawn_scenes(len(DIGITS), np.random.default_rng([seed, SCENE, own]))
    sets = drawn_labels(count, knobs.plan(), scenes, np.random.default_rng([seed, PLAN, side]))
    vocabulary = Vocabulary((*DIGITS, *voices.speakers))
    labels, maps, occurrences = np.zeros((count, len(vocabulary)), bool), [], []
    for number, digits in enumerate(sets):
        wave, heard = _stream(digits, voices, knobs, np.random.default_rng([seed, LOOK, side, number]))
        maps.append(_map(wave))
        labels[number, [each.activity for each in heard]] = True
        occurrences.append(heard)
    return ActivitySounds(np.stack(maps), labels, tuple(occurrences), vocabulary)


def _stream(
    digits: Sequence[int], voices: Voices, knobs: SoundKnobs, rng: np.random.Generator
) -> tuple[Wave, tuple[Occurrence, ...]]:
    """The sound of one stream, and its digits and speakers with their times."""
    samples = round(knobs.seconds * RATE)
    wave = NoiseBed.drawn(rng).wave(samples, rng) * np.float32(10 ** (knobs.noise / 20))
    speakers = rng.choice(len(voices.speakers), size=min(knobs.voices, len(voices.speakers)), replace=False)
    heard = []
    for digit in digits:
        who = int(rng.choice(speakers))
        word = voices.recordings.waves[int(rng.choice(voices.rows[digit, voices.speakers[who]]))][:samples]
        start = int(rng.integers(samples - len(word) + 1))
        level = 10 ** (rng.uniform(knobs.faintest, 0) / 20) / (np.sqrt(np.mean(word**2)) or 1.0)
        wave[start : start + len(word)] += word * np.float32(level)
        first, stop = start * ROWS_A_SECOND // RATE, -(-(start + len(word)) * ROWS_A_SECOND // RATE)
        boxes = np.tile([0.0, 0.0, 1.0, 1.0], (stop - first, 1))
        heard += [Occurrence(label, first, stop, boxes) for label in (digit, len(DIGITS) + who)]
    return wave, tuple(heard)


def _map(wave: Wave) -> NDArray[np.float32]:
    """Log-mel rows (T, 32) of a stream; the last windows reach out of it, and the last row stands for theirs."""
    rows, count = log_mel(wave, rate=RATE, bands=BANDS), len(wave) * ROWS_A_SECOND // RATE
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
