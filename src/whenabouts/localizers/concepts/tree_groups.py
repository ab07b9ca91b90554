"""Which classes trees keep together, as they can "group classes in each sub-tree" (Ma et al., 2019, section 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.localizers.concepts.boosting import Trees
from whenabouts.localizers.concepts.class_map import require_sklearn
from whenabouts.localizers.concepts.ubj import read_ubj

INDEX, ONE_HOT = "class.index", "class.onehot"


@dataclass(frozen=True)
class Together:
    """Classes (K,) that trees know by number, and how much they keep them together (K, K), in [0, 1].

    Each split by the class's number parts the classes that come so far; a pair's share is that of the splits, weighed
    by what each gains, which leave the pair on one side. It is NaN for a pair that no split has seen together.
    """

    classes: IntArray
    shares: FloatArray
    splits: int


def kept_together(trees: Trees, table: Mapping[str, NDArray[np.floating[Any]]]) -> Together:
    """Look through all splits by the class's number.

    `table` has a row (C,) of values for each column that tells the number: `class.index`, or `class.onehot.0` and so
    on; NaN where a class has none. Raises InvalidData where trees know no class by its number, or never ask for it.
    """
    names = trees.columns.names
    told = {names.index(name): np.asarray(values, np.float64) for name, values in table.items() if name in names}
    if not told:
        raise InvalidData(
            f"This model does not know concepts by their number ({INDEX} or {ONE_HOT}), so its trees can't group them "
            'by it. Train with "index" among train.relevance.class_features.'
        )
    known = np.flatnonzero(np.any([np.isfinite(values) for values in told.values()], axis=0))
    own = {column: values[known] for column, values in told.items()}
    same, seen, splits = np.zeros((len(known), len(known))), np.zeros((len(known), len(known))), 0
    for tree in read_ubj(trees.raw())["learner"]["gradient_booster"]["model"]["trees"]:
        for here, right, gain in _partings(tree, own, trees.columns.kinds):
            splits += 1
            for side in (here & right, here & ~right):
                same[np.ix_(side, side)] += gain
            seen[np.ix_(here, here)] += gain
    if not splits:
        raise InvalidData(f"No tree of {trees.rounds} asks for a concept's number, so none are kept together by it.")
    with np.errstate(invalid="ignore"):
        return Together(known.astype(np.int64), np.where(seen > 0, same / seen, np.nan), splits)


def _partings(
    tree: Mapping[str, Any], told: Mapping[int, FloatArray], kinds: tuple[str, ...]
) -> list[tuple[BoolArray, BoolArray, float]]:
    """Of each split by the number: classes (K,) that come so far, those that go right, and what the split gains."""
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    columns, found = np.asarray(tree["split_indices"]), []
    count = len(next(iter(told.values())))
    reached: dict[int, BoolArray] = {0: np.ones(count, bool)}
    for node in range(len(left)):  # parents stand before their children
        here, column = reached[node], int(columns[node])
        if left[node] < 0:
            continue
        if column not in told:
            reached[int(left[node])] = reached[int(right[node])] = here
            continue
        goes = _goes_right(tree, node, told[column], by_category=kinds[column] == "c")
        reached[int(left[node])], reached[int(right[node])] = here & ~goes, here & goes
        if here.sum() > 1:
            found.append((here, goes, float(tree["loss_changes"][node])))
    return found


def _goes_right(tree: Mapping[str, Any], node: int, values: FloatArray, *, by_category: bool) -> BoolArray:
    """Which values (K,) a split sends to the right: its categories, or numbers at or above its condition."""
    missing = np.isnan(values)
    if by_category:
        place = int(np.flatnonzero(np.asarray(tree["categories_nodes"]) == node)[0])
        begin, size = int(tree["categories_segments"][place]), int(tree["categories_sizes"][place])
        right = np.isin(values, np.asarray(tree["categories"])[begin : begin + size])
    else:
        right = values >= float(tree["split_conditions"][node])
    goes: BoolArray = np.where(missing, not tree["default_left"][node], right)
    return goes


def groups_of(together: Together, count: int) -> tuple[IntArray, IntArray]:
    """`count` groups (K,) by average linkage of what is kept together, and an order (K,) in which they lie apart.

    Pairs that no split has seen together are taken to be as near as an average pair.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    size = len(together.classes)
    if size < 2:
        return np.zeros(size, np.int64), np.arange(size)
    far = 1 - together.shares
    far = np.where(np.isnan(far), np.nanmean(far), far)
    np.fill_diagonal(far, 0)
    tree = linkage(squareform((far + far.T) / 2, checks=False), "average")
    return fcluster(tree, count, "maxclust").astype(np.int64) - 1, leaves_list(tree).astype(np.int64)


@dataclass(frozen=True)
class Agreement:
    """Adjusted Rand index of two groupings: 1 the same, 0 by chance; `chance`: share of shuffled ones that agree so."""

    index: float
    chance: float


def agreement(first: IntArray, second: IntArray, *, permutations: int = 1000, seed: int = 0) -> Agreement:
    """How well groups (K,) agree with others (K,) (Hubert and Arabie, 1985); needs scikit-learn."""
    require_sklearn()
    from sklearn.metrics import adjusted_rand_score

    index, rng = float(adjusted_rand_score(first, second)), np.random.default_rng(seed)
    shuffled = [adjusted_rand_score(rng.permutation(first), second) for _ in range(permutations)]
    return Agreement(index, float((np.sum(np.asarray(shuffled) >= index - 1e-12) + 1) / (permutations + 1)))
