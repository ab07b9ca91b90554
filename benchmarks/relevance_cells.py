"""One cell of the tables of relevance: all rows of one world and one number of ratings a class."""

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from relevance_figures import Judge
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.speech import SpeechWorld, speech_world
from whenabouts.data.worlds.speech_sound import read_recordings
from whenabouts.data.worlds.speech_streams import SpeechSettings
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.candidates import CandidateSettings, candidate_limits
from whenabouts.localizers.concepts.described import Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.distillation import folds_of
from whenabouts.localizers.concepts.ensemble import COMBINATIONS, Ensemble
from whenabouts.localizers.concepts.fitting import FitSettings, Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.makers import Makers, MakerSettings, ratings_of, train_makers
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind, NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceModel, RelevanceSettings
from whenabouts.localizers.concepts.segment_models import (
    RatedSegment,
    SegmentModelSettings,
    rated_segments,
    train_segment_model,
)
from whenabouts.localizers.concepts.unseen import (
    by_description,
    by_segment,
    by_video,
    unlabelled_account,
    unlabelled_folds,
    without_ratings,
)
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model
from whenabouts.training import choose_compute

KINDS: tuple[NetKind, ...] = ("convnet", "lstm", "transformer", "netvlad", "netfv")
FOLDS = 2
NET = NetSettings(hidden=64, blocks=2, heads=4)
VIDEO = VideoModelSettings(net=NET, fit=FitSettings(epochs=10, least_steps=200, batch_size=32))
MAKERS = MakerSettings(video=VIDEO, video_kinds=("logistic", "lstm", "netvlad", "netfv"),
                       encoders=("lstm", "netvlad", "netfv"))  # fmt: skip
TUNED = SegmentModelSettings(net=NET, fit=FitSettings(learning_rate=5e-4, epochs=8, least_steps=150, batch_size=32))
TREES = TreeSettings(learning_rate=0.1, rounds=300, patience=20)
OURS = RelevanceSettings(trees=TREES)
PAPER = replace(RelevanceSettings.paper(), trees=TREES)
ABLATIONS: dict[str, tuple[str, ...]] = {
    "without similarity": ("similarity",),
    "without similarity of mean frames": ("similarity.frames",),
    "without similarity of LSTM states": ("similarity.lstm",),
    "without similarity of NetVLAD": ("similarity.netvlad",),
    "without similarity of NetFV": ("similarity.netfv",),
    "without models' scores": ("scores",),
}
ADDED = ("onehot", "parent-index", "words")


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
    """What does not depend on ratings: models of all videos and of each fold, and the same learned on five frames."""

    fold: Any
    makers: tuple[Makers, ...]
    short: tuple[dict[str, ConceptModel], ...]
    test: Described
    video_scores: Any


@lru_cache(maxsize=8)
def ground_of(place: Place, seed: int) -> Ground:
    """Train on labels of whole videos alone: nothing rated is known here."""
    world, videos, run = world_of(place, seed, 0), frames_of(place, seed, 0), run_of(seed)
    fold = folds_of(len(videos), FOLDS, seed)
    parts = [None, *(np.flatnonzero(fold != number).tolist() for number in range(FOLDS))]
    makers = tuple(train_makers(videos, MAKERS, run, vocabulary=world.vocabulary, chosen=part) for part in parts)
    short = tuple({kind: on_five_frames(videos, replace(NET, kind=kind), run, world, part) for kind in KINDS}
                  for part in parts)  # fmt: skip
    described, video_scores = [], []
    for example in world.test.examples:
        _, frames = videos.reader.read(example.features)
        described.append(makers[0].describe(example.video_id, frames, segments_in(len(frames))))
        video_scores.append(makers[0].video_scores(frames))
    return Ground(fold, makers, short, Described.joined(described), np.stack(video_scores))


def on_five_frames(videos: FrameVideos, net: NetSettings, run: Run, world: SpeechWorld, part: Any) -> ConceptModel:
    how = replace(VIDEO, net=net, sampled_frames=5)
    return train_video_model(videos, how, run, vocabulary=world.vocabulary, chosen=part)


def segments_in(frames: int) -> Any:
    first = np.arange(frames // 5) * 5
    return np.stack([first, first + 5], axis=1)


def tuned(videos: FrameVideos, start: ConceptModel, how: SegmentModelSettings, run: Run, part: Any) -> ConceptModel:
    """A segment model that goes on from one of five frames."""
    return train_segment_model(videos, replace(how, net=start.how.net, start="video"), run,
                               vocabulary=start.vocabulary, video_model=start, chosen=part)  # fmt: skip


def on_test(model: ConceptModel, world: SpeechWorld) -> Any:
    rows = []
    for example in world.test.examples:
        _, frames = model.reader.read(example.features)
        rows.append(model.of_runs(frames, segments_in(len(frames))))
    return np.concatenate(rows)


def on_rated(model: ConceptModel, videos: FrameVideos, rated: list[RatedSegment]) -> Any:
    return np.concatenate([model.of_runs(videos.frames(each.video), [each.run]) for each in rated])


def judge_of(place: Place, seed: int, ratings: int) -> Judge:
    """Truth of the test and its candidates: three times as many videos as should hold the class."""
    world, ground = world_of(place, seed, ratings), ground_of(place, seed)
    counts = np.zeros(len(world.vocabulary))
    for example in world.train.examples:
        counts[example.labels.classes] += 1
    limits = candidate_limits(CandidateSettings(), counts, labelled_videos=place.train, videos=place.test)
    return Judge.of(world, ground.video_scores, limits, seed)


def cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """The rows of all models of one seed and one number of ratings."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    rows: dict[str, Any] = {
        "video score alone": judge.figures(by_video(ground.test)),
        "video models on segments, no ratings": judge.figures(by_segment(ground.test)),
    }
    segment, honest = lessons.segment_models(TUNED, world)
    rows |= {kind: judge.figures(scores) for kind, scores in segment.items()}
    plain = lessons.accounts()
    rich = [with_scores(each.segments, told, each.labels) for each, told in zip(plain, lessons.told, strict=True)]
    test_rich = with_scores(ground.test, segment, ()).segments
    paper = [only(each.segments, ("video.logistic", "video.lstm"), ("frames", "lstm"), each.labels) for each in plain]
    test_paper = only(ground.test, ("video.logistic", "video.lstm"), ("frames", "lstm"), ()).segments
    variants = {
        "CCRL, the paper's features": (paper, test_paper, PAPER),
        "CCRL": (plain, ground.test, OURS),
        "CCRL, linear": (plain, ground.test, replace(OURS, model="linear")),
        "CCRL + segment models": (rich, test_rich, OURS),
        "CCRL + segment models, linear": (rich, test_rich, replace(OURS, model="linear")),
    }
    found = {}
    for name, (accounts, test, how) in variants.items():
        found[name] = lessons.relevance(accounts, how, world).scores(test)
        rows[name] = judge.figures(found[name])
    rows |= joined(lessons, judge, rich, segment, honest, found["CCRL + segment models"], world)
    return {"rows": rows, "recall": judge.recall(ground.video_scores), "rated": len(lessons.given),
            "short": sum(world.train.short.values()), "cpu_seconds": round(time.process_time() - began, 1)}  # fmt: skip


def further_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Ablations, ratings alone, and unseen classes."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    plain = lessons.accounts()
    rows = unseen(lessons, judge, plain, world)
    for kind in KINDS:
        how = replace(TUNED, weak_negatives=0)
        model = tuned(lessons.videos, ground.short[0][kind], how, lessons.run, None)
        rows[f"{kind}, ratings alone"] = judge.figures(on_test(model, world))
    alone = lessons.relevance(plain, replace(OURS, weak_negatives=0), world)
    rows["CCRL, ratings alone"] = judge.figures(alone.scores(ground.test))
    rows |= ablated(lessons, judge, plain, world)
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}


def taught_of(place: Place, seed: int, ratings: int) -> "Taught":
    videos = frames_of(place, seed, ratings)
    rated = rated_segments(videos)
    return Taught(videos, rated, ratings_of(videos, rated), ground_of(place, seed), run_of(seed))


class Taught:
    """What is learned from the ratings of one cell."""

    def __init__(self, videos: FrameVideos, rated: list[RatedSegment], given: Ratings, ground: Ground, run: Run):
        self.videos, self.rated, self.given, self.ground, self.run = videos, rated, given, ground, run
        self.owner = np.array([each.video for each in rated])
        self.told: list[dict[str, Any]] = []

    def segment_models(self, how: SegmentModelSettings, world: SpeechWorld) -> tuple[dict[str, Any], dict[str, Any]]:
        """Test scores of the segment models, and scores of rated segments by those that have not seen their video."""
        test, honest = {}, {}
        self.told = [{} for _ in self.ground.makers]
        for kind in KINDS:
            parts = [None, *(np.flatnonzero(self.ground.fold != number).tolist() for number in range(FOLDS))]
            for number, part in enumerate(parts):
                model = tuned(self.videos, self.ground.short[number][kind], how, self.run, part)
                self.told[number][kind] = on_rated(model, self.videos, self.rated)
                if part is None:
                    test[kind] = on_test(model, world)
            fold = self.ground.fold[self.owner]
            honest[kind] = np.choose(fold[:, None], [told[kind] for told in self.told[1:]])
        return test, honest

    def accounts(self) -> list[Account]:
        """Rated segments in the words of the models of all videos, then of each fold's."""
        return [makers.account(self.videos, self.rated) for makers in self.ground.makers]

    def out_of_fold(self, accounts: list[Account]) -> OutOfFold:
        """Each rated segment by the models that have not seen its video."""
        fold = self.ground.fold[self.owner]
        return OutOfFold(Fold(each, np.flatnonzero(fold == number)) for number, each in enumerate(accounts[1:]))

    def relevance(self, accounts: list[Account], how: RelevanceSettings, world: SpeechWorld) -> RelevanceModel:
        """A relevance model of all ratings."""
        return RelevanceModel.fit(self.out_of_fold(accounts), accounts[0], self.given, how,
                                  vocabulary=world.vocabulary, seed=self.run.seed)  # fmt: skip

    def honest_relevance(self, accounts: list[Account], how: RelevanceSettings, world: SpeechWorld) -> Any:
        """Scores of rated pairs by relevance models that were not told the ratings of their videos."""
        fold, scores = self.ground.fold[self.owner[self.given.rows]], np.zeros(len(self.given), np.float32)
        for number, account in enumerate(accounts[1:]):
            model = RelevanceModel.fit(self.out_of_fold(accounts), account, self.given.only(fold != number), how,
                                       vocabulary=world.vocabulary, seed=self.run.seed)  # fmt: skip
            mine = np.flatnonzero(fold == number)
            scores[mine] = model.pair_scores(account.segments, self.given.rows[mine], self.given.classes[mine])
        return scores


def with_scores(segments: Described, more: dict[str, Any], labels: Any) -> Account:
    scores = {**segments.scores, **{f"segment.{name}": rows for name, rows in more.items()}}
    return Account(Described(segments.video_ids, scores, segments.encodings, segments.learned_from), labels)


def only(segments: Described, models: tuple[str, ...], encoders: tuple[str, ...], labels: Any) -> Account:
    scores = {name: segments.scores[name] for name in models}
    encodings = {name: segments.encodings[name] for name in encoders}
    return Account(Described(segments.video_ids, scores, encodings, segments.learned_from), labels)


def joined(lessons: Taught, judge: Judge, accounts: list[Account], segment: dict[str, Any], honest: dict[str, Any],
           relevance: Any, world: SpeechWorld) -> dict[str, Any]:  # fmt: skip
    """Every way to join all models; `chosen` is the best on ratings of the training side, told by no member's own."""
    given = lessons.given
    pairs = {kind: rows[given.rows, given.classes] for kind, rows in honest.items()}
    pairs["CCRL"] = lessons.honest_relevance(accounts, OURS, world)
    ids = accounts[0].segments.video_ids[given.rows]
    way = Ensemble.fit(pairs, given.classes, given.present, ids, seed=lessons.run.seed)
    members = {**segment, "CCRL": relevance}
    rows = {f"ensemble: {how}": judge.figures(way.scores(members, how=how)) for how in COMBINATIONS}
    return {**rows, "ensemble: chosen": {**rows[f"ensemble: {way.how}"], "how": way.how, "trials": dict(way.trials)}}


def ablated(lessons: Taught, judge: Judge, accounts: list[Account], world: SpeechWorld) -> dict[str, Any]:
    settings = {name: replace(OURS, without=(*OURS.without, *gone)) for name, gone in ABLATIONS.items()}
    settings["with sums and counts"] = replace(OURS, without=())
    for name in OURS.class_features:
        left = tuple(each for each in OURS.class_features if each != name)
        settings[f"without class feature {name}"] = replace(OURS, class_features=left)
    for name in ADDED:
        settings[f"with class feature {name}"] = replace(OURS, class_features=(*OURS.class_features, name))
    test = lessons.ground.test
    return {name: judge.figures(lessons.relevance(accounts, how, world).scores(test))
            for name, how in settings.items()}  # fmt: skip


def unseen(lessons: Taught, judge: Judge, accounts: list[Account], world: SpeechWorld) -> dict[str, Any]:
    """A third of the digits by speakers as if unrated, and as if unlabelled; judged on these alone."""
    pairs = np.flatnonzero([name in world.vocabulary.parents for name in world.vocabulary.names])
    classes = np.sort(np.random.default_rng([lessons.run.seed, 9]).permutation(pairs)[: len(pairs) // 3])
    test, new = lessons.ground.test, judge.of_classes(classes)
    less = Taught(lessons.videos, lessons.rated, without_ratings(lessons.given, classes), lessons.ground, lessons.run)
    rows = {"unrated: video score alone": new.figures(by_video(test)),
            "unrated: segment score alone": new.figures(by_segment(test))}  # fmt: skip
    rows["unrated: CCRL"] = new.figures(less.relevance(accounts, OURS, world).scores(test))
    blind = unlabelled_account(accounts[0], classes)
    hidden = unlabelled_folds(less.out_of_fold(accounts), classes)
    model = RelevanceModel.fit(hidden, blind, less.given, OURS, vocabulary=world.vocabulary, seed=lessons.run.seed)
    bare = unlabelled_account(Account(test), classes).segments
    known = ~np.isin(np.arange(len(world.vocabulary)), classes)
    rows["unlabelled: nearest class by description"] = new.figures(by_description(bare, world.vocabulary, known))
    rows["unlabelled: CCRL"] = new.figures(model.scores(bare))
    return rows
