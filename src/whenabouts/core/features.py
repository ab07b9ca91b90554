"""Features of one video over time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import TimeGrid

LARGEST = 1e18
"""Values beyond this are no features: their squares, summed over a few hundred numbers, overflow float32."""


def unusable(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values are NaN, infinite or beyond `LARGEST`: of the same shape."""
    if not np.issubdtype(values.dtype, np.floating):
        return np.zeros(values.shape, np.bool_)
    limit = min(LARGEST, float(np.finfo(values.dtype).max))
    found: NDArray[np.bool_] = ~(np.abs(values) <= limit)
    return found


@dataclass(frozen=True)
class FeatureSequence:
    """Features `values` (T, D) of one modality of one video, with the grid that says when each step is.

    `source` names the maker: backbone and a checksum of its weights.
    """

    video_id: str
    values: NDArray[Any]
    grid: TimeGrid
    modality: str
    source: str

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise InvalidData(f"{self.video_id}: features are (steps, width), but got shape {self.values.shape}.")
        if len(self.values) != self.grid.steps:
            raise InvalidData(
                f"{self.video_id}: {len(self.values)} rows of {self.modality} features on {self.grid.steps} steps."
            )

    @property
    def width(self) -> int:
        """Numbers per step (D)."""
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"FeatureSequence({self.video_id!r}, {self.modality}, shape {self.values.shape}, {self.values.dtype})"

    def check_finite(self) -> None:
        """Raise InvalidData where a value is NaN, infinite or beyond `LARGEST`, saying where the first one stands."""
        odd = unusable(self.values)
        if odd.any():
            step, column = np.argwhere(odd)[0]
            raise InvalidData(
                f"{self.video_id}: {self.modality} features hold {self.values[step, column]:g} at step {step}, column "
                f"{column}; they are numbers up to {LARGEST:g}. Extract this video again, or leave it out."
            )


def maker_of(source: str) -> str:
    """The backbone that a source names, without the mark of windows other than its own."""
    return source.partition("~")[0]
