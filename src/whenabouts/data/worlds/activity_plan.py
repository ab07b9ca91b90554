"""Who does what, when and where in worlds of several activities at once: knobs, labels, and the plan of each video.

An activity is a kind of thing and what it does, quickly or slowly. Activities come in scenes, whose members occur
together, and in pairs that exclude each other. The knobs' defaults were fixed before any head was compared on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.core.vocabulary import Vocabulary

VERBS = ("circling", "swaying", "bouncing", "pulsing")
KINDS = ("red", "green", "blue", "yellow")
GREY = len(KINDS)  # things that are of no kind, and whose doings are no activity
SCENES, CELLS = 4, 3  # scenes of four activities; places in rows and columns
SCENE, PLAN, LOOK = range(3)  # what chance is for
_MIDDLE_PERIOD = 16.0  # frames
_EXTENT = 0.09  # of a movement, in heights of the picture


@dataclass(frozen=True)
class ActivityKnobs:
    """How activities lie in a video of `frames` frames.

    `most` activities at once at most, each number down to 1 as often; of `together` the further ones are of the first
    one's scene. With `apart` a pair that excludes each other never meets. `shifted`: other scenes in the test. Things
    have `radius` in heights of the picture, are drawn with a contrast from `faintest` to 1, and stand in the cell of
    the first with chance `overlap`, else in one of their own. `tempo_ratio` is how many times as long a slow
    activity's period and duration are as a quick one's. `still` things of known kinds and `grey` ones that move, both
    means, are no activity. Each pixel has noise of that deviation, of 255.
    """

    frames: int = 64
    most: int = 4
    together: float = 0.8
    apart: bool = True
    shifted: bool = False
    radius: float = 0.1
    faintest: float = 0.25
    overlap: float = 0.0
    tempo_ratio: float = 4.0
    still: float = 1.5
    grey: float = 1.5
    noise: float = 6.0

    def __post_init__(self) -> None:
        shares = (self.together, self.faintest, self.overlap)
        if not 1 <= self.most <= SCENES or self.frames < 16 or min(shares) < 0 or max(shares) > 1:
            raise InvalidData(f"A world needs 1 to {SCENES} activities, 16 frames, and shares in [0, 1]: {self}.")
        if not 0 < self.radius < 0.5 or self.tempo_ratio < 1 or min(self.still, self.grey) < 0:
            raise InvalidData(f"A world needs a radius in (0, 0.5), a tempo ratio of 1 or more, means >= 0: {self}.")


@dataclass(frozen=True)
class Doing:
    """A thing of a `kind` at a place (x, y) in fractions of the picture that does `verb` from `start` to `stop`.

    `verb` is None for one that stands still; `period` in frames, `phase` in turns; `scale` is its size, 1 the usual.
    """

    kind: int
    verb: int | None
    start: int
    stop: int
    place: tuple[float, float]
    period: float
    phase: float
    scale: float
    contrast: float

    @property
    def activity(self) -> int | None:
        """The class; None for what is no activity."""
        return None if self.verb is None or self.kind == GREY else self.kind * len(VERBS) + self.verb


def activity_vocabulary() -> Vocabulary:
    """`red circling` and so on, kind by kind."""
    return Vocabulary(tuple(f"{kind} {verb}" for kind in KINDS for verb in VERBS))


def quick(kind: int, verb: int) -> bool:
    """Whether this kind does it quickly: each does two things so, and each thing is done so by two kinds."""
    return (kind + verb) % 2 == 0


def drawn_scenes(activities: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """The scene (A,) of each activity, and the one (A,) that it excludes: its neighbour in the order of the scene."""
    order = rng.permutation(activities)
    scene, partner = np.zeros(activities, np.int64), np.zeros(activities, np.int64)
    for number, members in enumerate(np.array_split(order, SCENES)):
        scene[members] = number
        for one, other in zip(members[::2].tolist(), members[1::2].tolist(), strict=False):
            partner[one], partner[other] = other, one
        if len(members) % 2:
            partner[members[-1]] = members[-1]
    return scene, partner


def drawn_labels(
    videos: int, knobs: ActivityKnobs, scenes: tuple[IntArray, IntArray], rng: np.random.Generator
) -> list[list[int]]:
    """Activities of each video, in the order of drawing."""
    scene, partner = scenes
    return [_drawn_set(knobs, scene, partner, rng) for _ in range(videos)]


def _drawn_set(knobs: ActivityKnobs, scene: IntArray, partner: IntArray, rng: np.random.Generator) -> list[int]:
    chosen = [int(rng.integers(len(scene)))]
    for _ in range(int(rng.integers(knobs.most))):
        near = bool(rng.random() < knobs.together)
        free: BoolArray = ~np.isin(np.arange(len(scene)), chosen)
        if knobs.apart:
            free[partner[chosen]] = False
        pool = np.flatnonzero(free & (scene == scene[chosen[0]])) if near else np.flatnonzero(free)
        if len(pool):
            chosen.append(int(rng.choice(pool)))
    return chosen


def planned_videos(videos: int, knobs: ActivityKnobs, *, seed: int, side: int) -> list[tuple[Doing, ...]]:
    """What happens in each video of one side (0: training); what is drawn last lies in front."""
    activities = len(VERBS) * len(KINDS)
    own = side if knobs.shifted else 0
    scenes = drawn_scenes(activities, np.random.default_rng([seed, SCENE, own]))
    rng = np.random.default_rng([seed, PLAN, side])
    return [_planned(labels, knobs, rng) for labels in drawn_labels(videos, knobs, scenes, rng)]


def _planned(labels: Sequence[int], knobs: ActivityKnobs, rng: np.random.Generator) -> tuple[Doing, ...]:
    cells = rng.permutation(CELLS * CELLS).tolist()
    things: list[tuple[int, int | None]] = [(label // len(VERBS), label % len(VERBS)) for label in labels]
    room = CELLS * CELLS - len(things)
    stills = min(int(rng.poisson(knobs.still)), room)
    greys = min(int(rng.poisson(knobs.grey)), room - stills)
    things += [(int(rng.integers(len(KINDS))), None) for _ in range(stills)]
    things += [(GREY, int(rng.integers(len(VERBS)))) for _ in range(greys)]
    return tuple(
        _doing(kind, verb, cells[0] if rng.random() < knobs.overlap else cells[number], knobs, rng)
        for number, (kind, verb) in enumerate(things)
    )


def _doing(kind: int, verb: int | None, cell: int, knobs: ActivityKnobs, rng: np.random.Generator) -> Doing:
    swift = rng.random() < 0.5 if verb is None or kind == GREY else quick(kind, verb)
    period = _MIDDLE_PERIOD * knobs.tempo_ratio ** (-0.5 if swift else 0.5) * rng.uniform(0.9, 1.1)
    length = min(round(period * rng.uniform(1.5, 2.0)), knobs.frames)
    start = int(rng.integers(knobs.frames - length + 1))
    row, column = divmod(cell, CELLS)
    away = _EXTENT if verb is None else _EXTENT / 3  # One that stands still may stand wherever others pass.
    x, y = ((each + 0.5) / CELLS + rng.uniform(-away, away) for each in (column, row))
    return Doing(kind, verb, start, start + length, (float(x), float(y)), float(period), float(rng.random()),
                 float(np.exp(0.4 * rng.uniform(-1, 1))), float(rng.uniform(knobs.faintest, 1.0)))  # fmt: skip


def path_of(doing: Doing, knobs: ActivityKnobs) -> tuple[FloatArray, NDArray[np.float64]]:
    """Centres (T, 2) and radii (T,) of a thing at each frame, in fractions of the picture; at rest when it is not on.

    It rests wherever on its way it was when it began and will be when it stops.
    """
    since = np.clip(np.arange(knobs.frames) - doing.start, 0, doing.stop - doing.start)
    turn = 2 * np.pi * (doing.phase + since / doing.period)
    shift, size = np.zeros((knobs.frames, 2)), np.full(knobs.frames, doing.scale)
    verb = None if doing.verb is None else VERBS[doing.verb]
    if verb == "circling":
        shift = _EXTENT * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    elif verb == "swaying":
        shift[:, 0] = 1.3 * _EXTENT * np.sin(turn)
    elif verb == "bouncing":
        shift[:, 1] = 1.3 * _EXTENT * np.sin(turn)
    elif verb == "pulsing":
        size = np.exp(0.4 * np.sin(turn))
    centres: FloatArray = np.asarray(doing.place) + shift
    return centres, knobs.radius * size
