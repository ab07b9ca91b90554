"""Which classes a rated segment plainly lacks: raters only see videos with the label, so nobody rates these.

Both the segment models and the relevance model draw a few of them, as negatives that count less than ratings.
"""

from collections.abc import Iterable

import numpy as np

from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import IntArray


def lacked(labels: VideoLabels, rated: Iterable[int], classes: int) -> IntArray:
    """Classes (n,) that neither a video's labels nor `rated` ones name; none where nothing is known of the video."""
    if not (len(labels) or labels.known(classes).any()):
        return np.zeros(0, np.int64)
    there = np.ones(classes, bool)
    there[labels.classes] = False
    there[sorted(rated)] = False
    return np.flatnonzero(there)


def some_of(there: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """`count` of these classes at random, or all where they are fewer."""
    return rng.choice(there, min(count, len(there)), replace=False)
