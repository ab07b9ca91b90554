"""What happens when in the videos of the demo archive, before a single pixel is drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import SettingsError

SEEN = (
    "sliding left",
    "sliding right",
    "rising",
    "clockwise",
    "anticlockwise",
    "bouncing",
    "swaying",
    "pulsing",
)
HEARD = ("chiming",)
CONCEPTS = SEEN + HEARD
SEEN_DISTRACTORS = ("falling", "trembling", "spinning")
HEARD_DISTRACTORS = ("knocking", "buzzing", "hissing", "beeping")


@settings
class DemoArchiveSettings:
    """How large the demo archive is and how bad its labels are.

    `short_videos` and `long_videos` are for training, `test_videos` are long and held out. Spans are (least, most)
    seconds. `missing_tags` is the chance that a concept in a video is named nowhere in its sidecar, `wrong_tags` the
    chance that a sidecar names one concept that is not in the video, `chapters` the share of long training videos
    whose sidecar has chapters. `action` is the share of a long video's time in which something with a name is seen.
    """

    short_videos: int = Field(default=250, ge=0)
    long_videos: int = Field(default=150, ge=0)
    test_videos: int = Field(default=40, ge=0)
    short_seconds: tuple[float, float] = (3.0, 5.0)
    long_seconds: tuple[float, float] = (20.0, 60.0)
    moment_seconds: tuple[float, float] = (2.5, 6.0)
    action: float = Field(default=0.48, ge=0.1, le=0.8)
    missing_tags: float = Field(default=0.25, ge=0, le=1)
    wrong_tags: float = Field(default=0.15, ge=0, le=1)
    chapters: float = Field(default=0.1, ge=0, le=1)
    width: int = Field(default=160, ge=32, multiple_of=2)
    height: int = Field(default=120, ge=32, multiple_of=2)
    frames_per_second: int = Field(default=12, ge=6, le=60)
    sound_rate: int = 16000

    def scaled(self, videos: int) -> "DemoArchiveSettings":
        """The same archive with about `videos` videos in all, at least one of each sort."""
        share = videos / (self.short_videos + self.long_videos + self.test_videos)
        short, test = (max(1, round(count * share)) for count in (self.short_videos, self.test_videos))
        return replace(self, short_videos=short, test_videos=test, long_videos=max(1, videos - short - test))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something that goes on in frames `[first, stop)`: a concept or an unlabelled distractor."""

    name: str
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """One video to be: stretches seen never overlap each other, stretches heard neither; both run side by side."""

    id: str
    subset: str
    number: int
    frames: int
    frames_per_second: int
    seen: tuple[Stretch, ...]
    heard: tuple[Stretch, ...]

    @property
    def duration_seconds(self) -> float:
        """Length of the video in seconds."""
        return self.frames / self.frames_per_second

    @property
    def moments(self) -> tuple[Stretch, ...]:
        """The stretches that bear a concept's name, in order of time."""
        named = [stretch for stretch in self.seen + self.heard if stretch.name in CONCEPTS]
        return tuple(sorted(named, key=lambda stretch: (stretch.first, stretch.stop, stretch.name)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The concepts that happen, in the order of `CONCEPTS`."""
        found = {stretch.name for stretch in self.moments}
        return tuple(name for name in CONCEPTS if name in found)


def plan_archive(settings: DemoArchiveSettings, *, seed: int) -> tuple[VideoPlan, ...]:
    """Decide for every video what happens when; each draws from its own stream of `seed`.

    Spans of seconds that can't be kept raise SettingsError.
    """
    spans = (settings.short_seconds, settings.long_seconds, settings.moment_seconds)
    if not all(0 < least <= most for least, most in spans):
        raise SettingsError(f"Spans of seconds are (least, most) above 0, but got {spans}.")
    if settings.long_seconds[0] < 3 * settings.moment_seconds[1]:
        raise SettingsError(
            f"A long video holds up to three labels: let it last at least three longest moments "
            f"({3 * settings.moment_seconds[1]} s), not {settings.long_seconds[0]} s."
        )
    plans: list[VideoPlan] = []
    sorts = (("clip", settings.short_videos), ("long", settings.long_videos), ("test", settings.test_videos))
    for sort, count in sorts:
        deck = _deck(np.random.default_rng([seed, len(plans), 0]))
        for index in range(count):
            rng = np.random.default_rng([seed, len(plans), 1])
            labels = list(dict.fromkeys(next(deck) for _ in range(1 if sort == "clip" else rng.integers(1, 4))))
            plans.append(_planned(f"{sort}-{index:04d}", len(plans), labels, settings, rng))
    return tuple(plans)


def _deck(rng: np.random.Generator) -> Iterator[str]:
    """Names of concepts without end, each once in every round, so that all come about equally often."""
    while True:
        yield from (CONCEPTS[index] for index in rng.permutation(len(CONCEPTS)))


def _planned(
    video_id: str, number: int, labels: list[str], settings: DemoArchiveSettings, rng: np.random.Generator
) -> VideoPlan:
    fps = settings.frames_per_second
    short = video_id.startswith("clip")
    frames = round(rng.uniform(*(settings.short_seconds if short else settings.long_seconds)) * fps)
    named_seen = [name for name in labels if name in SEEN]
    named_heard = [name for name in labels if name in HEARD]
    if short:
        seen = _filled(named_seen or [str(rng.choice(SEEN_DISTRACTORS))], frames)
        heard = _filled(named_heard or [str(rng.choice(HEARD_DISTRACTORS))], frames)
    else:
        seen = _timeline(named_seen, SEEN_DISTRACTORS, frames, settings, rng)
        heard = _timeline(named_heard, HEARD_DISTRACTORS, frames, settings, rng)
    return VideoPlan(video_id, "test" if video_id.startswith("test") else "train", number, frames, fps, seen, heard)


def _filled(names: list[str], frames: int) -> tuple[Stretch, ...]:
    return (Stretch(names[0], 0, frames),)


def _timeline(
    names: list[str],
    distractors: tuple[str, ...],
    frames: int,
    settings: DemoArchiveSettings,
    rng: np.random.Generator,
) -> tuple[Stretch, ...]:
    """Moments with gaps around them; about half of the gaps that are long enough hold a distractor."""
    lengths = _lengths(len(names), frames, settings, rng) if names else []
    free = frames - sum(lengths)
    shares = rng.dirichlet(np.full(len(lengths) + 1, 3.0))
    gaps = np.diff(np.round(np.concatenate([[0.0], np.cumsum(shares)]) * free)).astype(int)
    order = [names[index % len(names)] for index in range(len(lengths))]
    rng.shuffle(order)
    stretches: list[Stretch] = []
    now = 0
    for gap, length, name in zip(gaps, [*lengths, 0], [*order, ""], strict=True):
        stretches += _distraction(now, now + int(gap), distractors, settings, rng)
        now += int(gap) + length
        if name:
            stretches.append(Stretch(name, now - length, now))
    return tuple(stretches)


def _lengths(least: int, frames: int, settings: DemoArchiveSettings, rng: np.random.Generator) -> list[int]:
    """Lengths of moments in frames, at least one for each label, until the share of action is reached."""
    fps = settings.frames_per_second
    lengths: list[int] = []
    mean = fps * sum(settings.moment_seconds) / 2
    while len(lengths) < least or sum(lengths) + mean / 2 < settings.action * frames:
        lengths.append(round(rng.uniform(*settings.moment_seconds) * fps))
    return lengths


def _distraction(
    first: int, stop: int, names: tuple[str, ...], settings: DemoArchiveSettings, rng: np.random.Generator
) -> list[Stretch]:
    """Unlabelled stretches within a gap: every few seconds one, with a pause before and after."""
    fps = settings.frames_per_second
    found: list[Stretch] = []
    now = first + round(rng.uniform(0.3, 2.0) * fps)
    while True:
        length = round(rng.uniform(*settings.moment_seconds) * fps * 0.7)
        if now + length + fps // 4 > stop:
            return found
        found.append(Stretch(str(rng.choice(names)), now, now + length))
        now += length + round(rng.uniform(0.5, 3.0) * fps)
