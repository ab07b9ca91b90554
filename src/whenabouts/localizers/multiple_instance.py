"""Multiple-instance learning: each segment is classified, and a video is what its best segments say.

By default a second classifier learns from the first one's word for each segment, and finds the moments (`own_labels`).

Ancestors are presets of `MultipleInstanceSettings`: top-k learning (Paul et al., ECCV 2018), UntrimmedNets (Wang et
al., CVPR 2017), STPN (Nguyen et al., CVPR 2018), Hide-and-Seek (Singh and Lee, ICCV 2017).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.decoding import Track, even_shares, levels_between, likely_classes
from whenabouts.localizers.model_folder import Card, read_net, write_model
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings
from whenabouts.localizers.multiple_instance_training import (
    MultipleInstanceTraining,
    attention_of,
    new_net,
    verdicts,
)
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Cut, Matrix, cut
from whenabouts.localizers.training_videos import TrainingVideos, told
from whenabouts.nets.instance_pooling import InstanceNet, Instances
from whenabouts.training import Compute, choose_device, one_thread

_BEFORE: Mapping[str, Any] = {"own_rounds": 0, "class_share": 0.0, "doubt": 0.0}  # Of models older than these settings.


class MultipleInstance:
    """A trained multiple-instance localizer; make one with `fit` or `load`."""

    Settings: ClassVar[type[MultipleInstanceSettings]] = MultipleInstanceSettings

    def __init__(
        self,
        net: InstanceNet,
        settings: MultipleInstanceSettings,
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
        settings: MultipleInstanceSettings,
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
        training = MultipleInstanceTraining(videos, settings, compute, progress, seed=seed, checkpoints=checkpoints)
        net = training.run()
        facts = {
            "videos": len(videos),
            "left_out": dict(videos.skipped),
            "seed": seed,
            "history": list(training.history),
        }
        return cls(net, settings, streams=videos.streams, vocabulary=vocabulary, training=facts, device=compute.device)

    @one_thread()
    @torch.no_grad()
    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Scores of segments as the settings read them, class probabilities, and the attention."""
        video = cut(features, self.streams, self.settings)
        classes = len(self.vocabulary)
        if not video.grid.steps:
            nothing = np.zeros((0, classes), np.float32)
            return ScoreSequence(video.video_id, nothing, np.zeros(classes, np.float32), video.grid, self.vocabulary)
        scores, probabilities, attention = self._judged(video)
        return ScoreSequence(video.video_id, scores, probabilities[:classes], video.grid, self.vocabulary, attention)

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the classes that the video probably has, within the video."""
        scores, settings = self.score(features), self.settings
        likely = max(settings.class_threshold, settings.class_share * float(scores.video_scores.max(initial=0.0)))
        chosen = likely_classes(scores.video_scores, threshold=likely, top=settings.top_classes)
        if not scores.grid.steps or not len(chosen):
            return Moments.empty(self.vocabulary)
        values = np.asarray(scores.scores[:, chosen].T, np.float64)
        known = np.asarray(scores.video_scores[chosen], np.float64)
        track = Track(scores.video_id, chosen, values, known, scores.grid, self.vocabulary)
        shares = [settings.union_level] if settings.proposals == "union" else even_shares(settings.levels)
        return settings.decoder().decode(track, levels_between(values, shares))

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        card = Card("multiple-instance", self.streams, self.training)
        write_model(folder, card, self.vocabulary, self.net.state_dict(), self.settings)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved, settings, net = read_net(folder, MultipleInstanceSettings, new_net, changes, before=_BEFORE)
        return cls(
            net,
            settings,
            streams=saved.card.streams,
            vocabulary=saved.vocabulary,
            training=saved.card.training,
            device=choose_device(device),
        )

    def _judged(self, video: Cut) -> tuple[Matrix, Matrix, Matrix]:
        """Scores (K, L), probabilities of the outputs (C,), attention (1, K)."""
        features = [
            torch.zeros(video.grid.steps, stream.width) if matrix is None else torch.from_numpy(matrix)
            for stream, matrix in zip(self.streams, video.matrices, strict=True)
        ]
        present = torch.tensor([[matrix is not None for matrix in video.matrices]], device=self.device)
        placed = [values.to(self.device) for values in features]
        logits, energies = self.net.whole(placed, present=present)
        mask = torch.ones(1, len(logits), dtype=torch.bool, device=self.device)
        instances = Instances(logits[None], energies[None], logits[None])
        attention = attention_of(instances.energies, mask, self.settings.attention)
        found = verdicts(instances, mask, self.settings)
        probabilities = torch.stack([each.log_probabilities[0] for each in found]).mean(dim=0).softmax(dim=0)
        if self.settings.own_rounds:
            share = self.settings.own_share
            logits = (1 - share) * logits + share * self.net.own_logits(placed, present=present)
        scores = self._scores(logits, attention[0])[:, : len(self.vocabulary)]
        return scores.cpu().numpy(), probabilities.cpu().numpy(), attention.cpu().numpy()

    def _scores(self, logits: Tensor, attention: Tensor) -> Tensor:
        kind = self.settings.scores
        if kind == "logits":
            return logits
        if kind == "sigmoid":
            return logits.sigmoid() * attention[:, None]
        return (logits.softmax(dim=1) if kind == "softmax" else logits) * attention[:, None]
