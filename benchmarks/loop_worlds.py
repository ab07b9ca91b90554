"""The two worlds in which the loop is measured: what a project would know of them, and the truth behind it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.worlds.speech import MODALITY, speech_world
from whenabouts.data.worlds.speech_sound import read_recordings
from whenabouts.data.worlds.speech_streams import SpeechSettings
from whenabouts.data.worlds.timeline_world import timeline_world
from whenabouts.data.worlds.timelines import TimelineShape
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings

PLANTED_VIDEOS = (60, 60)
PLANTED = TimelineShape(classes=10)
SPEECH_STREAMS = (300, 120)
SPEECH_CONCEPTS = 16
"""Digits and speakers: a digit by a speaker is in too few of so few streams."""


@dataclass(frozen=True)
class LoopWorld:
    """Training and test examples without a rated segment, the true moments of both, and how the localizer is set.

    `single`: each segment is a moment of its own, as this world's truth is.
    """

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    truth: Moments
    vocabulary: Vocabulary
    settings: MultipleInstanceSettings
    single: bool


def loop_world(name: str, seed: int, *, speech: Path, cache: Path) -> LoopWorld:
    """ "planted" (moments with borders) or "speech" (segments of 5 s of really spoken words)."""
    return _planted(seed) if name == "planted" else _speech(seed, speech, cache)


def _planted(seed: int) -> LoopWorld:
    train, test = PLANTED_VIDEOS
    world = timeline_world("thumos14", train=train, test=test, seed=seed, timelines=PLANTED)
    truth = Moments.concatenate([world.train.truth, world.test.truth], world.vocabulary)
    return LoopWorld(
        world.train.examples, world.test.examples, truth, world.vocabulary, MultipleInstanceSettings(), False
    )


def _speech(seed: int, recordings: Path, cache: Path) -> LoopWorld:
    shape = SpeechSettings(train_streams=SPEECH_STREAMS[0], test_streams=SPEECH_STREAMS[1], ratings=0, test_ratings=0,
                           seed=seed)  # fmt: skip
    world = speech_world(read_recordings(recordings), shape, cache)
    vocabulary = Vocabulary(world.vocabulary.names[:SPEECH_CONCEPTS])
    parts = [_segments(side.examples, side.presence, vocabulary) for side in (world.train, world.test)]
    train, test = (tuple(_narrowed(each) for each in side.examples) for side in (world.train, world.test))
    how = MultipleInstanceSettings(segment_seconds=5.0, class_threshold=0.05, class_share=0.0)
    return LoopWorld(train, test, Moments.concatenate(parts, vocabulary), vocabulary, how, True)


def _narrowed(example: Example) -> Example:
    kept = example.labels.classes < SPEECH_CONCEPTS
    labels = VideoLabels(example.labels.classes[kept], example.labels.weights[kept], absent=example.labels.absent)
    return replace(
        example, labels=labels, segments=SegmentLabels.empty(), features={MODALITY: example.features[MODALITY]}
    )


def _segments(examples, presence, vocabulary) -> Moments:
    """Segments of 5 s in which the middle of a word lies: what is judged in this world."""
    parts = []
    for example, there in zip(examples, presence, strict=True):
        segments, classes = np.nonzero(there[:, :SPEECH_CONCEPTS])
        spans = np.stack([segments * 5.0, segments * 5.0 + 5.0], axis=1)
        parts.append(Moments.build([example.video_id] * len(spans), spans, classes, vocabulary, kind="truth"))
    return Moments.concatenate(parts, vocabulary)
