"""What trainings of video and segment models share: how they go, and a checksum of all that decides the result."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from whenabouts.config import Count, CountOrZero, NotNegative, Positive, as_table, settings
from whenabouts.core.progress import Progress
from whenabouts.core.timing import IntArray
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.networks import FrameNet
from whenabouts.nets.losses import mixed_distillation, rated_bce, weighted_bce
from whenabouts.training import Compute, Measured, Plan, Trainee, fit


@settings
class FitSettings:
    """How long and how fast a net learns: `epochs`, but at least `least_steps` steps of `batch_size` examples."""

    epochs: Count = 10
    least_steps: CountOrZero = 300
    batch_size: Count = 16
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 0.01
    clip_norm: NotNegative = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"


@dataclass(frozen=True)
class Run:
    """Where and how a training computes: its seed, and a folder `checkpoints` from which a killed one goes on."""

    progress: Progress
    compute: Compute
    seed: int = 0
    checkpoints: Path | None = None

    def under(self, name: str) -> "Run":
        """The same for a part of the training, with checkpoints of its own."""
        return Run(
            self.progress, self.compute, self.seed, None if self.checkpoints is None else self.checkpoints / name
        )


@dataclass(frozen=True)
class Batch:
    """features (B, T, D), mask (B, T), targets and weights (B, C), and what an objective needs beside: (B, C)."""

    features: Tensor
    mask: Tensor
    targets: Tensor
    weights: Tensor
    beside: Tensor | None = None


Objective = Callable[[Tensor, Batch], Tensor]


def label_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy to labels of whole videos."""
    return weighted_bce(logits, batch.targets, batch.weights)


def rating_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy over rated pairs, `beside` being the weights of weak negatives."""
    return rated_bce(logits, batch.targets, batch.weights, batch.beside)


@dataclass(frozen=True)
class DistillationLoss:
    """The mixed loss, `beside` being the teacher's probabilities; without them labels are all there is."""

    share: float

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """Logits (B, C) and their batch -> a number."""
        if batch.beside is None:
            return label_loss(logits, batch)
        return mixed_distillation(logits, batch.beside, batch.targets, batch.weights, share=self.share)


def fit_net(
    net: FrameNet,
    draw: Callable[[IntArray, np.random.Generator], Batch],
    count: int,
    how: FitSettings,
    *,
    objective: Objective,
    run: Run,
    identity: str,
) -> list[dict[str, float]]:
    """Train a net in place on `count` examples, drawn batch by batch, each once an epoch; returns what was reported."""
    per_epoch, place = -(-count // how.batch_size), run.compute.place

    def drawn(step: int) -> Batch:
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([run.seed, epoch]).permutation(count)
        rows = order[position * how.batch_size : (position + 1) * how.batch_size]
        return draw(rows, np.random.default_rng([run.seed, epoch, position]))

    def measure(model: torch.nn.Module, batch: Batch) -> Measured:
        beside = None if batch.beside is None else place(batch.beside)
        placed = Batch(place(batch.features), place(batch.mask), place(batch.targets), place(batch.weights), beside)
        return Measured(objective(model(placed.features, placed.mask), placed))

    path = None if run.checkpoints is None else run.checkpoints / "steps.safetensors"
    trained = fit(Trainee(net, drawn, measure), plan_of(how, per_epoch, run.seed), run.compute, checkpoint=path,
                  identity=identity, progress=run.progress)  # fmt: skip
    return list(trained.history)


def plan_of(how: FitSettings, per_epoch: int, seed: int) -> Plan:
    """How the loop goes where an epoch has so many steps."""
    steps = max(how.epochs * per_epoch, how.least_steps)
    return Plan(
        steps=steps,
        learning_rate=how.learning_rate,
        weight_decay=how.weight_decay,
        schedule=how.schedule,
        clip_norm=how.clip_norm or None,
        seed=seed,
        report_every=max(50, steps // 5),
        checkpoint_every=100,
    )


def identity_of(videos: FrameVideos, chosen: Sequence[int], how: Any, seed: int, *beside: Any) -> str:
    """A checksum of settings, seed, streams, frames, labels and ratings of the chosen videos, and arrays `beside`."""
    digest = hashlib.sha256(json.dumps([as_table(how), as_table(videos.reader.how), seed]).encode())
    digest.update(repr(videos.streams).encode())
    for index in chosen:
        labels, segments = videos.labels[index], videos.segments[index]
        told = f"{videos.video_ids[index]} {videos.contents[index]} {labels.absent}"
        digest.update(told.encode("utf-8", "surrogatepass"))  # Names of files need not be Unicode.
        columns = (labels.classes, labels.weights, labels.negatives, segments.spans, segments.classes, segments.present)
        for column in columns:
            digest.update(column.tobytes())
    for array in beside:
        digest.update(np.ascontiguousarray(array).tobytes() if isinstance(array, np.ndarray) else repr(array).encode())
    return digest.hexdigest()
