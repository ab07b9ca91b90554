"""Saved trees are looked through before XGBoost sees them: every kind of damage is told, none is followed."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from whenabouts.core import InvalidData
from whenabouts.core.files import read_json, sha256_of, write_json
from whenabouts.localizers.concepts.boosting import Lesson, Trees, TreeSettings, train_trees
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.concepts.relevance import RelevanceModel, RelevanceSettings
from whenabouts.localizers.concepts.trees import _check_document, check_trees, load_trees
from whenabouts.localizers.concepts.ubj import read_ubj

from .spoken import VOCABULARY, spoken

COLUMNS = Columns(("scores.m", "similarity.e.positive.mean", "class.index"), ("q", "q", "c"))
CATEGORIES = 9


def lesson(seed: int = 0, count: int = 600) -> Lesson:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 3)).astype(np.float32)
    rows[:, 2] = rng.integers(0, CATEGORIES, count)
    targets = (rows[:, 0] + (rows[:, 2] % 3 == 0) > 0.6).astype(np.float32)
    rows[rng.random(count) < 0.1, 1] = np.nan
    return Lesson(rows, targets, np.ones(count, np.float32))


@pytest.fixture(scope="module")
def trees() -> Trees:
    blocks, out = [lesson(0), lesson(1)], [lesson(2)]
    how = TreeSettings(rounds=12, patience=5)
    return train_trees(lambda: blocks, COLUMNS, how, seed=0, held_out=lambda: out)[0]


@pytest.fixture(scope="module")
def document(trees: Trees) -> dict:
    return read_ubj(trees.raw())


def test_saved_and_loaded_trees_say_the_same(trees: Trees) -> None:
    again = load_trees(trees.raw(), COLUMNS, categories=CATEGORIES)
    rows = lesson(3).rows
    np.testing.assert_array_equal(again.predict(rows), trees.predict(rows))
    np.testing.assert_array_equal(again.contributions(rows), trees.contributions(rows))
    assert again.raw() == trees.raw()
    assert again.rounds == trees.rounds


def test_what_the_reader_reads(document: dict, trees: Trees) -> None:
    """It sees what XGBoost writes as JSON."""
    import json

    told = json.loads(bytes(trees.booster.save_raw("json")))
    assert len(document["learner"]["gradient_booster"]["model"]["trees"]) == trees.rounds
    for mine, theirs in zip(
        document["learner"]["gradient_booster"]["model"]["trees"],
        told["learner"]["gradient_booster"]["model"]["trees"],
        strict=True,
    ):
        assert set(mine) == set(theirs)
        for name in ("left_children", "split_indices", "categories"):
            assert list(mine[name]) == theirs[name]
        np.testing.assert_allclose(mine["split_conditions"], theirs["split_conditions"], rtol=1e-6, atol=1e-40)
    assert any(len(tree["categories"]) for tree in document["learner"]["gradient_booster"]["model"]["trees"])


def first(document: dict) -> dict:
    return document["learner"]["gradient_booster"]["model"]["trees"][0]


def with_value(name: str, place: int, value: float):
    def change(document: dict) -> None:
        array = np.array(first(document)[name])
        array[place] = value
        first(document)[name] = array

    return change


def learner(key: str, value):
    return lambda document: document["learner"].update({key: value})


def shorter(name: str):
    return lambda document: first(document).update({name: np.array(first(document)[name])[:-1]})


def parameter(name: str, value: str):
    return lambda document: first(document)["tree_param"].update({name: value})


CHANGES = {
    "a child that is no node": (with_value("left_children", 0, 10_000), "do not hang together"),
    "a child before its parent": (with_value("left_children", 1, 0), "do not hang together"),
    "one child": (with_value("right_children", 0, -1), "one child"),
    "another parent": (with_value("parents", 1, 5), "Parents and children"),
    "a root with a parent": (with_value("parents", 0, 1), "Parents and children"),
    "a column that is not there": (with_value("split_indices", 0, 3), "splits on column 3, of 3"),
    "a column before the first": (with_value("split_indices", 0, -1), "splits on column"),
    "a threshold that is no number": (with_value("split_conditions", 0, np.nan), "split_conditions are not finite"),
    "an endless leaf": (with_value("split_conditions", -1, np.inf), "split_conditions are not finite"),
    "an endless weight": (with_value("base_weights", 0, np.inf), "base_weights are not finite"),
    "neither left nor right": (with_value("default_left", 0, 2), "neither left nor right"),
    "numbers by category": (with_value("split_type", -1, 1), "splits numbers by category"),
    "too few nodes": (shorter("split_conditions"), "split_conditions are not"),
    "too few children": (shorter("left_children"), "Not all of its columns"),
    "another count of nodes": (parameter("num_nodes", "1000000"), "number of nodes"),
    "another count of columns": (parameter("num_feature", "7"), "size should be"),
    "vectors in leaves": (parameter("size_leaf_vector", "3"), "size should be"),
    "another number": (lambda document: first(document).update(id=4), "number should be 0"),
    "another objective": (
        learner("objective", {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}), "objective",
    ),
    "more attributes": (learner("attributes", {"best_iteration": "3"}), "attributes"),
    "other columns": (learner("feature_names", ["a", "b", "c"]), "columns should be"),
    "other kinds": (learner("feature_types", ["q", "q", "q"]), "kinds of columns"),
    "another booster": (
        lambda document: document["learner"]["gradient_booster"].update(name="dart"), "kind should be gbtree",
    ),
    "a certain start": (
        lambda document: document["learner"]["learner_model_param"].update(base_score="[1E0]"), "no probability",
    ),
    "no start": (
        lambda document: document["learner"]["learner_model_param"].update(base_score="[nan]"), "not finite",
    ),
    "another version": (lambda document: document.update(version=[2, 0, 0]), "XGBoost"),
    "a tree too few": (
        lambda document: document["learner"]["gradient_booster"]["model"]["trees"].pop(), "number of trees",
    ),
    "an unknown key": (lambda document: document["learner"].update(more=1), "There should be"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_refused(document: dict, name: str) -> None:
    change, told = CHANGES[name]
    changed = deepcopy(document)
    _check_document(changed, COLUMNS, CATEGORIES)
    change(changed)
    with pytest.raises(InvalidData, match=told):
        _check_document(changed, COLUMNS, CATEGORIES)


def by_category(document: dict) -> dict:
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    return next(tree for tree in trees if len(tree["categories"]))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("categories", 9, "numbers below 9"), ("categories", -1, "numbers below 9"),
     ("categories_nodes", 0, "other nodes"),
     ("categories_segments", 1, "overlap, or lack"), ("categories_sizes", 0, "overlap, or lack"),
     ("categories_sizes", 1_000_000, "Its categories")],
)  # fmt: skip
def test_categories_are_looked_through(document: dict, name: str, value: int, told: str) -> None:
    changed = deepcopy(document)
    array = np.array(by_category(changed)[name])
    array[0] = value if array[0] != value else value + 1
    by_category(changed)[name] = array
    with pytest.raises(InvalidData, match=told):
        _check_document(changed, COLUMNS, CATEGORIES)


def test_texts_that_are_no_trees(trees: Trees) -> None:
    raw = trees.raw()
    for content in (b"", b"{", b'{"learner": 3}', raw[:-1], raw + b"x", raw.replace(b"[$l", b"[$S", 1), b"[" * 3000,
                    b"{L" + b"\xff" * 8, b"{L" + (2**62).to_bytes(8, "big")):  # fmt: skip
        with pytest.raises(InvalidData, match="no trees that can be used"):
            check_trees(content, COLUMNS, categories=CATEGORIES)


def test_no_length_is_believed() -> None:
    """An array that tells of 2^60 numbers in a file of few bytes."""
    many = (2**60).to_bytes(8, "big")
    name = b"L" + (1).to_bytes(8, "big") + b"a"
    for array in (b"[$d#L" + many, b"[#L" + many):
        with pytest.raises(InvalidData, match=r"can't stand in|are told of"):
            read_ubj(b"{" + name + array + b"}")


def test_a_model_is_saved_whole_and_changed_trees_are_refused(tmp_path) -> None:
    world = spoken(3, videos=24)
    for kind in ("trees", "linear"):
        how = RelevanceSettings(model=kind, trees=TreeSettings(rounds=20))
        how = replace(how, class_features=(*how.class_features, "onehot", "words", "parent-index"))
        model = RelevanceModel.fit(world.told, world.whole, world.ratings, how, vocabulary=VOCABULARY)
        model.save(tmp_path / kind)
        again = RelevanceModel.load(tmp_path / kind)
        np.testing.assert_array_equal(again.scores(world.new), model.scores(world.new))
        own = world.whole.segments  # the segment's own video is left out after loading as well
        np.testing.assert_array_equal(again.scores(own), model.scores(own))
        assert again.how == model.how
        assert again.training == model.training
        np.testing.assert_array_equal(again.held_out.scores, model.held_out.scores)
        np.testing.assert_array_equal(again.held_out.video_ids, model.held_out.video_ids)
    assert not (tmp_path / "linear" / "trees.ubj").exists()


def test_mutated_files_never_end_the_process(tmp_path) -> None:
    """Sixty changed files; the hash tells all of them, and with the hash put right what is loaded has finite scores."""
    world = spoken(3, videos=24)
    how = RelevanceSettings(model="trees", trees=TreeSettings(rounds=15))
    model = RelevanceModel.fit(world.told, world.whole, world.ratings, how, vocabulary=VOCABULARY)
    folder = tmp_path / "model"
    model.save(folder)
    path, rng = folder / "trees.ubj", np.random.default_rng(0)
    content, card = path.read_bytes(), read_json(folder / "card.json")
    refused = 0
    for number in range(60):
        data = bytearray(content)
        at = int(rng.integers(len(data) - 4))
        data[at : at + 1 + 3 * (number % 2)] = rng.bytes(1 + 3 * (number % 2))
        if bytes(data) == content:
            continue
        path.write_bytes(bytes(data))
        write_json(folder / "card.json", card)
        with pytest.raises(InvalidData, match="damaged or exchanged"):
            RelevanceModel.load(folder)
        write_json(folder / "card.json", {**card, "beside": {"trees.ubj": sha256_of(path)}})
        try:
            loaded = RelevanceModel.load(folder)
        except InvalidData:
            refused += 1
            continue
        assert np.isfinite(loaded.scores(world.new)).all()
    assert refused > 20
