"""Training of the activities localizer: windows of segments, and what the best of them say of their video."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.localizers.activities_settings import ActivitiesSettings
from whenabouts.localizers.net_localizer import NetTraining
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix
from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome, groups_within
from whenabouts.training import Measured


@dataclass(frozen=True)
class Batch:
    """windows (B x W, D, N) of B videos, W each; targets and weights (B, C)."""

    windows: Tensor
    targets: Tensor
    weights: Tensor


class WindowNet(nn.Module):
    """Standardised features of the segments of a window -> what the head says of it."""

    mean: Tensor
    std: Tensor

    def __init__(self, head: ActivityHead, width: int) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def forward(self, windows: Tensor) -> ActivityOutcome:
        """Windows (B, D, N) of raw features, NaN where a stream lacks: those are the training mean."""
        standard = (windows - self.mean[:, None]) / self.std[:, None]
        outcome: ActivityOutcome = self.head(standard.nan_to_num(0.0))
        return outcome


def new_net(
    streams: Sequence[Stream], outputs: int, settings: ActivitiesSettings, generator: torch.Generator | None = None
) -> WindowNet:
    """A net of the shape that settings and streams ask for, with random weights and no co-occurrence yet."""
    width = sum(stream.width for stream in streams)
    head = ActivityHead(
        width,
        outputs,
        observations=settings.observations,
        hidden=settings.hidden,
        groups=groups_within(settings.groups, width, settings.hidden),
        classifier=settings.classifier,
        query=settings.query,
        co_occurrence=torch.zeros(outputs, outputs) if settings.correlation else None,
        scaled=settings.scaled,
        dropout=settings.dropout,
        generator=generator,
    )
    return WindowNet(head, width)


def joined_streams(matrices: Sequence[Matrix | None], streams: Sequence[Stream]) -> Matrix:
    """Features (K, D) of all streams side by side, NaN in place of a missing one."""
    steps = next(len(matrix) for matrix in matrices if matrix is not None)
    parts = [
        np.full((steps, stream.width), np.nan, np.float32) if matrix is None else matrix
        for matrix, stream in zip(matrices, streams, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def windows_at(frames: Matrix, starts: Sequence[int], size: int) -> Tensor:
    """Windows (W, D, N) of features (K, D) from `starts` on, of `size` segments, or all where there are fewer."""
    size = min(size, len(frames))
    places = np.asarray(starts)[:, None] + np.arange(size)
    return torch.from_numpy(frames[places]).transpose(1, 2)


def top_share_mean(values: Tensor, share: float) -> Tensor:
    """Mean (B, C) of the largest `share` of W values each, (B, W, C); at least one."""
    count = max(1, round(share * values.shape[1]))
    return values.topk(count, dim=1).values.mean(dim=1)


class ActivitiesTraining(NetTraining[WindowNet, ActivitiesSettings]):
    """One training under way."""

    def begin(self) -> None:
        """A fresh net that knows which activities go together, and targets and weights of all videos."""
        videos, settings = self.videos, self.settings
        self.targets = torch.from_numpy(np.stack([video.targets > 0 for video in videos.videos]).astype(np.float32))
        trust = torch.tensor([video.weight for video in videos.videos])[:, None]
        known = torch.from_numpy(np.stack([video.known for video in videos.videos]))
        self.weights = torch.where(self.targets > 0, trust, torch.where(known, 1.0, settings.unknown_weight))
        self.net = new_net(videos.streams, videos.outputs, settings, torch.Generator().manual_seed(self.seed))
        self.net.head.learn_co_occurrence(self.targets)
        if settings.standardised:
            videos.write_spread(self.net.mean, self.net.std)

    def run(self) -> WindowNet:
        """Train for all epochs and return the net."""
        self.history += self.fit_epochs(self._draw, self._measure)
        return self.net

    def _draw(self, epoch: int, position: int) -> Batch:
        size = self.settings.batch_size
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.videos))
        chosen = order[position * size : (position + 1) * size].tolist()
        rng = np.random.default_rng([self.seed, epoch, position])
        windows = [self._windows(index, rng) for index in chosen]
        rows = torch.tensor(chosen)
        return Batch(torch.cat(windows), self.targets[rows], self.weights[rows])

    def _windows(self, index: int, rng: np.random.Generator) -> Tensor:
        """Windows (W, D, N) of one video, spread over it: one of each W-th part; short videos are repeated to N."""
        frames = joined_streams(self.videos.features(index, rng), self.videos.streams)
        if len(frames) < self.settings.window:
            frames = frames[np.arange(self.settings.window) % len(frames)]
        room, count = len(frames) - self.settings.window + 1, self.settings.windows
        starts = ((np.arange(count) + rng.random(count)) / count * room).astype(np.int64)
        return windows_at(frames, starts.tolist(), self.settings.window)

    def _measure(self, model: nn.Module, batch: Batch) -> Measured:
        """Cross-entropy of both outputs against the labels of videos (Eq. 11 and 12, pooled over windows)."""
        place = self.compute.place
        outcome: ActivityOutcome = model(place(batch.windows))
        targets, weights = place(batch.targets), place(batch.weights)
        outputs = [outcome.logits, *([] if outcome.correlated is None else [outcome.correlated])]
        losses = []
        for logits in outputs:
            pooled = top_share_mean(logits.float().view(len(targets), -1, logits.shape[1]), self.settings.top_share)
            losses.append(functional.binary_cross_entropy_with_logits(pooled, targets, weights))
        return Measured(torch.stack(losses).sum())
