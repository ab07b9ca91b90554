"""Saved trees, `trees.ubj`: looked through before XGBoost, which trusts files, gets to see them.

XGBoost reads children and columns from a file as they stand there, and follows them. Here each number is checked
first: a file that passes holds trees over the columns that are expected, and every path through them ends in a leaf.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import IntArray
from whenabouts.localizers.concepts.boosting import Trees
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.concepts.ubj import read_ubj

TREES = "trees.ubj"
_NO_PARENT = 2**31 - 1
_MOST_NODES = 2**20
_INTEGERS = ("left_children", "right_children", "parents", "split_indices", "split_type", "default_left")
_NUMBERS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def load_trees(content: bytes, columns: Columns, *, categories: int, threads: int = 1) -> Trees:
    """Trees from what `Trees.raw` wrote; InvalidData where it is anything else, before XGBoost has seen it.

    `categories` is how many categories a column may have: classes, or their parents.
    """
    check_trees(content, columns, categories=categories)
    import xgboost

    booster = xgboost.Booster({"nthread": threads})
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise InvalidData(f"XGBoost can't read the trees: {str(error).splitlines()[0][:200]}. Train again.") from None
    return Trees(booster, columns, threads)


def check_trees(content: bytes, columns: Columns, *, categories: int) -> None:
    """Raise InvalidData where `content` is not boosted trees for one yes or no over these columns."""
    try:
        _check_document(read_ubj(content), columns, categories)
    except InvalidData as error:
        raise InvalidData(f"These are no trees that can be used: {error} Train again.") from None


def _check_document(document: Mapping[str, Any], columns: Columns, categories: int) -> None:
    _keys(document, "learner", "version")
    version = list(document["version"])
    if len(version) != 3 or version[0] != 3:
        raise InvalidData(f"They are of XGBoost {version[:3]}, not 3.")
    learner = document["learner"]
    _keys(
        learner, "attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"
    )
    _same(learner["attributes"], {}, "attributes")
    _same(learner["feature_names"], list(columns.names), "columns")
    _same(learner["feature_types"], list(columns.kinds), "kinds of columns")
    _same(learner["objective"], {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}, "objective")
    facts = dict(_keys(learner["learner_model_param"],
                       "base_score", "boost_from_average", "num_class", "num_feature", "num_target"))  # fmt: skip
    base = _number(facts.pop("base_score"))
    if not 0 < base < 1:
        raise InvalidData(f"The score of no tree at all is {base}, and no probability.")
    _same(facts.pop("boost_from_average") in ("0", "1"), True, "boost_from_average is 0 or 1")
    _same(facts, {"num_class": "0", "num_feature": str(len(columns)), "num_target": "1"}, "size")
    booster = _keys(learner["gradient_booster"], "model", "name")
    _same(booster["name"], "gbtree", "kind")
    _check_model(booster["model"], columns, categories)


def _check_model(model: Mapping[str, Any], columns: Columns, categories: int) -> None:
    _keys(model, "cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees")
    cats = _keys(model["cats"], "enc", "feature_segments", "sorted_idx")
    if any(len(part) for part in cats.values()):
        raise InvalidData("They bring categories of their own.")
    trees = model["trees"]
    if not isinstance(trees, list):
        raise InvalidData("There is no list of trees.")
    _same(model["gbtree_model_param"], {"num_parallel_tree": "1", "num_trees": str(len(trees))}, "number of trees")
    if not np.array_equal(_integers(model["iteration_indptr"], "rounds"), np.arange(len(trees) + 1)):
        raise InvalidData("Rounds and trees do not go together.")
    if not np.array_equal(_integers(model["tree_info"], "outputs"), np.zeros(len(trees))):
        raise InvalidData("Trees are of several outputs.")
    for number, tree in enumerate(trees):
        try:
            _check_tree(tree, number, columns, categories)
        except InvalidData as error:
            raise InvalidData(f"Tree {number}: {error}") from None


def _check_tree(tree: Mapping[str, Any], number: int, columns: Columns, categories: int) -> None:
    _keys(tree, *_INTEGERS, *_NUMBERS, *_CATEGORIES, "id", "tree_param")
    _same(tree["id"], number, "number")
    facts = dict(_keys(tree["tree_param"], "num_deleted", "num_feature", "num_nodes", "size_leaf_vector"))
    nodes = facts.pop("num_nodes")
    _same(facts, {"num_deleted": "0", "num_feature": str(len(columns)), "size_leaf_vector": "1"}, "size")
    integers = {name: _integers(tree[name], name) for name in _INTEGERS}
    count = len(integers["parents"])
    _same(nodes, str(count), "number of nodes")
    if not 1 <= count <= _MOST_NODES:
        raise InvalidData(f"It has {count} nodes.")
    for name in _NUMBERS:
        values = tree[name]
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.shape != (count,):
            raise InvalidData(f"{name} are not {count} numbers.")
        if not np.isfinite(values).all():
            raise InvalidData(f"{name} are not finite.")
    if any(len(values) != count for values in integers.values()):
        raise InvalidData(f"Not all of its columns have {count} nodes.")
    inner = _check_shape(integers)
    _check_splits(integers, inner, columns)
    _check_categories(tree, np.flatnonzero(integers["split_type"]), categories)


def _check_shape(tree: Mapping[str, IntArray]) -> IntArray:
    """Which nodes (K,) have children; each node but the root is the child of one that stands before it."""
    left, right, parents = tree["left_children"], tree["right_children"], tree["parents"]
    count, inner = len(parents), np.flatnonzero(left != -1)
    if not np.array_equal(inner, np.flatnonzero(right != -1)):
        raise InvalidData("A node has one child.")
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, count)):
        raise InvalidData("Its nodes do not hang together: not each but the root is the child of one other.")
    if (children <= np.tile(inner, 2)).any():
        raise InvalidData("A child stands before its parent, so that a path may never end.")
    expected = np.full(count, _NO_PARENT)
    expected[children] = np.tile(inner, 2)
    if not np.array_equal(parents, expected):
        raise InvalidData("Parents and children do not go together.")
    return inner


def _check_splits(tree: Mapping[str, IntArray], inner: IntArray, columns: Columns) -> None:
    split, kind, default = tree["split_indices"], tree["split_type"], tree["default_left"]
    if ((split < 0) | (split >= len(columns))).any():
        raise InvalidData(f"It splits on column {split.max()}, of {len(columns)}.")
    if ((default != 0) & (default != 1)).any():
        raise InvalidData("Missing values go neither left nor right.")
    by_category = np.zeros(len(split), np.int64)
    by_category[inner] = np.array([each == "c" for each in columns.kinds], np.int64)[split[inner]]
    if not np.array_equal(kind, by_category):
        raise InvalidData("It splits numbers by category, or categories by number.")


def _check_categories(tree: Mapping[str, Any], expected: IntArray, most: int) -> None:
    """Each split by category has its own categories, one after the other."""
    values, nodes, begins, sizes = (_integers(tree[name], name) for name in _CATEGORIES)
    if not np.array_equal(nodes, expected) or not len(nodes) == len(begins) == len(sizes):
        raise InvalidData("Its categories belong to other nodes.")
    if (sizes < 1).any() or not np.array_equal(begins, np.concatenate([[0], np.cumsum(sizes)])[: len(sizes)]):
        raise InvalidData("Its categories overlap, or lack.")
    if sizes.sum() != len(values) or (len(values) and not (values.min() >= 0 and values.max() < most)):
        raise InvalidData(f"Its categories are not {sizes.sum()} numbers below {most}.")


def _keys(table: Any, *names: str) -> Mapping[str, Any]:
    if not isinstance(table, dict) or set(table) != set(names):
        raise InvalidData(f"There should be {', '.join(names)}, but there is {str(table)[:80]}.")
    return table


def _same(seen: Any, expected: Any, what: str) -> None:
    if isinstance(seen, np.ndarray) or type(seen) is not type(expected) or seen != expected:
        raise InvalidData(f"Their {what} should be {str(expected)[:80]}, but is {str(seen)[:80]}.")


def _integers(values: Any, what: str) -> IntArray:
    """Whole numbers (n,), whether they were written as a typed array or one by one."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return values.astype(np.int64)
    if isinstance(values, list) and all(type(each) is int for each in values):
        return np.asarray(values, np.int64)
    raise InvalidData(f"{what} are not whole numbers.")


def _number(text: Any) -> float:
    """`[4.6E-1]` or `4.6E-1` -> 0.46."""
    try:
        found = float(text.removeprefix("[").removesuffix("]"))
    except (AttributeError, ValueError):
        raise InvalidData(f"{str(text)[:40]!r} is no number.") from None
    if not math.isfinite(found):
        raise InvalidData(f"{found} is not finite.")
    return found
