"""A small world with planted concepts, some of its segments rated, and quick trainings."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from whenabouts.core import SegmentLabels, Vocabulary, temporal_iou
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers.concepts.fitting import FitSettings, Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.networks import NetKind, NetSettings
from whenabouts.training import Compute

LEARNED = 40
QUICK = FitSettings(epochs=1, least_steps=120, learning_rate=5e-3)


def small(kind: NetKind) -> NetSettings:
    return NetSettings(kind=kind, hidden=16, other_clusters=4, heads=2, blocks=3)


def run_of(seed: int = 0, **choices) -> Run:
    return Run(Silent(), Compute(torch.device("cpu"), torch.float32), seed, **choices)


def with_ratings(example: Example, world: PlantedWorld, rng: np.random.Generator, *, negatives: int = 4) -> Example:
    """Its true moments rated as present, and spans of 2 s that touch none of a class's rated as lacking it."""
    own = world.truth[world.truth.video_ids == example.video_id]
    spans, classes, present = [], [], []
    for moment in own:
        index = world.vocabulary.index(moment.concept)
        spans.append((moment.start_seconds, moment.end_seconds))
        classes.append(index)
        present.append(True)
        for start in rng.uniform(0, example.features["rgb"].grid.duration_seconds - 2, size=negatives):
            if not temporal_iou([start, start + 2], own.spans[own.classes == index]).any():
                spans.append((start, start + 2))
                classes.append(index)
                present.append(False)
    rated = SegmentLabels(tuple([example.video_id] * len(spans)), np.array(spans), np.array(classes), np.array(present))
    return replace(example, segments=rated)


@pytest.fixture(scope="session")
def world() -> PlantedWorld:
    """Fifty-two videos of three concepts; the first forty have rated segments."""
    shape = WorldShape(classes=3, seconds=(12.0, 20.0), weak=0.0, widths={"rgb": 10, "sound": 6})
    made = planted_world(LEARNED + 12, np.random.default_rng(21), shape)
    rng = np.random.default_rng(22)
    examples = tuple(with_ratings(example, made, rng) for example in made.examples)
    return replace(made, examples=examples)


@pytest.fixture(scope="session")
def vocabulary(world: PlantedWorld) -> Vocabulary:
    return world.vocabulary


@pytest.fixture(scope="session")
def videos(world: PlantedWorld) -> FrameVideos:
    return FrameVideos(world.examples[:LEARNED], FrameSettings(), Silent())


@pytest.fixture(scope="session")
def held_out(world: PlantedWorld) -> tuple[Example, ...]:
    return world.examples[LEARNED:]


def mean_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over classes of average precision; scores and truth (N, C)."""
    found = []
    for column in range(scores.shape[1]):
        order = np.argsort(-scores[:, column], kind="stable")
        hits = truth[order, column]
        found.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(found))


def labels_of(examples: Sequence[Example], classes: int) -> np.ndarray:
    return np.stack([example.labels.dense(classes) > 0 for example in examples])
