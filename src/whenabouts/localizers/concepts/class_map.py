"""Classes by what is written about them, in clusters and as a map (Ma et al., 2019, figure 2); needs scikit-learn."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from whenabouts.core.errors import InvalidData, WhenaboutsError
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.words import reduced, weighed_words
from whenabouts.localizers.segments import Matrix

ALONE = -1
"""The cluster of classes that share no word with another."""
_COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)
_WIDTH = 50  # directions of the bags of words that are looked at, as van der Maaten and Hinton (2008) do before t-SNE
_PERPLEXITY = 30.0
_EXACT = 1000  # classes up to which t-SNE looks at all pairs
_LEAST = 4


@dataclass(frozen=True)
class Clusters:
    """The cluster (C,) of each class, ALONE without shared words, and names (K,): each cluster's two telling words."""

    of: IntArray
    names: tuple[str, ...]

    def members(self, number: int) -> IntArray:
        """Classes (n,) of one cluster."""
        return np.flatnonzero(self.of == number).astype(np.int64)


@dataclass(frozen=True)
class ClassMap:
    """Clusters of classes, and a place (C, 2) for each; NaN for those that share no word with another."""

    clusters: Clusters
    places: FloatArray


def clusters_of(vocabulary: Vocabulary, *, seed: int = 0) -> Clusters:
    """Clusters of classes by k-means over their bags of words, as many as are told apart best (silhouette).

    Raises WhenaboutsError without scikit-learn, InvalidData where fewer than four classes share a word with another.
    """
    require_sklearn()
    words, vectors = weighed_words(vocabulary)
    rows = _shared(vectors)
    found = _grouped(reduced(vectors[rows], _WIDTH), seed)
    of = np.full(len(vocabulary), ALONE, np.int64)
    of[rows] = _renumbered(found)
    return Clusters(of, _named(words, vectors, of))


def clusters_or_none(vocabulary: Vocabulary, *, seed: int = 0) -> Clusters:
    """As `clusters_of`, but all classes are ALONE where too few share a word."""
    try:
        return clusters_of(vocabulary, seed=seed)
    except InvalidData:
        return Clusters(np.full(len(vocabulary), ALONE, np.int64), ())


def class_map(vocabulary: Vocabulary, *, seed: int = 0) -> ClassMap:
    """Clusters, and places by t-SNE (van der Maaten and Hinton, 2008) of the same bags of words.

    The same seed gives the same map, whatever the number of threads. Raises as `clusters_of` does.
    """
    clusters = clusters_of(vocabulary, seed=seed)
    rows = np.flatnonzero(clusters.of != ALONE)
    places = np.full((len(vocabulary), 2), np.nan)
    places[rows] = _placed(reduced(weighed_words(vocabulary)[1][rows], _WIDTH), seed)
    return ClassMap(clusters, places)


def require_sklearn() -> None:
    """Raise WhenaboutsError with what to install where scikit-learn is not there."""
    if find_spec("sklearn") is None:
        raise WhenaboutsError(
            "Clusters of classes need scikit-learn, which is not there. Install it: pip install 'whenabouts[plots]'."
        )


def _shared(vectors: Matrix) -> IntArray:
    rows = np.flatnonzero(vectors.any(axis=1))
    if len(rows) < _LEAST:
        raise InvalidData(
            f"Of {len(vectors)} concepts {len(rows)} share a word of name, parent or description with another, "
            f"and {_LEAST} have to. Write descriptions into vocabulary.json."
        )
    return rows.astype(np.int64)


def _grouped(vectors: Matrix, seed: int) -> IntArray:
    """Clusters (n,) of rows (n, d): of several numbers the one with the best silhouette, of equals the fewest."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    distinct = len(np.unique(vectors.round(6), axis=0))
    best, found = -np.inf, np.zeros(len(vectors), np.int64)
    with threadpool_limits(1):  # sums of several threads differ in their last bits, and so might clusters
        for count in _COUNTS:
            if count >= min(len(vectors), distinct + 1):
                break
            labels = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors)
            if len(np.unique(labels)) < 2:
                continue
            worth = float(silhouette_score(vectors, labels))
            if worth > best + 1e-9:
                best, found = worth, labels.astype(np.int64)
    return found


def _renumbered(labels: IntArray) -> IntArray:
    """Clusters numbered by the first class in each, so that numbers do not hang on k-means' own order."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[inverse].astype(np.int64)


def _named(words: tuple[str, ...], vectors: Matrix, of: IntArray) -> tuple[str, ...]:
    """The two words of each cluster that weigh most in it over what they weigh anywhere; hardly "of" or "by"."""
    usual = vectors.mean(axis=0)
    names = []
    for number in range(int(of.max()) + 1):
        telling = vectors[of == number].mean(axis=0) - usual
        best = [place for place in np.argsort(-telling, kind="stable").tolist() if telling[place] > 0]
        long = [words[place] for place in best if len(words[place]) > 2] or [words[place] for place in best]
        names.append(", ".join(long[:2]) or "other")
    return tuple(_distinct(names))


def _distinct(names: list[str]) -> list[str]:
    """The same names, with a number behind those that stand there before."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


def _placed(vectors: Matrix, seed: int) -> FloatArray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(vectors)
    method = "exact" if count <= _EXACT else "barnes_hut"
    start = np.zeros((count, 2), np.float32)
    start[:, : vectors.shape[1]] = vectors[:, :2]
    # Equal rows, as of classes with the same words, would never part from one place.
    start *= 1e-4 / max(float(start.std()), 1e-12)
    start += np.random.default_rng(seed).normal(0, 1e-6, start.shape).astype(np.float32)
    with threadpool_limits(1):
        drawn = TSNE(
            perplexity=min(_PERPLEXITY, max(1.0, (count - 1) / 3)), init=start, method=method,
            random_state=seed,
        )  # fmt: skip
        places: FloatArray = drawn.fit_transform(vectors).astype(np.float64)
    return places
