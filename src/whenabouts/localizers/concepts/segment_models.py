"""Segment models: which concepts a few seconds hold, learned from rated segments (Ma et al., 2019, section 4.1)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from whenabouts.config import CountOrZero, Probability, settings
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.fitting import (
    Batch,
    FitSettings,
    Run,
    fit_net,
    identity_of,
    rating_loss,
)
from whenabouts.localizers.concepts.frames import FrameVideos, evenly
from whenabouts.localizers.concepts.model import ConceptModel, ModelSettings, padded_frames, widened
from whenabouts.localizers.concepts.networks import NetKind, NetSettings, build_net
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model
from whenabouts.localizers.concepts.weak_negatives import lacked, some_of
from whenabouts.localizers.segments import Matrix


@settings
class SegmentModelSettings:
    """A segment model and its training.

    `start`: from the weights of the "video" model, whose net must be the same (the paper's LSTM); from those learned
    from video "labels" on `pretraining_frames` random frames of each video; or from "nothing". A segment is seen with
    `context` frames on either side, and of a long one `longest` frames. Per visit each segment also counts as a
    negative, with weight `weak_weight`, of `weak_negatives` concepts that its video lacks: rated segments come from
    videos with the label, so nothing else shows what is plainly something else. The paper has none.
    """

    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings(learning_rate=5e-4, epochs=8, least_steps=150)
    start: Literal["video", "labels", "nothing"] = "video"
    pretraining: FitSettings = FitSettings()
    pretraining_frames: CountOrZero = 5
    context: CountOrZero = 0
    longest: CountOrZero = 60
    weak_negatives: CountOrZero = 2
    weak_weight: Probability = 0.5

    @classmethod
    def paper(cls, kind: NetKind) -> "SegmentModelSettings":
        """The paper's segment models: rated pairs alone; rates and batches, which it does not tell, as in videos'."""
        fit = FitSettings(epochs=10, least_steps=0, batch_size=512, learning_rate=2e-4, weight_decay=0.0)
        start: Literal["video", "nothing"] = "video" if kind == "lstm" else "nothing"
        return cls(net=NetSettings.paper(kind), fit=fit, start=start, longest=300, weak_negatives=0)


@dataclass(frozen=True)
class RatedSegment:
    """One rated run of frames of one training video: which classes (P,) raters found present, or not."""

    video: int
    run: tuple[int, int]
    classes: IntArray
    present: BoolArray


def rated_segments(videos: FrameVideos, chosen: Sequence[int] | None = None) -> list[RatedSegment]:
    """Each rated span once, with all its ratings; those that begin behind their video's end are left out."""
    found = []
    for index in range(len(videos)) if chosen is None else chosen:
        segments, grid = videos.segments[index], videos.grids[index]
        inside = segments.spans[:, 0] < grid.duration_seconds
        spans, owner = np.unique(segments.spans[inside], axis=0, return_inverse=True)
        for number, run in enumerate(grid.runs(spans).tolist() if len(spans) else []):
            rows = np.flatnonzero(inside)[owner.reshape(-1) == number]
            found.append(RatedSegment(index, (run[0], run[1]), segments.classes[rows], segments.present[rows]))
    return found


def taught_classes(rated: Sequence[RatedSegment], classes: int, *, weak: bool) -> BoolArray:
    """(C,) True where ratings teach a class: it is rated present somewhere, and absent somewhere or weakly so."""
    yes, no = np.zeros(classes, bool), np.full(classes, weak)
    for segment in rated:
        yes[segment.classes[segment.present]] = True
        no[segment.classes[~segment.present]] = True
    taught: BoolArray = yes & no
    return taught


def rating_counts(rated: Sequence[RatedSegment], classes: int) -> IntArray:
    """How many rated segments (C,) each class has, present or absent."""
    counts = np.zeros(classes, np.int64)
    for segment in rated:
        np.add.at(counts, segment.classes, 1)
    return counts


def train_segment_model(
    videos: FrameVideos,
    how: SegmentModelSettings,
    run: Run,
    *,
    vocabulary: Vocabulary,
    video_model: ConceptModel | None = None,
    chosen: Sequence[int] | None = None,
) -> ConceptModel:
    """Learn from the rated segments of videos (of `chosen` alone, where given).

    InvalidData where nothing is rated; SettingsError where it should start from a video model that is not there or has
    another net.
    """
    rated = rated_segments(videos, chosen)
    if not rated:
        raise InvalidData(
            "No segment of the training videos is rated, so no segment model can be learned. Rate some, import "
            "chapters, or use a video model on segments."
        )
    start = _start(videos, how, run, vocabulary=vocabulary, video_model=video_model, chosen=chosen)
    net = copy.deepcopy(start.net)
    drawn = _Drawn(videos, rated, how, len(vocabulary))
    weights = [float(tensor.double().abs().sum()) for tensor in net.state_dict().values()]
    identity = identity_of(videos, sorted({segment.video for segment in rated}), how, run.seed, weights)
    history = fit_net(net, drawn.batch, len(rated), how.fit, objective=rating_loss, run=run, identity=identity)
    pairs = sum(len(segment.classes) for segment in rated)
    facts = {"segments": len(rated), "rated_pairs": pairs, "seed": run.seed, "history": history}
    model = ModelSettings(net=how.net, frames=videos.reader.how, longest=how.longest, context=how.context)
    mine = frozenset(videos.video_ids[segment.video] for segment in rated)
    return ConceptModel(
        net, model, start.reader, vocabulary=vocabulary, training=facts, device=run.compute.device,
        learned_from=None if start.learned_from is None else start.learned_from | mine,
    )  # fmt: skip


def _start(
    videos: FrameVideos,
    how: SegmentModelSettings,
    run: Run,
    *,
    vocabulary: Vocabulary,
    video_model: ConceptModel | None,
    chosen: Sequence[int] | None,
) -> ConceptModel:
    """The model from whose weights the segment model begins."""
    if how.start == "labels":
        first = VideoModelSettings(net=how.net, fit=how.pretraining, sampled_frames=how.pretraining_frames)
        return train_video_model(videos, first, run.under("pretraining"), vocabulary=vocabulary, chosen=chosen)
    if how.start == "video":
        if video_model is None or video_model.how.net != how.net:
            raise SettingsError(
                'A segment model that starts from the "video" model needs one with the same net, but there is '
                f"{'none' if video_model is None else video_model.how.net}. Give both the same net, or choose "
                'start = "labels" or "nothing".'
            )
        return video_model
    net = build_net(how.net, videos.streams, len(vocabulary), seed=run.seed)
    shape = ModelSettings(net=how.net, frames=videos.reader.how)
    return ConceptModel(net, shape, videos.reader, vocabulary=vocabulary, training={}, device=run.compute.device,
                        learned_from=frozenset())  # fmt: skip


class _Drawn:
    """Batches of rated segments."""

    def __init__(
        self, videos: FrameVideos, rated: Sequence[RatedSegment], how: SegmentModelSettings, classes: int
    ) -> None:
        self.videos, self.rated, self.how, self.classes = videos, rated, how, classes
        self._shown: dict[int, set[int]] = {}
        for segment in rated:
            self._shown.setdefault(segment.video, set()).update(segment.classes[segment.present].tolist())

    def batch(self, places: IntArray, rng: np.random.Generator) -> Batch:
        """The segments at these places, with weak negatives drawn by `rng`."""
        picked = [self.rated[place] for place in places.tolist()]
        values, mask = padded_frames([self._frames(segment) for segment in picked])
        targets, rated, weak = (np.zeros((len(picked), self.classes), np.float32) for _ in range(3))
        for row, segment in enumerate(picked):
            targets[row, segment.classes] = segment.present
            rated[row, segment.classes] = 1.0
            weak[row, self._weak(segment, rng)] = self.how.weak_weight
        beside = torch.from_numpy(weak) if self.how.weak_negatives else None
        return Batch(values, mask, torch.from_numpy(targets), torch.from_numpy(rated), beside)

    def _frames(self, segment: RatedSegment) -> Matrix:
        frames = self.videos.frames(segment.video)
        first, stop = widened([segment.run], self.how.context, len(frames))[0].tolist()
        return frames[first:stop][evenly(stop - first, self.how.longest or stop - first)]

    def _weak(self, segment: RatedSegment, rng: np.random.Generator) -> IntArray:
        """Classes that the video's labels and ratings lack, a few at random; none where nothing is known of it."""
        if not self.how.weak_negatives:
            return np.zeros(0, np.int64)
        rated = self._shown[segment.video].union(segment.classes.tolist())
        return some_of(lacked(self.videos.labels[segment.video], rated, self.classes), self.how.weak_negatives, rng)
