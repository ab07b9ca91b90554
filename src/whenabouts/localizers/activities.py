"""Short windows judged by a head for several activities at once; what it says of each is a score of that time.

The head is that of Zhang, Li & Marsic (CVPR 2021): activity-specific features and the correlation map. Windows stand
where clips stand there; since labels are of whole videos, a video is what its best windows say.
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
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.activities_settings import ActivitiesSettings
from whenabouts.localizers.activities_training import (
    ActivitiesTraining,
    WindowNet,
    joined_streams,
    new_net,
    top_share_mean,
    windows_at,
)
from whenabouts.localizers.decoding import Track, even_shares, levels_between, likely_classes
from whenabouts.localizers.model_folder import Card, read_net, write_model
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix, cut
from whenabouts.localizers.training_videos import TrainingVideos, told
from whenabouts.training import Compute, choose_device, one_thread

_AT_ONCE = 1024  # windows in one pass, for bounded memory


class Activities:
    """A trained activities localizer; make one with `fit` or `load`."""

    Settings: ClassVar[type[ActivitiesSettings]] = ActivitiesSettings

    def __init__(
        self,
        net: WindowNet,
        settings: ActivitiesSettings,
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
        settings: ActivitiesSettings,
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
        known = [examples[video.row].labels.known(len(vocabulary)) for video in videos.videos]
        open_ended = torch.ones(len(known), videos.outputs, dtype=torch.bool)
        open_ended[:, : len(vocabulary)] = torch.from_numpy(np.stack(known))
        compute = Compute(choose_device(device), torch.float32)
        training = ActivitiesTraining(videos, open_ended, settings, compute, progress, seed=seed)
        net, history = training.run(checkpoints)
        facts = {"videos": len(videos), "left_out": dict(videos.skipped), "seed": seed, "history": list(history)}
        return cls(net, settings, streams=videos.streams, vocabulary=vocabulary, training=facts, device=compute.device)

    @one_thread()
    @torch.no_grad()
    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Probabilities of the window around each segment, of the video, and where each class looks in all of it."""
        video, classes = cut(features, self.streams, self.settings), len(self.vocabulary)
        if not video.grid.steps:
            nothing = np.zeros((0, classes), np.float32)
            return ScoreSequence(video.video_id, nothing, np.zeros(classes, np.float32), video.grid, self.vocabulary)
        frames = joined_streams(video.matrices, self.streams)
        scores = self._windows(frames)[:, :classes]
        whole = top_share_mean(torch.from_numpy(scores)[None], self.settings.top_share)[0].numpy()
        maps = self.net(windows_at(frames, [0], len(frames)).to(self.device)).maps[0, :classes].cpu().numpy()
        return ScoreSequence(video.video_id, scores, whole, video.grid, self.vocabulary, maps)

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
        return settings.decoder().decode(track, levels_between(values, even_shares(settings.levels)))

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        card = Card("activities", self.streams, self.training)
        write_model(folder, card, self.vocabulary, self.net.state_dict(), self.settings)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved, settings, net = read_net(folder, ActivitiesSettings, new_net, changes)
        return cls(
            net,
            settings,
            streams=saved.card.streams,
            vocabulary=saved.vocabulary,
            training=saved.card.training,
            device=choose_device(device),
        )

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
