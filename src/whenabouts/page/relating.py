"""What pictures of classes are made of: how well each is found, cluster by cluster, and what trees keep together."""

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.spread import paired_chance, spread_of
from whenabouts.localizers.concepts.boosting import Trees
from whenabouts.localizers.concepts.class_features import ClassTable
from whenabouts.localizers.concepts.class_map import ALONE, Clusters, clusters_of
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.tree_groups import INDEX, ONE_HOT, Together, agreement, groups_of, kept_together
from whenabouts.localizers.protocol import Localizer
from whenabouts.page.class_pictures import ClassPrecision, Kept
from whenabouts.page.rivals import JudgedPairs

NO_PARENT, NO_CLUSTER = "without a parent", "alone"
NO_RELEVANCE = "There is no relevance model: train with --localizer cross-class-relevance, on rated segments."


def class_precision(
    pairs: JudgedPairs, vocabulary: Vocabulary, clusters: Clusters, models: list[str], *, seed: int = 0
) -> ClassPrecision:
    """Average precision of each class that pairs judge, by `models`, with notes on the spread within clusters.

    Raises InvalidData where no class has a pair that shows it and one that does not.
    """
    judged = pairs.judged
    if not len(judged):
        raise InvalidData(
            "No concept has checked segments that show it and others that do not, so nothing can be judged. Check some "
            "in videos of another split than train."
        )
    found = {name: np.array([pairs.precision(name, index) for index in judged.tolist()]) for name in models}
    means = ", ".join(f"{name} {values.mean():.3f}" for name, values in found.items())
    videos = len(np.unique(pairs.video_ids))
    notes = [
        f"{len(pairs)} {pairs.source}, in {videos} videos; mean average precision of {len(judged)} concepts: {means}"
    ]
    notes += _spread_notes(found, clusters.of[judged], seed)
    return ClassPrecision(tuple(vocabulary.names[index] for index in judged.tolist()), judged, found, clusters,
                          tuple(notes))  # fmt: skip


def _spread_notes(found: dict[str, FloatArray], groups: IntArray, seed: int) -> list[str]:
    """In words: the spread within clusters and between them by each model, and whether one is evener than the other."""
    grouped = groups != ALONE
    try:
        spreads = {name: spread_of(values[grouped], groups[grouped], seed=seed) for name, values in found.items()}
    except InvalidData:
        return ["Too few clusters have two judged concepts to tell the spread within them."]
    notes = [
        f"{name}: standard deviation {each.mean_inside:.3f} within clusters of two or more, {each.between:.3f} between "
        f"clusters; random clusters of these sizes are as even: p = {each.chance:.2g}"
        for name, each in spreads.items()
    ]
    if len(spreads) == 2:
        first, second = (each.inside for each in spreads.values())
        names, chance = list(spreads), paired_chance(first, second, seed=seed)
        notes.append(
            f"Within clusters {names[0]} differs from {names[1]} by {float((first - second).mean()):+.3f} on average "
            f"over {len(first)} clusters (by chance: p = {chance:.2g}, sign flips of pairs)"
        )
    return notes


def trees_of(localizer: Localizer) -> Trees:
    """The trees of a localizer's relevance model; InvalidData where it has none."""
    if not isinstance(localizer, CrossClass) or localizer.relevance is None:
        raise InvalidData(NO_RELEVANCE)
    if not isinstance(localizer.relevance.scorer, Trees):
        raise InvalidData(
            "The relevance model is linear, so it has no trees that group concepts. Train with --localizer "
            "cross-class-relevance --set 'train.relevance.model=\"trees\"'."
        )
    return localizer.relevance.scorer


def kept(localizer: Localizer, *, seed: int = 0) -> Kept:
    """Which concepts trees keep together, beside their parents, or clusters of descriptions where few have a parent."""
    together = kept_together(trees_of(localizer), _numbers(localizer))
    names = tuple(localizer.vocabulary.names[index] for index in together.classes.tolist())
    groups, kind, rest = _groups_told(localizer.vocabulary, together, seed)
    numbers = np.unique(np.array(groups, np.str_), return_inverse=True)[1].astype(np.int64)
    found, order = groups_of(together, len(set(groups)))
    return Kept(together, names, groups, order, agreement(found, numbers, seed=seed), kind, rest)


def _numbers(localizer: Localizer) -> dict[str, FloatArray]:
    """Values (C,) of each column that tells a class's number."""
    if not isinstance(localizer, CrossClass) or localizer.relevance is None:
        raise InvalidData(NO_RELEVANCE)
    table: dict[str, FloatArray] = {}
    for name, feature in localizer.relevance.features.class_features.items():
        if f"class.{name}" in (INDEX, ONE_HOT) and isinstance(feature, ClassTable):
            columns = [f"class.{name}.{column}".removesuffix(".") for column in feature.names()]
            table |= dict(zip(columns, feature.values.T.astype(np.float64), strict=True))
    return table


def _groups_told(vocabulary: Vocabulary, together: Together, seed: int) -> tuple[tuple[str, ...], str, str]:
    """A group's name for each class, what kind of groups these are, and the name for classes in none.

    A class that is itself the parent of others is in their group.
    """
    names = [vocabulary.names[index] for index in together.classes.tolist()]
    parents = set(vocabulary.parents.values())
    told = [vocabulary.parents.get(name, name if name in parents else "") for name in names]
    if sum(map(bool, told)) * 2 > len(told) and len(set(told)) > 1:
        return tuple(each or NO_PARENT for each in told), "parents", NO_PARENT
    clusters = clusters_of(vocabulary, seed=seed)
    return (
        tuple(
            NO_CLUSTER if number == ALONE else clusters.names[number]
            for number in clusters.of[together.classes].tolist()
        ),
        "clusters of descriptions",
        NO_CLUSTER,
    )
