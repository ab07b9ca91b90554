"""What lies above and below all that learns from labels of whole videos: a supervised ceiling and trivial floors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.data.examples import Example
from whenabouts.data.worlds.timeline_world import TimelineWorld, WorldPart
from whenabouts.localizers.decoding import contrast_moments, likely_classes, uniform_windows, whole_video
from whenabouts.localizers.segments import mean_features, segment_grid

WINDOWS = (0.02, 0.05, 0.1, 0.2, 0.5)  # Uniform windows as shares of the video: the best one is the floor.


@dataclass(frozen=True)
class Ceiling:
    """How the supervised classifier is trained: logistic regression on segments, each concept by itself."""

    segments: int = 200
    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.03


def segments_of(example: Example, segments: int) -> tuple[TimeGrid, np.ndarray]:
    """Grid of so many equal segments and their features (K, D) of all streams side by side."""
    grid = segment_grid(example.features.values(), seconds=1.0, count=segments)
    streams = [mean_features(example.features[name], grid) for name in sorted(example.features)]
    return grid, np.concatenate(streams, axis=1)


def targets_of(example: Example, grid: TimeGrid, part: WorldPart) -> np.ndarray:
    """1 (K, L) where the middle of a segment lies in a true moment of a concept."""
    edges = grid.edges()
    middles = (edges[:-1] + edges[1:]) / 2
    mine = part.truth[part.truth.video_ids == example.video_id]
    inside = (middles[:, None] >= mine.spans[:, 0]) & (middles[:, None] < mine.spans[:, 1])
    return np.minimum(inside.astype(np.float32) @ np.eye(len(mine.vocabulary), dtype=np.float32)[mine.classes], 1)


def supervised(world: TimelineWorld, seed: int, how: Ceiling) -> Moments:
    """Moments of the test half by a classifier of segments that was told when."""
    cut = [segments_of(example, how.segments) for example in world.train.examples]
    targets = [targets_of(example, grid, world.train)
               for example, (grid, _) in zip(world.train.examples, cut, strict=True)]  # fmt: skip
    features = np.concatenate([values for _, values in cut])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    net = _fitted(torch.from_numpy((features - mean) / spread), torch.from_numpy(np.concatenate(targets)), seed, how)
    parts = []
    for example in world.test.examples:
        grid, values = segments_of(example, how.segments)
        with torch.no_grad():
            scores = net(torch.from_numpy((values - mean) / spread)).sigmoid().numpy()
        parts.append(_decoded(example.video_id, scores, grid, world))
    return Moments.concatenate(parts, world.vocabulary)


def _fitted(features: torch.Tensor, targets: torch.Tensor, seed: int, how: Ceiling) -> nn.Linear:
    generator = torch.Generator().manual_seed(seed)
    net = nn.Linear(features.shape[1], targets.shape[1])
    nn.init.zeros_(net.weight)
    nn.init.constant_(net.bias, -3.0)
    optimizer = torch.optim.AdamW(net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    for _ in range(how.epochs):
        for rows in torch.randperm(len(features), generator=generator).split(how.batch_size):
            loss = nn.functional.binary_cross_entropy_with_logits(net(features[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net


def _decoded(video_id: str, scores: np.ndarray, grid: TimeGrid, world: TimelineWorld) -> Moments:
    smooth = (scores + np.roll(scores, 1, axis=0) + np.roll(scores, -1, axis=0)) / 3
    best = np.sort(smooth, axis=0)[-max(1, len(scores) // 40) :].mean(axis=0)
    sequence = ScoreSequence(video_id, smooth, best, grid, world.vocabulary)
    classes = likely_classes(best, threshold=0.3, top=1)
    return contrast_moments(sequence, classes=classes, video_weight=0.25)


def floors(scores: Sequence[ScoreSequence], world: TimelineWorld, *, threshold: float, top: int) -> dict[str, Moments]:
    """The whole video and uniform windows for the classes that a localizer sees in each video, with its video scores.

    The windows are as long as is best on the training half's truth: a share of the video.
    """
    chosen = [likely_classes(each.video_scores, threshold=threshold, top=top) for each in scores]
    share = best_window(world.train)
    uniform = [
        uniform_windows(each, window_seconds=share * each.grid.duration_seconds, classes=classes)
        for each, classes in zip(scores, chosen, strict=True)
    ]
    whole = [whole_video(each, classes=classes) for each, classes in zip(scores, chosen, strict=True)]
    return {"whole video": Moments.concatenate(whole, world.vocabulary),
            "uniform windows": Moments.concatenate(uniform, world.vocabulary)}  # fmt: skip


def best_window(part: WorldPart) -> float:
    """The window, as a share of the video, that most instances of these videos have a tIoU of 0.5 with when centred."""
    durations = {each.video_id: next(iter(each.features.values())).grid.duration_seconds for each in part.examples}
    lengths = part.truth.durations / np.array([durations[name] for name in part.truth.video_ids.tolist()])
    hits = [float(((lengths >= 0.5 * share) & (lengths <= 2 * share)).mean()) for share in WINDOWS]
    return WINDOWS[int(np.argmax(hits))]
