"""Training a backbone from scratch on the video labels that an archive comes with.

As in Ghadiyaram et al., "Large-scale weakly-supervised pre-training for video action recognition", section 3: each
draw takes a random clip of a video and one random label of it, and a softmax is trained on that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.config import as_table, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.locks import claimed
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest
from whenabouts.data.vocabulary import labels_of
from whenabouts.recognition.backbone import Backbone, BackboneSettings, ClipClassifier
from whenabouts.recognition.frame_cache import Cached, FrameCache, FrameFormat, clip_at, file_stamp
from whenabouts.training.devices import Compute
from whenabouts.training.loop import Measured, Plan, Trainee, fit


@settings
class PretrainSettings:
    """How a backbone is trained. `sampling` draws every video equally often, or classes by the root of their counts.

    `shift` and `colour` are changes at random (see ClipTransform). Of videos longer than `longest_seconds` the
    beginning counts. The work is a number of steps, never a time, so that a busy machine learns the same.
    """

    steps: int = 400
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: int = 10
    drops: tuple[int, ...] = ()
    sampling: Literal["videos", "square_root"] = "videos"
    shift: float = 0.1
    colour: float = 0.3
    longest_seconds: float = 1200.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: int = 100


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video to learn from: its file, and its labels over the vocabulary."""

    video: Video
    labels: VideoLabels


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A trained backbone, how its training went, and the videos that were left out or are partial."""

    backbone: Backbone
    history: tuple[dict[str, float], ...]
    resumed_at: int
    videos: int
    broken: tuple[Video, ...]

    def told(self) -> str:
        """One line for people."""
        last = self.history[-1] if self.history else {"accuracy": float("nan"), "loss": float("nan")}
        left = f" {len(self.broken)} videos are partial or unreadable." if self.broken else ""
        trained = f"{self.backbone.source}, trained on {self.videos} videos"
        return f"{trained}, clip accuracy {last['accuracy']:.2f} (training), loss {last['loss']:.2f}.{left}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        broken = [{"id": video.id, "status": video.status, "reason": video.reason} for video in self.broken]
        return {
            "source": self.backbone.source,
            "videos": self.videos,
            "resumed_at": self.resumed_at,
            "history": list(self.history),
            "broken": broken,
        }


@dataclass(frozen=True, slots=True)
class _Batch:
    """Clips (B, C, T, H, W) float32 and one class (B,) each."""

    clips: Tensor
    classes: Tensor


def pretrain(
    videos: Sequence[LabelledVideo],
    vocabulary: Vocabulary,
    shape: BackboneSettings,
    plan: PretrainSettings,
    *,
    cache: Path,
    compute: Compute,
    seed: int,
    workers: int,
    progress: Progress,
) -> Pretrained:
    """Train a backbone on labelled videos; `cache` keeps small frames and the checkpoint of an unfinished run.

    Same seed and machine, same weights on the CPU, with any number of `workers`, interrupted or not. Videos that
    can't be read are left out and returned with their reasons; fewer than two labelled classes raise InvalidData.
    """
    shape = shape.boxed(median_aspect([item.video for item in videos]))
    form = FrameFormat(shape.rate, *shape.box, plan.longest_seconds)
    frames = FrameCache(cache / "frames", form)
    cached = frames.fill([item.video for item in videos], workers=workers, progress=progress)
    broken = tuple(item.video for item in cached if item.video.status != "complete")
    for video in broken:
        progress.say(f"{video.id} is {video.status}: {video.reason}")
    usable = [(item, found) for item, found in zip(videos, cached, strict=True) if found.frames and len(item.labels)]
    draws = ClipDraws([found for _, found in usable], [item.labels for item, _ in usable], shape, plan, seed)
    torch.manual_seed(seed)
    model = ClipClassifier(shape.build(), len(vocabulary))

    def measure(model: nn.Module, batch: _Batch) -> Measured:
        scores = model(compute.place(batch.clips))
        classes = compute.place(batch.classes)
        loss = functional.cross_entropy(scores.float(), classes)
        return Measured(loss, {"accuracy": (scores.argmax(1) == classes).float().mean()})

    fitted = fit(
        Trainee(model, draws.batch, measure),
        _loop_plan(plan, seed),
        compute,
        checkpoint=checkpoint_of(cache),
        identity=draws.identity(vocabulary),
        loaders=workers,
        progress=progress,
    )
    model.cpu()
    backbone = Backbone(shape, model.net, model.fc, vocabulary)
    return Pretrained(backbone, fitted.history, fitted.resumed_at, len(usable), broken)


def labelled_videos(manifest: Manifest, vocabulary: Vocabulary, split: str = "train") -> list[LabelledVideo]:
    """Videos of a split that are there and carry at least one concept of the vocabulary."""
    entries = [entry for entry in manifest.of_split(split) if entry.usable]
    labelled = [LabelledVideo(entry.video, labels_of(entry, vocabulary, "unknown")) for entry in entries]
    return [item for item in labelled if len(item.labels)]


def pretrain_to(
    folder: Path,
    videos: Sequence[LabelledVideo],
    vocabulary: Vocabulary,
    shape: BackboneSettings,
    plan: PretrainSettings,
    *,
    cache: Path,
    compute: Compute,
    seed: int,
    workers: int,
    progress: Progress,
) -> Pretrained:
    """`pretrain`, then save the backbone to `folder` and clear the checkpoint; one at a time, else ProjectError."""
    with claimed(checkpoint_of(cache).parent, "a pre-training"):
        trained = pretrain(
            videos,
            vocabulary,
            shape,
            plan,
            cache=cache,
            compute=compute,
            seed=seed,
            workers=workers,
            progress=progress,
        )
        card = {"training": as_table(plan), "seed": seed, "videos": trained.videos, "history": list(trained.history)}
        trained.backbone.save(folder, card={**card, "computed_on": str(compute)})
        checkpoint_of(cache).unlink(missing_ok=True)
    return trained


def checkpoint_of(cache: Path) -> Path:
    """Where an unfinished run is kept."""
    return cache / "pretrain" / "checkpoint.safetensors"


def median_aspect(videos: Sequence[Video]) -> float:
    """Median width over height of the videos whose size is known; 4 / 3 where none is."""
    shapes = [video.width / video.height for video in videos if video.height and video.width]
    return float(np.median(shapes)) if shapes else 4 / 3


class ClipDraws:
    """Which clips and labels make up each batch: a pure function of the seed and the step."""

    def __init__(
        self,
        cached: Sequence[Cached],
        labels: Sequence[VideoLabels],
        shape: BackboneSettings,
        plan: PretrainSettings,
        seed: int,
    ) -> None:
        self.cached, self.labels, self.shape, self.plan, self.seed = cached, labels, shape, plan, seed
        self._transform = shape.transform(shift=plan.shift, colour=plan.colour)
        carriers: dict[int, list[tuple[int, float]]] = {}
        for video, row in enumerate(labels):
            for index, weight in zip(row.classes.tolist(), row.weights.tolist(), strict=True):
                carriers.setdefault(index, []).append((video, weight))
        if len(carriers) < 2:
            raise InvalidData(
                f"Training needs labels of at least 2 concepts, but the {len(labels)} readable videos carry "
                f"{len(carriers)}. Import more videos or a vocabulary that fits them."
            )
        self._carriers = {index: np.asarray(pairs).T for index, pairs in sorted(carriers.items())}
        roots = np.sqrt([weights.sum() for _, weights in self._carriers.values()])
        self._class_shares = roots / roots.sum()
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def batch(self, step: int) -> _Batch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 1, step])
        pairs = [self.pair(step * self.plan.batch + place, random) for place in range(self.plan.batch)]
        clips = np.stack([self._clip(self.cached[video], random) for video, _ in pairs])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        classes = torch.tensor([index for _, index in pairs])
        return _Batch(self._transform.train(torch.from_numpy(clips), generator), classes)

    def identity(self, vocabulary: Vocabulary) -> str:
        """Hash of all that decides the draws, beside the loop's plan: data, settings, vocabulary."""
        digest = hashlib.sha256(repr((self.shape, self.plan, self.seed, vocabulary.names)).encode())
        for item, row in zip(self.cached, self.labels, strict=True):
            file = (item.path.name, file_stamp(item.video.path), item.frames)
            digest.update(repr((*file, row.classes.tolist(), row.weights.tolist())).encode())
        return digest.hexdigest()

    def pair(self, place: int, random: np.random.Generator) -> tuple[int, int]:
        """A video and one of its classes."""
        if self.plan.sampling == "videos":
            epoch, position = divmod(place, len(self.labels))
            video = int(self._order(epoch)[position])
            row = self.labels[video]
            return video, int(random.choice(row.classes, p=row.weights / row.weights.sum()))
        index = int(random.choice(list(self._carriers), p=self._class_shares))
        videos, weights = self._carriers[index]
        return int(random.choice(videos, p=weights / weights.sum())), index

    def _clip(self, cached: Cached, random: np.random.Generator) -> NDArray[np.uint8]:
        first = int(random.integers(max(1, cached.frames - self.shape.frames + 1)))
        return clip_at(cached, first, self.shape.frames)

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.labels))


def _loop_plan(plan: PretrainSettings, seed: int) -> Plan:
    return Plan(
        steps=plan.steps,
        learning_rate=plan.learning_rate,
        optimizer=plan.optimizer,
        weight_decay=plan.weight_decay,
        schedule=plan.schedule,
        warmup=plan.warmup,
        drops=plan.drops,
        seed=seed,
        checkpoint_every=plan.checkpoint_every,
    )
