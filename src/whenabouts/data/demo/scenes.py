"""The pictures of the demo archive: plain shapes in a world without edges, told apart by nothing but their motion.

The world is a torus: what leaves on one side comes back on the other, and sizes run to and fro without a pause. So
position, size, angle, shape and colour of every object have the same distribution at every moment of every concept, and
a single frame can't tell what happens. Left and right, clockwise and anticlockwise, rising and the unlabelled falling
are each other backwards: without the order of the frames they can't be told apart either.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whenabouts.data.demo.plan import Stretch, VideoPlan

Pixels = NDArray[np.uint8]
Picture = NDArray[np.float32]

LEAST_RADIUS, LARGEST_RADIUS = 0.075, 0.2
SHAPES = ("disc", "square", "triangle", "ring", "cross")


@dataclass(frozen=True, slots=True)
class Body:
    """One object: place in heights of the picture, `size` on a circle of length 1, `angle` in radians."""

    x: float
    y: float
    size: float
    angle: float
    shape: str
    colour: tuple[float, float, float]

    @property
    def radius(self) -> float:
        """Radius in heights of the picture: shrinks over half of the circle of sizes, grows over the other."""
        return float(LEAST_RADIUS * (LARGEST_RADIUS / LEAST_RADIUS) ** abs(2 * (self.size % 1.0) - 1))


Motion = Callable[[Body, float], Body]


def motion_of(name: str, rng: np.random.Generator) -> Motion:
    """How a body moves: a function of where it began and the seconds since; speed and extent are drawn from `rng`."""
    speed, slant, extent = rng.uniform(0.45, 0.7), rng.uniform(-0.15, 0.15), rng.uniform(0.15, 0.22)
    phase, turn, period = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0]), rng.uniform(1.3, 1.9)

    def circled(body: Body, seconds: float, sign: float) -> Body:
        angle = phase + sign * 2 * np.pi * seconds / period
        shift = extent * (np.exp(1j * angle) - np.exp(1j * phase))
        return replace(body, x=body.x + shift.real, y=body.y + shift.imag)

    def bounced(body: Body, seconds: float) -> Body:
        height = abs(np.sin(phase + 2 * np.pi * seconds / period)) - abs(np.sin(phase))
        return replace(body, y=body.y - 1.6 * extent * height)

    def swayed(body: Body, seconds: float) -> Body:
        shift = np.sin(phase + 2 * np.pi * seconds / period) - np.sin(phase)
        return replace(body, x=body.x + 1.1 * extent * shift)

    def trembled(body: Body, seconds: float) -> Body:
        waves = np.sin(2 * np.pi * seconds * np.array([1.3, 1.7]) + phase) - np.sin(phase)
        return replace(body, x=body.x + 0.02 * waves[0], y=body.y + 0.02 * waves[1])

    def went(body: Body, seconds: float, x: float, y: float) -> Body:
        return replace(body, x=body.x + x * speed * seconds, y=body.y + y * speed * seconds)

    motions: dict[str, Motion] = {
        "sliding left": lambda body, seconds: went(body, seconds, -1.0, slant),
        "sliding right": lambda body, seconds: went(body, seconds, 1.0, slant),
        "rising": lambda body, seconds: went(body, seconds, slant, -1.0),
        "falling": lambda body, seconds: went(body, seconds, slant, 1.0),
        "clockwise": lambda body, seconds: circled(body, seconds, 1.0),
        "anticlockwise": lambda body, seconds: circled(body, seconds, -1.0),
        "bouncing": bounced,
        "swaying": swayed,
        "pulsing": lambda body, seconds: replace(body, size=body.size + seconds / period),
        "trembling": trembled,
        "spinning": lambda body, seconds: replace(body, angle=body.angle + turn * 2 * seconds / period),
    }
    return motions[name]


def draw_frames(plan: VideoPlan, *, height: int, width: int, rng: np.random.Generator) -> Iterator[Pixels]:
    """The frames (H, W, 3) of one video, in order; looks, places, movers and camera shake are drawn from `rng`."""
    backdrop, bodies = _scene(height, width, rng)
    shake = _shake(plan, rng)
    tracks = _tracks(plan, len(bodies), rng)
    painter, picture = _Painter(height, width), np.empty_like(backdrop)
    for frame in range(plan.frames):
        for index, stretch, motion in tracks:
            if frame == stretch.first:
                painter.began[index] = bodies[index]
            if stretch.first <= frame < stretch.stop:
                seconds = (frame - stretch.first) / plan.frames_per_second
                bodies[index] = motion(painter.began[index], seconds)
        np.copyto(picture, backdrop)
        for index, body in enumerate(bodies):
            painter.paint(picture, body, index)
        shift = np.round(shake[frame] * height / 120).astype(int)
        yield np.roll(picture.astype(np.uint8), shift, axis=(0, 1))


def _tracks(plan: VideoPlan, bodies: int, rng: np.random.Generator) -> list[tuple[int, Stretch, Motion]]:
    """Who moves in which stretch and how: one body, now and then two."""
    tracks = []
    for stretch in plan.seen:
        movers = rng.choice(bodies, size=1 + (rng.random() < 0.3), replace=False)
        tracks += [(int(index), stretch, motion_of(stretch.name, rng)) for index in movers]
    return tracks


def _scene(height: int, width: int, rng: np.random.Generator) -> tuple[Picture, list[Body]]:
    """A backdrop (H, W, 3) with clutter, some of it looking just like the bodies that may move."""
    ground = rng.uniform(70, 170, 3)
    shape = width / height
    bodies = [_body(shape, ground, rng) for _ in range(rng.integers(3, 6))]
    y, x = np.mgrid[0:height, 0:width] * 2 * np.pi / np.array([height, width]).reshape(2, 1, 1)
    picture = np.broadcast_to(ground, (height, width, 3)).astype(np.float32)
    for _ in range(5):
        across, down = rng.integers(-3, 4, size=2)
        wave = np.cos(across * x + down * y + rng.uniform(0, 2 * np.pi))
        picture += wave[..., None].astype(np.float32) * rng.uniform(-14, 14, 3).astype(np.float32)
    painter = _Painter(height, width)
    alike = [replace(_body(shape, ground, rng), shape=body.shape, colour=body.colour) for body in bodies[:2]]
    for _ in range(rng.integers(4, 9)):
        painter.paint(picture, _body(shape, ground, rng), -1, strength=0.35)
    for body in alike:
        painter.paint(picture, body, -1)
    return np.clip(picture, 0, 255), bodies


def _body(shape: float, ground: NDArray[np.float64], rng: np.random.Generator) -> Body:
    """A body anywhere in a picture `shape` times as wide as high, in a colour that stands out from the ground."""
    colour = rng.uniform(0, 255, 3)
    while np.linalg.norm(colour - ground) < 110:
        colour = rng.uniform(0, 255, 3)
    red, green, blue = colour.tolist()
    place = (rng.uniform(0, shape), rng.uniform(0, 1), rng.uniform(), rng.uniform(0, 2 * np.pi))
    return Body(*place, str(rng.choice(SHAPES)), (red, green, blue))


def _shake(plan: VideoPlan, rng: np.random.Generator) -> NDArray[np.float64]:
    """How far the camera is off, (frames, 2) in 1/120 of the height: slow waves of up to 2."""
    seconds = np.arange(plan.frames)[:, None] / plan.frames_per_second
    rates, phases = rng.uniform(0.2, 1.2, (2, 2)), rng.uniform(0, 2 * np.pi, (2, 2))
    strength = rng.uniform(0.2, 1.0)
    shake: NDArray[np.float64] = strength * sum(
        np.sin(2 * np.pi * seconds * rate + phase) for rate, phase in zip(rates, phases, strict=True)
    )
    return shake


class _Painter:
    """Paints bodies onto a torus; the mask of a body that has not changed is kept from frame to frame."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.began: dict[int, Body] = {}
        self._kept: dict[int, tuple[Body, int, int, Picture]] = {}

    def paint(self, picture: Picture, body: Body, index: int, *, strength: float = 1.0) -> None:
        """Blend `body` into `picture` (H, W, 3) in place; `index` names it from frame to frame, -1 stays unknown."""
        kept = self._kept.get(index)
        if index < 0 or kept is None or kept[0] != body:
            kept = (body, *self._mask(body))
            self._kept[index] = kept
        _, top, left, mask = kept
        colour = np.asarray(body.colour, np.float32)
        for rows, mask_rows in _around(top, mask.shape[0], self.height):
            for columns, mask_columns in _around(left, mask.shape[1], self.width):
                patch = picture[rows, columns]
                patch += mask[mask_rows, mask_columns] * strength * (colour - patch)

    def _mask(self, body: Body) -> tuple[int, int, Picture]:
        """First row and column of a body's patch and its coverage (h, w, 1), edges softened over one pixel."""
        radius = body.radius * self.height
        y, x = body.y * self.height, body.x * self.height
        reach = int(np.ceil(1.3 * radius)) + 2
        top, left = int(np.floor(y)) - reach, int(np.floor(x)) - reach
        offsets = np.arange(2 * reach + 1)
        inside = radius - _distance(body, (top - y + offsets)[:, None], (left - x + offsets)[None, :])
        mask = np.clip(inside + 0.5, 0, 1).astype(np.float32)
        if body.shape == "ring":
            mask *= np.clip(0.55 * radius - inside + 0.5, 0, 1).astype(np.float32)
        return top, left, mask[..., None]


def _around(first: int, length: int, size: int) -> list[tuple[slice, slice]]:
    """Where `length` pixels from `first` on land on a circle of `size` pixels: slices of the circle and of the run."""
    first %= size
    if first + length <= size:
        return [(slice(first, first + length), slice(0, length))]
    split = size - first
    return [(slice(first, size), slice(0, split)), (slice(0, length - split), slice(split, length))]


def _distance(body: Body, down: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far each pixel is from the middle, measured so that the body's edge lies at its radius."""
    cosine, sine = np.cos(body.angle), np.sin(body.angle)
    along, across = right * cosine + down * sine, down * cosine - right * sine
    if body.shape == "square":
        distance = np.maximum(abs(along), abs(across)) * 1.15
    elif body.shape == "triangle":
        distance = np.maximum(across, abs(along) * 0.866 - across * 0.5) * 1.6
    elif body.shape == "cross":
        thin = np.minimum(abs(along), abs(across)) * 3.0
        distance = np.maximum(np.maximum(abs(along), abs(across)), thin)
    else:
        distance = np.hypot(along, across)
    return np.asarray(distance, np.float64)
