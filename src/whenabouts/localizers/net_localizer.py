"""What localizers of one net over segments share: the way from examples to a trained net, and to a folder and back."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from torch import nn

from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.model_folder import Card, read_net, write_model
from whenabouts.localizers.net_settings import LearningSettings
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Cut, Matrix, cut
from whenabouts.localizers.training_videos import TrainingVideos, identity_of, told
from whenabouts.training import Compute, Measured, Plan, Trainee, choose_device, fit, one_thread

Net = TypeVar("Net", bound=nn.Module)
Learning = TypeVar("Learning", bound=LearningSettings)
Batch = TypeVar("Batch")


class NetTraining(Generic[Net, Learning]):
    """One training under way: who inherits makes the net, and says how it learns."""

    net: Net

    def __init__(
        self,
        videos: TrainingVideos,
        settings: Learning,
        compute: Compute,
        progress: Progress,
        *,
        seed: int,
        checkpoints: Path | None,
    ) -> None:
        self.videos, self.settings, self.compute, self.progress = videos, settings, compute, progress
        self.seed, self.checkpoints = seed, checkpoints
        self.identity = identity_of(videos, settings, seed)
        self.history: list[Any] = []
        self.begin()

    def begin(self) -> None:
        """Make the net, and whatever else the training needs."""
        raise NotImplementedError

    def run(self) -> Net:
        """Train for all epochs and return the net."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What is known of the training, in plain JSON values."""
        return {"history": list(self.history)}

    def path(self, name: str) -> Path | None:
        """Where a state of the training is kept."""
        return None if self.checkpoints is None else self.checkpoints / f"{name}.safetensors"

    def fit_epochs(
        self,
        draw: Callable[[int, int], Batch],
        measure: Callable[[nn.Module, Batch], Measured],
        *,
        plan: Plan | None = None,
        name: str = "steps",
    ) -> tuple[dict[str, float], ...]:
        """Train the net on batches, drawn by epoch and place in it, and return the history."""
        per_epoch = self.settings.steps_per_epoch(len(self.videos))
        trainee = Trainee(self.net, lambda step: draw(*divmod(step, per_epoch)), measure)
        plan = plan or self.settings.plan(len(self.videos), self.seed)
        fitted = fit(trainee, plan, self.compute, checkpoint=self.path(name), identity=self.identity,
                     progress=self.progress)  # fmt: skip
        return fitted.history


class NetLocalizer(Generic[Net, Learning]):
    """A trained localizer of one net; make one with `fit` or `load`.

    Who inherits names itself as `LOCALIZERS` does, its settings, its training, and the function that makes its net;
    `BEFORE` are settings of models older than these settings.
    """

    NAME: ClassVar[str]
    Settings: ClassVar[type[Any]]
    Training: ClassVar[type[NetTraining[Any, Any]]]
    BEFORE: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    new_net: ClassVar[Callable[..., nn.Module]]

    def __init__(
        self,
        net: Net,
        settings: Learning,
        *,
        streams: Sequence[Stream],
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self.net, self.settings, self.device = net.to(device).eval(), settings, device
        self.streams, self.vocabulary, self.training = tuple(streams), vocabulary, training

    @classmethod
    @one_thread()
    def fit(
        cls,
        examples: Sequence[Example],
        settings: Learning,
        progress: Progress,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn from examples; unusable ones are counted and told, never a reason to stop.

        With a folder `checkpoints` a killed training goes on from its last epoch, on a CPU to the same bits.
        """
        videos = TrainingVideos(examples, len(vocabulary), settings, progress)
        if videos.skipped:
            progress.say(f"{len(videos)} of {len(examples)} videos are used; left out: {told(videos.skipped)}.")
        compute = Compute(choose_device(device), torch.float32)
        training = cls.Training(videos, settings, compute, progress, seed=seed, checkpoints=checkpoints)
        net = training.run()
        facts = {"videos": len(videos), "left_out": dict(videos.skipped), "seed": seed, **training.facts()}
        return cls(net, settings, streams=videos.streams, vocabulary=vocabulary, training=facts, device=compute.device)

    @one_thread()
    @torch.no_grad()
    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Scores of segments, class probabilities of the video, and the attention, as `judged` tells them."""
        video, classes = cut(features, self.streams, self.settings), len(self.vocabulary)
        if not video.grid.steps:
            nothing = np.zeros((0, classes), np.float32)
            return ScoreSequence(video.video_id, nothing, np.zeros(classes, np.float32), video.grid, self.vocabulary)
        scores, probabilities, attention = self.judged(video)
        return ScoreSequence(video.video_id, scores, probabilities, video.grid, self.vocabulary, attention)

    def judged(self, video: Cut) -> tuple[Matrix, Matrix, Matrix]:
        """Scores (K, L) of the segments of a video that has some, its probabilities (L,), attention (M, K)."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        card = Card(self.NAME, self.streams, self.training)
        write_model(folder, card, self.vocabulary, self.net.state_dict(), self.settings)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved, settings, net = read_net(folder, cls.Settings, cls.new_net, changes, before=cls.BEFORE)
        card = saved.card
        return cls(net, settings, streams=card.streams, vocabulary=saved.vocabulary,  # type: ignore[arg-type]
                   training=card.training, device=choose_device(device))  # fmt: skip
