"""Training a backbone from scratch on the video labels that an archive comes with.

As in Ghadiyaram et al., "Large-scale weakly-supervised pre-training for video action recognition", section 3: each
draw takes a random clip of a video and one random label of it, and a softmax is trained on that, unless settings ask
for something else.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whenabouts.config import as_table
from whenabouts.core.files import sweep
from whenabouts.core.locks import claimed
from whenabouts.core.progress import Progress, Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.media.flow import check_flow
from whenabouts.media.probe import unreadable
from whenabouts.nets.inflation import Spread
from whenabouts.recognition.backbone import Backbone, BackboneSettings, ClipClassifier, Shape
from whenabouts.recognition.clip_draws import ClipDraws
from whenabouts.recognition.clip_source import ClipFiles, OnDemand, clip_sources
from whenabouts.recognition.first_weights import first_net
from whenabouts.recognition.frame_cache import FrameCache
from whenabouts.recognition.label_losses import measure_on
from whenabouts.recognition.labelled_videos import LabelledVideo, chosen
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.sound_cache import SoundCache
from whenabouts.recognition.sound_draws import SoundDraws
from whenabouts.recognition.sound_settings import SoundSettings
from whenabouts.recognition.window_encoder import SOUND_RATE
from whenabouts.training.devices import Compute
from whenabouts.training.event_files import EventFiles
from whenabouts.training.finite import steps_not_taken
from whenabouts.training.guessing import learned_nothing, loss_of_guessing
from whenabouts.training.loop import Trainee, fit
from whenabouts.training.processes import ALONE, World


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A trained backbone, how its training went, and the videos that were left out or are partial.

    `useless` says so where it ends no better than a guess.
    """

    backbone: Backbone
    history: tuple[dict[str, float], ...]
    resumed_at: int
    videos: int
    broken: tuple[Video, ...]
    useless: str = ""

    def told(self) -> str:
        """One line for people."""
        last = self.history[-1] if self.history else {"accuracy": float("nan"), "loss": float("nan")}
        left = f" {len(self.broken)} videos are partial or unreadable." if self.broken else ""
        skipped = steps_not_taken(self.history)
        left += f" {skipped} steps were not taken: their loss or gradient was not finite." if skipped else ""
        left += f" {self.useless}" if self.useless else ""
        trained = f"{self.backbone.source}, trained on {self.videos} videos"
        return f"{trained}, clip accuracy {last['accuracy']:.2f} (training), loss {last['loss']:.2f}.{left}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        broken = [{"id": video.id, "status": video.status, "reason": video.reason} for video in self.broken]
        return {
            "source": self.backbone.source,
            "videos": self.videos,
            "resumed_at": self.resumed_at,
            "steps_not_taken": steps_not_taken(self.history),
            "learned_nothing": self.useless,
            "history": list(self.history),
            "broken": broken,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training runs: small frames and the checkpoint lie in `cache`, `workers` decode and load.

    A net begins with the weights of `start`, where there is one (see `first_net`), else at random. All processes of
    `world` train it together, on one cache; the first notes losses and speed in TensorBoard's files below `logs`.
    Small frames that do not fit into `room_bytes` are not kept: clips of those videos are decoded when they are drawn.
    """

    cache: Path
    compute: Compute
    seed: int = 0
    workers: int = 2
    progress: Progress = field(default_factory=Silent)
    start: Backbone | None = None
    spread: Spread = "mean"
    world: World = ALONE
    logs: Path | None = None
    room_bytes: float = math.inf

    @property
    def journal(self) -> EventFiles | None:
        """Where the first process notes what it sees."""
        return EventFiles(self.logs, self.progress) if self.logs is not None and self.world.first else None


def checkpoint_of(cache: Path, modality: str = "rgb") -> Path:
    """Where a project's cache keeps an unfinished training of one stream's backbone."""
    return cache / ("pretrain" if modality == "rgb" else f"pretrain-{modality}") / "checkpoint.safetensors"


def pretrain(
    videos: Sequence[LabelledVideo],
    vocabulary: Vocabulary,
    shape: BackboneSettings,
    plan: PretrainSettings,
    run: Run,
) -> Pretrained:
    """Train a backbone on labelled videos.

    Same seed and machine, same weights on the CPU, with any number of workers, interrupted or not. Videos that
    can't be read are left out and returned with their reasons; fewer than two labelled classes raise InvalidData.
    """
    if shape.modality == "flow":
        check_flow(shape.flow.method)
    shape = shape.boxed(median_aspect([item.video for item in videos]))
    videos, form = chosen(videos, plan, run.seed), shape.frame_format(plan.longest_seconds)
    sources = clip_sources(
        [item.video for item in videos],
        FrameCache(run.cache / "frames", form),
        run.room_bytes,
        workers=run.workers,
        progress=run.progress,
        world=run.world,
    )
    for source in sources:
        if source.video.status != "complete":
            run.progress.say(f"{source.video.id} is {source.video.status}: {source.video.reason}")
    usable = [
        (source, item)
        for source, item in zip(sources, videos, strict=True)
        if len(item.labels) and (source.frames or isinstance(source, OnDemand))
    ]
    with contextlib.closing(ClipFiles(form, shape.pictures, run.workers)) as files:
        rows = [item.labels for _, item in usable]
        parts = [item.rows(form.rate, source.frames) for source, item in usable]
        draws = ClipDraws([source for source, _ in usable], rows, shape, plan, run.seed, take=files.take, parts=parts)
        trained = _trained(draws, shape, vocabulary, run, ())
        late = _told_by_all(files.broken, run)
    broken = tuple(source.video for source in sources if source.video.status != "complete")
    return dataclasses.replace(trained, broken=(*broken, *late))


def _told_by_all(broken: Mapping[str, Video], run: Run) -> tuple[Video, ...]:
    """The videos that any process found broken when it drew them; each is told once."""
    found: dict[str, Video] = {}
    for theirs in run.world.gather([video.to_json() for video in broken.values()]):
        found |= {values["id"]: Video.from_json(values) for values in theirs}
    for video in found.values():
        run.progress.say(f"{video.id} is {video.status}: {video.reason}")
    return tuple(found[video_id] for video_id in sorted(found))


def pretrain_sound(
    videos: Sequence[LabelledVideo],
    vocabulary: Vocabulary,
    shape: SoundSettings,
    plan: PretrainSettings,
    run: Run,
) -> Pretrained:
    """Train a backbone of sound on labelled videos, as `pretrain` does one of pictures.

    Videos without sound have nothing to say here, and are no more than counted; those whose sound can't be decoded are
    returned with their reasons.
    """
    heard = chosen([item for item in videos if item.video.has_audio], plan, run.seed)
    silent = sum(not item.video.has_audio for item in videos)
    if silent:
        run.progress.say(f"{silent} of {len(videos)} videos have no sound.")
    cache = SoundCache(run.cache / "sound", plan.longest_seconds)
    cached = cache.fill([item.video for item in heard], workers=run.workers, progress=run.progress, world=run.world)
    usable = [(item, found) for item, found in zip(heard, cached, strict=True) if found.rows and len(item.labels)]
    broken = tuple(unreadable(found.video.id, found.video.path, found.reason) for found in cached if found.reason)
    for video in broken:
        run.progress.say(f"{video.id}: {video.reason}")
    rows = [item.labels for item, _ in usable]
    parts = [item.rows(SOUND_RATE, found.rows) for item, found in usable]
    draws = SoundDraws([found for _, found in usable], rows, shape, plan, run.seed, parts=parts)
    return _trained(draws, shape, vocabulary, run, broken)


def _trained(
    draws: ClipDraws | SoundDraws, shape: Shape, vocabulary: Vocabulary, run: Run, broken: tuple[Video, ...]
) -> Pretrained:
    """Fit a net and a classifier to the draws, from the last checkpoint on."""
    torch.manual_seed(run.seed)
    model = ClipClassifier(first_net(shape, run.start, run.spread), len(vocabulary))
    began = "" if run.start is None else run.start.source
    journal = run.journal
    fitted = fit(
        Trainee(model, draws.batch, measure_on(run.compute, draws.plan.loss), examples=draws.plan.batch),
        draws.plan.plan(run.seed, run.world.size),
        run.compute,
        checkpoint=checkpoint_of(run.cache, shape.modality),
        identity=draws.identity(vocabulary) + began + (run.spread if run.spread != "mean" else ""),
        loaders=run.workers,
        progress=run.progress,
        world=run.world,
        journal=journal,
    )
    if journal is not None:
        journal.close()
    model.cpu()
    backbone = Backbone(shape, model.net, model.fc, vocabulary)
    carried = len({index for row in draws.labels for index in row.classes.tolist()})
    useless = learned_nothing(fitted.history, loss_of_guessing(carried, each=draws.plan.loss == "sigmoid"))
    return Pretrained(backbone, fitted.history, fitted.resumed_at, len(draws.labels), broken, useless)


def pretrain_to(
    folder: Path,
    videos: Sequence[LabelledVideo],
    vocabulary: Vocabulary,
    shape: Shape,
    plan: PretrainSettings,
    run: Run,
) -> Pretrained:
    """`pretrain` or `pretrain_sound`, then save to `folder`, clear the checkpoint; one at a time, else ProjectError.

    Of several processes the first saves and clears.
    """
    checkpoint = checkpoint_of(run.cache, shape.modality)
    with claimed(checkpoint.parent, "a pre-training") if run.world.first else contextlib.nullcontext():
        if isinstance(shape, SoundSettings):
            trained = pretrain_sound(videos, vocabulary, shape, plan, run)
        else:
            trained = pretrain(videos, vocabulary, shape, plan, run)
        if not run.world.first:
            return trained
        card = {"training": as_table(plan), "seed": run.seed, "videos": trained.videos}
        card |= {"learned_nothing": trained.useless} if trained.useless else {}
        card |= {"history": list(trained.history), "computed_on": str(run.compute), "processes": run.world.size}
        card |= {} if run.start is None else {"began_from": run.start.source}
        trained.backbone.save(folder, card=card)
        checkpoint.unlink(missing_ok=True)
        sweep(checkpoint.parent)
    return trained


def median_aspect(videos: Sequence[Video]) -> float:
    """Median width over height of the videos whose size is known; 4 / 3 where none is."""
    shapes = [video.width / video.height for video in videos if video.height and video.width]
    return float(np.median(shapes)) if shapes else 4 / 3
