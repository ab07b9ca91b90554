"""Group attention with shifting and class-specific scores (Zeng et al., TIP 2019, "Iterative-Winners-Out Networks").

Shapes: B videos, K segments, D width of one stream, M attentions, C classes, P pairs of a video and a class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

ScoreKind = Literal["class-specific", "attention"]
Videos = Tensor | Sequence[Tensor | None]
_TINY = 1e-12
_CHUNK = 2**24


@dataclass(frozen=True)
class Outcome:
    """Logits (B, C) of videos and attention (B, M, K) of each stream, 0 where a segment is masked."""

    logits: Tensor
    attentions: tuple[Tensor, ...]


@dataclass(frozen=True)
class Evidence:
    """What one stream of one video says, before any segment is removed.

    features (K, D), energies (M, K) before the softmax, projected (P, M, K): the products `h_k . z_m^j` of Eq. 8.
    """

    features: Tensor
    energies: Tensor
    projected: Tensor


class GroupAttention(nn.Module):
    """M attentions over the segments of one stream, each pooled feature scaled to length 1 / sqrt(M) (Eq. 3 and 4).

    `positions` K > 0 adds the paper's bias B (M, K), a prior over positions; `uniform` replaces attention by the mean
    (class activation maps). alpha only counts by its sign, so it is trained only with `shift_bias`, the beta of
    Table VII. Features are standardised by the buffers `mean` and `std` (D,).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        width: int,
        attentions: int,
        *,
        positions: int = 0,
        uniform: bool = False,
        shift_bias: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.uniform = uniform
        self.weight = nn.Parameter(_uniform((attentions, width), width, generator), requires_grad=not uniform)
        self.bias = nn.Parameter(torch.zeros(attentions, positions)) if positions and not uniform else None
        self.alpha = nn.Parameter(torch.ones(attentions), requires_grad=shift_bias)
        self.beta = nn.Parameter(torch.zeros(attentions)) if shift_bias else None
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def standardised(self, values: Tensor) -> Tensor:
        """Values (..., D) with the mean and spread of the training features taken out."""
        return (values - self.mean) / self.std

    def energies(self, features: Tensor) -> Tensor:
        """Standardised features (K, D) -> attention energies (M, K) before the softmax."""
        if self.uniform:
            return features.new_zeros(len(self.weight), len(features))
        energies = self.weight @ features.T
        return energies if self.bias is None else energies + self.bias

    def divisor(self, means: Tensor) -> Tensor:
        """Means of features under attention, A H (..., M, D) -> the divisor (..., M) of Eq. 4."""
        lengths = self.alpha.abs() * means.norm(dim=-1) if self.beta is None else self._shifted(means).norm(dim=-1)
        divisor: Tensor = math.sqrt(len(self.alpha)) * lengths.clamp_min(_TINY)
        return divisor

    def pooled(self, means: Tensor, present: Tensor | None = None) -> Tensor:
        """Means under attention (B, M, D) -> v (B, M, D) of Eq. 4; 0 where `present` (B,) is False."""
        divisor = self.divisor(means)
        if present is not None:
            divisor = divisor.masked_fill(~present[:, None], torch.inf)
        if self.beta is None:  # One pass over D numbers each, forth and back: it shows.
            return means * (self.alpha / divisor)[..., None]
        return self._shifted(means) / divisor[..., None]

    def _shifted(self, means: Tensor) -> Tensor:
        assert self.beta is not None
        return self.alpha[:, None] * means + self.beta[:, None]

    def class_scores(self, attention: Tensor, means: Tensor, projected: Tensor) -> Tensor:
        """Eq. 8 without its ReLU (P, K), from attention (P or 1, M, K), A H (P or 1, M, D) and h z (P, M, K)."""
        factors = (self.alpha / self.divisor(means))[..., None, :]
        return (factors @ (attention * projected))[:, 0]  # (P, 1, M) @ (P, M, K)


class GroupAttentionNet(nn.Module):
    """One group attention per stream and one linear classifier, without bias, on all pooled features (Eq. 5 to 7)."""

    def __init__(
        self,
        widths: Sequence[int],
        classes: int,
        *,
        attentions: int,
        positions: int = 0,
        uniform: bool = False,
        shift_bias: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            GroupAttention(
                width,
                attentions,
                positions=positions,
                uniform=uniform,
                shift_bias=shift_bias,
                generator=generator,
            )
            for width in widths
        )
        self._sizes = [attentions * width for width in widths]
        self.classifiers = nn.ParameterList(
            nn.Parameter(_uniform((classes, attentions, width), self.inputs, generator)) for width in widths
        )

    @property
    def inputs(self) -> int:
        """Numbers that the classifier sees of one video: attentions times the widths of all streams.

        No parameter is asked: batches are drawn beside a step that uses them, and both would wait for each other.
        """
        return sum(self._sizes)

    def stream(self, index: int) -> GroupAttention:
        """The group attention of one stream."""
        return cast(GroupAttention, self.streams[index])

    def forward(
        self, features: Sequence[Videos], mask: Tensor, *, present: Tensor | None = None, kept: Tensor | None = None
    ) -> Outcome:
        """Classify videos by their remaining segments.

        features: per stream, those of each video, standardised, (K_b, D) or None: what lies in memory is read where it
        lies, for copies and padding would take longer than the products. mask (B, K), K the most segments of a video:
        True where a segment is real and remains; present (B, streams): False where a video lacks a stream; kept
        (B, inputs): dropout factors.
        """
        rates = [None] * len(self._sizes) if kept is None else torch.split(kept, self._sizes, dim=1)
        logits, attentions = [], []
        for index, videos in enumerate(features):
            stream = self.stream(index)
            attention = masked_softmax(_energies(stream, videos, mask.shape[1]), mask[:, None])
            there = None if present is None else present[:, index]
            part = stream.pooled(_means(stream, attention, videos), there).flatten(1)  # (B, M, D) -> (B, M D)
            if there is not None:
                attention = attention * there[:, None, None]
            rate = rates[index]
            part = part if rate is None else part * rate
            logits.append(part @ self.classifiers[index].flatten(1).T)
            attentions.append(attention)
        return Outcome(torch.stack(logits).sum(dim=0), tuple(attentions))

    def evidence(self, features: Sequence[Tensor | None], classes: Tensor, *, centred: bool) -> list[Evidence | None]:
        """Evidence of one video, standardised features (K, D) or None per stream, for classes (P,).

        `centred` takes the mean over all classes out of the classifier: the softmax never feels a shift that all
        classes share, so training may let it drift until no score is above 0.
        """
        found: list[Evidence | None] = []
        for index, values in enumerate(features):
            weights = self.classifiers[index]
            chosen = weights[classes] - weights.mean(dim=0) if centred else weights[classes]
            found.append(
                None
                if values is None
                else Evidence(values, self.stream(index).energies(values), chosen @ values.transpose(0, 1))
            )
        return found

    def scores(
        self,
        evidence: Sequence[Evidence | None],
        remaining: Tensor,
        weights: Sequence[float],
        *,
        kind: ScoreKind = "class-specific",
        rectified: bool = True,
    ) -> Tensor:
        """Importance (P, K) of each remaining segment for each class: Eq. 8, streams summed with `weights` (Eq. 10).

        remaining (P, K), or (1, K) where all classes look at the same segments; removed segments get 0. `kind`
        "attention" gives the mean attention instead; `rectified=False` leaves the ReLU out.
        """
        total: Tensor | None = None
        for index, (stream, weight) in enumerate(zip(evidence, weights, strict=True)):
            if stream is None:
                continue
            attention = masked_softmax(stream.energies, remaining[:, None])  # (P or 1, M, K)
            if kind == "attention":
                scores = attention.mean(dim=1).expand(len(stream.projected), -1)
            else:
                means = attention @ stream.features
                scores = self.stream(index).class_scores(attention, means, stream.projected)
                scores = scores.relu() if rectified else scores
            total = weight * scores if total is None else total + weight * scores
        if total is None:
            raise ValueError("A video without any stream has no scores.")
        return total

    def chunks(self, classes: Tensor, segments: int) -> tuple[Tensor, ...]:
        """Split classes so that the evidence of one chunk over so many segments stays small."""
        attentions = len(self.stream(0).weight)
        return torch.split(classes, max(1, _CHUNK // max(1, attentions * segments)))


def _energies(stream: GroupAttention, videos: Videos, segments: int) -> Tensor:
    """Energies (B, M, K) of videos of K segments or less; 0 behind them and where a video lacks the stream."""
    nothing = stream.weight.new_zeros(len(stream.weight), 0)
    found = [nothing if values is None else stream.energies(values) for values in videos]
    return torch.stack([each if each.shape[1] == segments else functional.pad(each, (0, segments - each.shape[1]))
                        for each in found])  # fmt: skip


def _means(stream: GroupAttention, attention: Tensor, videos: Videos) -> Tensor:
    """Features of each video under attention (B, M, K): A H (B, M, D), 0 where a video lacks the stream."""
    nothing = stream.weight.new_zeros(stream.weight.shape)
    return torch.stack([nothing if values is None else rows[:, : len(values)] @ values
                        for rows, values in zip(attention.unbind(0), videos, strict=True)])  # fmt: skip


def masked_softmax(energies: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension among True alone; 0 elsewhere, and everywhere where nothing is True."""
    lowest = torch.finfo(energies.dtype).min
    return energies.masked_fill(~mask, lowest).softmax(dim=-1) * mask


def redundancy(attention: Tensor) -> Tensor:
    """Penalty `||A A^T - I||_F^2` (B,) of attention (B, M, K) (Eq. 6)."""
    gram = attention @ attention.transpose(1, 2)
    return (gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)).square().sum(dim=(1, 2))


def top_segments(scores: Tensor, remaining: Tensor, count: int, *, positive_only: bool) -> Tensor:
    """True (P, K) for the `count` best of the remaining segments; ties go to the earlier one.

    `positive_only` leaves out what does not speak for the class (a score of 0 after the ReLU).
    """
    order = scores.masked_fill(~remaining, -torch.inf).sort(dim=-1, descending=True, stable=True).indices
    chosen = torch.zeros_like(remaining).scatter(-1, order[..., :count], True) & remaining
    return chosen & (scores > 0) if positive_only else chosen


def _uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator | None) -> Tensor:
    bound = 1 / math.sqrt(inputs)
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
