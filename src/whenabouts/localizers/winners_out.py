"""Winners-out (Zeng et al., TIP 2019): moments from video labels, by group attention and class-specific scores.

Where the paper leaves things open: segments have a length in seconds, masks stand for removal, winners are a share of
the video and speak for the class.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.localizers.decoding import Track, even_shares, levels_between, likely_classes
from whenabouts.localizers.net_localizer import NetLocalizer
from whenabouts.localizers.segments import Cut, Matrix, cut
from whenabouts.localizers.winners_out_selection import Judge, Selection
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.localizers.winners_out_training import WinnersOutTraining, new_net
from whenabouts.nets.group_attention import GroupAttentionNet
from whenabouts.training import one_thread


class WinnersOut(NetLocalizer[GroupAttentionNet, WinnersOutSettings]):
    """A trained winners-out localizer; make one with `fit` (Algorithm 1) or `load`."""

    NAME = "winners-out"
    Settings: ClassVar[type[WinnersOutSettings]] = WinnersOutSettings
    Training = WinnersOutTraining
    new_net = staticmethod(new_net)

    @cached_property
    def judge(self) -> Judge:
        """The net with the settings that say how its scores are read."""
        return Judge(self.net, self.settings, self.streams, self.device)

    def judged(self, video: Cut) -> tuple[Matrix, Matrix, Matrix]:
        """Class-specific scores of the first step on the segment grid, class probabilities, and all attentions."""
        classes, steps = len(self.vocabulary), video.grid.steps
        placed = self.judge.placed(video.matrices)
        scores = self.judge.first_scores(placed, classes, steps).cpu().numpy()
        probabilities, attention = self._video_scores(placed, steps)
        return scores, probabilities[:classes], attention

    @one_thread()
    @torch.no_grad()
    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the classes that the video probably has (Algorithm 2), within the video."""
        video = cut(features, self.streams, self.settings)
        grid = video.grid
        if not grid.steps:
            return Moments.empty(self.vocabulary)
        placed = self.judge.placed(video.matrices)
        probabilities, _ = self._video_scores(placed, grid.steps)
        chosen = likely_classes(probabilities, threshold=self.settings.class_threshold, top=self.settings.top_classes)
        classes = chosen[chosen < len(self.vocabulary)]
        if not len(classes):
            return Moments.empty(self.vocabulary)
        selection = self.judge.select(placed, torch.from_numpy(classes).to(self.device), grid.steps)
        return self._decoded(video, selection, probabilities[classes], classes)

    def _video_scores(self, placed: Sequence[torch.Tensor | None], segments: int) -> tuple[Matrix, Matrix]:
        """Probabilities of all outputs, and attention (M of all streams, K)."""
        present = torch.tensor([[matrix is not None for matrix in placed]], device=self.device)
        mask = torch.ones(1, segments, dtype=torch.bool, device=self.device)
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
