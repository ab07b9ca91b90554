"""What every class feature must do, and what each says, by hand."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from whenabouts.core import InvalidData, SettingsError, VideoLabels, Vocabulary
from whenabouts.localizers.concepts.class_facts import ClassFacts, ClassFeature
from whenabouts.localizers.concepts.class_features import CLASS_FEATURES
from whenabouts.localizers.concepts.described import Described, Ratings
from whenabouts.localizers.concepts.unseen import (
    by_description,
    by_segment,
    by_video,
    nearest_by_description,
    unlabelled_folds,
    without_labels,
    without_ratings,
)
from whenabouts.localizers.concepts.words import ENCODER, reduced, word_vectors

from .spoken import NAMES, VOCABULARY, spoken

LABELS = tuple(map(VideoLabels.of, ([0, 2], [0, 2], [1, 2], [3, 5], [0])))
RATED = np.array([True, True, True, False, True, False])
FACTS = ClassFacts(VOCABULARY, LABELS, RATED)
SCORES = np.array([[0.9, 0.1, 0.6, 0.2, 0.3, 0.4], [0.5, 0.7, 0.1, np.nan, 0.2, 0.8]], np.float32)
SEGMENTS = Described(np.array(["a", "b"]), {"m": SCORES}, {})
EVERY = np.divmod(np.arange(12), 6)


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text encoder that counts letters, in place of the package transformers."""

    class Tokens(list):
        @classmethod
        def from_pretrained(cls, name: str, **how):
            if name != "letters":
                raise OSError(f"{name} is not the path to a folder")
            assert how == {"local_files_only": True, "trust_remote_code": False}  # Nothing is fetched, nothing is run.
            return lambda text, **choices: {"text": text}

    class Model:
        @classmethod
        def from_pretrained(cls, name: str, **how):
            assert how == {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
            return cls()

        def eval(self):
            return self

        def __call__(self, text: str):
            counts = [text.count(letter) for letter in "abcdeorst"]
            return SimpleNamespace(last_hidden_state=torch.tensor([[counts]], dtype=torch.float32))

    monkeypatch.setenv(ENCODER, "letters")
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=Tokens, AutoModel=Model))


@pytest.fixture(params=CLASS_FEATURES)
def feature(request: pytest.FixtureRequest) -> ClassFeature:
    return CLASS_FEATURES[request.param].fit(FACTS)


def test_rows_have_the_columns_that_are_named(feature: ClassFeature) -> None:
    values = feature.columns(SEGMENTS, *EVERY)
    assert values.shape == (12, len(feature.names()))
    assert len(set(feature.names())) == len(feature.names())
    assert not np.isinf(values).any()
    if feature.kind == "c":
        told = values[~np.isnan(values)]
        assert ((told == np.round(told)) & (told >= 0) & (told < len(NAMES))).all()


def test_pairs_do_not_know_each_other(feature: ClassFeature) -> None:
    """One pair alone, in another order, or among others: always the same."""
    rows, classes = EVERY
    whole = feature.columns(SEGMENTS, rows, classes)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(feature.columns(SEGMENTS, rows[order], classes[order]), whole[order])
    for place in range(12):
        one = feature.columns(SEGMENTS, rows[[place]], classes[[place]])
        np.testing.assert_array_equal(one, whole[[place]])
    assert feature.columns(SEGMENTS, rows[:0], classes[:0]).shape == (0, whole.shape[1])


def test_kept_and_read_it_is_the_same(feature: ClassFeature) -> None:
    state = feature.state()
    assert all(len(values) == len(NAMES) for values in state.values())
    again = type(feature).of_state({name: values.copy() for name, values in state.items()})
    np.testing.assert_array_equal(again.columns(SEGMENTS, *EVERY), feature.columns(SEGMENTS, *EVERY))
    assert (again.names(), again.kind) == (feature.names(), feature.kind)
    with pytest.raises(InvalidData, match="can't be read"):
        type(feature).of_state({"strange": np.zeros(3)})


def test_nothing_known_is_nothing_said(feature: ClassFeature) -> None:
    """One class without label, rating or description beside others; and no training video at all."""
    lonely = Vocabulary(("zebra", "apple"))
    facts = ClassFacts(lonely, (), np.array([False, False]))
    segments = Described(np.array(["a"]), {"m": SCORES[:1, :2]}, {})
    values = type(feature).fit(facts).columns(segments, np.array([0, 0]), np.array([0, 1]))
    assert not np.isinf(values).any()


def told(name: str, facts: ClassFacts = FACTS) -> np.ndarray:
    return CLASS_FEATURES[name].fit(facts).columns(SEGMENTS, *EVERY)


def test_numbers_of_classes_by_hand() -> None:
    np.testing.assert_array_equal(told("index")[:6, 0], [0, 1, 2, np.nan, 4, np.nan])
    assert told("onehot")[:6].tolist() == [
        [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]  # fmt: skip
    np.testing.assert_array_equal(told("parent-index")[:6, 0], [1, 1, np.nan, 0, 0, np.nan])
    np.testing.assert_allclose(
        told("prior")[:6, 0], [np.log(3 / 5), np.log(1 / 5), np.log(3 / 5), np.log(1 / 5), np.nan, np.log(1 / 5)],
        rtol=1e-6,
    )  # fmt: skip


def test_parents_by_hand() -> None:
    """A car's parent is the class "car"; without it, as with verticals, the best sibling speaks."""
    np.testing.assert_allclose(
        told("parent")[:, 0],
        [0.6, 0.6, np.nan, 0.4, 0.4, np.nan, 0.1, 0.1, np.nan, 0.8, 0.8, np.nan], rtol=1e-6,
    )  # fmt: skip
    kinds = ("land", "land", "land", "sea", "air", "sea")
    verticals = Vocabulary(NAMES, parents=dict(zip(NAMES, kinds, strict=True)))
    np.testing.assert_allclose(
        told("parent", ClassFacts(verticals, LABELS, RATED))[:, 0],
        [0.6, 0.9, 0.9, 0.4, np.nan, 0.2, 0.7, 0.5, 0.7, 0.8, np.nan, np.nan], rtol=1e-6,
    )  # fmt: skip


def test_cooccurrence_by_hand() -> None:
    """Class 2 stands beside 0 in two of its three videos, beside 1 in its one: weights 2/3 and 1."""
    found = told("cooccurrence")[:, 0]
    assert found[2] == pytest.approx((2 / 3 * 0.9 + 1 * 0.1) / (2 / 3 + 1))
    assert found[0] == pytest.approx(0.6)
    assert np.isnan(found[4])
    assert found[5] == pytest.approx(0.2)
    assert np.isnan(found[11])  # class 3 has no score in the second segment


def test_nearest_descriptions_by_hand() -> None:
    """A red car is like cars first and red boats then; a blue boat has no label, so nothing leans on it."""
    feature = CLASS_FEATURES["neighbours"].fit(FACTS)
    assert feature.names() == ("score", "nearness")
    np.testing.assert_array_equal(feature.weights[feature.others == 4], 0)
    assert feature.others[0, 0] == 2
    assert (feature.others != np.arange(6)[:, None])[feature.weights > 0].all()
    values = told("neighbours")
    assert 0 < values[4, 1] < 1
    weights, others = feature.weights[4], feature.others[4]
    assert values[4, 0] == pytest.approx((weights * SCORES[0, others]).sum() / weights.sum(), rel=1e-5)


def test_words_and_their_directions() -> None:
    vectors = word_vectors(VOCABULARY)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    few = reduced(vectors, 3)
    assert few.shape == (6, 3)
    assert (few.max(axis=0) >= -few.min(axis=0) - 1e-5).all()
    full = reduced(vectors, 16)
    np.testing.assert_allclose(full @ full.T, vectors @ vectors.T, atol=1e-5)
    many = np.random.default_rng(0).normal(size=(520, 510)).astype(np.float32)
    left, sizes, _ = np.linalg.svd(many.astype(float), full_matrices=False)
    np.testing.assert_allclose(np.abs(reduced(many, 4)), np.abs((left * sizes)[:, :4]), rtol=1e-3, atol=1e-3)


def test_an_encoder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SettingsError, match="pip install transformers"):
        told("embedding")
    monkeypatch.delenv(ENCODER)
    with pytest.raises(SettingsError, match=ENCODER):
        told("embedding")


def test_an_encoder_that_would_have_to_be_fetched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENCODER, "sentence-transformers/some-name")
    with pytest.raises(SettingsError, match=r"no text encoder can be read there .*Name a folder"):
        told("embedding")


def test_classes_that_nobody_knows() -> None:
    """Blue cars are nearest to cars of other colours and to boats of their own; all of it where models know nothing."""
    known = np.array([True, False, True, True, True, True])
    assert nearest_by_description(VOCABULARY, known).tolist() == [2, 2, 0, 5, 5, 3]
    assert nearest_by_description(Vocabulary(("x", "y")), np.array([True, True])).tolist() == [-1, -1]
    scores = by_description(SEGMENTS, VOCABULARY, known)
    np.testing.assert_array_equal(scores[:, 1], SCORES[:, 2])
    np.testing.assert_array_equal(by_segment(SEGMENTS), SCORES)
    assert np.isnan(by_video(SEGMENTS)).all()
    both = Described(SEGMENTS.video_ids, {"m": SCORES, "m.whole": SCORES[::-1]}, {})
    np.testing.assert_array_equal(by_video(both), SCORES[::-1])
    np.testing.assert_array_equal(by_segment(both), SCORES)


def test_as_if_classes_had_no_rating_and_no_label() -> None:
    world = spoken(videos=12)
    fewer = without_ratings(world.ratings, [1, 4])
    assert not np.isin(fewer.classes, [1, 4]).any()
    assert len(fewer) == (~np.isin(world.ratings.classes, [1, 4])).sum()
    assert isinstance(fewer, Ratings)
    told = unlabelled_folds(world.told, [1])
    for fold, before in zip(told.folds, world.told.folds, strict=True):
        scores = fold.account.segments.scores["video.net"]
        assert np.isnan(scores[:, 1]).all()
        np.testing.assert_array_equal(scores[:, 2], before.account.segments.scores["video.net"][:, 2])
        assert not np.isnan(before.account.segments.scores["video.net"]).any()
        assert not any(1 in labels.classes for labels in fold.account.labels)
    labels = VideoLabels(np.array([0, 1]), np.array([1.0, 0.5]), np.array([2, 3]), "unknown")
    rest = without_labels(labels, [1, 3])
    assert (rest.classes.tolist(), rest.negatives.tolist(), rest.absent) == ([0], [2], "unknown")
