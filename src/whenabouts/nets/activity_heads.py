"""Heads for several activities at once: activity-specific features and correlations (Zhang, Li & Marsic, CVPR 2021).

Shapes: B clips, C channels, N positions (frames x rows x columns, or steps), K observations, A activities, c the width
of an observation, n groups. The formulas are computed in an order that gives the same numbers with no tensor of size
B x K x c x N: an energy `(W_gamma f)^T q` is `f^T (W_gamma^T q)`, and the attended sum of `W_alpha f` is `W_alpha` of
the attended sum.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Classifier = Literal["rows", "shared"]
Query = Literal["learned", "last"]
Viewpoint = Literal["last", "mean"]
Pooling = Literal["mean", "max", "logsumexp"]


@dataclass(frozen=True)
class ActivityOutcome:
    """What a head says of B clips.

    logits (B, A) from activity-specific features (Eq. 11), `correlated` (B, A) from correlated ones (Eq. 12) or None.
    For looking at: attention (B, K, N) of observations over positions (Eq. 6), `mixing` (B, A, K) of activities over
    observations (Eq. 1), features (B, A, c), correlation (B, A, A) (Eq. 9) or None.
    """

    logits: Tensor
    correlated: Tensor | None
    attention: Tensor
    mixing: Tensor
    features: Tensor
    correlation: Tensor | None

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The logits (B, A) of each output there is."""
        return (self.logits,) if self.correlated is None else (self.logits, self.correlated)

    @property
    def probabilities(self) -> Tensor:
        """Mean of the outputs' probabilities (B, A)."""
        return torch.stack([logits.sigmoid() for logits in self.outputs]).mean(dim=0)

    @property
    def maps(self) -> Tensor:
        """Where each activity looks, (B, A, N): its mixture of the observations' attentions; sums to 1."""
        return self.mixing @ self.attention


class GroupLinear(nn.Module):
    """K independent linear maps C -> c without bias, each in n groups of channels (Eq. 7)."""

    def __init__(self, maps: int, width: int, hidden: int, groups: int, generator: torch.Generator | None) -> None:
        super().__init__()
        if width % groups or hidden % groups:
            raise ValueError(
                f"{groups} groups need widths that they divide, but got {width} and {hidden}. Choose another number of "
                "groups."
            )
        fan = width // groups
        shape = (maps, groups, hidden // groups, fan)
        self.weight = nn.Parameter(_uniform(shape, fan, generator))

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors (B, C), or one for each map (B, K, C) -> (B, K, c)."""
        maps, groups, _, fan = self.weight.shape
        parts = vectors.reshape(*vectors.shape[:-1], groups, fan)
        form = "bgi,kgoi->bkgo" if vectors.ndim == 2 else "bkgi,kgoi->bkgo"
        return torch.einsum(form, parts, self.weight).reshape(len(vectors), maps, -1)

    def back(self, vectors: Tensor) -> Tensor:
        """The transposed maps: (B, K, c) -> (B, K, C)."""
        maps, groups, hidden, _ = self.weight.shape
        parts = vectors.reshape(len(vectors), maps, groups, hidden)
        return torch.einsum("bkgo,kgoi->bkgi", parts, self.weight).reshape(len(vectors), maps, -1)


class ActivityHead(nn.Module):
    """Backbone features -> logits of A activities, from features of their own and from those of correlated ones.

    With classifier "rows" each activity has a row of weights of its own, with "shared" (the paper's equations) one
    vector serves all. `co_occurrence` (A, A) is the Mask of Eq. 10, P(column | row) in the training videos; without it
    there is no correlation map. `query` says how activities attend to observations: by a learned vector each, or by the
    last observation, weighted by one. `scaled` divides energies by the root of c, which the paper does not. The query
    of observations is of the last position (Eq. 6) or, by `viewpoint`, of the mean of all. `row_shares` divides each
    row of the Mask by its sum, so that correlated features are no larger than the others.
    """

    co_occurrence: Tensor | None

    def __init__(
        self,
        width: int,
        activities: int,
        *,
        observations: int = 64,
        hidden: int = 128,
        groups: int = 32,
        classifier: Classifier = "rows",
        query: Query = "learned",
        co_occurrence: Tensor | None = None,
        scaled: bool = False,
        viewpoint: Viewpoint = "last",
        row_shares: bool = False,
        dropout: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.width, self.activities = width, activities
        self.query_kind, self.scale = query, 1 / math.sqrt(hidden) if scaled else 1.0
        self.viewpoint, self.row_shares = viewpoint, row_shares
        self.alpha, self.beta, self.gamma = (
            GroupLinear(observations, width, hidden, groups, generator) for _ in range(3)
        )
        self.queries = nn.Parameter(_uniform((activities, hidden), hidden, generator))
        rows = activities if classifier == "rows" else 1
        self.own_weight = nn.Parameter(_uniform((rows, hidden), hidden, generator))
        self.own_bias = nn.Parameter(torch.zeros(rows))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("co_occurrence", co_occurrence)
        if co_occurrence is not None:
            self.between = nn.ModuleList(GroupLinear(1, hidden, hidden, groups, generator) for _ in range(2))
            # Rows of Attn_C + Mask sum to several times 1: weights begin as much smaller.
            size = 1 + self._mask(co_occurrence).sum(dim=1).mean()
            self.related_weight = nn.Parameter(_uniform((rows, hidden), hidden, generator) / size)
            self.related_bias = nn.Parameter(torch.zeros(rows))

    def learn_co_occurrence(self, labels: Tensor) -> None:
        """Take the co-occurrence (Eq. 10) of labels (V, C) of training videos, as if born with it; before training.

        A head without correlation stays as it is.
        """
        if self.co_occurrence is None:
            return
        mask = co_occurrence(labels)
        self.co_occurrence.copy_(mask)
        with torch.no_grad():
            self.related_weight.div_(1 + self._mask(mask).sum(dim=1).mean())

    def forward(self, features: Tensor, valid: Tensor | None = None) -> ActivityOutcome:
        """Features (B, C, N) or (B, C, T, H, W), and which positions are there, valid (B, N), all if None.

        The last position is the last that is there; a clip without any counts as one of zeros.
        """
        flat = features.flatten(2)
        attention, observations = self.observe(flat, valid)
        queries = self.queries if self.query_kind == "learned" else self.queries * observations[:, -1:]
        mixing = _softmax(queries @ observations.transpose(1, 2) * self.scale)
        own = mixing @ observations
        logits = _classified(self.dropout(own), self.own_weight, self.own_bias)
        if self.co_occurrence is None:
            return ActivityOutcome(logits, None, attention, mixing, own, None)
        correlation = self.correlate(own)
        related = self.dropout(correlation @ own)
        correlated = _classified(related, self.related_weight, self.related_bias)
        return ActivityOutcome(logits, correlated, attention, mixing, own, correlation)

    def observe(self, flat: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features (B, C, N) -> attention (B, K, N) of Eq. 6 and observations (B, K, c) of Eq. 2."""
        if valid is not None:
            flat = flat * valid[:, None, :]
        energies = self.gamma.back(self.beta(self._seen_from(flat, valid))) @ flat * self.scale
        if valid is not None:
            somewhere = valid | ~valid.any(dim=1, keepdim=True)
            energies = energies.masked_fill(~somewhere[:, None, :], -math.inf)
        attention = _softmax(energies)
        return attention, self.alpha(attention @ flat.transpose(1, 2))

    def correlate(self, own: Tensor) -> Tensor:
        """Activity-specific features (B, A, c) -> correlation (B, A, A) of Eq. 9, each row's attention to all."""
        queries, keys = (_each(linear, own) for linear in self.between)  # type: ignore[arg-type]
        attention = _softmax(queries @ keys.transpose(1, 2) * self.scale)
        return attention if self.co_occurrence is None else attention + self._mask(self.co_occurrence)

    def _mask(self, co_occurrence: Tensor) -> Tensor:
        """The Mask (A, A) as it is added."""
        if not self.row_shares:
            return co_occurrence
        sums = co_occurrence.sum(dim=1, keepdim=True)
        return co_occurrence / torch.where(sums > 0, sums, 1)

    def _seen_from(self, flat: Tensor, valid: Tensor | None) -> Tensor:
        """The feature (B, C) that observations ask from; of `flat` (B, C, N) what is not `valid` (B, N) is 0."""
        if self.viewpoint == "mean":
            counts = flat.shape[2] if valid is None else valid.sum(dim=1, keepdim=True).clamp_min(1)
            return flat.sum(dim=2) / counts
        return flat[:, :, -1] if valid is None else _last_valid(flat, valid)


class PooledHead(nn.Module):
    """The plain rivals: a linear classifier of the mean, of the maximum, or of each position with log-sum-exp."""

    def __init__(
        self,
        width: int,
        activities: int,
        *,
        pooling: Pooling = "mean",
        dropout: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.width, self.activities = width, activities
        self.pooling: Pooling = pooling
        self.weight = nn.Parameter(_uniform((activities, width), width, generator))
        self.bias = nn.Parameter(torch.zeros(activities))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, valid: Tensor | None = None) -> Tensor:
        """Features (B, C, N) or (B, C, T, H, W), valid (B, N) -> logits (B, A); without a position, the biases."""
        flat = features.flatten(2)
        there = torch.ones_like(flat[:, 0], dtype=torch.bool) if valid is None else valid
        counts = there.sum(dim=1, keepdim=True).clamp_min(1)
        flat = flat * there[:, None, :]
        if self.pooling == "mean":
            return functional.linear(self.dropout(flat.sum(dim=2) / counts), self.weight, self.bias)
        missing = ~(there | ~there.any(dim=1, keepdim=True))[:, None, :]
        if self.pooling == "max":
            best = flat.masked_fill(missing, -math.inf).amax(dim=2)
            return functional.linear(self.dropout(best), self.weight, self.bias)
        logits = (self.weight @ self.dropout(flat)).float().masked_fill(missing, -math.inf)
        pooled: Tensor = logits.logsumexp(dim=2) - counts.float().log() + self.bias
        return pooled


def co_occurrence(labels: Tensor) -> Tensor:
    """Labels (V, A), 1 where a training video has an activity -> the Mask (A, A) of Eq. 10: P(column | row).

    An activity that never occurs has a row of zeros.
    """
    there = labels.to(torch.float64)
    together = there.T @ there
    counts = together.diagonal()
    return (together / counts.clamp_min(1)[:, None]).to(torch.get_default_dtype())


def groups_within(most: int, width: int, hidden: int) -> int:
    """The largest number of groups up to `most` that divides both widths."""
    both = math.gcd(width, hidden)
    return max(number for number in range(1, min(most, both) + 1) if both % number == 0)


def _classified(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Features (B, A, c) with one row of weights for each activity, or one for all."""
    return (features * weight).sum(dim=2) + bias


def _each(linear: GroupLinear, vectors: Tensor) -> Tensor:
    """One map for each of (B, A, c) vectors."""
    mapped: Tensor = linear(vectors.flatten(0, 1))
    return mapped.reshape(*vectors.shape[:2], -1)


def _last_valid(flat: Tensor, valid: Tensor) -> Tensor:
    """The feature (B, C) at the last position that is there; the very last, which is 0, where none is."""
    places = torch.arange(valid.shape[1], device=valid.device)
    last = torch.where(valid, places, -1).amax(dim=1) % valid.shape[1]
    return flat.gather(2, last[:, None, None].expand(-1, flat.shape[1], 1))[:, :, 0]


def _softmax(energies: Tensor) -> Tensor:
    """Over the last axis, in float32 at least: energies are sharp."""
    wide = energies if energies.dtype == torch.float64 else energies.float()
    return wide.softmax(dim=-1).to(energies.dtype)


def _uniform(shape: tuple[int, ...], fan: int, generator: torch.Generator | None) -> Tensor:
    bound = 1 / math.sqrt(fan)
    return (2 * torch.rand(shape, generator=generator) - 1) * bound
