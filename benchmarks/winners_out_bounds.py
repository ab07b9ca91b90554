"""What lies above and below all that learns from labels of whole videos: a supervised ceiling and trivial floors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.data.examples import Example
from whenabouts.data.worlds.timeline_world import TimelineWorld, WorldPart
from whenabouts.data.worlds.timelines import Kind
from whenabouts.localizers.decoding import (
    Decoder,
    Track,
    even_shares,
    levels_between,
    likely_classes,
    uniform_windows,
    whole_video,
)
from whenabouts.localizers.segments import mean_features, segment_grid

WINDOWS = (0.02, 0.05, 0.1, 0.2, 0.5)  # Uniform windows as shares of the video: the best one is the floor.


@dataclass(frozen=True)
class Ceiling:
    """How the supervised classifier is trained: logistic regression on segments, each concept by itself.

    It sees `width` segments, 1 or 3, around the one that it judges. All of this was chosen on seed 100.
    """

    segments: int = 200
    width: int = 1
    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.03


CEILINGS: Mapping[Kind, Ceiling] = {
    "thumos14": Ceiling(segments=400, width=1),
    "activitynet": Ceiling(segments=200, width=3),
}


def segments_of(example: Example, how: Ceiling) -> tuple[TimeGrid, np.ndarray]:
    """Grid of equal segments and their features (K, D) of all streams, and of neighbours, side by side."""
    grid = segment_grid(example.features.values(), seconds=1.0, count=how.segments)
    streams = [mean_features(example.features[name], grid) for name in sorted(example.features)]
    own = np.concatenate(streams, axis=1)
    reach = how.width // 2
    padded = np.pad(own, ((reach, reach), (0, 0)), mode="edge")
    return grid, np.concatenate([padded[first : first + len(own)] for first in range(how.width)], axis=1)


def targets_of(example: Example, grid: TimeGrid, part: WorldPart) -> np.ndarray:
    """1 (K, L) where the middle of a segment lies in a true moment of a concept."""
    edges = grid.edges()
    middles = (edges[:-1] + edges[1:]) / 2
    mine = part.truth[part.truth.video_ids == example.video_id]
    inside = (middles[:, None] >= mine.spans[:, 0]) & (middles[:, None] < mine.spans[:, 1])
    return np.minimum(inside.astype(np.float32) @ np.eye(len(mine.vocabulary), dtype=np.float32)[mine.classes], 1)


def supervised(world: TimelineWorld, seed: int, how: Ceiling) -> Moments:
    """Moments of the test half by a classifier of segments that was told when."""
    cut = [segments_of(example, how) for example in world.train.examples]
    targets = [targets_of(example, grid, world.train)
               for example, (grid, _) in zip(world.train.examples, cut, strict=True)]  # fmt: skip
    features = np.concatenate([values for _, values in cut])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    net = _fitted(torch.from_numpy((features - mean) / spread), torch.from_numpy(np.concatenate(targets)), seed, how)
    parts = []
    for example in world.test.examples:
        grid, values = segments_of(example, how)
        with torch.no_grad():
            logits = net(torch.from_numpy((values - mean) / spread)).double().numpy()
        parts.append(_decoded(example.video_id, logits, grid, world))
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


def _decoded(video_id: str, logits: np.ndarray, grid: TimeGrid, world: TimelineWorld) -> Moments:
    """Read as our own localizer is by default: runs of logits (K, L), and the probability of the best segments."""
    likely = np.sort(1 / (1 + np.exp(-logits)), axis=0)[-max(1, len(logits) // 40) :].mean(axis=0)
    classes = likely_classes(likely, threshold=0.3, top=1)
    track = Track(video_id, classes, logits[:, classes].T, likely[classes], grid, world.vocabulary)
    decoder = Decoder(video_weight=5.0, suppression="soft", sigma=0.6)
    return decoder.decode(track, levels_between(track.values, even_shares(19)))


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
