"""The speech world: streams of really spoken digits at known times, with labels that only say what.

Semi-synthetic: the words are real recordings, but streams, times, noise and the errors in labels are drawn. Concepts
are 10 digits, the speakers, and each digit by each speaker: a true hierarchy. docs/worlds.md tells how its numbers were
chosen; they were fixed before any model was run on it, and are not to be changed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import replacing
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.timing import BoolArray, IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.worlds.ratings import RatingRules, rate
from whenabouts.data.worlds.speech_sound import WIDTH, NoiseBed, Recordings, Whitening, mixed, pooled
from whenabouts.data.worlds.speech_streams import (
    BED,
    LABELS,
    RATING,
    SIDES,
    SOUND,
    Concepts,
    SpeechSettings,
    Stream,
    planned,
    recording_pools,
)
from whenabouts.data.youtube8m.frames import dequantised
from whenabouts.data.youtube8m.reader import SEGMENT_SECONDS, ByteArray, Float32Array

MODALITY = "audio"


@dataclass(frozen=True)
class SpeechSide:
    """Training or test: streams, their examples (features, labels, rated segments), and the truth behind them.

    `rated` holds all ratings of this side, `short` how many of them each concept lacks, by class, for want of
    labelled streams.
    """

    streams: tuple[Stream, ...]
    examples: tuple[Example, ...]
    truth: Moments
    rated: SegmentLabels
    short: dict[int, int]
    presence: tuple[BoolArray, ...]

    @cached_property
    def every(self) -> SegmentLabels:
        """The truth of every segment of five seconds and every concept, in the form of ratings."""
        ids, spans, classes, present = [], [], [], []
        for stream, there in zip(self.streams, self.presence, strict=True):
            segments, count = there.shape
            starts = np.repeat(np.arange(segments) * float(SEGMENT_SECONDS), count)
            ids += [stream.id] * there.size
            spans.append(np.stack([starts, starts + SEGMENT_SECONDS], axis=1))
            classes.append(np.tile(np.arange(count), segments))
            present.append(there.ravel())
        return SegmentLabels(tuple(ids), np.concatenate(spans), np.concatenate(classes), np.concatenate(present))


@dataclass(frozen=True)
class SpeechWorld:
    """Both sides over one vocabulary; `judged` names the classes that the test may be read for."""

    train: SpeechSide
    test: SpeechSide
    vocabulary: Vocabulary
    judged: tuple[int, ...]


def speech_world(recordings: Recordings, world: SpeechSettings, cache: Path | None = None) -> SpeechWorld:
    """Make the world from recordings; the same settings always make the same.

    With a folder `cache`, what the streams sound like is kept there, and not computed again while only labels and
    ratings change. Raises InvalidData where a held-out speaker is unknown, or a side has no recording of a digit by a
    speaker.
    """
    concepts = Concepts(tuple(sorted(set(recordings.speakers))))
    pools = recording_pools(recordings, world)
    plans = [planned(recordings, pools[side], world, side) for side in range(len(SIDES))]
    values = _kept(recordings, plans, world, cache) if cache else _whitened(recordings, plans, world)
    train, test = (_side(recordings, concepts, plans[side], values[side], world) for side in range(len(SIDES)))
    return SpeechWorld(train, test, concepts.vocabulary, concepts.judged(world.protocol))


def _kept(
    recordings: Recordings, plans: Sequence[Sequence[Stream]], world: SpeechSettings, cache: Path
) -> list[list[ByteArray]]:
    """Bytes of each stream, from the cache where they are there."""
    from safetensors.numpy import load_file, save_file

    path = cache / f"speech-{fingerprint(recordings, plans, world)}.safetensors"
    if not path.is_file():
        made = _whitened(recordings, plans, world)
        with replacing(path) as part:
            save_file({one.id: each for plan, side in zip(plans, made, strict=True)
                       for one, each in zip(plan, side, strict=True)}, part)  # fmt: skip
        return made
    stored = load_file(path)
    return [[stored[stream.id] for stream in plan] for plan in plans]


def fingerprint(recordings: Recordings, plans: Sequence[Sequence[Stream]], world: SpeechSettings) -> str:
    """A hash of everything that the features of these streams are made of."""
    hashed = hashlib.sha256(f"1 {world.seed} {world.protocol} {world.beds}".encode())
    for stream in (stream for plan in plans for stream in plan):
        told = (stream.id, stream.seconds, stream.recordings, stream.starts.tolist(), stream.bed, stream.decibels)
        hashed.update(repr(told).encode())
    for wave in recordings.waves:
        hashed.update(wave.tobytes())
    return hashed.hexdigest()[:16]


def _whitened(
    recordings: Recordings, plans: Sequence[Sequence[Stream]], world: SpeechSettings
) -> list[list[ByteArray]]:
    """Bytes (T, 96) of each stream of both sides; the whitening is fitted on training streams alone."""
    rows = [list(_pooled(recordings, plan, world, side)) for side, plan in enumerate(plans)]
    white = Whitening.fitted(rows[0])
    return [[white.bytes(each) for each in side] for side in rows]


def _pooled(
    recordings: Recordings, streams: Sequence[Stream], world: SpeechSettings, side: int
) -> Iterator[Float32Array]:
    """Log-mel statistics (T, 96) of each stream, whose sound is made here and dropped."""
    beds = [NoiseBed.drawn(world.rng(BED, number)) for number in range(world.beds)]
    for number, stream in enumerate(streams):
        noise = beds[stream.bed].wave(stream.samples, world.rng(SOUND, side, number))
        yield pooled(mixed(recordings, stream.recordings, stream.starts, noise, stream.decibels))


def _side(
    recordings: Recordings,
    concepts: Concepts,
    streams: Sequence[Stream],
    values: Sequence[ByteArray],
    world: SpeechSettings,
) -> SpeechSide:
    side, count = SIDES.index(streams[0].side), len(concepts.vocabulary)
    truths = [_truth(recordings, concepts, stream) for stream in streams]
    presence = [_presence(truth, stream.seconds, count) for truth, stream in zip(truths, streams, strict=True)]
    labels = [
        noisy_labels(truth.classes, count, world, world.rng(LABELS, side, number))
        for number, truth in enumerate(truths)
    ]
    rules = RatingRules(world.test_ratings, 1.0) if side else RatingRules(world.ratings, world.rated_streams)
    ids = [stream.id for stream in streams]
    rated = rate(ids, presence, labels, rules, lambda *purpose: world.rng(RATING, side, *purpose))
    rows = _rows_by_video(rated.labels)
    source = f"speech world {world.protocol} {world.seed}: {WIDTH} whitened log-mel statistics"
    examples = tuple(
        Example(stream.id, {MODALITY: _sequence(stream, matrix, source)}, of, _taken(rated.labels, rows.get(stream.id)))
        for stream, matrix, of in zip(streams, values, labels, strict=True)
    )
    truth = Moments.concatenate(truths, concepts.vocabulary)
    return SpeechSide(tuple(streams), examples, truth, rated.labels, rated.short, tuple(presence))


def _truth(recordings: Recordings, concepts: Concepts, stream: Stream) -> Moments:
    """Three moments of each recording: its digit, its speaker, and both together."""
    ends = stream.starts + [recordings.seconds(row) for row in stream.recordings]
    classes = [concepts.of(recordings.digits[row], recordings.speakers[row]) for row in stream.recordings]
    spans = np.repeat(np.stack([stream.starts, ends], axis=1), 3, axis=0)
    return Moments.build([stream.id] * len(spans), spans, np.ravel(classes), concepts.vocabulary, kind="truth")


def _presence(truth: Moments, seconds: int, count: int) -> BoolArray:
    """(segments, L) True where the middle of a moment lies in a whole segment of 5 s: each word is in one at most."""
    there = np.zeros((seconds // SEGMENT_SECONDS, count), bool)
    segment = (truth.spans.mean(axis=1) // SEGMENT_SECONDS).astype(np.int64)
    inside = segment < len(there)
    there[segment[inside], truth.classes[inside]] = True
    return there


def noisy_labels(heard: IntArray, count: int, world: SpeechSettings, rng: np.random.Generator) -> VideoLabels:
    """Labels of a stream in which classes `heard` (M,) of `count` are heard: some lack, some are wrong."""
    true = np.zeros(count, bool)
    true[heard] = True
    chance = rng.random(count)
    return VideoLabels.of(np.flatnonzero(np.where(true, chance >= world.dropped, chance < world.spurious)).tolist())


def _sequence(stream: Stream, values: ByteArray, source: str) -> FeatureSequence:
    grid = TimeGrid(0.0, 1.0, 1.0, len(values), float(len(values)))
    return FeatureSequence(stream.id, dequantised(values), grid, MODALITY, source)


def _rows_by_video(labels: SegmentLabels) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, video_id in enumerate(labels.video_ids):
        rows.setdefault(video_id, []).append(row)
    return rows


def _taken(labels: SegmentLabels, rows: list[int] | None) -> SegmentLabels:
    if not rows:
        return SegmentLabels.empty()
    video_ids = tuple(labels.video_ids[row] for row in rows)
    return SegmentLabels(video_ids, labels.spans[rows], labels.classes[rows], labels.present[rows])
