"""Winners-out (Zeng et al., TIP 2019): moments from video labels, by group attention and class-specific scores.

Where the paper leaves things open: segments have a length in seconds, masks stand for removal, winners are a share of
the video and speak for the class.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.decoding import Track, even_shares, levels_between, likely_classes
from whenabouts.localizers.model_folder import Card, read_net, write_model
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Cut, Matrix, cut
from whenabouts.localizers.training_videos import TrainingVideos, told
from whenabouts.localizers.winners_out_selection import Judge, Selection
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.localizers.winners_out_training import WinnersOutTraining, new_net
from whenabouts.nets.group_attention import GroupAttentionNet
from whenabouts.training import Compute, choose_device, one_thread


class WinnersOut:
    """A trained winners-out localizer; make one with `fit` or `load`."""

    Settings: ClassVar[type[WinnersOutSettings]] = WinnersOutSettings

    def __init__(
        self,
        net: GroupAttentionNet,
        settings: WinnersOutSettings,
        *,
        streams: Sequence[Stream],
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self.net, self.settings = net.to(device).eval(), settings
        self.streams, self.vocabulary, self.training = tuple(streams), vocabulary, training
        self._judge = Judge(self.net, settings, self.streams, device)

    @classmethod
    @one_thread()
    def fit(
        cls,
        examples: Sequence[Example],
        settings: WinnersOutSettings,
        progress: Progress,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn from examples (Algorithm 1); unusable ones are counted and told, never a reason to stop.

        With a folder `checkpoints` a killed training goes on from its last epoch, on a CPU to the same bits.
        """
        videos = TrainingVideos(examples, len(vocabulary), settings, progress)
        if videos.skipped:
            progress.say(f"{len(videos)} of {len(examples)} videos are used; left out: {told(videos.skipped)}.")
        compute = Compute(choose_device(device), torch.float32)
        training = WinnersOutTraining(videos, settings, compute, progress, seed=seed, checkpoints=checkpoints)
        net = training.run()
        facts = {
            "videos": len(videos),
            "left_out": dict(videos.skipped),
            "seed": seed,
            "rounds": [list(rows) for rows in training.history],
        }
        return cls(net, settings, streams=videos.streams, vocabulary=vocabulary, training=facts, device=compute.device)

    @one_thread()
    @torch.no_grad()
    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Class-specific scores of the first step on the segment grid, class probabilities, and all attentions."""
        video = cut(features, self.streams, self.settings)
        grid = video.grid
        classes = len(self.vocabulary)
        if not grid.steps:
            nothing = np.zeros((0, classes), np.float32)
            return ScoreSequence(video.video_id, nothing, np.zeros(classes, np.float32), grid, self.vocabulary)
        placed = self._judge.placed(video.matrices)
        scores = self._judge.first_scores(placed, classes, grid.steps).cpu().numpy()
        probabilities, attention = self._video_scores(placed, grid.steps)
        return ScoreSequence(video.video_id, scores, probabilities[:classes], grid, self.vocabulary, attention)

    @one_thread()
    @torch.no_grad()
    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the classes that the video probably has (Algorithm 2), within the video."""
        video = cut(features, self.streams, self.settings)
        grid = video.grid
        if not grid.steps:
            return Moments.empty(self.vocabulary)
        placed = self._judge.placed(video.matrices)
        probabilities, _ = self._video_scores(placed, grid.steps)
        chosen = likely_classes(probabilities, threshold=self.settings.class_threshold, top=self.settings.top_classes)
        classes = chosen[chosen < len(self.vocabulary)]
        if not len(classes):
            return Moments.empty(self.vocabulary)
        selection = self._judge.select(placed, torch.from_numpy(classes).to(self._judge.device), grid.steps)
        return self._decoded(video, selection, probabilities[classes], classes)

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        card = Card("winners-out", self.streams, self.training)
        write_model(folder, card, self.vocabulary, self.net.state_dict(), self.settings)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved, settings, net = read_net(folder, WinnersOutSettings, new_net, changes)
        return cls(
            net,
            settings,
            streams=saved.card.streams,
            vocabulary=saved.vocabulary,
            training=saved.card.training,
            device=choose_device(device),
        )

    def _video_scores(self, placed: Sequence[torch.Tensor | None], segments: int) -> tuple[Matrix, Matrix]:
        """Probabilities of all outputs, and attention (M of all streams, K)."""
        device = self._judge.device
        present = torch.tensor([[matrix is not None for matrix in placed]], device=device)
        mask = torch.ones(1, segments, dtype=torch.bool, device=device)
        outcome = self.net([(matrix,) for matrix in placed], mask, present=present)
        attention = torch.cat([rows[0] for rows in outcome.attentions])
        return outcome.logits[0].softmax(dim=0).cpu().numpy(), attention.cpu().numpy()

    def _weights(self, probabilities: Matrix, segments: int) -> FloatArray:
        """The factor (P,) of each class's scores: relative to an even share, times the probability, as set."""
        weights = np.ones(len(probabilities))
        if self.settings.score_scale == "length":
            weights *= segments
        return weights * probabilities if self.settings.fusion == "probability" else weights

    def _decoded(self, video: Cut, selection: Selection, probabilities: Matrix, classes: IntArray) -> Moments:
        """Moments by the levels of the selection, from strict to generous, or by thresholds on the first step."""
        settings, contrast = self.settings, self.settings.proposals == "contrast"
        scores = selection.first if contrast or settings.score == "first_step" else selection.scores
        values = scores * self._weights(probabilities, video.grid.steps)[:, None]
        track = Track(video.video_id, classes, values, probabilities.astype(np.float64), video.grid, self.vocabulary)
        levels = levels_between(values, even_shares(settings.levels)) if contrast else selection.levels
        return settings.decoder().decode(track, levels)
