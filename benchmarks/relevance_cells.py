"""The main cells of the tables of relevance: every model of one world and one number of ratings a class."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from relevance_figures import Judge
from relevance_ground import (
    FOLDS,
    KINDS,
    OURS,
    PAPER,
    TUNED,
    TUNED_RATES,
    Ground,
    Place,
    frames_of,
    ground_of,
    judge_of,
    on_test,
    parts_of,
    run_of,
    world_of,
)
from whenabouts.data.worlds.speech import SpeechWorld
from whenabouts.localizers.concepts.described import Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.ensemble import COMBINATIONS, Ensemble
from whenabouts.localizers.concepts.fitting import Run
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.makers import ratings_of
from whenabouts.localizers.concepts.model import ConceptModel
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

LINEAR = replace(OURS, model="linear")
ONE = ("netvlad",)
RELEVANCE = {"CCRL, the paper's features": PAPER, "CCRL": OURS, "CCRL, linear": LINEAR, "CCRL + NetVLAD": OURS,
             "CCRL + NetVLAD, linear": LINEAR, "CCRL + segment models": OURS,
             "CCRL + segment models, linear": LINEAR}  # fmt: skip
ABLATIONS: dict[str, tuple[str, ...]] = {
    "without similarity": ("similarity",),
    "without similarity of mean frames": ("similarity.frames",),
    "without similarity of LSTM states": ("similarity.lstm",),
    "without similarity of NetVLAD": ("similarity.netvlad",),
    "without similarity of NetFV": ("similarity.netfv",),
    "without models' scores": ("scores",),
}
ADDED = ("onehot", "parent-index", "words")


def tuned(
    videos: FrameVideos, start: ConceptModel, how: SegmentModelSettings, run: Run, part: Any, *,
    rate: float | None = None,
) -> ConceptModel:  # fmt: skip
    """A segment model that goes on from one of few frames."""
    fit = replace(how.fit, learning_rate=rate or TUNED_RATES[start.how.net.kind])
    return train_segment_model(videos, replace(how, net=start.how.net, fit=fit, start="video"), run,
                               vocabulary=start.vocabulary, video_model=start, chosen=part)  # fmt: skip


def on_rated(model: ConceptModel, videos: FrameVideos, rated: list[RatedSegment]) -> Any:
    """Scores (S, C) of rated segments, which stand in order of videos."""
    pieces, last, frames = [], -1, np.zeros((0, 0), np.float32)
    for each in rated:
        if each.video != last:
            last, frames = each.video, videos.frames(each.video)
        pieces.append(frames[slice(*each.run)])
    return model.of_pieces(pieces)


def cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """The rows of all models of one seed and one number of ratings."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    rows: dict[str, Any] = {
        "a perfect ranking": judge.figures(judge.truth),
        "video score alone": judge.figures(by_video(ground.test)),
        "video models on segments, no ratings": judge.figures(by_segment(ground.test)),
        **{f"{name} on segments": judge.figures(ground.test.scores[name]) for name in ground.of_video},
        "segment models before any rating": judge.figures(np.mean(list(ground.before.values()), axis=0)),
    }
    segment, honest = lessons.segment_models(TUNED, world)
    rows |= {kind: judge.figures(scores) for kind, scores in segment.items()}
    plain = lessons.accounts()
    found = {}
    for name, (accounts, test, how) in variants_of(lessons, plain, segment).items():
        if name != "CCRL + NetVLAD":  # which has a cell of its own, at one number of ratings
            found[name] = lessons.relevance(accounts, how, world).scores(test)
            rows[name] = judge.figures(found[name])
    rich = lessons.with_segment_models(plain)
    rows |= joined(lessons, judge, rich, segment, honest, found["CCRL + segment models"], world)
    recall = {name: judge.recall(scores) for name, scores in ground.of_video.items()}
    recall |= {"mean of all": judge.recall(ground.video_scores)}
    return {"rows": rows, "recall": recall, "rated": len(lessons.given),
            "short": sum(world.train.short.values()), "cpu_seconds": round(time.process_time() - began, 1)}  # fmt: skip


def variants_of(
    lessons: "Taught", plain: list[Account], segment: dict[str, Any]
) -> dict[str, tuple[list[Account], Described, RelevanceSettings]]:
    """What each relevance model of the main cells hears, in training and in the test, and its settings."""
    test = lessons.ground.test
    rich, one = lessons.with_segment_models(plain), lessons.with_segment_models(plain, ONE)
    test_rich = with_scores(Account(test), segment, frozenset()).segments
    test_one = with_scores(Account(test), {kind: segment[kind] for kind in ONE}, frozenset()).segments
    heard = {"CCRL, the paper's features": (papers(plain), paper_words(test)), "CCRL": (plain, test),
             "CCRL + NetVLAD": (one, test_one), "CCRL + segment models": (rich, test_rich)}  # fmt: skip
    return {name: (*heard[name.removesuffix(", linear")], how) for name, how in RELEVANCE.items()}


def further_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Ablations, ratings alone, and unseen classes."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    plain = lessons.accounts()
    rows = unseen(lessons, judge, plain, world)
    for kind in KINDS:
        how = replace(TUNED, weak_negatives=0)
        model = tuned(lessons.videos, ground.short[kind], how, lessons.run, None)
        rows[f"{kind}, ratings alone"] = judge.figures(on_test(model, world))
    alone = replace(OURS, weak_negatives=0)
    rows["CCRL, ratings alone"] = judge.figures(lessons.relevance(plain, alone, world).scores(ground.test))
    rated_only = replace(PAPER, weak_negatives=0)
    of_paper = lessons.relevance(papers(plain), rated_only, world)
    rows["CCRL, the paper's features, ratings alone"] = judge.figures(of_paper.scores(paper_words(ground.test)))
    rows |= ablated(lessons, judge, plain, world)
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}


def variants_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Trees that hear a NetVLAD: what of our variant is its own, and what is the linear model's."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    segment, _ = lessons.segment_models(TUNED, world, ONE)
    accounts = lessons.with_segment_models(lessons.accounts(), ONE)
    test = with_scores(Account(ground.test), segment, frozenset()).segments
    rows = {name: judge.figures(lessons.relevance(accounts, how, world).scores(test))
            for name, how in (("CCRL + NetVLAD", OURS), ("CCRL + NetVLAD, linear", LINEAR))}  # fmt: skip
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

    def segment_models(
        self, how: SegmentModelSettings, world: SpeechWorld, kinds: Sequence[str] = KINDS
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Test scores of the segment models, and scores of rated segments by those that have not seen their video."""
        test, honest = {}, {}
        self.told = [{} for _ in range(FOLDS + 1)]
        for kind in kinds:
            for number, part in enumerate(parts_of(self.ground.fold)):
                model = tuned(self.videos, self.ground.short[kind], how, self.run, part)
                self.told[number][kind] = on_rated(model, self.videos, self.rated)
                if part is None:
                    test[kind] = on_test(model, world)
            fold = self.ground.fold[self.owner]
            honest[kind] = np.choose(fold[:, None], [told[kind] for told in self.told[1:]])
        return test, honest

    def accounts(self) -> list[Account]:
        """Rated segments in the words of the video models: the same for all videos and for each fold's."""
        return [self.ground.makers.account(self.videos, self.rated)] * (FOLDS + 1)

    def with_segment_models(self, accounts: list[Account], kinds: Sequence[str] = KINDS) -> list[Account]:
        """The same with what segment models say: those of all ratings, then those without each fold's."""
        more = []
        for account, told, part in zip(accounts, self.told, parts_of(self.ground.fold), strict=True):
            seen = set(self.owner.tolist()) & set(range(len(self.videos)) if part is None else part)
            ids = frozenset(self.videos.video_ids[each] for each in seen)
            more.append(with_scores(account, {kind: told[kind] for kind in kinds}, ids))
        return more

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


def with_scores(account: Account, more: dict[str, Any], seen: frozenset[str]) -> Account:
    """An account with scores of segment models, which have `seen` the ratings of these videos."""
    own = account.segments
    scores = {**own.scores, **{f"segment.{name}": rows for name, rows in more.items()}}
    learned = None if own.learned_from is None else own.learned_from | seen
    return Account(Described(own.video_ids, scores, own.encodings, learned), account.labels)


def papers(accounts: Sequence[Account]) -> list[Account]:
    return [Account(paper_words(each.segments), each.labels) for each in accounts]


def paper_words(segments: Described) -> Described:
    """Segments in the words of the paper's candidate models, compared by mean frames and LSTM states."""
    scores = {name: segments.scores[name] for name in ("video.logistic", "video.lstm")}
    encodings = {name: segments.encodings[name] for name in ("frames", "lstm")}
    return Described(segments.video_ids, scores, encodings, segments.learned_from)


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
    classes = hidden_classes(world, lessons.run.seed)
    test, new = lessons.ground.test, judge.of_classes(classes)
    less = Taught(lessons.videos, lessons.rated, without_ratings(lessons.given, classes), lessons.ground, lessons.run)
    rows = {"unrated: video score alone": new.figures(by_video(test)),
            "unrated: segment score alone": new.figures(by_segment(test))}  # fmt: skip
    rows |= by_relevance("unrated", less.out_of_fold(accounts), accounts[0], test, less, new, world)
    blind, bare = unlabelled_account(accounts[0], classes), unlabelled_account(Account(test), classes).segments
    known = ~np.isin(np.arange(len(world.vocabulary)), classes)
    rows["unlabelled: nearest class by description"] = new.figures(by_description(bare, world.vocabulary, known))
    hidden = unlabelled_folds(less.out_of_fold(accounts), classes)
    return rows | by_relevance("unlabelled", hidden, blind, bare, less, new, world)


def hidden_classes(world: SpeechWorld, seed: int) -> Any:
    """A third of the digits by speakers."""
    pairs = np.flatnonzero([name in world.vocabulary.parents for name in world.vocabulary.names])
    return np.sort(np.random.default_rng([seed, 9]).permutation(pairs)[: len(pairs) // 3])


def by_relevance(name: str, told: OutOfFold, whole: Account, test: Described, less: Taught, judge: Judge,
                 world: SpeechWorld) -> dict[str, Any]:  # fmt: skip
    """CCRL's trees and its linear model from these accounts."""
    rows = {}
    for kind, how in (("CCRL", OURS), ("CCRL, linear", LINEAR)):
        model = RelevanceModel.fit(told, whole, less.given, how, vocabulary=world.vocabulary, seed=less.run.seed)
        rows[f"{name}: {kind}"] = judge.figures(model.scores(test))
    return rows
