"""Find by example: spans whose mean features are like those of moments that were picked; nothing is trained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import FloatArray, as_spans

SHORTEST = 1e-9  # Seconds; a shorter span is a point.
_CELLS = 1_000_000  # Spans times steps that are weighed at once.
_PEAK = 127


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
    exact = np.promote_types(sequence.values.dtype, np.float32)
    means = np.zeros((len(spans), sequence.width), np.float32)
    inside = np.clip(spans, edges[0], edges[-1])
    long = inside[:, 1] - inside[:, 0] > SHORTEST
    if not long.all():
        means[~long] = sequence.values[sequence.grid.step_at(spans[~long].mean(axis=1))]
    rows = np.flatnonzero(long)
    if len(rows):
        first = int(np.searchsorted(edges, inside[rows, 0].min(), side="right")) - 1
        stop = int(np.searchsorted(edges, inside[rows, 1].max(), side="left"))
        values = sequence.values[first:stop].astype(exact, copy=False)
        for part in np.array_split(rows, -(-len(rows) * (stop - first) // _CELLS)):
            # No differences of sums from the start: they would lose what a short span adds to much before it.
            cells = np.clip(edges[first : stop + 1], inside[part, :1], inside[part, 1:])
            shared = np.diff(cells, axis=1)
            means[part] = (shared / shared.sum(axis=1, keepdims=True)).astype(exact) @ values
    return means


def direction(examples: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float32]:
    """The unit vector (D,) that is most like all examples (E, D), seen from `centre` (D,).

    The centre is the mean over the collection: without it, features that are never negative are all alike.
    """
    units = unit_rows(np.atleast_2d(examples).astype(np.float64) - centre)
    aim: NDArray[np.float32] = unit_rows(units.mean(axis=0, keepdims=True))[0]
    return aim


@dataclass(frozen=True)
class Coded:
    """Unit vectors (N, D) at a byte a number: `numbers` times `scales` (N,), off by 1/254 of a row's greatest."""

    numbers: NDArray[np.int8]
    scales: NDArray[np.float32]

    @classmethod
    def of(cls, units: NDArray[np.float32]) -> "Coded":
        """From rows (N, D); a row of zeros stays one."""
        scales = np.abs(units).max(axis=1, initial=0.0) / _PEAK
        numbers = np.rint(units / np.maximum(scales, np.finfo(np.float32).tiny)[:, None]).astype(np.int8)
        return cls(numbers, scales.astype(np.float32))


def cosines(coded: Coded, aim: NDArray[np.float32]) -> FloatArray:
    """Products (N,) of coded unit vectors with a unit vector (D,), in [-1, 1]."""
    found = (coded.numbers.astype(np.float32) @ aim) * coded.scales
    return np.clip(found.astype(np.float64), -1.0, 1.0)
