"""A small planted world of features: known moments of known concepts, for tests and for a first try without videos."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example

SOURCE = "planted world"


@dataclass(frozen=True)
class PlantedWorld:
    """Examples whose labels say what happens, and the truth that says when."""

    examples: tuple[Example, ...]
    truth: Moments
    vocabulary: Vocabulary


@dataclass(frozen=True)
class WorldShape:
    """How large and how hard a world is.

    `seconds` shortest and longest video; `widths` the streams; `per_video` most concepts in one video; `moment_seconds`
    shortest and longest moment. A share `weak` of the moments looks only by `weakness` like its concept. `noise` is the
    deviation of each number where a concept has length `signal`.
    """

    classes: int = 4
    seconds: tuple[float, float] = (20.0, 40.0)
    widths: Mapping[str, int] = field(default_factory=lambda: {"rgb": 24, "flow": 16})
    hop_seconds: float = 0.5
    window_seconds: float = 1.0
    per_video: int = 2
    moments_per_concept: int = 2
    moment_seconds: tuple[float, float] = (2.0, 5.0)
    weak: float = 0.4
    weakness: float = 0.5
    signal: float = 4.0
    noise: float = 0.6
    unlabelled: float = 0.0


def planted_world(videos: int, rng: np.random.Generator, shape: WorldShape | None = None) -> PlantedWorld:
    """Make videos with planted moments; the looks of concepts come from `rng` too, so draw train and test at once."""
    shape = shape or WorldShape()
    vocabulary = Vocabulary(tuple(f"concept {index}" for index in range(shape.classes)))
    looks = {modality: _looks(shape, width, rng) for modality, width in shape.widths.items()}
    examples, truths = [], []
    for number in range(videos):
        video_id = f"video-{number:04d}"
        duration = round(float(rng.uniform(*shape.seconds)), 3)
        classes = _chosen_classes(shape, rng)
        spans, owners = _planted_spans(classes, duration, shape, rng)
        truths.append(Moments.build([video_id] * len(spans), spans, owners, vocabulary, kind="truth"))
        strengths = np.where(rng.random(len(spans)) < shape.weak, shape.weakness, 1.0)
        scene = rng.integers(3)
        features = {
            modality: _sequence(video_id, modality, _Scene(duration, spans, owners, strengths, look[0], look[1][scene]),
                                shape, rng)
            for modality, look in looks.items()
        }  # fmt: skip
        labels = VideoLabels.of(sorted(set(owners.tolist())))
        examples.append(Example(video_id, features, labels, SegmentLabels.empty()))
    return PlantedWorld(tuple(examples), Moments.concatenate(truths, vocabulary), vocabulary)


@dataclass(frozen=True)
class _Scene:
    duration_seconds: float
    spans: FloatArray
    owners: IntArray
    strengths: FloatArray
    looks: FloatArray
    backdrop: FloatArray


def _looks(shape: WorldShape, width: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Directions of concepts (L, D) and of three backdrops (3, D)."""
    drawn = rng.normal(size=(shape.classes + 3, width))
    drawn *= shape.signal / np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn[: shape.classes], drawn[shape.classes :] / 2


def _chosen_classes(shape: WorldShape, rng: np.random.Generator) -> IntArray:
    if rng.random() < shape.unlabelled:
        return np.zeros(0, np.int64)
    count = int(rng.integers(1, min(shape.per_video, shape.classes) + 1))
    return rng.choice(shape.classes, count, replace=False)


def _planted_spans(
    classes: IntArray, duration: float, shape: WorldShape, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Disjoint spans (M, 2) with gaps of at least 1 s; each class gets at least one where there is room."""
    wanted = np.repeat(classes, shape.moments_per_concept)
    lengths = rng.uniform(*shape.moment_seconds, size=len(wanted))
    order = np.concatenate(
        [np.arange(k, len(wanted), shape.moments_per_concept) for k in range(shape.moments_per_concept)]
    )
    room = duration - 1.0 - np.cumsum(lengths[order] + 1.0)
    kept = rng.permutation(order[room >= 0])
    slack = duration - 1.0 - float((lengths[kept] + 1.0).sum())
    gaps = np.sort(rng.uniform(0, max(slack, 0.0), size=len(kept)))
    starts = 1.0 + gaps + np.concatenate([[0.0], np.cumsum(lengths[kept] + 1.0)[:-1]]) if len(kept) else np.zeros(0)
    return np.stack([starts, starts + lengths[kept]], axis=1).reshape(-1, 2), wanted[kept]


def _sequence(
    video_id: str, modality: str, scene: _Scene, shape: WorldShape, rng: np.random.Generator
) -> FeatureSequence:
    grid = TimeGrid.covering(scene.duration_seconds, hop_seconds=shape.hop_seconds, window_seconds=shape.window_seconds)
    centres = grid.centre(np.arange(grid.steps))
    inside = (centres[:, None] >= scene.spans[:, 0]) & (centres[:, None] < scene.spans[:, 1])  # (T, M)
    concepts = (inside * scene.strengths) @ scene.looks[scene.owners]
    values = scene.backdrop + concepts + rng.normal(0, shape.noise, size=(grid.steps, scene.looks.shape[1]))
    return FeatureSequence(video_id, values.astype(np.float32), grid, modality, SOURCE)
