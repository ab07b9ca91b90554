"""Multiple-instance learning: each segment is classified, and a video is what its best segments say.

By default a second classifier learns from the first one's word for each segment, and finds the moments (`own_labels`).

Ancestors are presets of `MultipleInstanceSettings`: top-k learning (Paul et al., ECCV 2018), UntrimmedNets (Wang et
al., CVPR 2017), STPN (Nguyen et al., CVPR 2018), Hide-and-Seek (Singh and Lee, ICCV 2017).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings
from whenabouts.localizers.multiple_instance_training import (
    MultipleInstanceTraining,
    attention_of,
    new_net,
    verdicts,
)
from whenabouts.localizers.net_localizer import NetLocalizer
from whenabouts.localizers.segments import Cut, Matrix
from whenabouts.nets.instance_pooling import InstanceNet, Instances


class MultipleInstance(NetLocalizer[InstanceNet, MultipleInstanceSettings]):
    """A trained multiple-instance localizer; make one with `fit` or `load`."""

    NAME = "multiple-instance"
    Settings: ClassVar[type[MultipleInstanceSettings]] = MultipleInstanceSettings
    Training = MultipleInstanceTraining
    BEFORE: ClassVar[Mapping[str, Any]] = {"own_rounds": 0, "class_share": 0.0, "doubt": 0.0}
    new_net = staticmethod(new_net)

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the classes that the video probably has, within the video."""
        return self.settings.moments(self.score(features))

    def judged(self, video: Cut) -> tuple[Matrix, Matrix, Matrix]:
        """Scores (K, L) of segments as the settings read them, class probabilities (L,), attention (1, K)."""
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
        scores, classes = self._scores(logits, attention[0]), len(self.vocabulary)
        return scores[:, :classes].cpu().numpy(), probabilities[:classes].cpu().numpy(), attention.cpu().numpy()

    def _scores(self, logits: Tensor, attention: Tensor) -> Tensor:
        kind = self.settings.scores
        if kind == "logits":
            return logits
        if kind == "sigmoid":
            return logits.sigmoid() * attention[:, None]
        return (logits.softmax(dim=1) if kind == "softmax" else logits) * attention[:, None]
