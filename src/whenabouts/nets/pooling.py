"""Pooling over the real frames of a video: mean, maximum, and learned: NetVLAD and NetFV with context gating.

After Miech, Laptev and Sivic, "Learnable pooling with context gating" (2017), and the code of Skalic and Austin (2018).
That code without batch norm can't run (names that don't exist, initialisers without a shape, a gate's bias as long as
the clusters); here it does, and frames behind a video's end are assigned to no cluster.
"""

import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST_DEVIATION = 1e-6


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Values (B, T, D) and mask (B, T) -> mean (B, D) of the real frames, 0 where there is none."""
    kept = values.masked_fill(~mask[..., None], 0.0)
    return kept.sum(dim=1) / mask.sum(dim=1).clamp_min(1)[:, None]


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Values (B, T, D) and mask (B, T) -> maximum (B, D) of the real frames, 0 where there is none."""
    lowest = values.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    return lowest.masked_fill(~mask.any(dim=1)[:, None], 0.0)


class SoftAssignment(nn.Module):
    """How much each frame belongs to each cluster: softmax of x W, with a bias or with batch norm."""

    def __init__(self, width: int, clusters: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(_normal(width, clusters, inputs=width))
        self.bias = None if batch_norm else nn.Parameter(_normal(clusters, inputs=width))
        self.norm = nn.BatchNorm1d(clusters) if batch_norm else None

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (B, T, D) and mask (B, T) -> shares (B, K, T), each frame's sum 1, or 0 where it is not real."""
        energies = frames @ self.weight
        if self.norm is not None:
            energies = _over_real(self.norm, energies, mask)
        if self.bias is not None:
            energies = energies + self.bias
        return (energies.softmax(dim=2) * mask[..., None]).transpose(1, 2)


class NetVlad(nn.Module):
    """Residuals of frames to the centres of their clusters, summed: V_k = sum_t a_k(x_t) (x_t - c_k)."""

    def __init__(self, width: int, clusters: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.assign = SoftAssignment(width, clusters, batch_norm=batch_norm)
        self.centres = nn.Parameter(_normal(clusters, width, inputs=width))
        self.outputs = clusters * width

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (B, T, D) and mask (B, T) -> (B, K D): each cluster's residual of length 1, then all together."""
        shares = self.assign(frames, mask)
        residuals = shares @ _real(frames, mask) - shares.sum(dim=2, keepdim=True) * self.centres
        return _unit(_unit(residuals).flatten(1))


class NetFv(nn.Module):
    """Fisher vectors with learned clusters: first and second order differences, weighted by learned deviations.

    As in the code, first order ones get length 1 per cluster and then together, second order ones together alone.
    """

    def __init__(self, width: int, clusters: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.assign = SoftAssignment(width, clusters, batch_norm=batch_norm)
        self.centres = nn.Parameter(_normal(clusters, width, inputs=width))
        self.deviations = nn.Parameter(1.0 + _normal(clusters, width, inputs=width))
        self.outputs = 2 * clusters * width

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames (B, T, D) and mask (B, T) -> (B, 2 K D)."""
        shares, frames = self.assign(frames, mask), _real(frames, mask)
        total, spread = shares.sum(dim=2, keepdim=True), self.deviations.square() + LEAST_DEVIATION
        sums, squares = shares @ frames, shares @ frames.square()
        first = (sums - total * self.centres) / spread
        second = (total * self.centres.square() + squares - 2 * sums * self.centres) / spread.square() - total
        return torch.cat([_unit(_unit(first).flatten(1)), _unit(second.flatten(1))], dim=1)


class ContextGate(nn.Module):
    """Inputs times a gate of all of them: h * sigmoid(h W + b), with batch norm in place of the bias where asked."""

    def __init__(self, width: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(_normal(width, width, inputs=width))
        self.bias = None if batch_norm else nn.Parameter(_normal(width, inputs=width))
        self.norm = nn.BatchNorm1d(width) if batch_norm else None

    def forward(self, values: Tensor) -> Tensor:
        """Values (B, H) -> the same shape."""
        energies = values @ self.weight
        if self.norm is not None:
            energies = _over_rows(self.norm, energies)
        if self.bias is not None:
            energies = energies + self.bias
        return values * energies.sigmoid()


class PoolingNet(nn.Module):
    """One NetVLAD or NetFV per modality, a linear layer, context gating and a classifier.

    The paper (Ma et al., 2019, 4.1) takes batch norm and the mixture of experts out of the original; context gating it
    keeps. Here batch norm is a switch, and the classifier is handed in.
    """

    def __init__(
        self,
        widths: Sequence[int],
        clusters: Sequence[int],
        hidden: int,
        classifier: nn.Module,
        *,
        kind: Literal["netvlad", "netfv"] = "netvlad",
        batch_norm: bool = False,
        gating: bool = True,
    ) -> None:
        super().__init__()
        make = NetVlad if kind == "netvlad" else NetFv
        self.widths, self.classifier = tuple(widths), classifier
        self.input_norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths) if batch_norm else None
        pools = [make(width, count, batch_norm=batch_norm) for width, count in zip(widths, clusters, strict=True)]
        self.pools = nn.ModuleList(pools)
        total = sum(pool.outputs for pool in pools)
        self.reduce = nn.Parameter(_normal(total, hidden, inputs=max(clusters)))
        self.bias = None if batch_norm else nn.Parameter(0.01 * torch.randn(hidden))
        self.norm = nn.BatchNorm1d(hidden) if batch_norm else None
        self.gate = ContextGate(hidden, batch_norm=batch_norm) if gating else None

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D of all modalities) and mask (B, T) -> gated (B, hidden)."""
        parts = list(torch.split(features, list(self.widths), dim=2))
        if self.input_norms is not None:
            norms = cast(Sequence[nn.BatchNorm1d], self.input_norms)
            parts = [_over_real(norm, part, mask) for norm, part in zip(norms, parts, strict=True)]
        pooled = torch.cat([pool(part, mask) for pool, part in zip(self.pools, parts, strict=True)], dim=1)
        values = pooled @ self.reduce
        if self.norm is not None:
            values = _over_rows(self.norm, values)
        if self.bias is not None:
            values = values + self.bias
        return values if self.gate is None else cast(Tensor, self.gate(values))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C)."""
        return cast(Tensor, self.classifier(self.encode(features, mask)))


def _normal(*shape: int, inputs: int) -> Tensor:
    return torch.randn(*shape) / math.sqrt(inputs)


def _unit(values: Tensor) -> Tensor:
    return functional.normalize(values, dim=-1)


def _real(frames: Tensor, mask: Tensor) -> Tensor:
    return frames.masked_fill(~mask[..., None], 0.0)


def _over_real(norm: nn.BatchNorm1d, values: Tensor, mask: Tensor) -> Tensor:
    """Batch norm over real frames alone: values (B, T, D) -> the same shape, 0 where a frame is not real."""
    result = torch.zeros_like(values)
    result[mask] = _over_rows(norm, values[mask])
    return result


def _over_rows(norm: nn.BatchNorm1d, rows: Tensor) -> Tensor:
    """Batch norm of rows (N, D); one row alone, as the last of a training may be, by what was seen before it."""
    if norm.training and len(rows) < 2:
        return functional.batch_norm(rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return cast(Tensor, norm(rows))
