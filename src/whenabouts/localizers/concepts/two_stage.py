"""The two-stage localizer: which videos may hold a concept, then which of their segments (Ma et al., 2019)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.config import load as load_settings
from whenabouts.config import merged
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.concepts.distillation import distil, usual_members
from whenabouts.localizers.concepts.fitting import Run
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.looks import candidate_classes, checked_cutoffs, cutoffs_of, looks, moments_of
from whenabouts.localizers.concepts.model import ConceptModel, runs_of_spans
from whenabouts.localizers.concepts.segment_models import (
    rated_segments,
    rating_counts,
    taught_classes,
    train_segment_model,
)
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.video_models import all_video_scores, train_video_model
from whenabouts.localizers.model_folder import Card, read_model, write_model
from whenabouts.localizers.protocol import Stream
from whenabouts.training import choose_compute, choose_device


class TwoStage:
    """A trained two-stage localizer; make one with `fit` or `load`.

    Concepts without a rated segment (`taught` False) are judged by the video model on segments: so are all of them
    where nothing is rated. `ratings` (C,) counts the rated segments of each concept; None in models that were saved
    before they were counted.
    """

    Settings: ClassVar[type[TwoStageSettings]] = TwoStageSettings

    def __init__(
        self,
        video: ConceptModel,
        segment: ConceptModel | None,
        settings: TwoStageSettings,
        *,
        taught: BoolArray,
        cutoffs: FloatArray,
        training: Mapping[str, Any],
        ratings: IntArray | None = None,
    ) -> None:
        self.video, self.segment, self.settings, self.ratings = video, segment, settings, ratings
        self.taught, self.cutoffs, self.training = taught, cutoffs, training
        self.vocabulary: Vocabulary = video.vocabulary
        self.streams: tuple[Stream, ...] = video.streams

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        settings: TwoStageSettings,
        progress: Progress,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn the video model from video labels, then the segment model from rated segments, where there are any.

        With a folder `checkpoints` a killed training goes on from its last step, on a CPU to the same bits.
        """
        videos = FrameVideos(examples, settings.frames, progress)
        run = Run(progress, choose_compute(device, settings.precision), seed, checkpoints)
        video = _video_model(videos, settings, run, vocabulary)
        rated = rated_segments(videos)
        taught = taught_classes(rated, len(vocabulary), weak=settings.segment.weak_negatives > 0)
        segment = None
        if taught.any():
            segment = train_segment_model(
                videos, settings.segment, run.under("segment"), vocabulary=vocabulary, video_model=video
            )
        _tell_taught(taught, vocabulary, progress)
        every = np.arange(len(videos))
        cutoffs = cutoffs_of(all_video_scores(video, videos, every.tolist()), videos.labels, settings.candidates)
        facts = _facts(video, segment, videos, len(rated), len(vocabulary))
        ratings = rating_counts(rated, len(vocabulary))
        return cls(video, segment, settings, taught=taught, cutoffs=cutoffs, training=facts, ratings=ratings)

    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Segment scores every `hop_seconds`, and the video model's probabilities; both in [0, 1]."""
        video_id = next((each.video_id for each in features.values()), "")
        frame_grid, frames = self.video.reader.read(features)
        grid = TimeGrid.of_length(frame_grid.duration_seconds if frame_grid.steps else 0.0, self.settings.hop_seconds)
        video_scores = self.video.of_runs(frames, [[0, len(frames)]])[0]
        scores = self._segment_scores(frames, runs_of_spans(frame_grid, looks(grid, self.settings.segment_seconds)))
        return ScoreSequence(video_id, scores, video_scores, grid, self.vocabulary)

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the concepts for which the video is a candidate."""
        scores = self.score(features)
        return moments_of(scores, self.candidate_classes(scores.video_scores), self.settings)

    def candidate_classes(self, video_scores: NDArray[np.float32]) -> IntArray:
        """Classes (P,) for which a video with such scores (C,) is a candidate."""
        return candidate_classes(video_scores, self.cutoffs, self.settings)

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        tensors = {"taught": torch.from_numpy(self.taught), "cutoffs": torch.from_numpy(self.cutoffs)}
        if self.ratings is not None:
            tensors["ratings"] = torch.from_numpy(self.ratings)
        for name, model in (("video", self.video), ("segment", self.segment)):
            if model is not None:
                tensors |= {f"{name}.{key}": value for key, value in model.tensors().items()}
        write_model(folder, Card("two-stage", self.streams, self.training), self.vocabulary, tensors, self.settings)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved = read_model(folder)
        where = f"{folder / 'settings.toml'} [train]"
        settings = load_settings(TwoStageSettings, merged(saved.settings, changes), where)
        models: dict[str, ConceptModel] = {}
        shapes = {"video": settings.video_shape(), "segment": settings.segment_shape()}
        for name, shape in shapes.items():
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in saved.tensors.items()
                if key.startswith(f"{name}.")
            }
            if own:
                models[name] = ConceptModel.from_tensors(
                    own, shape, saved.card.streams, vocabulary=saved.vocabulary,
                    training=saved.card.training.get(name) or {}, device=choose_device(device),
                )  # fmt: skip
        if "video" not in models or not {"taught", "cutoffs"} <= saved.tensors.keys():
            raise InvalidData(f"{folder} lacks a part of the model. Run `whenabouts train` again.")
        classes, ratings = len(saved.vocabulary), saved.tensors.get("ratings")
        taught = saved.tensors["taught"].numpy()
        whole = taught.dtype == bool and (ratings is None or not ratings.is_floating_point())
        if not whole or any(tuple(each.shape) != (classes,) for each in (taught, ratings) if each is not None):
            raise InvalidData(f"{folder} does not tell of {classes} concepts what was rated. Train again.")
        return cls(models["video"], models.get("segment"), settings, taught=taught,
                   cutoffs=checked_cutoffs(saved.tensors["cutoffs"].numpy(), classes), training=saved.card.training,
                   ratings=None if ratings is None else ratings.numpy())  # fmt: skip

    def _segment_scores(self, frames: NDArray[np.float32], runs: IntArray) -> NDArray[np.float32]:
        """Scores (S, C) of runs: by the segment model for what ratings taught it, else by the video model.

        With `halfway` above 0, a mean of both, in which the segment model counts the more the more ratings it has seen.
        """
        if self.segment is None:
            return self.video.of_runs(frames, runs)
        scores = self.segment.of_runs(frames, runs)
        shares = self._shares()
        if (shares < 1).any():
            scores = shares * scores + (1 - shares) * self.video.of_runs(frames, runs)
        return scores

    def _shares(self) -> NDArray[np.float32]:
        """How much (C,) the segment model's word counts beside the video model's."""
        shares = self.taught.astype(np.float32)
        if self.settings.halfway and self.ratings is not None:
            shares *= (self.ratings / (self.ratings + self.settings.halfway)).astype(np.float32)
        return shares


def _video_model(videos: FrameVideos, how: TwoStageSettings, run: Run, vocabulary: Vocabulary) -> ConceptModel:
    if how.distilled:
        members = usual_members(how.video)
        return distil(videos, members, how.video, how.distillation, run.under("video"), vocabulary=vocabulary)
    return train_video_model(videos, how.video, run.under("video"), vocabulary=vocabulary)


def _tell_taught(taught: BoolArray, vocabulary: Vocabulary, progress: Progress) -> None:
    lacking = np.flatnonzero(~taught)
    if len(lacking) == len(vocabulary):
        progress.say(
            "No concept has a segment rated as showing it, so the video model ranks segments too. Rate some, or import "
            "chapters, and train again: moments should become better."
        )
    elif len(lacking):
        shown = ", ".join(vocabulary.names[index] for index in lacking[:5].tolist())
        more = " ..." if len(lacking) > 5 else ""
        progress.say(f"{len(lacking)} concepts lack rated segments, so the video model ranks theirs: {shown}{more}.")


def _facts(
    video: ConceptModel, segment: ConceptModel | None, videos: FrameVideos, rated: int, classes: int
) -> dict[str, Any]:
    """What is known about the training, in plain JSON values."""
    facts: dict[str, Any] = {**videos.counts(classes), "rated_segments": rated}
    facts["video"] = dict(video.training)
    return facts if segment is None else facts | {"segment": dict(segment.training)}
