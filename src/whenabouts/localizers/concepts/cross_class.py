"""The cross-class localizer: candidates by video models, then one relevance model of pairs (Ma et al., 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.concepts.class_facts import ClassFacts
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.described import WHOLE, Described, Fold, OutOfFold
from whenabouts.localizers.concepts.ensemble import Combination, Ensemble
from whenabouts.localizers.concepts.fitting import Run
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.lessons import pairs_of
from whenabouts.localizers.concepts.looks import candidate_classes, checked_cutoffs, cutoffs_of, looks, moments_of
from whenabouts.localizers.concepts.makers import (
    Makers,
    mean_of_video,
    names_told,
    out_of_fold,
    ratings_of,
    train_makers,
    unrated,
)
from whenabouts.localizers.concepts.model import runs_of_spans
from whenabouts.localizers.concepts.pair_features import check_columns
from whenabouts.localizers.concepts.relevance import RelevanceModel, Why
from whenabouts.localizers.concepts.segment_models import RatedSegment, rated_segments
from whenabouts.localizers.model_folder import Card, read_model, write_model
from whenabouts.localizers.protocol import Stream
from whenabouts.training import choose_compute, choose_device

RELEVANCE = "relevance"
_WAYS: tuple[Combination, ...] = ("mean", "geometric", "stacked")  # ranks would need all videos at once
_LOOKS = 4096  # segments of a video that are described at a time, so that a day of video takes no more memory


class CrossClass:
    """A trained cross-class localizer; make one with `fit` or `load`.

    Where too little is rated for a relevance model (`relevance` None) the mean of the models ranks segments; an
    `ensemble` joins both.
    """

    Settings: ClassVar[type[CrossClassSettings]] = CrossClassSettings

    def __init__(
        self,
        makers: Makers,
        relevance: RelevanceModel | None,
        settings: CrossClassSettings,
        *,
        cutoffs: FloatArray,
        training: Mapping[str, Any],
        ensemble: Ensemble | None = None,
    ) -> None:
        self.makers, self.relevance, self.settings, self.ensemble = makers, relevance, settings, ensemble
        self.cutoffs, self.training = cutoffs, training
        first = next(iter(makers.models.values()))
        self.vocabulary: Vocabulary = first.vocabulary
        self.streams: tuple[Stream, ...] = first.streams
        self._reader = first.reader

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        settings: CrossClassSettings,
        progress: Progress,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn the models from all videos, and again without those of each fold; then the relevance model.

        With a folder `checkpoints` a killed training goes on from its last step, on a CPU to the same bits.
        """
        videos = FrameVideos(examples, settings.frames, progress)
        run = Run(progress, choose_compute(device, settings.precision), seed, checkpoints)
        rated = rated_segments(videos)
        chosen = unrated(videos, rated) if settings.makers.folds == 1 else None
        lacking = _lacking(videos, rated, settings, len(vocabulary), seed)
        if lacking:
            settings = replace(settings, makers=replace(settings.makers, segment_kinds=()))
        else:
            _check_columns(videos, rated, settings, vocabulary)
        makers = train_makers(videos, settings.makers, run.under("whole"), vocabulary=vocabulary, chosen=chosen)
        if lacking:
            progress.say(
                f"{lacking} So the mean of the models ranks segments. Rate some, or import chapters, and train again: "
                "moments should become better."
            )
            relevance, ensemble = None, None
        else:
            relevance = _relevance(videos, rated, makers, settings, run)
            ensemble = _ensemble(relevance, settings, run)
        scores = np.stack([makers.video_scores(videos.frames(index)) for index in range(len(videos))])
        cutoffs = cutoffs_of(scores, videos.labels, settings.candidates)
        facts = _facts(videos, len(rated), len(vocabulary), makers, relevance)
        facts |= {} if ensemble is None else {"ensemble": ensemble.to_json()}
        return cls(makers, relevance, settings, cutoffs=cutoffs, training=facts, ensemble=ensemble)

    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Relevance every `hop_seconds` for all classes, and the models' mean probabilities; both in [0, 1]."""
        return self._scored(features, candidates_only=False)

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of the concepts for which the video is a candidate."""
        scores = self._scored(features, candidates_only=True)
        return moments_of(scores, self.candidate_classes(scores.video_scores), self.settings)

    def candidate_classes(self, video_scores: NDArray[np.float32]) -> IntArray:
        """Classes (P,) for which a video with such scores (C,) is a candidate."""
        return candidate_classes(video_scores, self.cutoffs, self.settings)

    def describe(self, features: Mapping[str, FeatureSequence], spans: FloatArray) -> Described:
        """Spans (S, 2) in seconds of one video in the words of the models."""
        grid, frames = self._reader.read(features)
        video_id = next((each.video_id for each in features.values()), "")
        return self.makers.describe(video_id, frames, runs_of_spans(grid, spans))

    def ranked(self, described: Described, classes: IntArray | None = None) -> NDArray[np.float32]:
        """Probabilities (S, K) by which described segments are ranked for `classes` (K,), all where none are named."""
        if self.relevance is None:
            means = np.nan_to_num(described.mean_scores)
            return means if classes is None else means[:, classes]
        relevance = self.relevance.scores(described, classes)
        if self.ensemble is None:
            return relevance
        every = slice(None) if classes is None else classes
        said = {name: described.scores[name][:, every] for name in self.ensemble.members if name != RELEVANCE}
        joined = self.ensemble.scores({RELEVANCE: relevance, **said})
        # Of a class that the models do not know they say nothing, and relevance alone has a word on it.
        ranked: NDArray[np.float32] = np.where(np.isnan(joined), relevance, joined).astype(np.float32)
        return ranked

    def why(self, features: Mapping[str, FeatureSequence], span: tuple[float, float], concept: str) -> Why:
        """What moved the relevance of one span in seconds for one concept; InvalidData where no relevance model is."""
        if self.relevance is None:
            raise InvalidData(
                "There is no relevance model to ask: too little was rated when this one was trained. Rate some, or "
                "import chapters, and train again."
            )
        described = self.describe(features, np.array([span], np.float64))
        return self.relevance.why(described, 0, self.vocabulary.index(concept))

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        tensors = {"cutoffs": torch.from_numpy(self.cutoffs), "known": torch.from_numpy(self.makers.known)}
        for name, model in self.makers.models.items():
            tensors |= {f"models.{name}.{key}": value for key, value in model.tensors().items()}
        arrays, files = self.relevance.state() if self.relevance is not None else ({}, {})
        tensors |= {f"relevance.{name}": torch.from_numpy(values) for name, values in arrays.items()}
        card = Card("cross-class-relevance", self.streams, self.training)
        write_model(folder, card, self.vocabulary, tensors, self.settings, beside=files)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over its settings.

        Raises ProjectError where there is nothing, InvalidData where it is broken.
        """
        saved = read_model(folder)
        where = f"{folder / 'settings.toml'} [train]"
        settings = load_settings(CrossClassSettings, merged(saved.settings, changes), where)
        if not {"cutoffs", "known"} <= saved.tensors.keys():
            raise InvalidData(f"{folder} lacks a part of the model. Run `whenabouts train` again.")
        makers = Makers.of_tensors(
            {name.removeprefix("models."): each for name, each in saved.tensors.items() if name.startswith("models.")},
            settings.makers, settings.frames, saved.card.streams, vocabulary=saved.vocabulary,
            known=saved.tensors["known"].numpy(), device=choose_device(device),
        )  # fmt: skip
        arrays = {name: each.numpy() for name, each in saved.tensors.items() if name.startswith("relevance.")}
        relevance = None
        if arrays:
            own = {name.removeprefix("relevance."): values for name, values in arrays.items()}
            relevance = RelevanceModel.of_state(own, saved.beside, settings.relevance, vocabulary=saved.vocabulary,
                                                training=saved.card.training.get("relevance", {}))  # fmt: skip
        cutoffs = checked_cutoffs(saved.tensors["cutoffs"].numpy(), len(saved.vocabulary))
        ensemble = _read_ensemble(saved.card.training, makers, relevance)
        return cls(makers, relevance, settings, cutoffs=cutoffs, training=saved.card.training, ensemble=ensemble)

    def _scored(self, features: Mapping[str, FeatureSequence], *, candidates_only: bool) -> ScoreSequence:
        """Scores of all classes; with `candidates_only` those of others are the models' mean."""
        video_id = next((each.video_id for each in features.values()), "")
        frame_grid, frames = self._reader.read(features)
        grid = TimeGrid.of_length(frame_grid.duration_seconds if frame_grid.steps else 0.0, self.settings.hop_seconds)
        runs = runs_of_spans(frame_grid, looks(grid, self.settings.segment_seconds))
        of_video = self.makers.of_video(frames)
        video_scores = mean_of_video(of_video)
        every = np.arange(len(self.vocabulary))
        classes = self.candidate_classes(video_scores) if candidates_only else every
        scores = np.zeros((len(runs), len(self.vocabulary)), np.float32)
        for first in range(0, len(runs), _LOOKS):
            part = slice(first, first + _LOOKS)
            described = self.makers.describe(video_id, frames, runs[part], of_video=of_video)
            scores[part] = np.nan_to_num(described.mean_scores)
            scores[part, classes] = self.ranked(described, classes)
        return ScoreSequence(video_id, scores, video_scores, grid, self.vocabulary)


def _relevance(
    videos: FrameVideos, rated: Sequence[RatedSegment], makers: Makers, settings: CrossClassSettings, run: Run
) -> RelevanceModel:
    vocabulary = next(iter(makers.models.values())).vocabulary
    ratings, whole = ratings_of(videos, rated), makers.account(videos, rated)
    if settings.makers.folds == 1:
        told = OutOfFold([Fold(whole, np.arange(len(rated)))])
    else:
        told = out_of_fold(videos, rated, settings.makers, run, vocabulary=vocabulary)
    model = RelevanceModel.fit(told, whole, ratings, settings.relevance, vocabulary=vocabulary, seed=run.seed)
    facts = model.training
    measured = "none of those in held-out videos shows a concept, so how well it ranks is not known"
    if facts["map_held_out"] is not None:
        measured = (
            f"MAP {facts['map_held_out']:.3f} on {facts['held_out_pairs']} of them in held-out videos, "
            f"{facts['map_retrained_on_all']:.3f} there after learning from all"
        )
    run.progress.say(f"Relevance from {facts['rated_pairs']} ratings: {measured}.")
    return model


def _ensemble(relevance: RelevanceModel, settings: CrossClassSettings, run: Run) -> Ensemble | None:
    """A way to join relevance with the models, fitted to pairs of videos that none of them had seen."""
    held = relevance.held_out
    if settings.ensemble == "none" or held is None:
        return None
    said = {RELEVANCE: held.scores, **{name: each for name, each in held.singles.items() if not name.endswith(WHOLE)}}
    known = ~np.isnan(np.stack(list(said.values()))).any(axis=0)
    ways = _WAYS if settings.ensemble == "best" else (settings.ensemble,)
    made = Ensemble.fit({name: each[known] for name, each in said.items()}, held.classes[known], held.present[known],
                        held.video_ids[known], seed=run.seed, ways=ways)  # fmt: skip
    trials = ", ".join(f"{name} {made.trials[name]:.3f}" for name in (*ways, RELEVANCE))
    run.progress.say(f"Ensemble of {len(said)} models by {made.how}; MAP on held-out ratings: {trials} alone.")
    return made


def _read_ensemble(facts: Mapping[str, Any], makers: Makers, relevance: RelevanceModel | None) -> Ensemble | None:
    told = facts.get("ensemble")
    if told is None or relevance is None:
        return None
    ensemble = Ensemble.from_json(told)
    strangers = sorted(set(ensemble.members) - {RELEVANCE, *makers.models})
    if strangers or RELEVANCE not in ensemble.members or ensemble.how not in _WAYS:
        raise InvalidData(f"The ensemble joins {', '.join(ensemble.members)} by {ensemble.how}, which this model has "
                          "not. Train again.")  # fmt: skip
    return ensemble


def _check_columns(
    videos: FrameVideos, rated: Sequence[RatedSegment], settings: CrossClassSettings, vocabulary: Vocabulary
) -> None:
    """Raise SettingsError for a relevance model that can't be, before models are trained for it."""
    how, (scores, encoders) = settings.relevance, names_told(settings.makers)
    facts = ClassFacts(vocabulary, videos.labels, ratings_of(videos, rated).rated_classes(len(vocabulary)))
    check_columns(scores, encoders, facts, class_features=how.class_features, without=how.without)


def _lacking(
    videos: FrameVideos, rated: Sequence[RatedSegment], settings: CrossClassSettings, classes: int, seed: int
) -> str:
    """Why no relevance model can be learned, "" where one can."""
    present = [flag for segment in rated for flag in segment.present.tolist()]
    rated_videos = len({segment.video for segment in rated})
    if not any(present):
        return "No segment is rated as showing a concept."
    if all(present):
        how, ids = settings.relevance, np.array([videos.video_ids[segment.video] for segment in rated], np.str_)
        pairs = pairs_of(ratings_of(videos, rated), ids, classes, how.weak_negatives, how.weak_weight, seed=seed)
        if pairs.rated.all():  # Of a single concept, or where each segment shows all, not even weak ones are there.
            return "No segment is rated as lacking a concept."
    if rated_videos < max(2, settings.makers.folds):
        return f"Segments are rated in {rated_videos} videos, and {max(2, settings.makers.folds)} are needed."
    return ""


def _facts(
    videos: FrameVideos, rated: int, classes: int, makers: Makers, relevance: RelevanceModel | None
) -> dict[str, Any]:
    """What is known about the training, in plain JSON values."""
    facts: dict[str, Any] = {**videos.counts(classes), "rated_segments": rated}
    facts["models"] = {name: dict(model.training) for name, model in makers.models.items()}
    return facts if relevance is None else facts | {"relevance": dict(relevance.training)}
