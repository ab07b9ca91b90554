"""Short windows judged by a head for several activities at once; what it says of each is a score of that time.

The head is that of Zhang, Li & Marsic (CVPR 2021): activity-specific features and the correlation map. Windows stand
where clips stand there; since labels are of whole videos, a video is what its best windows say.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.localizers.activities_settings import ActivitiesSettings
from whenabouts.localizers.activities_training import (
    ActivitiesTraining,
    WindowNet,
    joined_streams,
    new_net,
    top_share_mean,
    windows_at,
)
from whenabouts.localizers.net_localizer import NetLocalizer
from whenabouts.localizers.segments import Cut, Matrix

_AT_ONCE = 1024  # windows in one pass, for bounded memory


class Activities(NetLocalizer[WindowNet, ActivitiesSettings]):
    """A trained activities localizer; make one with `fit` or `load`."""

    NAME = "activities"
    Settings: ClassVar[type[ActivitiesSettings]] = ActivitiesSettings
    Training = ActivitiesTraining
    new_net = staticmethod(new_net)

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the classes that the video probably has, within the video."""
        return self.settings.moments(self.score(features))

    def judged(self, video: Cut) -> tuple[Matrix, Matrix, Matrix]:
        """Probabilities of the window around each segment, of the video, and where each class looks in all of it."""
        frames, classes = joined_streams(video.matrices, self.streams), len(self.vocabulary)
        scores = self._windows(frames)[:, :classes]
        whole = top_share_mean(torch.from_numpy(scores)[None], self.settings.top_share)[0].numpy()
        maps = self.net(windows_at(frames, [0], len(frames)).to(self.device)).maps[0, :classes].cpu().numpy()
        return scores, whole, maps

    def _windows(self, frames: Matrix) -> Matrix:
        """Probabilities (K, C) of the window around each segment of features (K, D), those at the ends moved inside."""
        size = min(self.settings.window, len(frames))
        starts = np.clip(np.arange(len(frames)) - size // 2, 0, len(frames) - size)
        unique, back = np.unique(starts, return_inverse=True)
        parts = [
            self.net(windows_at(frames, unique[first : first + _AT_ONCE].tolist(), size).to(self.device))
            for first in range(0, len(unique), _AT_ONCE)
        ]
        told = torch.cat([part.probabilities for part in parts]).float().cpu().numpy()
        probabilities: Matrix = told[back]
        return probabilities
