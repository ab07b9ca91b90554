"""What trees keep together, against the leaves in which XGBoost itself puts classes."""

import json

import numpy as np
import pytest

from whenabouts.core import InvalidData
from whenabouts.localizers.concepts.boosting import Lesson, Trees, TreeSettings, train_trees
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.concepts.tree_groups import agreement, groups_of, kept_together

COUNT = 9
KIND = np.arange(COUNT) % 3  # three kinds of classes, each with a rule of its own


def trained(names: tuple[str, ...], kinds: tuple[str, ...], rows_of, **how) -> Trees:
    """Whether a number is above a bound that hangs on the kind of class: trees have to ask for the class."""
    rng = np.random.default_rng(0)
    classes, x = rng.integers(0, COUNT, 3000), rng.random(3000).astype(np.float32)
    targets = (x > np.array([0.2, 0.5, 0.8])[KIND[classes]]).astype(np.float32)
    lesson = Lesson(rows_of(classes, x).astype(np.float32), targets, np.ones(3000, np.float32))
    settings = TreeSettings(**{"depth": 3, "rounds": 20, **how})
    return train_trees(lambda: [lesson], Columns(names, kinds), settings, seed=0)[0]  # type: ignore[arg-type]


def by_index(**how) -> Trees:
    return trained(("x", "class.index"), ("q", "c"), lambda of, x: np.stack([x, of], axis=1), **how)


def test_single_splits_part_classes_as_xgboost_does() -> None:
    """With trees of one split on the class alone, a pair is together where both end in one leaf."""
    trees = trained(("class.index",), ("c",), lambda of, x: of[:, None], depth=1, rounds=5)
    index = np.arange(COUNT, dtype=np.float64)
    leaves = trees.booster.predict(trees._data(index[:, None].astype(np.float32)), pred_leaf=True)
    gains = [json.loads(tree)["gain"] for tree in trees.booster.get_dump(dump_format="json", with_stats=True)]
    same = (leaves[:, None] == leaves[None]).reshape(COUNT, COUNT, -1)
    found = kept_together(trees, {"class.index": index})
    assert found.splits == len(gains)
    np.testing.assert_allclose(found.shares, same @ np.array(gains) / np.sum(gains), rtol=1e-5)


@pytest.mark.parametrize("form", ["index", "onehot"])
def test_classes_of_one_kind_are_kept_together(form: str) -> None:
    pytest.importorskip("sklearn")
    if form == "index":
        trees, table = by_index(), {"class.index": np.arange(COUNT, dtype=np.float64)}
    else:
        names = tuple(f"class.onehot.{column}" for column in range(COUNT))
        kinds = ("q",) * (COUNT + 1)
        trees = trained(("x", *names), kinds, lambda of, x: np.concatenate([x[:, None], np.eye(COUNT)[of]], axis=1),
                        depth=6)  # fmt: skip
        table = dict(zip(names, np.eye(COUNT), strict=True))
    found = kept_together(trees, table)
    pairs = ~np.eye(COUNT, dtype=bool)
    assert found.shares[(KIND[:, None] == KIND) & pairs].mean() > found.shares[KIND[:, None] != KIND].mean() + 0.1
    np.testing.assert_allclose(found.shares, found.shares.T)
    np.testing.assert_allclose(np.diag(found.shares), 1.0)
    if form == "index":
        groups, order = groups_of(found, 3)
        assert agreement(groups, KIND).index == 1.0
        assert agreement(groups, KIND).chance < 0.01
        assert len(np.unique(KIND[order].reshape(3, 3), axis=1)[0]) == 1


def test_classes_without_a_number_are_left_out() -> None:
    table = np.where(np.arange(COUNT) == 4, np.nan, np.arange(COUNT))
    assert kept_together(by_index(), {"class.index": table}).classes.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_trees_that_do_not_know_or_ask_are_told() -> None:
    with pytest.raises(InvalidData, match="does not know concepts by their number"):
        kept_together(by_index(), {"class.onehot.0": np.arange(COUNT, dtype=np.float64)})
    with pytest.raises(InvalidData, match="No tree of 3 asks"):
        lesson = Lesson(np.array([[0.0, 1.0], [1.0, 1.0]] * 50, np.float32), np.array([0, 1] * 50, np.float32),
                        np.ones(100, np.float32))  # fmt: skip
        trees, _ = train_trees(lambda: [lesson], Columns(("x", "class.index"), ("q", "c")), TreeSettings(rounds=3),
                               seed=0)  # fmt: skip
        kept_together(trees, {"class.index": np.arange(COUNT, dtype=np.float64)})


def test_the_adjusted_rand_index_of_a_known_case() -> None:
    """{a b} {c d} against {a b} {c} {d}: 0.571 (Hubert and Arabie's formula: (1 - 1/3) / (3/2 - 1/3))."""
    pytest.importorskip("sklearn")
    found = agreement(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), permutations=200)
    assert found.index == pytest.approx((1 - 2 * 1 / 6) / (1.5 - 2 * 1 / 6))
    assert 0 < found.chance <= 1
