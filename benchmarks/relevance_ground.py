"""What the tables of relevance stand on: worlds, widths and rates of nets, and all that is learned without a rating."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from relevance_figures import Judge
from whenabouts.config import as_table
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.speech import SpeechWorld, speech_world
from whenabouts.data.worlds.speech_sound import read_recordings
from whenabouts.data.worlds.speech_streams import SpeechSettings
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.candidates import CandidateSettings, candidate_limits
from whenabouts.localizers.concepts.described import Described
from whenabouts.localizers.concepts.distillation import folds_of
from whenabouts.localizers.concepts.fitting import FitSettings, Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.linear import LinearSettings
from whenabouts.localizers.concepts.makers import Makers, MakerSettings, train_makers
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind, NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model
from whenabouts.training import choose_compute

KINDS: tuple[NetKind, ...] = ("convnet", "lstm", "transformer", "netvlad", "netfv")
FOLDS = 2
FRAMES = 5
MOST_RATINGS = 240
MULTIPLES = ("1", "2", "3", "5")
TRAIN, TEST, POOL = 1000, 150, 0.35  # streams to learn from, of the test, and the share of the former that raters see
NET = NetSettings(hidden=128, blocks=2, heads=4)
WIDTHS = {"transformer": 64}  # the others are as wide as NET

# Rates come from three trials of each training on seed 100, which is in no table: benchmarks/relevance_tuning.py.
VIDEO = VideoModelSettings(net=NET, fit=FitSettings(epochs=1, least_steps=800, batch_size=16), sampled_frames=20)
VIDEO_RATES = {"logistic": 1e-2, "lstm": 1e-2, "netvlad": 1e-2, "netfv": 5e-3}
SHORT = replace(VIDEO, fit=FitSettings(epochs=1, least_steps=1200, batch_size=16), sampled_frames=FRAMES)
SHORT_RATES = {"convnet": 5e-3, "lstm": 5e-3, "transformer": 2e-3, "netvlad": 5e-3, "netfv": 5e-3}
TUNED = SegmentModelSettings(net=NET, fit=FitSettings(epochs=8, least_steps=150, batch_size=32))
TUNED_RATES = {"convnet": 5e-3, "lstm": 5e-3, "transformer": 2e-3, "netvlad": 5e-3, "netfv": 5e-3}
MAKERS = MakerSettings(
    video=VIDEO, video_kinds=("logistic", "lstm", "netvlad", "netfv"), segment=SegmentModelSettings(), segment_kinds=(),
    encoders=("lstm", "netvlad", "netfv"), rates=VIDEO_RATES,
)  # fmt: skip
TREES = TreeSettings(learning_rate=0.05, rounds=300, patience=20)
LINEAR = LinearSettings()
OURS = RelevanceSettings(model="trees", trees=TREES, linear=LINEAR)
PAPER = replace(RelevanceSettings.paper(), trees=TREES, weak_negatives=OURS.weak_negatives)


def settings_hash(*beside: Any) -> str:
    """A hash of all that decides a cell but its seed and ratings, to stand in its name."""
    shapes = [as_table(each) for each in (NET, VIDEO, SHORT, TUNED, MAKERS, OURS, PAPER)]
    told = json.dumps([KINDS, WIDTHS, FOLDS, shapes, SHORT_RATES, TUNED_RATES, *beside], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Place:
    """Where recordings and kept worlds lie, and how large worlds are."""

    recordings: Path
    work: Path
    train: int
    test: int
    pool: float


@lru_cache(maxsize=2)
def world_of(place: Place, seed: int, ratings: int) -> SpeechWorld:
    how = SpeechSettings(train_streams=place.train, test_streams=place.test, ratings=ratings,
                         rated_streams=place.pool, seed=seed)  # fmt: skip
    return speech_world(read_recordings(place.recordings), how, place.work / "worlds")


def frames_of(place: Place, seed: int, ratings: int) -> FrameVideos:
    return FrameVideos(world_of(place, seed, ratings).train.examples, FrameSettings(step_seconds=1.0), Silent())


def run_of(seed: int) -> Run:
    return Run(Silent(), choose_compute("cpu", "float32"), seed)


@dataclass(frozen=True)
class Ground:
    """What does not depend on ratings: video models, and segment models before any rating, of videos never rated.

    `fold` (V,) shares out training videos, so that rated ones are told of by segment models that have not seen them.
    `test` is the test side in the words of the video models, `of_video` their scores (V, C) of whole test videos,
    `before` those of test segments (N, C) by the segment models.
    """

    fold: Any
    makers: Makers
    short: dict[str, ConceptModel]
    test: Described
    of_video: dict[str, Any]
    before: dict[str, Any]

    @property
    def video_scores(self) -> Any:
        """Mean scores (V, C) of whole test videos, by which candidates are chosen."""
        return np.mean(list(self.of_video.values()), axis=0)


def net_of(kind: NetKind) -> NetSettings:
    return replace(NET, kind=kind, hidden=WIDTHS.get(kind, NET.hidden))


def parts_of(fold: Any) -> list[list[int] | None]:
    """All videos, then those outside each fold."""
    return [None, *(np.flatnonzero(fold != number).tolist() for number in range(FOLDS))]


@lru_cache(maxsize=8)
def ground_of(place: Place, seed: int) -> Ground:
    """Train on labels of whole videos alone: nothing rated is known here. Models are kept, and not trained again.

    As in the challenge, these videos and the rated ones are different ones.
    """
    world, videos, run, part = world_of(place, seed, 0), frames_of(place, seed, 0), run_of(seed), labelled(place, seed)
    folder = place.work / "ground" / f"{settings_hash(place.train, place.test, place.pool)}-{seed}"
    makers = kept_makers(folder, videos, run, world, part)
    short = {kind: kept_model(folder / kind, videos, part, partial(
        on_few_frames, videos, net_of(kind), run, world, part)) for kind in KINDS}  # fmt: skip
    before = {kind: on_test(model, world) for kind, model in short.items()}
    return Ground(folds_of(videos.video_ids, FOLDS, seed), makers, short, *described_test(makers, world), before)


def labelled(place: Place, seed: int) -> list[int]:
    """The training videos that are not rated, however many ratings are asked for."""
    rated = set(world_of(place, seed, MOST_RATINGS).train.rated.video_ids)
    examples = world_of(place, seed, 0).train.examples
    return [number for number, example in enumerate(examples) if example.video_id not in rated]


def kept_model(folder: Path, videos: FrameVideos, part: list[int], train: Callable[[], ConceptModel]) -> ConceptModel:
    """A model from its folder, else trained and kept there."""
    if not folder.is_dir():
        train().save(folder)
    model = ConceptModel.load(folder)
    model.learned_from = frozenset(videos.video_ids[each] for each in part)
    return model


def kept_makers(folder: Path, videos: FrameVideos, run: Run, world: SpeechWorld, part: list[int]) -> Makers:
    """The video models, from their folders if they are there."""
    names = [f"video.{kind}" for kind in MAKERS.video_kinds]
    if not all((folder / name).is_dir() for name in names):
        made = train_makers(videos, MAKERS, run, vocabulary=world.vocabulary, chosen=part)
        for name, model in made.models.items():
            model.save(folder / name)
    models = {name: kept_model(folder / name, videos, part, partial(ConceptModel.load, folder)) for name in names}
    known = np.zeros(len(world.vocabulary), bool)
    for index in part:
        known[videos.labels[index].classes] = True
    return Makers(models, tuple(f"video.{kind}" for kind in MAKERS.encoders), MAKERS.whole, known)


def described_test(makers: Makers, world: SpeechWorld) -> tuple[Described, dict[str, Any]]:
    """Test segments, and scores (V, C) of whole test videos by each video model."""
    described, of_video = [], []
    for example in world.test.examples:
        _, frames = next(iter(makers.models.values())).reader.read(example.features)
        told = makers.of_video(frames)
        described.append(makers.describe(example.video_id, frames, segments_in(len(frames)), of_video=told))
        of_video.append(told)
    scores = {name: np.nan_to_num(np.concatenate([each[name] for each in of_video])) for name in of_video[0]}
    return Described.joined(described), scores


def on_few_frames(
    videos: FrameVideos, net: NetSettings, run: Run, world: SpeechWorld, part: Any, *, rate: float | None = None
) -> ConceptModel:
    """What a segment model starts from: its net, learned from video labels on a few random frames of each video."""
    fit = replace(SHORT.fit, learning_rate=rate or SHORT_RATES[net.kind])
    return train_video_model(videos, replace(SHORT, net=net, fit=fit), run, vocabulary=world.vocabulary, chosen=part)


def segments_in(frames: int) -> Any:
    first = np.arange(frames // FRAMES) * FRAMES
    return np.stack([first, first + FRAMES], axis=1)


def on_test(model: ConceptModel, world: SpeechWorld) -> Any:
    """Scores (N, C) of all test segments."""
    rows = []
    for example in world.test.examples:
        _, frames = model.reader.read(example.features)
        rows.append(model.of_runs(frames, segments_in(len(frames))))
    return np.concatenate(rows)


def judge_of(place: Place, seed: int, ratings: int) -> Judge:
    """Truth of the test and its candidates: three times as many videos as should hold the class."""
    world, ground = world_of(place, seed, ratings), ground_of(place, seed)
    counts = np.zeros(len(world.vocabulary))
    for example in world.train.examples:
        counts[example.labels.classes] += 1
    limits = {multiple: candidate_limits(CandidateSettings(prior_multiple=float(multiple)), counts,
                                         labelled_videos=place.train, videos=place.test)
              for multiple in MULTIPLES}  # fmt: skip
    return Judge.of(world, ground.video_scores, limits, seed)
