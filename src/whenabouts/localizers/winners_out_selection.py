"""Winners-out testing: select the best segments, look again at what is left, and so on (Zeng et al., Algorithm 2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.nets.group_attention import Evidence, GroupAttentionNet, ScoreKind, top_segments
from whenabouts.nets.leaving_winners import LeavingWinners


@dataclass(frozen=True)
class Selection:
    """What was selected of one video for classes (P,): at which step (P, K), -1 for never, and with which score (P, K).

    `first` (P, K) are the scores of all segments at the first step.
    """

    steps: IntArray
    scores: FloatArray
    first: FloatArray

    def until(self, step: int) -> BoolArray:
        """True (P, K) where a segment was selected at this step or before."""
        return (self.steps >= 0) & (self.steps <= step)

    def levels(self, row: int) -> BoolArray:
        """True (S, K) where a segment was selected for one class until each step."""
        steps = np.arange(int(self.steps.max()) + 1)[:, None]
        selected: BoolArray = (self.steps[row] >= 0) & (self.steps[row] <= steps)
        return selected


@dataclass(frozen=True)
class Judge:
    """A net with the settings that say how its scores are read."""

    net: GroupAttentionNet
    settings: WinnersOutSettings
    streams: tuple[Stream, ...]
    device: torch.device

    def placed(self, matrices: Sequence[Matrix | None]) -> list[Tensor | None]:
        """Segment features (K, D) per stream, on the device and standardised."""
        return [
            None if matrix is None else self.net.stream(index).standardised(torch.from_numpy(matrix).to(self.device))
            for index, matrix in enumerate(matrices)
        ]

    def evidence(self, features: Sequence[Tensor | None], classes: Tensor) -> list[Evidence | None]:
        """Evidence for classes (P,) of one video."""
        return self.net.evidence(features, classes, centred=self.settings.centred)

    def scores(self, evidence: Sequence[Evidence | None], remaining: Tensor) -> Tensor:
        """Importance (P, K) of the remaining segments (P or 1, K), all streams together."""
        gammas = [self.settings.weight_of(stream.modality) for stream in self.streams]
        kind: ScoreKind = "attention" if self.settings.scores == "attention" else "class-specific"
        return self.net.scores(evidence, remaining, gammas, kind=kind)

    def _scores_of(self, evidence: Sequence[Evidence | None]) -> Callable[[Tensor], Tensor]:
        """Importance (P, K) of the segments that remain (P, K), for masks that only shrink."""
        if self.settings.scores == "attention":
            return lambda remaining: self.scores(evidence, remaining)
        gammas = [self.settings.weight_of(stream.modality) for stream in self.streams]
        return LeavingWinners(self.net, evidence, gammas).scores

    def first_scores(self, features: Sequence[Tensor | None], classes: int, segments: int) -> Tensor:
        """Importance (K, L) of all segments for all classes, with nothing removed."""
        everything = torch.ones(1, segments, dtype=torch.bool, device=self.device)
        groups = self.net.chunks(torch.arange(classes, device=self.device), segments)
        return torch.cat([self.scores(self.evidence(features, group), everything) for group in groups]).T

    def winners(self, scores: Tensor, remaining: Tensor, count: int) -> Tensor:
        """True (P, K) for the `count` best of the remaining segments."""
        return top_segments(scores, remaining, count, positive_only=self.settings.positive_only)

    def select(self, features: Sequence[Tensor | None], classes: Tensor, segments: int) -> Selection:
        """Select winners for classes (P,), step by step.

        Attention and scores are computed anew on what remains, and that is each class's own: a segment that one class
        has taken is still there for another.
        """
        scores_of = self._scores_of(self.evidence(features, classes))
        shape = (len(classes), segments)
        remaining = torch.ones(shape, dtype=torch.bool, device=self.device)
        steps = torch.full(shape, -1, device=self.device)
        kept = torch.zeros(shape, device=self.device)
        first: Tensor | None = None
        left = self.settings.budget(segments)
        for step in range(self.settings.test_steps):
            scores = scores_of(remaining)
            first = scores if first is None else first
            chosen = self.winners(scores, remaining, min(left, self.settings.winners(segments)))
            left -= min(left, self.settings.winners(segments))
            steps[chosen] = step
            kept = torch.where(chosen, scores, kept)
            remaining = remaining & ~chosen
            if not left or not chosen.any():
                break
        first = kept if first is None else first
        return Selection(steps.cpu().numpy(), _float64(kept), _float64(first))


def without(remaining: BoolArray, winners: BoolArray, scores: FloatArray) -> BoolArray:
    """What remains (K,) after the winners are out: never nothing, the weakest (earliest) stays if all would go."""
    left: BoolArray = remaining & ~winners
    if not left.any():
        candidates = remaining.nonzero()[0]
        left[candidates[scores[candidates].argmin()]] = True
    return left


def _float64(values: Tensor) -> FloatArray:
    result: FloatArray = values.double().cpu().numpy()
    return result
