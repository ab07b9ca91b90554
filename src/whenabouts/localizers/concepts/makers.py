"""The models that describe segments for the relevance model, and the same without the videos of each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from whenabouts.config import Count, Positive, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.described import WHOLE, Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.distillation import folds_of, recording_numbers
from whenabouts.localizers.concepts.fitting import Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel, ModelSettings
from whenabouts.localizers.concepts.networks import NetKind, NetSettings, of_kind
from whenabouts.localizers.concepts.segment_models import RatedSegment, SegmentModelSettings, train_segment_model
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix

FRAMES = "frames"
"""The encoder that learns nothing: the mean frame."""


@settings
class MakerSettings:
    """Which models speak of segments: video models of the kinds `video_kinds`, segment models of `segment_kinds`.

    Kinds are trained like `video` and `segment`, whose nets give widths; by default a NetVLAD with batch norm that
    first learns labels on few frames speaks beside the video models, as was best where we measured
    (benchmarks/results/relevance.md). With too few ratings there are no segment models. `encoders` are those video
    models whose encodings are compared, beside the mean frame; `whole` adds what each video model says of the whole
    video. `rates` are learning rates of video models by kind, where they differ from `video`'s. For rows to learn from,
    all are trained once more for each of `folds`, without its videos; with 1, models learn from videos without rated
    segments alone, which is enough where these are many.
    """

    video: VideoModelSettings = VideoModelSettings()
    video_kinds: tuple[NetKind, ...] = ("logistic", "netvlad", "netfv")
    segment: SegmentModelSettings = SegmentModelSettings(net=NetSettings(batch_norm=True), start="labels")
    segment_kinds: tuple[NetKind, ...] = ("netvlad",)
    encoders: tuple[NetKind, ...] = ("netvlad", "netfv")
    whole: bool = True
    rates: Mapping[str, Positive] = field(default_factory=dict)
    folds: Count = 3

    def __post_init__(self) -> None:
        if not self.video_kinds:
            raise ValueError("video_kinds is empty: one video model at least has to choose candidates")
        strangers = sorted(set(self.encoders) - set(self.video_kinds))
        if strangers:
            raise ValueError(f"encoders are of video_kinds {list(self.video_kinds)}, but {strangers[0]!r} is not")
        if self.folds == 1 and self.segment_kinds:
            raise ValueError(
                "segment models learn from rated videos, so they need two folds at least: with one, choose "
                "segment_kinds = []"
            )
        unknown = sorted(set(self.rates) - set(self.video_kinds))
        if unknown:
            raise ValueError(f"rates are of video_kinds {list(self.video_kinds)}, but {unknown[0]!r} is not")


@dataclass(frozen=True)
class Makers:
    """Trained models by name (`video.lstm`, `segment.netvlad`), those that encode among them.

    Of classes that are not `known` (C,), as no training video has their label or rating, models know nothing.
    """

    models: Mapping[str, ConceptModel]
    encoders: tuple[str, ...]
    whole: bool
    known: BoolArray

    @property
    def learned_from(self) -> frozenset[str] | None:
        """Videos that any of the models has learned from; None where nobody knows that of one."""
        known = [model.learned_from for model in self.models.values()]
        return None if None in known else frozenset().union(*(each for each in known if each is not None))

    def of_video(self, frames: Matrix) -> dict[str, Matrix]:
        """What each video model says of a whole video of frames (T, D): (1, C), NaN for unknown classes."""
        of_videos = {name: model for name, model in self.models.items() if name.startswith("video.")}
        return {name: self._told(model.of_runs(frames, [[0, len(frames)]])) for name, model in of_videos.items()}

    def describe(
        self, video_id: str, frames: Matrix, runs: ArrayLike, *, of_video: Mapping[str, Matrix] | None = None
    ) -> Described:
        """Runs (S, 2) of the frames (T, D) of one video in the words of these models.

        `of_video` is what `of_video` gave, where it is known already.
        """
        runs = np.asarray(runs, np.int64).reshape(-1, 2)
        scores: dict[str, Matrix] = {}
        whole = {} if not self.whole else self.of_video(frames) if of_video is None else of_video
        for name, model in self.models.items():
            scores[name] = self._told(model.of_runs(frames, runs))
            if name in whole:
                scores[name + WHOLE] = np.broadcast_to(whole[name], scores[name].shape)
        encodings = {FRAMES: mean_frames(frames, runs)}
        encodings |= {
            name.removeprefix("video."): self.models[name].of_runs(frames, runs, "encodings") for name in self.encoders
        }
        return Described(np.array([video_id] * len(runs), np.str_), scores, encodings, self.learned_from)

    def _told(self, scores: Matrix) -> Matrix:
        scores[:, ~self.known] = np.nan
        return scores

    def video_scores(self, frames: Matrix) -> Matrix:
        """Mean probabilities (C,) of the video models for a whole video of frames (T, D), 0 for unknown classes."""
        return mean_of_video(self.of_video(frames))

    def account(self, videos: FrameVideos, rated: Sequence[RatedSegment]) -> Account:
        """All rated segments of training videos in the words of these models."""
        parts = []
        for first, stop in _by_video(rated):
            index = rated[first].video
            runs = [segment.run for segment in rated[first:stop]]
            parts.append(self.describe(videos.video_ids[index], videos.frames(index), runs))
        learned = self.learned_from or frozenset()
        labels = [each for name, each in zip(videos.video_ids, videos.labels, strict=True) if name in learned]
        return Account(Described.joined(parts), tuple(labels))

    @classmethod
    def of_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        how: MakerSettings,
        frames: FrameSettings,
        streams: Sequence[Stream],
        *,
        vocabulary: Vocabulary,
        known: BoolArray,
        device: torch.device,
    ) -> Self:
        """Models whose `tensors` these are, by name and tensor; InvalidData where they are not those of the settings.

        What they have learned from nobody knows any more.
        """
        models = {}
        for name, shape in shapes_of(how, frames).items():
            own = {key.removeprefix(f"{name}."): each for key, each in tensors.items() if key.startswith(f"{name}.")}
            models[name] = ConceptModel.from_tensors(own, shape, streams, vocabulary=vocabulary, training={},
                                                     device=device)  # fmt: skip
        if known.shape != (len(vocabulary),) or known.dtype != bool:
            raise InvalidData(f"Known classes are {len(vocabulary)} flags, but got {known.shape}. Train again.")
        return cls(models, tuple(f"video.{kind}" for kind in how.encoders), how.whole, known)


def names_told(how: MakerSettings) -> tuple[list[str], list[str]]:
    """Names of scores, and of encodings, by which such models will describe segments."""
    scores = [f"video.{kind}{ending}" for kind in how.video_kinds for ending in (("", WHOLE) if how.whole else ("",))]
    return scores + [f"segment.{kind}" for kind in how.segment_kinds], [FRAMES, *how.encoders]


def mean_of_video(of_video: Mapping[str, Matrix]) -> Matrix:
    """Mean probabilities (C,) over models of what `Makers.of_video` gave, 0 for unknown classes."""
    mean: Matrix = np.nan_to_num(np.mean([rows[0] for rows in of_video.values()], axis=0))
    return mean


def shapes_of(how: MakerSettings, frames: FrameSettings) -> dict[str, ModelSettings]:
    """What each model has to know of itself, by name."""
    video, segment = how.video, how.segment
    shapes = {
        f"video.{kind}": ModelSettings(net=of_kind(video.net, kind), frames=frames, longest=video.longest)
        for kind in how.video_kinds
    }
    for kind in how.segment_kinds:
        net = of_kind(segment.net, kind)
        shapes[f"segment.{kind}"] = ModelSettings(
            net=net, frames=frames, longest=segment.longest, context=segment.context
        )
    return shapes


def train_makers(
    videos: FrameVideos, how: MakerSettings, run: Run, *, vocabulary: Vocabulary, chosen: Sequence[int] | None = None
) -> Makers:
    """Train all models on the videos (on `chosen` alone, where given)."""
    models: dict[str, ConceptModel] = {}
    count = len(how.video_kinds) + len(how.segment_kinds)

    def tell(name: str) -> None:
        run.progress.say(f"Model {len(models) + 1} of {count}: {name}")

    for kind in how.video_kinds:
        name = f"video.{kind}"
        tell(name)
        models[name] = train_video_model(
            videos, _video_settings(how, kind), run.under(name), vocabulary=vocabulary, chosen=chosen
        )
    for kind in how.segment_kinds:
        shape = replace(how.segment, net=of_kind(how.segment.net, kind))
        start = models.get(f"video.{kind}")
        if shape.start == "video" and (start is None or start.how.net != shape.net):
            shape = replace(shape, start="labels")
            run.progress.say(f"segment.{kind} begins with labels: no video model has its net, so none can start it.")
        tell(f"segment.{kind}")
        models[f"segment.{kind}"] = train_segment_model(
            videos, shape, run.under(f"segment.{kind}"), vocabulary=vocabulary, video_model=start, chosen=chosen
        )
    known = _known(videos, range(len(videos)) if chosen is None else chosen, len(vocabulary))
    return Makers(models, tuple(f"video.{kind}" for kind in how.encoders), how.whole, known)


def _video_settings(how: MakerSettings, kind: NetKind) -> VideoModelSettings:
    fit = replace(how.video.fit, learning_rate=how.rates.get(kind, how.video.fit.learning_rate))
    return replace(how.video, net=of_kind(how.video.net, kind), fit=fit)


def unrated(videos: FrameVideos, rated: Sequence[RatedSegment]) -> list[int]:
    """The videos without rated segments; InvalidData where there is none."""
    has = {segment.video for segment in rated}
    rest = [index for index in range(len(videos)) if index not in has]
    if not rest:
        raise InvalidData(
            f"With one fold models learn from videos without rated segments, but all {len(videos)} have some. Take two "
            "folds or more."
        )
    return rest


def out_of_fold(
    videos: FrameVideos, rated: Sequence[RatedSegment], how: MakerSettings, run: Run, *, vocabulary: Vocabulary
) -> OutOfFold:
    """Rated segments in the words of models trained without the fold of their video.

    Videos with rated segments are shared out evenly, and so are those without.
    """
    fold, parts = _folds(videos, rated, how.folds, run.seed), []
    owner = np.array([segment.video for segment in rated], np.int64)
    for number in range(how.folds):
        run.progress.say(f"Models for fold {number + 1} of {how.folds}")
        learned = np.flatnonzero(fold != number).tolist()
        makers = train_makers(videos, how, run.under(f"fold-{number}"), vocabulary=vocabulary, chosen=learned)
        parts.append(Fold(makers.account(videos, rated), np.flatnonzero(fold[owner] == number)))
    return OutOfFold(parts)


def ratings_of(videos: FrameVideos, rated: Sequence[RatedSegment]) -> Ratings:
    """The ratings of rated segments, segment by segment, with the labels of their videos."""
    rows = np.repeat(np.arange(len(rated)), [len(segment.classes) for segment in rated])
    classes = [segment.classes for segment in rated] or [np.zeros(0, np.int64)]
    present = [segment.present for segment in rated] or [np.zeros(0, bool)]
    labels = tuple(videos.labels[segment.video] for segment in rated)
    return Ratings(rows, np.concatenate(classes), np.concatenate(present), labels)


def mean_frames(frames: Matrix, runs: IntArray) -> Matrix:
    """Mean frames (S, D) of runs (S, 2) of frames (T, D), 0 for an empty run."""
    sums = np.concatenate([np.zeros((1, frames.shape[1])), np.cumsum(frames, axis=0, dtype=np.float64)])
    lengths = np.maximum(runs[:, 1] - runs[:, 0], 1)[:, None]
    means: Matrix = ((sums[runs[:, 1]] - sums[runs[:, 0]]) / lengths).astype(np.float32)
    return means


def _known(videos: FrameVideos, chosen: Sequence[int], classes: int) -> BoolArray:
    """(C,) True for classes that one of these videos is labelled with, or rated to show."""
    known = np.zeros(classes, bool)
    for index in chosen:
        known[videos.labels[index].classes] = True
        known[videos.segments[index].classes[videos.segments[index].present]] = True
    return known


def _folds(videos: FrameVideos, rated: Sequence[RatedSegment], folds: int, seed: int) -> IntArray:
    """The fold (V,) of each video; rated ones are shared out by themselves, so that no fold lacks them.

    Clips of a recording of which any is rated go with it.
    """
    ids = np.asarray(videos.video_ids, np.str_)
    recordings = recording_numbers(videos.video_ids)
    has: BoolArray = np.isin(recordings, recordings[[segment.video for segment in rated]])
    fold = np.zeros(len(videos), np.int64)
    fold[has] = folds_of(ids[has].tolist(), folds, seed)
    rest = recording_numbers(ids[~has].tolist())
    fold[~has] = folds_of(ids[~has].tolist(), folds, seed) if rest.max(initial=-1) + 1 >= folds else rest
    return fold


def _by_video(rated: Sequence[RatedSegment]) -> list[tuple[int, int]]:
    """Where the segments of each video begin and end, in a list in order of videos."""
    owner = np.array([segment.video for segment in rated], np.int64)
    borders = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(rated)]
    return list(pairwise(borders)) if len(rated) else []
