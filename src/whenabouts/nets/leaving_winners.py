"""Scores of one video while winners leave it, step by step (Zeng et al., Algorithm 2), at the price of the winners.

Shapes: K segments, D width of one stream, M attentions, P classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whenabouts.nets.group_attention import Evidence, GroupAttentionNet, masked_softmax

_LEAST = 1 / 16


class LeavingWinners:
    """Class-specific scores (Eq. 8 and 10) that are those of `GroupAttentionNet.scores`, for masks that only shrink.

    Attention is renormalised on what is left, so that A H of the next step is that of this step without what the
    leaving segments gave to it, divided by the share of attention that stays. A row that keeps less than a 16th of what
    it was last summed from would lose digits: it is summed anew.
    """

    def __init__(self, net: GroupAttentionNet, evidence: Sequence[Evidence | None], weights: Sequence[float]) -> None:
        self._net, self._weights = net, weights
        self._evidence = {index: stream for index, stream in enumerate(evidence) if stream is not None}
        if not self._evidence:
            raise ValueError("A video without any stream has no scores.")
        self._means = {index: RenewedMeans(stream.features) for index, stream in self._evidence.items()}
        self._stood: Tensor | None = None

    @torch.no_grad()
    def scores(self, remaining: Tensor) -> Tensor:
        """Importance (P, K) of the segments that remain (P, K), 0 for the others; none comes back."""
        # While nothing is gone all classes look at the same.
        looked = remaining[:1] if self._stood is None and bool(remaining.all()) else remaining
        gone = None if self._stood is None else Gone.of(self._stood & ~remaining)
        self._stood = remaining
        total: Tensor | None = None
        for index, stream in self._evidence.items():
            attention = masked_softmax(stream.energies, looked[:, None])  # (P or 1, M, K)
            means = self._means[index].under(attention, gone)
            scores = self._net.stream(index).class_scores(attention, means, stream.projected).relu()
            total = self._weights[index] * scores if total is None else total + self._weights[index] * scores
        assert total is not None
        return total


@dataclass(frozen=True)
class Gone:
    """The segments that left at one step: rows (P, N), as many for each class, and which of them truly did (P, N)."""

    rows: Tensor
    true: Tensor

    @classmethod
    def of(cls, gone: Tensor) -> "Gone":
        """From a mask (P, K)."""
        most = int(gone.sum(dim=1).max())
        rows = gone.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :most]
        return cls(rows, gone.gather(1, rows))


class RenewedMeans:
    """Means of features (K, D) under attention over fewer and fewer segments."""

    def __init__(self, features: Tensor) -> None:
        self._features = features
        self._before: Tensor | None = None
        self._means, self._share = features, features.new_ones(())

    def under(self, attention: Tensor, gone: Gone | None) -> Tensor:
        """A H (P or 1, M, D) under attention (P or 1, M, K), which is 0 for what is gone since the last time."""
        if self._before is None or gone is None:
            self._means = attention @ self._features
        else:
            self._renew(self._before, attention, gone)
        self._before = attention
        return self._means

    def _renew(self, before: Tensor, attention: Tensor, gone: Gone) -> None:
        """Take segments that are gone out of means that were made under the attention `before`."""
        places = gone.rows[:, None].expand(-1, before.shape[1], -1)
        leaving = before.expand(len(places), -1, -1).gather(2, places) * gone.true[:, None]  # (P, M, N)
        stays = (1 - leaving.sum(dim=2)).clamp_min(torch.finfo(leaving.dtype).tiny)
        self._share = self._share * stays
        lost = self._share < _LEAST
        anew = int(lost.sum())
        if 2 * anew < lost.numel():
            left = leaving @ self._features[gone.rows]
            self._means = torch.sub(self._means, left, out=left).div_(stays[..., None])
            if anew:
                self._means[lost] = attention[lost] @ self._features
                self._share.masked_fill_(lost, 1.0)
        else:
            self._means, self._share = attention @ self._features, torch.ones_like(self._share)
