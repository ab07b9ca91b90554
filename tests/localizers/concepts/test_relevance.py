"""The relevance model: no leaks, missing values, both scores, unseen classes, reasons."""

from dataclasses import replace

import numpy as np
import pytest

from whenabouts.core import InvalidData, SettingsError, VideoLabels, Vocabulary
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.class_features import CLASS_FEATURES
from whenabouts.localizers.concepts.described import Account, Described, Fold, Leak, OutOfFold, Ratings
from whenabouts.localizers.concepts.lessons import LABEL_BOUND, RATING_BOUND, Lessons, as_unseen, pairs_of, shared_out
from whenabouts.localizers.concepts.pair_features import Columns, PairFeatures
from whenabouts.localizers.concepts.relevance import RelevanceModel, RelevanceSettings

from .conftest import mean_precision
from .spoken import CLASSES, VOCABULARY, Spoken, spoken

QUICK = RelevanceSettings(model="trees", trees=TreeSettings(rounds=150, learning_rate=0.1, patience=20))


def fitted(world: Spoken, how: RelevanceSettings = QUICK, **choices) -> RelevanceModel:
    return RelevanceModel.fit(world.told, world.whole, world.ratings, how, vocabulary=VOCABULARY, **choices)


@pytest.fixture(scope="module")
def world() -> Spoken:
    return spoken()


@pytest.fixture(scope="module")
def model(world: Spoken) -> RelevanceModel:
    return fitted(world)


def test_pairs_beat_the_model_that_they_are_made_of(world: Spoken, model: RelevanceModel) -> None:
    found = mean_precision(model.scores(world.new), world.truth)
    assert found > mean_precision(world.new.scores["video.net"], world.truth) + 0.05
    without = fitted(world, replace(QUICK, without=("similarity",)))
    assert found > mean_precision(without.scores(world.new), world.truth) + 0.05


def test_a_planted_leak_is_caught(world: Spoken) -> None:
    """One video too many among those that a fold's models have learned from, or nobody who knows."""
    honest = world.told.folds
    segments, rows = honest[0].account.segments, honest[0].rows
    leaking = replace(segments, learned_from=segments.learned_from | {str(segments.video_ids[rows[0]])})
    with pytest.raises(Leak, match="have learned from 1 videos of its rows, such as video-0000"):
        OutOfFold([Fold(Account(leaking), rows), *honest[1:]])
    with pytest.raises(Leak, match="Nobody knows"):
        OutOfFold([Fold(Account(replace(segments, learned_from=None)), rows), *honest[1:]])
    with pytest.raises(Leak):
        OutOfFold([Fold(world.whole, np.arange(len(segments)))])
    assert len(OutOfFold(honest)) == len(segments)


def test_each_segment_is_in_one_fold(world: Spoken) -> None:
    first, second, third = world.told.folds
    with pytest.raises(InvalidData, match="100 are in none and 0 in several"):
        OutOfFold([first, second])
    with pytest.raises(InvalidData, match="0 are in none and 100 in several"):
        OutOfFold([first, second, third, third])
    short = third.account.segments.taken(np.arange(10))
    with pytest.raises(InvalidData, match="tells of others"):
        OutOfFold([first, second, Fold(Account(short), np.arange(10))])


def test_joined_tables_remember_who_made_them(world: Spoken) -> None:
    parts = [fold.account.segments for fold in world.told.folds]
    assert Described.joined(parts).learned_from == world.whole.segments.learned_from
    assert Described.joined([parts[0], world.new]).learned_from is None
    honest = world.told.honest()
    np.testing.assert_array_equal(honest.video_ids, world.told.video_ids)
    np.testing.assert_array_equal(honest.encodings["net"][0], parts[0].encodings["net"][0])
    np.testing.assert_array_equal(honest.encodings["net"][5], parts[1].encodings["net"][5])


def test_rows_of_pairs_by_hand() -> None:
    """Two videos with a rated segment each; the third segment is new. What is missing is NaN, its count 0."""
    scores = np.array([[0.9, 0.1], [0.2, 0.7], [0.4, 0.5]], np.float32)
    ways = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], np.float32)
    rated = Described(np.array(["a", "b"]), {"m": scores[:2]}, {"e": ways[:2]})
    two = type(VOCABULARY)(("x", "y"))
    ratings = Ratings(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([True, False, True]))
    features = PairFeatures.fit(Account(rated), ratings, vocabulary=two, class_features=("index",))
    assert features.columns.names == (
        "scores.m", "similarity.e.positive.sum", "similarity.e.positive.mean", "similarity.e.negative.sum",
        "similarity.e.negative.mean", "similarity.positive.count", "similarity.negative.count", "class.index",
    )  # fmt: skip
    assert features.columns.kinds == ("q",) * 7 + ("c",)
    new = Described(np.array(["a", "b", "c"]), {"m": scores}, {"e": ways})
    nan = np.nan
    expected = [
        [0.9, nan, nan, 0.0, 0.0, 0, 1, 0],  # its own video is left out: no positive remains
        [0.2, 0.0, 0.0, nan, nan, 1, 0, 0],
        [0.7, nan, nan, nan, nan, 0, 0, 1],
        [0.4, 0.6, 0.6, 0.8, 0.8, 1, 1, 0],
        [0.5, 0.8, 0.8, nan, nan, 1, 0, 1],
    ]
    found = features.matrix(new, np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 0, 1]))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


def test_blocks_are_the_same_as_the_whole(
    world: Spoken, model: RelevanceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whenabouts.localizers.concepts import pair_features

    whole = model.scores(world.new)
    rows, classes = np.divmod(np.random.default_rng(1).permutation(whole.size), CLASSES)
    np.testing.assert_array_equal(model.pair_scores(world.new, rows, classes), whole[rows, classes])
    monkeypatch.setattr(pair_features, "BLOCK_SEGMENTS", 7)
    small = RelevanceModel(
        model.scorer, model.features, replace(model.how, block_pairs=30), vocabulary=VOCABULARY, training={}
    )
    np.testing.assert_allclose(small.scores(world.new), whole, atol=1e-6)
    np.testing.assert_allclose(small.pair_scores(world.new, rows, classes), whole[rows, classes], atol=1e-6)
    np.testing.assert_array_equal(model.scores(world.new, [4, 1]), whole[:, [4, 1]])


def test_it_is_the_same_again_and_for_more_threads(world: Spoken, model: RelevanceModel) -> None:
    again = fitted(world, replace(QUICK, trees=replace(QUICK.trees, threads=2)))
    np.testing.assert_array_equal(again.scores(world.new), model.scores(world.new))
    other = fitted(world, seed=1)
    assert not np.array_equal(other.scores(world.new), model.scores(world.new))


def test_both_scores_are_kept(world: Spoken, model: RelevanceModel) -> None:
    facts, out = model.training, model.held_out
    assert facts["rated_pairs"] == len(world.ratings)
    assert facts["weak_pairs"] > 0
    assert len(np.unique(out.video_ids)) == 6
    assert facts["held_out_pairs"] == len(out.scores) == 60
    assert 0.4 < facts["map_held_out"] < facts["map_retrained_on_all"] <= 1
    assert facts["trees"] == model.scorer.rounds


def test_why_adds_up(world: Spoken, model: RelevanceModel) -> None:
    why = model.why(world.new, 3, 2)
    logit = np.log(why.score / (1 - why.score))
    assert why.usual + sum(reason.adds for reason in why.reasons) == pytest.approx(logit, abs=1e-3)
    assert why.score == pytest.approx(float(model.scores(world.new)[3, 2]))
    moved = [abs(reason.adds) for reason in why.reasons]
    assert moved == sorted(moved, reverse=True)
    assert {reason.column for reason in why.reasons} == set(model.features.columns.names)
    linear = fitted(world, replace(QUICK, model="linear"))
    why = linear.why(world.new, 3, 2)
    assert why.usual + sum(r.adds for r in why.reasons) == pytest.approx(np.log(why.score / (1 - why.score)), abs=1e-3)


def test_a_linear_model_of_pairs(world: Spoken) -> None:
    linear = fitted(world, replace(QUICK, model="linear"))
    found = mean_precision(linear.scores(world.new), world.truth)
    assert found > mean_precision(world.new.scores["video.net"], world.truth) + 0.1


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_a_class_without_ratings_is_scored_all_the_same(kind: str) -> None:
    """Ratings of five classes teach what to make of the sixth one's candidate score."""
    world = spoken(4, classes=np.arange(CLASSES - 1))
    model = fitted(world, replace(QUICK, model=kind, unseen=0.5, without=("similarity.*.sum",)))
    scores = model.scores(world.new)[:, [CLASSES - 1]]
    found = mean_precision(scores, world.truth[:, [CLASSES - 1]])
    assert found > world.truth[:, CLASSES - 1].mean() + 0.15
    rows = model.features.matrix(world.new, np.arange(3), np.full(3, CLASSES - 1))
    names = model.features.columns.names
    assert np.isnan(rows[:, names.index("similarity.net.positive.mean")]).all()
    assert (rows[:, names.index("similarity.positive.count")] == 0).all()
    assert np.isnan(rows[:, names.index("class.index")]).all()


def test_the_papers_rows(world: Spoken) -> None:
    how = replace(RelevanceSettings.paper(), trees=QUICK.trees)
    model = fitted(world, how)
    assert model.training["weak_pairs"] == 0
    assert model.features.columns.names == (
        "scores.video.net", "similarity.net.positive.sum", "similarity.net.negative.sum",
        *(f"class.onehot.{column}" for column in range(CLASSES)),
    )  # fmt: skip


def test_what_can_not_be_learned_from_is_told(world: Spoken) -> None:
    only = replace(world, ratings=world.ratings.only(world.ratings.present))
    with pytest.raises(InvalidData, match=r"relevant and irrelevant \(or weak"):
        fitted(only, replace(QUICK, weak_negatives=0))
    assert fitted(only).training["weak_pairs"] > 0
    with pytest.raises(InvalidData, match="0 are relevant"):
        fitted(replace(world, ratings=world.ratings.only(~world.ratings.present)))
    one = world.ratings.only(world.ratings.rows < 5)
    with pytest.raises(InvalidData, match="lie in 1 video"):
        fitted(replace(world, ratings=one))
    with pytest.raises(SettingsError, match=r"'similarity\.lstm' names no column"):
        fitted(world, replace(QUICK, without=("similarity.lstm",)))


def test_weak_negatives_by_hand() -> None:
    """Nothing that the video is labelled with, that is rated in the segment, or shown elsewhere in its video."""
    labels = (VideoLabels.of([0]), VideoLabels.of([0]), VideoLabels.of([], absent="unknown"), VideoLabels.of([1]))
    ratings = Ratings([0, 0, 1, 2, 3], [1, 2, 3, 4, 4], [False, True, False, True, True], labels)
    ids = np.array(["a", "a", "b", "c"])
    pairs = pairs_of(ratings, ids, 6, 6, 0.25, seed=0)
    assert pairs.rated.tolist() == [True] * 5 + [False] * 10
    weak = {row: set(pairs.classes[~pairs.rated & (pairs.rows == row)].tolist()) for row in range(4)}
    assert weak == {0: {3, 4, 5}, 1: {1, 4, 5}, 2: set(), 3: {0, 2, 3, 5}}
    assert set(pairs.weights[~pairs.rated].tolist()) == {0.25}
    assert not pairs.targets[~pairs.rated].any()


def test_held_out_videos_are_five_at_least_and_half_at_most() -> None:
    for videos, expected in ((2, 1), (9, 4), (12, 5), (49, 5), (80, 8)):
        ids = np.repeat([f"{number:03d}" for number in range(videos)], 3)
        assert len(np.unique(ids[shared_out(ids, 0.1, 0)])) == expected
        clips = np.array([f"abcdefg{name}w_{10 * row}_{10 * row + 10}" for row, name in enumerate(ids)])
        assert shared_out(clips, 0.1, 0).tolist() == shared_out(ids, 0.1, 0).tolist()  # of one recording, together


def test_as_of_unseen_classes() -> None:
    columns = Columns(("scores.m", "similarity.e.positive.mean", "similarity.positive.count", "class.index",
                       "class.prior", "class.parent"), ("q",) * 6)  # fmt: skip
    rows = np.arange(1.0, 7.0, dtype=np.float32)[None]
    nan = np.nan
    np.testing.assert_array_equal(as_unseen(rows, columns, RATING_BOUND), [[1, nan, 0, nan, 5, 6]])
    np.testing.assert_array_equal(as_unseen(rows, columns, RATING_BOUND + LABEL_BOUND), [[nan, nan, 0, nan, nan, 6]])
    np.testing.assert_array_equal(rows[0], np.arange(1, 7))


def test_a_column_without_any_value_is_no_hindrance(world: Spoken) -> None:
    """No class has a parent here, none a shared word, and one model never knows anything."""
    lonely = Vocabulary(("anna", "bela", "cosima", "dora", "emil", "fritz"))

    def mute(segments: Described) -> Described:
        scores = {**segments.scores, "video.mute": np.full_like(segments.scores["video.net"], np.nan)}
        return replace(segments, scores=scores)

    folds = [Fold(replace(fold.account, segments=mute(fold.account.segments)), fold.rows) for fold in world.told.folds]
    whole = replace(world.whole, segments=mute(world.whole.segments))
    for kind in ("trees", "linear"):
        how = replace(QUICK, model=kind, class_features=tuple(name for name in CLASS_FEATURES if name != "embedding"))
        model = RelevanceModel.fit(OutOfFold(folds), whole, world.ratings, how, vocabulary=lonely)
        scores = model.scores(mute(world.new))
        assert np.isfinite(scores).all()
        assert mean_precision(scores, world.truth) > 0.6


def test_rows_may_be_compared_with_other_folds_alone(world: Spoken) -> None:
    how = replace(QUICK, without=(), compared="other folds")
    for number, fold in enumerate(world.told.folds):
        lessons = Lessons.of(world.told, world.ratings, how, VOCABULARY)
        name = lessons.columns.names.index("similarity.positive.count")
        rows = lessons._features[number].matrix(fold.account.segments, fold.rows[:3], np.full(3, 2))
        mine = np.isin(world.ratings.rows, fold.rows)
        expected = (~mine & world.ratings.present & (world.ratings.classes == 2)).sum()
        assert rows[:, name].tolist() == [expected] * 3
    found = mean_precision(fitted(world, replace(QUICK, compared="other folds")).scores(world.new), world.truth)
    assert found > mean_precision(world.new.scores["video.net"], world.truth) + 0.05
    honest = replace(world.whole.segments, learned_from=frozenset())
    one = replace(world, told=OutOfFold([Fold(Account(honest), np.arange(len(honest)))]))
    with pytest.raises(SettingsError, match="There is one fold"):
        fitted(one, how)
    assert fitted(one).training["rated_pairs"] == len(world.ratings)
