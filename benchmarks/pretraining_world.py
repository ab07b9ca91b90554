"""A planted archive of short rendered clips with noisy hashtags, and two clean targets, one near and one shifted.

What happens in a clip is a verb (how something moves) and a noun (what moves: a shape in a colour). Posts of archives
have tags for such pairs. Everything that decides the world stands in `Plan`, and was set before the first comparison.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.files import replacing_folder

Clip = NDArray[np.uint8]
Pair = tuple[str, str]

VERBS = ("left", "right", "up", "down", "pulse", "shake")
NOUNS = tuple(f"{hue} {shape}" for shape in ("disc", "cross") for hue in ("red", "green", "blue"))
# Of the kitchen's labels four of six verbs (67 %) and three of seven nouns (43 %) are the archive's: the paper found an
# overlap of 62 % with EPIC-KITCHENS' verbs and of 42 % with its nouns.
KITCHEN_VERBS = ("left", "up", "pulse", "shake", "zigzag", "grow")
KITCHEN_NOUNS = (
    "red disc", "green cross", "blue disc", "yellow ring", "violet ring", "cyan square", "yellow square",
)  # fmt: skip
HUES = {
    "red": (205, 60, 55), "green": (60, 175, 70), "blue": (60, 85, 205), "yellow": (205, 190, 60),
    "violet": (160, 70, 190), "cyan": (60, 185, 190),
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The world's knobs.

    Each archive has `posts`, in `pairs` by Zipf's law of exponent `zipf`: that of actions in the near target's
    `actions`, the other in all pairs of verbs and nouns. A post's tag is that of another post with `wrong_tag`
    (label noise), and there is a wrong one more with `extra_tag`. Half of the posts are short, the others long; each of
    their clips shows what the tag should say with `short_action` or `long_action`, else something else (temporal
    noise). Targets are clean: `near_train` and `near_test` clips for each action, the kitchen's likewise for each of
    `kitchen_pairs`; `stills` are single pictures.
    """

    side: int = 32
    frames: int = 8
    actions: int = 12
    posts: int = 3200
    zipf: float = 1.0
    wrong_tag: float = 0.3
    extra_tag: float = 0.2
    short_clips: int = 2
    long_clips: int = 6
    short_action: float = 0.85
    long_action: float = 0.4
    near_train: int = 12
    near_test: int = 40
    kitchen_pairs: int = 18
    kitchen_train: int = 12
    kitchen_test: int = 25
    stills: int = 3200


@dataclass(frozen=True)
class Posts:
    """Posts (N) with clips, from `first` (N + 1,) on: the true pair of each, its tags, and whether it is long."""

    clips: Clip
    first: NDArray[np.int64]
    true: tuple[Pair, ...]
    tags: tuple[tuple[Pair, ...], ...]
    long: NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """Clean clips (N, F, H, W, 3) with their pairs (N), to train on and to test with."""

    train: Clip
    train_pairs: tuple[Pair, ...]
    test: Clip
    test_pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class World:
    """Archives by name ("actions", "pairs", and of single pictures "stills"), and targets ("near", "kitchen")."""

    plan: Plan
    archives: dict[str, Posts]
    targets: dict[str, Target]


def rendered(pair: Pair, random: np.random.Generator, plan: Plan, kitchen: int | None = None) -> Clip:
    """A clip (F, H, W, 3) of a pair, in a street of its own, or in a kitchen with its stripes and a moving camera."""
    side, scale = plan.side, plan.side / 32
    middle, radius = _moved(pair[0], random, plan.frames, scale)
    grounds = _ground(random, plan, kitchen)
    grid = np.arange(side, dtype=np.float32)
    hue, shape = pair[1].split()
    colour = np.asarray(HUES[hue], np.float32) * (random.uniform(0.45, 0.7) if kitchen is not None else 1.0)
    for still in range(int(random.integers(0, 2))):
        other = NOUNS[int(random.integers(len(NOUNS)))].split()
        place = random.uniform(0, side, (1, 2)).astype(np.float32)
        spot = _mask(other[1], place, np.full(1, (2.0 + still) * scale, np.float32), grid)
        grounds += spot[..., None] * (np.asarray(HUES[other[0]], np.float32) - grounds) * 0.8
    mask = _mask(shape, middle, radius, grid)
    pictures = grounds + mask[..., None] * (colour + random.normal(0, 14, 3).astype(np.float32) - grounds)
    pictures += random.normal(0, 9, pictures.shape).astype(np.float32)
    return pictures.clip(0, 255).astype(np.uint8)


def _moved(
    verb: str, random: np.random.Generator, frames: int, scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middle (F, 2) as (y, x) and radius (F,) of what moves, in pixels; the picture is a torus."""
    time = np.arange(frames) * (8 / frames)
    speed, phase = random.uniform(2.0, 3.0), random.uniform(0, 2 * np.pi)
    turn = phase + 2 * np.pi * time / random.uniform(6.5, 9.5)
    zero, size = np.zeros(frames), np.ones(frames)
    circle = 4.5 * np.stack([np.sin(turn), np.cos(turn)], 1)
    moves: dict[str, Callable[[], tuple[NDArray[np.float64], NDArray[np.float64]]]] = {
        "left": lambda: (np.stack([zero, -speed * time], 1), size),
        "right": lambda: (np.stack([zero, speed * time], 1), size),
        "up": lambda: (np.stack([-speed * time, zero], 1), size),
        "down": lambda: (np.stack([speed * time, zero], 1), size),
        "clockwise": lambda: (circle, size),
        "anticlockwise": lambda: (circle * [-1, 1], size),
        "pulse": lambda: (np.stack([zero, zero], 1), 1 + 0.45 * np.sin(turn)),
        "shake": lambda: (random.normal(0, 2.0, (frames, 2)), size),
        "zigzag": lambda: (np.stack([3 * np.sign(np.sin(2 * turn)), speed * time], 1), size),
        "grow": lambda: (np.stack([zero, zero], 1), np.linspace(0.55, 1.5, frames)),
        "swing": lambda: (np.stack([zero, 5 * np.sin(turn)], 1), size),
    }
    path, sizes = moves[verb]()
    start = random.uniform(0, 32, 2)
    radius = random.uniform(6.0, 8.5) * sizes
    return ((start + path) * scale).astype(np.float32), (radius * scale).astype(np.float32)


def _mask(
    shape: str, middle: NDArray[np.float32], radius: NDArray[np.float32], grid: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How much of each pixel (F, H, W) the shape covers, edges softened over one pixel."""
    side = len(grid)
    down = np.abs((grid[None] - middle[:, :1] + side / 2) % side - side / 2)[:, :, None]
    signed = (grid[None] - middle[:, :1] + side / 2) % side - side / 2
    across = np.abs((grid[None] - middle[:, 1:] + side / 2) % side - side / 2)[:, None, :]
    size = radius[:, None, None]
    if shape == "disc":
        inside = size - np.hypot(down, across)
    elif shape == "square":
        inside = 0.88 * size - np.maximum(down, across)
    elif shape == "cross":
        inside = np.minimum(size - np.maximum(down, across), 0.36 * size - np.minimum(down, across))
    elif shape == "ring":
        inside = 0.27 * size - np.abs(np.hypot(down, across) - 0.8 * size)
    elif shape == "diamond":
        inside = (1.2 * size - down - across) / 1.4
    else:
        inside = np.minimum(0.6 * size - signed[:, :, None], (signed[:, :, None] + size) / 2 - 0.9 * across)
    return (inside + 0.5).clip(0, 1).astype(np.float32)


def _ground(random: np.random.Generator, plan: Plan, kitchen: int | None) -> NDArray[np.float32]:
    """Backgrounds (F, H, W, 3): a soft street that stands still, or a kitchen's stripes under a moving camera."""
    side, frames = plan.side, plan.frames
    y, x = np.mgrid[0:side, 0:side] * (2 * np.pi / side)
    if kitchen is None:
        picture = np.broadcast_to(random.uniform(60, 190, 3), (side, side, 3)).astype(np.float32)
        for _ in range(3):
            wave = np.cos(random.integers(-2, 3) * x + random.integers(-2, 3) * y + random.uniform(0, 2 * np.pi))
            picture = picture + (wave[..., None] * random.uniform(-22, 22, 3)).astype(np.float32)
        return np.repeat(picture[None], frames, axis=0)
    own = np.random.default_rng([91, kitchen])
    stripes = np.sign(np.sin(own.integers(2, 6) * x + own.integers(0, 4) * y))[..., None]
    picture = (own.uniform(40, 120, 3) + stripes * own.uniform(8, 35)).astype(np.float32)
    pan = random.uniform(-1.0, 1.0, 2) * plan.side / 32
    shifts = np.round(np.arange(frames)[:, None] * pan * (8 / frames)).astype(int)
    return np.stack([np.roll(picture, tuple(shift), (0, 1)) for shift in shifts])


def archive_of(pairs: Sequence[Pair], seed: int, plan: Plan, *, stills: bool = False) -> Posts:
    """Posts with Zipf's popularity over `pairs` (their order is drawn), tags with noise, clips with noise in time."""
    random = np.random.default_rng([seed, len(pairs), stills])
    order = random.permutation(len(pairs))
    weights = 1.0 / np.arange(1, len(pairs) + 1) ** plan.zipf
    count = plan.stills if stills else plan.posts
    chances = weights / weights.sum()

    def popular() -> Pair:
        return pairs[int(order[random.choice(len(pairs), p=chances)])]

    true = tuple(popular() for _ in range(count))
    tags = tuple(_tags(pair, popular, random, plan) for pair in true)
    long = np.zeros(count, bool) if stills else random.random(count) < 0.5
    clips, first = [], [0]
    for pair, is_long in zip(true, long.tolist(), strict=True):
        number = 1 if stills else plan.long_clips if is_long else plan.short_clips
        share = plan.long_action if is_long else plan.short_action
        shown = random.random(number) < share
        shown[int(random.integers(number))] = True
        clips += [rendered(pair if here else popular(), random, plan) for here in shown.tolist()]
        first.append(len(clips))
    made = np.stack(clips)
    return Posts(made[:, :1] if stills else made, np.asarray(first), true, tags, long)


def _tags(pair: Pair, popular: Callable[[], Pair], random: np.random.Generator, plan: Plan) -> tuple[Pair, ...]:
    said = [popular() if random.random() < plan.wrong_tag else pair]
    if random.random() < plan.extra_tag:
        said.append(popular())
    return tuple(dict.fromkeys(said))


def target_of(pairs: Sequence[Pair], counts: tuple[int, int], seed: int, plan: Plan, *, kitchen: bool) -> Target:
    """A clean target; the kitchens of the test are not those of the training."""
    random = np.random.default_rng([seed, 7, kitchen])
    parts = []
    for part, count in enumerate(counts):
        own = [pair for pair in pairs for _ in range(count)]
        room = (lambda part=part: int(random.integers(12)) + 12 * part) if kitchen else (lambda: None)
        parts.append((np.stack([rendered(pair, random, plan, room()) for pair in own]), tuple(own)))
    return Target(*parts[0], *parts[1])


def world_pairs(seed: int, plan: Plan) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """All pairs of verbs and nouns, those that are the near target's actions, and the kitchen's."""
    random = np.random.default_rng([seed, 3])
    every = [(verb, noun) for verb in VERBS for noun in NOUNS]
    near = [every[place] for place in sorted(random.permutation(len(every))[: plan.actions].tolist())]
    cooked = [(verb, noun) for verb in KITCHEN_VERBS for noun in KITCHEN_NOUNS]
    kitchen = [cooked[place] for place in sorted(random.permutation(len(cooked))[: plan.kitchen_pairs].tolist())]
    return every, near, kitchen


def world_of(seed: int, plan: Plan, folder: Path) -> World:
    """The world of one seed, from `folder` or made there; clips are read by memory map."""
    place = folder / f"world-{seed}"
    if not place.exists():
        every, near, kitchen = world_pairs(seed, plan)
        archives = {
            "actions": archive_of(near, seed, plan),
            "pairs": archive_of(every, seed, plan),
            "stills": archive_of(near, seed, plan, stills=True),
        }
        targets = {
            "near": target_of(near, (plan.near_train, plan.near_test), seed, plan, kitchen=False),
            "kitchen": target_of(kitchen, (plan.kitchen_train, plan.kitchen_test), seed, plan, kitchen=True),
        }
        _save(place, World(plan, archives, targets))
    return _loaded(place, plan)


def _save(place: Path, world: World) -> None:
    with replacing_folder(place) as part:
        told = {"plan": asdict(world.plan), "archives": {}, "targets": {}}
        for name, posts in world.archives.items():
            np.save(part / f"{name}.npy", posts.clips)
            told["archives"][name] = {
                "first": posts.first.tolist(), "true": posts.true, "tags": posts.tags, "long": posts.long.tolist()
            }  # fmt: skip
        for name, target in world.targets.items():
            np.save(part / f"{name}-train.npy", target.train)
            np.save(part / f"{name}-test.npy", target.test)
            told["targets"][name] = {"train": target.train_pairs, "test": target.test_pairs}
        (part / "world.json").write_text(json.dumps(told))


def _loaded(place: Path, plan: Plan) -> World:
    told = json.loads((place / "world.json").read_text())
    if told["plan"] != asdict(plan):
        raise SystemExit(f"{place} is a world of another plan. Give another --work.")

    def pairs(rows: list[list[str]]) -> tuple[Pair, ...]:
        return tuple((verb, noun) for verb, noun in rows)

    def clips(name: str) -> Clip:
        found: Clip = np.load(place / f"{name}.npy", mmap_mode="r")
        return found

    archives = {
        name: Posts(
            clips(name), np.asarray(own["first"]), pairs(own["true"]), tuple(map(pairs, own["tags"])),
            np.asarray(own["long"], bool),
        )
        for name, own in told["archives"].items()
    }  # fmt: skip
    targets = {
        name: Target(clips(f"{name}-train"), pairs(own["train"]), clips(f"{name}-test"), pairs(own["test"]))
        for name, own in told["targets"].items()
    }
    return World(plan, archives, targets)
