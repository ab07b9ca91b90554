"""Scores of one video over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary


@dataclass(frozen=True)
class ScoreSequence:
    """Per-step scores (T, L), video scores (L,) in [0, 1], and attention (M, T) where the model has one."""

    video_id: str
    scores: NDArray[np.float32]
    video_scores: NDArray[np.float32]
    grid: TimeGrid
    vocabulary: Vocabulary
    attention: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        expected = (self.grid.steps, len(self.vocabulary))
        if self.scores.shape != expected:
            raise InvalidData(f"{self.video_id}: scores are (T, L) = {expected}, but got {self.scores.shape}.")
        if self.video_scores.shape != expected[1:]:
            raise InvalidData(f"{self.video_id}: video scores are {expected[1:]}, but got {self.video_scores.shape}.")
        if self.attention is not None and self.attention.shape[1:] != expected[:1]:
            raise InvalidData(f"{self.video_id}: attention is (M, {expected[0]}), but got {self.attention.shape}.")

    def __repr__(self) -> str:
        return f"ScoreSequence({self.video_id!r}, {self.scores.shape[0]} steps x {self.scores.shape[1]} classes)"
