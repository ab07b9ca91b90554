"""Find by example: spans whose mean features are like those of moments that were picked; nothing is trained."""

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import FloatArray, as_spans

SHORTEST = 1e-9  # Seconds; a shorter span is a point.
_CHUNK = 16_384


def unit_rows(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (N, D) scaled to length 1; a row of zeros stays one."""
    rows = values.astype(np.float64)
    lengths = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    units: NDArray[np.float32] = (rows / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return units


def span_means(sequence: FeatureSequence, spans: FloatArray) -> NDArray[np.float32]:
    """Mean features (N, D) of spans (N, 2): each step counts by the time that its cell shares with the span.

    A span of no length, or outside the video, has the features of the nearest step. A sequence without steps gives
    zeros.
    """
    spans, edges = as_spans(spans), sequence.grid.edges()
    if not len(sequence):
        return np.zeros((len(spans), sequence.width), np.float32)
    values = sequence.values.astype(np.promote_types(sequence.values.dtype, np.float32), copy=False)
    means: NDArray[np.float32] = values[sequence.grid.step_at(spans.mean(axis=1))].astype(np.float32)
    inside = np.clip(spans, edges[0], edges[-1])
    first = np.searchsorted(edges, inside[:, 0], side="right") - 1
    stop = np.searchsorted(edges, inside[:, 1], side="left")
    # Only the steps of each span are summed: sums over the whole video, for differences, cost far more than these all.
    for row in np.flatnonzero(inside[:, 1] - inside[:, 0] > SHORTEST).tolist():
        shared = np.diff(np.clip(edges[first[row] : stop[row] + 1], *inside[row]))
        means[row] = (shared / shared.sum()).astype(values.dtype) @ values[first[row] : stop[row]]
    return means


def direction(examples: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """The unit vector (D,) that is most like all examples (E, D), seen from `centre` (D,).

    The centre is the mean over the collection: without it, features that are never negative are all alike.
    """
    units = unit_rows(np.atleast_2d(examples).astype(np.float64) - centre)
    aim: NDArray[np.float32] = unit_rows(units.mean(axis=0, keepdims=True))[0]
    return aim


def cosines(units: NDArray[np.floating], aim: NDArray[np.float32]) -> FloatArray:
    """Products (N,) of unit vectors (N, D), of whatever precision, with a unit vector (D,), in [-1, 1]."""
    found = np.zeros(len(units))
    for start in range(0, len(units), _CHUNK):
        found[start : start + _CHUNK] = units[start : start + _CHUNK].astype(np.float32) @ aim
    return np.clip(found, -1.0, 1.0)
