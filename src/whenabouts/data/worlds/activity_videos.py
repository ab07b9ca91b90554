"""Small videos in which several things are done at once, with the region and time of each: a planted world of pictures.

Whether an activity is under way can't be told from one frame (things of its kind also stand still, and grey ones do the
same), nor from what a picture holds as a whole (what moves may be another thing than what has the colour).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.worlds.activity_plan import (
    LOOK,
    ActivityKnobs,
    Doing,
    activity_vocabulary,
    path_of,
    planned_videos,
)

Pixels = NDArray[np.uint8]
_COLOURS = np.array([[225, 40, 40], [40, 190, 60], [50, 80, 235], [225, 205, 40], [128, 128, 128]], np.float32)


@dataclass(frozen=True)
class Occurrence:
    """An activity of one video from frame `start` to `stop`, and its boxes (stop - start, 4), x0 y0 x1 y1 in [0, 1]."""

    activity: int
    start: int
    stop: int
    boxes: FloatArray


@dataclass(frozen=True)
class ActivityVideos:
    """One side of a world: frames (V, T, S, S, 3), labels (V, A), and what occurs in each video."""

    frames: Pixels
    labels: BoolArray
    occurrences: tuple[tuple[Occurrence, ...], ...]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.frames)

    def clip_labels(self, video: int, first: int, last: int) -> BoolArray:
        """Which activities (A,) are under way in frames `first` to `last`, both included."""
        there = np.zeros(len(self.vocabulary), bool)
        for each in self.occurrences[video]:
            there[each.activity] |= each.start <= last and first < each.stop
        return there

    def region(self, video: int, activity: int, frames: Sequence[int], shape: tuple[int, int]) -> BoolArray:
        """Where (len(frames), rows, columns) an activity is seen at these frames: cells that its boxes touch."""
        rows, columns = shape
        there = np.zeros((len(frames), rows, columns), bool)
        for each in (each for each in self.occurrences[video] if each.activity == activity):
            for place, frame in enumerate(frames):
                if each.start <= frame < each.stop:
                    x0, y0, x1, y1 = np.clip(each.boxes[frame - each.start], 0.0, 1.0)
                    lines = slice(int(y0 * rows), max(int(np.ceil(y1 * rows)), int(y0 * rows) + 1))
                    there[place, lines, int(x0 * columns) : max(int(np.ceil(x1 * columns)), int(x0 * columns) + 1)] = 1
        return there


@dataclass(frozen=True)
class ActivityWorld:
    """Both sides over one vocabulary, and the knobs behind them."""

    train: ActivityVideos
    test: ActivityVideos
    knobs: ActivityKnobs


def activity_world(
    knobs: ActivityKnobs | None = None, *, train: int = 400, test: int = 200, size: int = 32, seed: int = 0
) -> ActivityWorld:
    """Render a world of pictures `size` wide and high; the same knobs and seed always give the same."""
    if min(train, test) < 1 or size < 8:
        raise InvalidData(f"A world needs videos on both sides and pictures of 8 pixels, but got {train, test, size}.")
    knobs = knobs or ActivityKnobs()
    sides = [
        _rendered(planned_videos(count, knobs, seed=seed, side=side), knobs, size, seed, side)
        for side, count in enumerate((train, test))
    ]
    return ActivityWorld(sides[0], sides[1], knobs)


def _rendered(
    plans: Sequence[tuple[Doing, ...]], knobs: ActivityKnobs, size: int, seed: int, side: int
) -> ActivityVideos:
    vocabulary = activity_vocabulary()
    frames = np.empty((len(plans), knobs.frames, size, size, 3), np.uint8)
    labels = np.zeros((len(plans), len(vocabulary)), bool)
    occurrences = []
    for number, doings in enumerate(plans):
        rng = np.random.default_rng([seed, LOOK, side, number])
        frames[number] = drawn_video(doings, knobs, size, rng)
        shown = tuple(occurrence_of(each, knobs) for each in doings if each.activity is not None)
        labels[number, [each.activity for each in shown]] = True
        occurrences.append(shown)
    return ActivityVideos(frames, labels, tuple(occurrences), vocabulary)


def occurrence_of(doing: Doing, knobs: ActivityKnobs) -> Occurrence:
    """When and where an activity is seen; InvalidData for a thing that does none."""
    if doing.activity is None:
        raise InvalidData(f"{doing} is no activity.")
    centres, radii = path_of(doing, knobs)
    boxes = np.concatenate([centres - radii[:, None], centres + radii[:, None]], axis=1)[doing.start : doing.stop]
    return Occurrence(doing.activity, doing.start, doing.stop, boxes)


def drawn_video(doings: Sequence[Doing], knobs: ActivityKnobs, size: int, rng: np.random.Generator) -> Pixels:
    """The frames (T, S, S, 3) of one video: a ground with soft waves, discs on it, and noise."""
    ground = _ground(size, rng)
    picture = np.repeat(ground[None], knobs.frames, axis=0)
    middle = ground.mean(axis=(0, 1))
    for doing in doings:
        colour = middle + doing.contrast * (_colour(doing.kind, rng) - middle)
        _paint(picture, *path_of(doing, knobs), colour.astype(np.float32))
    picture += np.float32(knobs.noise) * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _ground(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[0:size, 0:size] * (2 * np.pi / size)
    ground = np.broadcast_to(rng.uniform(60, 180, 3), (size, size, 3)).astype(np.float32)
    for _ in range(4):
        across, down = rng.integers(-2, 3, size=2)
        wave = np.cos(across * x + down * y + rng.uniform(0, 2 * np.pi))
        ground += wave[..., None].astype(np.float32) * rng.uniform(-12, 12, 3).astype(np.float32)
    return ground


def _colour(kind: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The colour of a kind, a little different each time; grey ones are light or dark."""
    grey = kind == len(_COLOURS) - 1
    colour: NDArray[np.float32] = _COLOURS[kind] + (rng.choice([-95, 95]) if grey else rng.uniform(-20, 20, 3))
    return colour


def _paint(
    picture: NDArray[np.float32], centres: FloatArray, radii: NDArray[np.float64], colour: NDArray[np.float32]
) -> None:
    """Blend a disc with edges softened over one pixel into `picture` (T, S, S, 3), only where it ever is."""
    size = picture.shape[1]
    places, reach = centres * size, radii.max() * size + 1
    low = np.clip(np.floor(places.min(axis=0) - reach), 0, size).astype(int)
    high = np.clip(np.ceil(places.max(axis=0) + reach) + 1, 0, size).astype(int)
    x, y = (np.arange(first, stop) + 0.5 for first, stop in zip(low, high, strict=True))
    away = np.hypot(x[None, None, :] - places[:, 0, None, None], y[None, :, None] - places[:, 1, None, None])
    mask = np.clip(radii[:, None, None] * size - away + 0.5, 0, 1).astype(np.float32)[..., None]
    patch = picture[:, low[1] : high[1], low[0] : high[0]]
    patch += mask * (colour - patch)
