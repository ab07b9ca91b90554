"""Learning from own labels: segments that a trained net finds likely teach a discriminant, which finds others.

Labels of whole videos say what is in a video; a net that judges videos by their best segments learns what is plainest
and takes scenes for evidence. A discriminant between the likely and the unlikely segments of the same videos does not.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.labels import SegmentLabels
from whenabouts.core.progress import Progress
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings
from whenabouts.localizers.training_videos import RunningMoments, TrainingVideo, TrainingVideos
from whenabouts.nets.discriminants import Discriminant, MemberSums, Spread, soft_members
from whenabouts.nets.instance_pooling import InstanceNet


@torch.no_grad()
def learn_own_labels(
    net: InstanceNet, videos: TrainingVideos, settings: MultipleInstanceSettings, device: torch.device,
    progress: Progress,
) -> None:  # fmt: skip
    """Give the net a discriminant of its own labels, with logits as wide as those of its classifier.

    In each of `own_rounds` every segment becomes a soft member of the video's classes, by the classifier's logits and
    then by the discriminant of the round before (self-training, as Luo et al., "EM-MIL", ECCV 2020, with closed forms).
    Segments that somebody has rated are members or are not, in every round.
    """
    pupil = _Pupil(net.eval(), videos, device)
    found: Discriminant | None = None
    for _ in progress.track(range(settings.own_rounds), total=settings.own_rounds, title="Learning from own labels"):
        sums = MemberSums(pupil.features, pupil.outputs)
        for index, video in enumerate(videos.videos):
            if video.classes or len(video.rated):
                values, logits = pupil.seen(index, found)
                known = memberships(video, logits, settings)
                sums.add(values, known.members, known.classes, known.counted * video.weight)
        found = sums.discriminant(pupil.spread, settings.own_shrinkage)
    if found is not None:
        scale = pupil.deviation(None) / max(pupil.deviation(found), 1e-12)
        net.own_weight.copy_(found.weight * scale)
        net.own_bias.copy_(found.bias * scale)


@dataclass(frozen=True)
class Memberships:
    """Of one video: classes (S,), the membership (K, S) of each segment in them, and how much that counts (K, S)."""

    classes: Tensor
    members: Tensor
    counted: Tensor


def memberships(video: TrainingVideo, logits: Tensor, settings: MultipleInstanceSettings) -> Memberships:
    """What logits (K, C) say of the video's classes, except where ratings say it, of whatever class.

    Of classes that the video is not labelled with only rated segments count. Where spans of both kinds overlap, the
    concept is there: who rejects a moment says that it is not one of the concept, not that nothing of it lies within.
    """
    rated = video.rated if settings.rated_weight else SegmentLabels.empty()
    shown, segments = list(video.classes), video.grid.steps
    columns = [*shown, *sorted(set(rated.classes.tolist()) - set(shown))]
    members = torch.zeros(segments, len(columns), dtype=torch.float64)
    counted = torch.zeros_like(members)
    if shown:
        members[:, : len(shown)] = soft_members(logits[:, shown], settings.own_softness)
        counted[:, : len(shown)] = 1.0
    runs = video.grid.runs(rated.spans).tolist() if len(rated) else []
    for row in np.argsort(rated.present, kind="stable").tolist():
        (first, stop), place = runs[row], columns.index(int(rated.classes[row]))
        members[first:stop, place] = float(rated.present[row])
        counted[first:stop, place] = settings.rated_weight
    return Memberships(torch.tensor(columns, dtype=torch.long), members, counted)


class _Pupil:
    """Standardised features and logits of the training videos, one at a time."""

    def __init__(self, net: InstanceNet, videos: TrainingVideos, device: torch.device) -> None:
        self._net, self._videos, self._device = net, videos, device
        self.features, self.outputs = len(net.mean), len(net.own_bias)
        self.spread = Spread(self.features)
        for index in range(len(videos)):
            self.spread.add(self._values(index)[0].cpu())

    def seen(self, index: int, discriminant: Discriminant | None) -> tuple[Tensor, Tensor]:
        """Features (K, D) and logits (K, C), of the classifier where there is no discriminant yet."""
        values, raw, present = self._values(index)
        if discriminant is None:
            return values.cpu(), self._net.whole(raw, present=present)[0].double().cpu()
        return values.cpu(), discriminant(values.double().cpu())

    def deviation(self, discriminant: Discriminant | None) -> float:
        """Standard deviation of all logits of all segments."""
        running = RunningMoments(1)
        for index in range(len(self._videos)):
            running.add(self.seen(index, discriminant)[1].reshape(-1, 1).numpy().astype(np.float32))
        return float(running.deviation()[0])

    def _values(self, index: int) -> tuple[Tensor, list[Tensor], Tensor]:
        segments, matrices = self._videos.videos[index].grid.steps, self._videos.features(index)
        raw = [
            torch.zeros(segments, stream.width) if matrix is None else torch.from_numpy(matrix)
            for stream, matrix in zip(self._videos.streams, matrices, strict=True)
        ]
        placed = [values.to(self._device) for values in raw]
        present = torch.tensor([[matrix is not None for matrix in matrices]], device=self._device)
        return self._net.standardised(placed, present=present), placed, present
