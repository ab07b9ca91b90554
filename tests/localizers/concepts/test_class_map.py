"""Clusters of classes by their words, and their map."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from whenabouts.core import InvalidData, Vocabulary, WhenaboutsError
from whenabouts.localizers.concepts import class_map as mapping
from whenabouts.localizers.concepts.class_map import ALONE, class_map, clusters_of, clusters_or_none

TOPICS = {
    "cars": ("a car with wheels and an engine", ("sedan", "coupé", "van", "рысь")),
    "food": ("a dish to eat, cooked in a pan", ("ragù", "寿司", "curry", "stew")),
    "music": ("an instrument with strings to play", ("violin", "cello", "lute", "harp")),
}
WORDS = {name: told for told, names in TOPICS.values() for name in names}
NAMES = tuple(name for place in range(4) for _, names in TOPICS.values() for name in (names[place],))
VOCABULARY = Vocabulary((*NAMES, "xyzzy"), descriptions=WORDS)


def test_classes_with_the_same_words_are_in_one_cluster_named_by_them() -> None:
    found = clusters_of(VOCABULARY)
    assert len(found.names) == 3
    for number, (told, names) in enumerate(TOPICS.values()):
        assert sorted(VOCABULARY.names[index] for index in found.members(number)) == sorted(names)
        assert set(found.names[number].split(", ")) <= set(told.replace(",", "").split())
    assert found.of[VOCABULARY.index("xyzzy")] == ALONE


def test_the_map_keeps_clusters_apart_and_is_the_same_again() -> None:
    found, again = class_map(VOCABULARY, seed=3), class_map(VOCABULARY, seed=3)
    np.testing.assert_array_equal(found.places, again.places)
    assert not np.array_equal(found.places, class_map(VOCABULARY, seed=4).places, equal_nan=True)
    assert np.isnan(found.places[VOCABULARY.index("xyzzy")]).all()
    middles = np.stack([found.places[found.clusters.members(number)].mean(axis=0) for number in range(3)])
    for number in range(3):
        inside = found.places[found.clusters.members(number)]
        assert (np.linalg.norm(inside[:, None] - middles, axis=2).argmin(axis=1) == number).all()
        assert len(np.unique(inside, axis=0)) == 4  # equal words, and still not one point


def test_too_few_words_are_told() -> None:
    with pytest.raises(InvalidData, match="Of 4 concepts 0 share a word of name, parent or description"):
        clusters_of(Vocabulary(("a", "b", "c", "d")))
    with pytest.raises(InvalidData, match="Of 0 concepts 0"):
        clusters_of(Vocabulary(()))
    assert clusters_or_none(Vocabulary(("a", "b"))).of.tolist() == [ALONE, ALONE]
    assert clusters_or_none(VOCABULARY).names == clusters_of(VOCABULARY).names


def test_all_classes_with_one_text_are_one_cluster() -> None:
    names = tuple(f"{number}" for number in range(5))
    found = clusters_of(Vocabulary(names, descriptions=dict.fromkeys(names, "the same words")))
    assert (found.of == 0).all()
    assert found.names == ("other",)


def test_names_of_clusters_differ() -> None:
    assert mapping._distinct(["car", "car", "boat", "car"]) == ["car", "car (2)", "boat", "car (3)"]


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "find_spec", lambda name: None)
    with pytest.raises(WhenaboutsError, match=r"pip install 'whenabouts\[plots\]'"):
        clusters_of(VOCABULARY)
