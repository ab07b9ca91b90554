"""How planted timelines look: features in two streams, weak instances, context, and background that looks alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import FloatArray, TimeGrid
from whenabouts.data.worlds.timelines import Timeline

SOURCE = "planted timelines"


@dataclass(frozen=True)
class LookShape:
    """How features of planted timelines look.

    `widths` by stream; steps of `hop_seconds` (16 frames of 25 a second). Where a number's deviation is 1 (`noise`,
    half of which a step hands on to the next: `memory`), a strong instance adds a look of length `signal`, the same for
    all strong instances of its concept but for an own part of length `own`. A weak instance adds a look of another
    direction, `weakness` times as long, which has `kinship` (a cosine) in common with the strong one.

    Every other concept is nearly unseen in one of two streams: its looks are `dim` times as long there. A video's scene
    (two concepts share one; length `context`) is there in its action and in a share `context_share` of its background;
    all else shows one of `backdrops` (length `backdrop`). A share `alike_share` of the background looks like the strong
    instances of a concept, `alike` times as strongly: half the time of the video's own, else of any. What the
    background shows changes every `stretch_seconds` on average. The scene is `dim` in the last of the streams, which
    stands for motion.
    """

    widths: Mapping[str, int] = field(default_factory=lambda: {"rgb": 128, "flow": 128})
    hop_seconds: float = 0.64
    signal: float = 5.0
    noise: float = 1.0
    memory: float = 0.5
    own: float = 1.5
    weakness: float = 0.6
    kinship: float = 0.3
    dim: float = 0.3
    context: float = 2.0
    context_share: float = 0.4
    backdrops: int = 8
    backdrop: float = 2.0
    alike: float = 0.5
    alike_share: float = 0.1
    stretch_seconds: float = 8.0


@dataclass(frozen=True)
class Looks:
    """Directions of one stream, with their lengths: strong (L, D), weak (L, D), scenes (L, D), backdrops (N, D)."""

    strong: FloatArray
    weak: FloatArray
    scenes: FloatArray
    backdrops: FloatArray


def draw_looks(shape: LookShape, classes: int, rng: np.random.Generator) -> dict[str, Looks]:
    """What a world's concepts, scenes and backdrops look like in each stream."""
    count = len(shape.widths)
    found = {}
    for number, (modality, width) in enumerate(shape.widths.items()):
        seen = np.ones(classes)
        if count > 1:
            seen[(np.arange(classes) % 2 == 0) & (np.arange(classes) // 2 % count == number)] = shape.dim
        strong, own = (_directions(classes, width, rng) for _ in range(2))
        weak = shape.kinship * strong + np.sqrt(1 - shape.kinship**2) * own
        scenes = np.repeat(_directions((classes + 1) // 2, width, rng), 2, axis=0)[:classes]
        scene_length = shape.context * (shape.dim if 0 < number == count - 1 else 1.0)
        lengths = seen[:, None] * shape.signal
        backdrops = _directions(shape.backdrops, width, rng) * shape.backdrop
        found[modality] = Looks(strong * lengths, weak * lengths * shape.weakness, scenes * scene_length, backdrops)
    return found


def draw_features(
    timeline: Timeline, looks: Mapping[str, Looks], shape: LookShape, rng: np.random.Generator
) -> dict[str, FeatureSequence]:
    """Features of one video in every stream; what is seen in the background changes at the same times in all."""
    duration, hop = timeline.duration_seconds, shape.hop_seconds
    grid = TimeGrid.covering(duration, hop_seconds=hop, window_seconds=hop)
    instances = _cover(grid, timeline.spans)
    stretches, shown = _background(timeline, len(next(iter(looks.values())).strong), shape, rng)
    free = (1 - instances.sum(axis=1).clip(0, 1))[:, None] * _cover(grid, stretches)
    return {
        modality: FeatureSequence(
            timeline.video_id, _values(timeline, look, instances, free, shown, shape, rng), grid, modality, SOURCE
        )
        for modality, look in looks.items()
    }


@dataclass(frozen=True)
class _Shown:
    """What each stretch of background shows: its backdrop, whether it has the scene, and which concept it is like."""

    backdrops: FloatArray
    scene: FloatArray
    alike: FloatArray


def _background(
    timeline: Timeline, classes: int, shape: LookShape, rng: np.random.Generator
) -> tuple[FloatArray, _Shown]:
    """Stretches (S, 2) in seconds that share out the video, and what they show: weights (S, N), (S,), (S, L)."""
    count = max(1, rng.poisson(timeline.duration_seconds / shape.stretch_seconds))
    edges = np.sort(np.concatenate([[0.0, 1.0], rng.random(count - 1)])) * timeline.duration_seconds
    backdrops = np.eye(shape.backdrops)[rng.integers(shape.backdrops, size=count)]
    own = rng.choice(np.unique(timeline.classes), count)
    like = np.where(rng.random(count) < 0.5, own, rng.integers(classes, size=count))
    alike = np.eye(classes)[like] * (rng.random(count) < shape.alike_share)[:, None] * shape.alike
    scene = (rng.random(count) < shape.context_share).astype(np.float64)
    return np.stack([edges[:-1], edges[1:]], axis=1), _Shown(backdrops, scene, alike)


def _values(
    timeline: Timeline, look: Looks, instances: FloatArray, free: FloatArray, shown: _Shown, shape: LookShape,
    rng: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Features (T, D): instances (T, N) and free stretches (T, S) say how much of each step they fill."""
    width = look.strong.shape[1]
    kinds = np.where(timeline.weak[:, None], look.weak[timeline.classes], look.strong[timeline.classes])
    own = _directions(len(kinds), width, rng) * shape.own * np.linalg.norm(kinds, axis=1, keepdims=True) / shape.signal
    scene = look.scenes[np.unique(timeline.classes)].mean(axis=0)
    values = instances @ (kinds + own) + free @ (shown.backdrops @ look.backdrops + shown.alike @ look.strong)
    values += (instances.max(axis=1, initial=0.0) + free @ shown.scene).clip(0, 1)[:, None] * scene
    features: NDArray[np.float32] = (values + _noise(len(values), width, shape, rng)).astype(np.float32)
    return features


def _noise(steps: int, width: int, shape: LookShape, rng: np.random.Generator) -> FloatArray:
    """Noise (T, D) of one deviation, of which each step hands on a share `memory` of its variance to the next."""
    fresh: FloatArray = rng.normal(0, shape.noise, size=(steps + 1, width))
    noise: FloatArray = np.sqrt(1 - shape.memory) * fresh[1:] + np.sqrt(shape.memory) * fresh[:-1]
    return noise


def _cover(grid: TimeGrid, spans: FloatArray) -> FloatArray:
    """How much (T, N) of each step's cell each span fills, 0 to 1."""
    edges = grid.edges()
    shared = np.minimum(edges[1:, None], spans[:, 1]) - np.maximum(edges[:-1, None], spans[:, 0])
    filled: FloatArray = np.clip(shared, 0.0, None) / np.diff(edges)[:, None]
    return filled


def _directions(count: int, width: int, rng: np.random.Generator) -> FloatArray:
    """Random rows (count, width) of length 1."""
    drawn = rng.normal(size=(count, width))
    directions: FloatArray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return directions
