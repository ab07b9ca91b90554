"""What is said when in the speech world: settings, concepts, who is on which side, and the plan of each stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.worlds.speech_sound import RATE, Recordings

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SLOT_SECONDS = 6
SIDES = ("train", "test")
SPLIT, BED, STREAM, SOUND, LABELS, RATING = range(6)  # what chance is for


@settings
class SpeechSettings:
    """The world's numbers; the defaults are the world that results are told of.

    `protocol` "recordings": both sides have all speakers, but no recording in common; speakers and digits by speaker
    are judged. "speakers": the `held_out` speakers are in the test alone; digits are judged. A true label of a stream
    lacks with probability `dropped`, a wrong one is added with `spurious` for each absent concept. `ratings` is how
    many segments are rated for each concept, five in a stream, in streams that are labelled with it: in training
    streams among a share `rated_streams` of all, in test streams anywhere.
    """

    protocol: Literal["recordings", "speakers"] = "recordings"
    held_out: tuple[str, ...] = ("george", "lucas")
    train_streams: int = Field(default=1600, ge=1)
    test_streams: int = Field(default=500, ge=1)
    test_recordings: float = Field(default=0.3, gt=0, lt=1)
    ratings: int = Field(default=20, ge=0)
    test_ratings: int = Field(default=80, ge=0)
    rated_streams: float = Field(default=0.1, ge=0, le=1)
    dropped: float = Field(default=0.1, ge=0, le=1)
    spurious: float = Field(default=0.01, ge=0, le=1)
    beds: int = Field(default=40, ge=2)
    seed: int = Field(default=0, ge=0)

    def rng(self, *purpose: int) -> np.random.Generator:
        """Chance for one purpose alone, so that no other number of the world moves it."""
        return np.random.default_rng([self.seed, 0 if self.protocol == "recordings" else 1, *purpose])


@dataclass(frozen=True)
class Stream:
    """What is heard when: recordings (N,) from starts (N,) seconds on, over a bed of noise `decibels` below them."""

    id: str
    seconds: int
    recordings: tuple[int, ...]
    starts: FloatArray
    bed: int
    decibels: float

    @property
    def side(self) -> str:
        """`train` or `test`."""
        return self.id.partition("-")[0]

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.seconds * RATE


@dataclass(frozen=True)
class Concepts:
    """Ten digits, the speakers, and each digit by each speaker: names and the three classes of a recording."""

    speakers: tuple[str, ...]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Names; the parent of a digit by a speaker is the digit (its speaker is a parent too: see `of`)."""
        pairs = {f"{digit} by {speaker}": digit for digit in DIGITS for speaker in self.speakers}
        return Vocabulary((*DIGITS, *self.speakers, *pairs), parents=pairs)

    def of(self, digit: int, speaker: str) -> tuple[int, int, int]:
        """Classes of the digit, of the speaker, and of both together."""
        place, count = self.speakers.index(speaker), len(self.speakers)
        return digit, len(DIGITS) + place, len(DIGITS) + count + digit * count + place

    def judged(self, protocol: str) -> tuple[int, ...]:
        """Classes that may be told of: digits where speakers are new, the others where only recordings are."""
        names = len(self.vocabulary)
        return tuple(range(len(DIGITS)) if protocol == "speakers" else range(len(DIGITS), names))


def recording_pools(recordings: Recordings, world: SpeechSettings) -> tuple[IntArray, IntArray]:
    """Recordings of the training and of the test side: none is in both."""
    speakers = np.asarray(recordings.speakers)
    if world.protocol == "speakers":
        strangers = sorted(set(world.held_out) - set(recordings.speakers))
        if strangers or not 0 < len(set(world.held_out)) < len(set(recordings.speakers)):
            known = sorted(set(recordings.speakers))
            raise InvalidData(f"Held-out speakers are some, not all, of {known}, but got {list(world.held_out)}.")
        out = np.isin(speakers, world.held_out)
        return np.flatnonzero(~out), np.flatnonzero(out)
    digits, rng = np.asarray(recordings.digits), world.rng(SPLIT)
    parts: tuple[list[IntArray], list[IntArray]] = ([], [])
    for speaker in sorted(set(recordings.speakers)):
        for digit in range(len(DIGITS)):
            mine = rng.permutation(np.flatnonzero((speakers == speaker) & (digits == digit)))
            cut = round(len(mine) * (1 - world.test_recordings))
            if not 0 < cut < len(mine):
                raise InvalidData(f"{len(mine)} recordings of {DIGITS[digit]} by {speaker} can't be shared out.")
            parts[0].append(mine[:cut])
            parts[1].append(mine[cut:])
    return np.sort(np.concatenate(parts[0])), np.sort(np.concatenate(parts[1]))


def planned(recordings: Recordings, pool: IntArray, world: SpeechSettings, side: int) -> list[Stream]:
    """The streams of one side (0: training), each made of recordings of its pool and of the beds of its side."""
    by_pair: dict[tuple[str, int], list[int]] = {}
    for row in pool.tolist():
        by_pair.setdefault((recordings.speakers[row], recordings.digits[row]), []).append(row)
    speakers = sorted({speaker for speaker, _ in by_pair})
    beds = range(world.beds * 2 // 3) if side == 0 else range(world.beds * 2 // 3, world.beds)
    count = world.train_streams if side == 0 else world.test_streams
    return [
        _stream(f"{SIDES[side]}-{number:05d}", recordings, by_pair, speakers, beds, world.rng(STREAM, side, number))
        for number in range(count)
    ]


def _stream(
    name: str,
    recordings: Recordings,
    by_pair: dict[tuple[str, int], list[int]],
    speakers: Sequence[str],
    beds: range,
    rng: np.random.Generator,
) -> Stream:
    """One stream: 10 to 20 slots of 6 s, in each a recording of one of 1 to 3 speakers and 2 to 4 digits."""
    slots = int(rng.integers(10, 21))
    voices = rng.choice(len(speakers), min(int(rng.integers(1, 4)), len(speakers)), replace=False)
    said = rng.choice(len(DIGITS), int(rng.integers(2, 5)), replace=False)
    rows, starts = [], []
    for slot in range(slots):
        pair = speakers[int(rng.choice(voices))], int(rng.choice(said))
        if pair not in by_pair:
            raise InvalidData(f"There is no recording of {DIGITS[pair[1]]} by {pair[0]} on this side of the split.")
        row = int(rng.choice(by_pair[pair]))
        rows.append(row)
        starts.append(SLOT_SECONDS * slot + float(rng.uniform(0, SLOT_SECONDS - recordings.seconds(row))))
    bed = int(rng.integers(beds.start, beds.stop))
    return Stream(name, slots * SLOT_SECONDS, tuple(rows), np.asarray(starts), bed, float(rng.uniform(5, 25)))
