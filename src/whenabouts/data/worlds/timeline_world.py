"""A planted world with the timelines of THUMOS14 or of ActivityNet: labels to learn from, truth to measure against."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.timing import BoolArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.worlds.looks import Looks, LookShape, draw_features, draw_looks
from whenabouts.data.worlds.timelines import Kind, Timeline, TimelineShape, draw_timeline


@dataclass(frozen=True)
class WorldPart:
    """Videos of one half of a world: examples with labels of whole videos, the truth, which moments are weak (M,)."""

    examples: tuple[Example, ...]
    truth: Moments
    weak: BoolArray


@dataclass(frozen=True)
class TimelineWorld:
    """A half to learn from and a half to test on: concepts look alike in both, and no video is in both."""

    train: WorldPart
    test: WorldPart
    vocabulary: Vocabulary


def timeline_world(
    kind: Kind,
    *,
    train: int = 100,
    test: int = 100,
    seed: int = 0,
    timelines: TimelineShape | None = None,
    looks: LookShape | None = None,
) -> TimelineWorld:
    """Draw a world of so many videos; a video is the same however many there are beside it."""
    timelines, looks = timelines or TimelineShape(), looks or LookShape()
    vocabulary = Vocabulary(tuple(f"concept {index}" for index in range(timelines.classes)))
    seen = draw_looks(looks, timelines.classes, np.random.default_rng([seed, 0]))
    draw = _Draw(kind, timelines, looks, seen, vocabulary)
    return TimelineWorld(draw.part("train", train, [seed, 1]), draw.part("test", test, [seed, 2]), vocabulary)


@dataclass(frozen=True)
class _Draw:
    kind: Kind
    timelines: TimelineShape
    looks: LookShape
    seen: dict[str, Looks]
    vocabulary: Vocabulary

    def part(self, name: str, videos: int, seed: list[int]) -> WorldPart:
        drawn = [self._video(f"{name}-{number:04d}", number, [*seed, number]) for number in range(videos)]
        lines = [line for line, _ in drawn]
        truth = [Moments.build([line.video_id] * len(line.spans), line.spans, line.classes, self.vocabulary,
                               kind="truth") for line in lines]  # fmt: skip
        weak = np.concatenate([line.weak for line in lines]) if lines else np.zeros(0, bool)
        return WorldPart(tuple(example for _, example in drawn), Moments.concatenate(truth, self.vocabulary), weak)

    def _video(self, video_id: str, number: int, seed: list[int]) -> tuple[Timeline, Example]:
        """Concepts take turns, so that a small world has all of them."""
        rng = np.random.default_rng(seed)
        line = draw_timeline(video_id, self.kind, self.timelines, rng, concept=number % self.timelines.classes)
        labels = VideoLabels.of(np.unique(line.classes).tolist())
        features = draw_features(line, self.seen, self.looks, rng)
        return line, Example(video_id, features, labels, SegmentLabels.empty())
