"""Find by example: spans whose mean features are like those of moments that were picked; nothing is trained."""

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import FloatArray, as_spans

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
    values = sequence.values.astype(np.float64)
    if not len(values):
        return np.zeros((len(spans), sequence.width), np.float32)
    sums = np.zeros((len(edges), values.shape[1]))
    np.cumsum(values * np.diff(edges)[:, None], axis=0, out=sums[1:])
    inside = np.clip(spans, edges[0], edges[-1])
    totals = _until(sums, edges, values, inside[:, 1]) - _until(sums, edges, values, inside[:, 0])
    lengths = (inside[:, 1] - inside[:, 0])[:, None]
    nearest = values[sequence.grid.step_at(spans.mean(axis=1))]
    return np.divide(totals, lengths, out=nearest, where=lengths > 1e-9).astype(np.float32)


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


def _until(sums: FloatArray, edges: FloatArray, values: FloatArray, seconds: FloatArray) -> FloatArray:
    """Integrals (N, D) of the features from the start up to `seconds` (N,)."""
    step = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, len(values) - 1)
    whole: FloatArray = sums[step] + values[step] * (seconds - edges[step])[:, None]
    return whole
