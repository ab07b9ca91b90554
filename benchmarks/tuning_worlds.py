"""Worlds for choosing settings: seeds 100 and above, which no table holds.

Beside the timelines of the tables there are sessions: many takes of several concepts in one file, to be found after
learning from files of two or three takes. Their knobs are those of the holds in real video that `yoga.py` reads
(6 concepts, takes of 10 seconds, holds of 5.9, 6 takes a session, 12 people to learn from with 8 files each); the looks
of a person are shared by all that is filmed of that person.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.worlds.looks import Looks, LookShape, draw_features, draw_looks
from whenabouts.data.worlds.timeline_world import TimelineWorld, WorldPart, timeline_world
from whenabouts.data.worlds.timelines import Timeline

World = Literal["thumos14", "activitynet", "sessions"]
FIRST_SEED = 100
CONCEPTS, TAKES, PEOPLE, FILES_EACH = 6, 6, 12, 8
TAKE_SECONDS, HOLD_SECONDS = 10.0, 5.9
LOOKS = LookShape(widths={"rgb": 64}, hop_seconds=0.5, signal=3.0, own=1.0)
PERSON = 2.0  # Length of what all features of one person have in common.


def tuning_world(kind: World, *, videos: int, seed: int) -> TimelineWorld:
    """A world of `videos` in each half (sessions: 96 files to learn from, `videos` sessions to test on)."""
    if seed < FIRST_SEED:
        raise ValueError(f"Seeds below {FIRST_SEED} are the tables' own; choose {FIRST_SEED} or more, not {seed}.")
    if kind != "sessions":
        return timeline_world(kind, train=videos, test=videos, seed=seed)
    vocabulary = Vocabulary(tuple(f"concept {index}" for index in range(CONCEPTS)))
    looks = draw_looks(LOOKS, CONCEPTS, np.random.default_rng([seed, 0]))
    learned = [_crops(f"train-{person:02d}", looks, np.random.default_rng([seed, 1, person]))
               for person in range(PEOPLE)]  # fmt: skip
    tested = [_filmed([_session(f"test-{person:02d}", np.random.default_rng([seed, 2, person]))], looks,
                      np.random.default_rng([seed, 3, person])) for person in range(videos)]  # fmt: skip
    return TimelineWorld(_part(learned, vocabulary), _part(tested, vocabulary), vocabulary)


def _session(name: str, rng: np.random.Generator, takes: int = TAKES) -> Timeline:
    """Takes one after the other, each with one hold: most concepts once, as people are asked for them."""
    concepts = np.concatenate([rng.permutation(CONCEPTS), rng.integers(CONCEPTS, size=takes)])[:takes]
    lengths = TAKE_SECONDS * rng.uniform(0.7, 1.3, takes)
    holds = lengths * HOLD_SECONDS / TAKE_SECONDS * rng.uniform(0.7, 1.3, takes)
    starts = np.cumsum(lengths) - lengths + (lengths - holds) * rng.uniform(0.3, 0.7, takes)
    spans = np.stack([starts, starts + holds], axis=1)
    return Timeline(name, float(lengths.sum()), spans, concepts.astype(np.int64), np.zeros(takes, bool))


def _crops(name: str, looks: dict[str, Looks], rng: np.random.Generator) -> list[tuple[Timeline, Example]]:
    """Files of two or three takes of one person."""
    lines = [_session(f"{name}-{number}", rng, int(rng.integers(2, 4))) for number in range(FILES_EACH)]
    return _filmed(lines, looks, rng)


def _filmed(
    lines: Sequence[Timeline], looks: dict[str, Looks], rng: np.random.Generator
) -> list[tuple[Timeline, Example]]:
    """Features of files of one person."""
    person = rng.normal(size=LOOKS.widths["rgb"])
    person *= PERSON / np.linalg.norm(person)
    found = []
    for line in lines:
        drawn = draw_features(line, looks, LOOKS, rng)["rgb"]
        values = (drawn.values + person).astype(np.float32)
        sequence = FeatureSequence(line.video_id, values, drawn.grid, "rgb", drawn.source)
        labels = VideoLabels.of(np.unique(line.classes).tolist())
        found.append((line, Example(line.video_id, {"rgb": sequence}, labels, SegmentLabels.empty())))
    return found


def _part(filmed: Sequence[Sequence[tuple[Timeline, Example]]], vocabulary: Vocabulary) -> WorldPart:
    rows = [row for each in filmed for row in each]
    truth = [Moments.build([line.video_id] * len(line.spans), line.spans, line.classes, vocabulary, kind="truth")
             for line, _ in rows]  # fmt: skip
    weak = np.concatenate([line.weak for line, _ in rows])
    return WorldPart(tuple(example for _, example in rows), Moments.concatenate(truth, vocabulary), weak)
