"""Classifiers of videos and segments over frames: logistic, LSTM, ConvNet and Transformer (Ma et al., 2019, 4.1).

Each takes features (B, T, D) and a mask (B, T) whose real frames come first in each row, and gives logits (B, C);
`encode` gives what its classifier sees. What stands behind the mask changes nothing.
"""

import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.pooling import masked_max, masked_mean

State = Literal["hidden", "cell"]
_SHUT = -1e4  # sigmoid(-1e4) is 0 in float32, float16 and bfloat16


class LogisticNet(nn.Module):
    """Logistic regression on the mean of a video's frames (Abu-El-Haija et al., 2016)."""

    def __init__(self, width: int, classifier: nn.Module) -> None:
        super().__init__()
        self.width, self.classifier = width, classifier

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> mean frame (B, D), 0 where no frame is real."""
        return masked_mean(features, mask)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C)."""
        return cast(Tensor, self.classifier(self.encode(features, mask)))


class LstmNet(nn.Module):
    """Bidirectional LSTM layers of half the cell size, one forward layer, and its last state (Skalic & Austin, 2018).

    The paper classifies from the "final hidden state"; the code it cites takes the cell's state: `state` chooses.
    Forget gates begin with a bias of 1.
    """

    def __init__(
        self, width: int, cell: int, classifier: nn.Module, *, state: State = "hidden", stack: int = 1
    ) -> None:
        super().__init__()
        if cell % 2:
            raise ValueError(f"Both directions share the cell size, so it must be even, but is {cell}.")
        self.cell, self.state, self.classifier = cell, state, classifier
        widths = [width] + [cell] * (stack - 1)
        self.both = nn.ModuleList(nn.LSTM(each, cell // 2, bidirectional=True, batch_first=True) for each in widths)
        self.last = nn.LSTM(cell, cell, batch_first=True)
        for layer in self.layers:
            _open_forget_gates(layer)

    @property
    def layers(self) -> list[nn.LSTM]:
        """All layers, in order."""
        return [*cast(Sequence[nn.LSTM], self.both), self.last]

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> last state (B, cell), 0 where no frame is real."""
        return self.packed(features, mask) if features.is_cuda else self.shut(features, mask)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C)."""
        return cast(Tensor, self.classifier(self.encode(features, mask)))

    def shut(self, features: Tensor, mask: Tensor) -> Tensor:
        """`encode` by frames that stand at the right end behind shut input gates.

        Packed sequences say the same, but run about five times slower on a CPU, one product per step and batch size.
        """
        order = mask.to(torch.uint8).argsort(dim=1, stable=True)
        values = _taken(features, order)
        padding = ~mask.gather(1, order)[..., None]
        for layer in self.layers:
            values, state = _lstm_after_padding(layer, values.masked_fill(padding, 0.0), padding)
        return self._chosen(state, mask)

    def packed(self, features: Tensor, mask: Tensor) -> Tensor:
        """`encode` by packed sequences, which cuDNN computes in one go."""
        order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        lengths = mask.sum(dim=1).clamp_min(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(_taken(features, order), lengths, True, enforce_sorted=False)
        for layer in self.layers:
            packed, state = layer(packed)
        return self._chosen(state, mask)

    def _chosen(self, state: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        hidden, cell = state
        last = hidden[-1] if self.state == "hidden" else cell[-1]
        return last * mask.any(dim=1)[:, None]


class ConvNet(nn.Module):
    """Two convolutions over two frames each, the mean or maximum over time, and a classifier (Bai et al., 2018).

    Convolutions are causal, as there: what lies before the first frame is 0, so one frame is enough.
    """

    def __init__(self, width: int, channels: int, classifier: nn.Module, *, pooling: Literal["mean", "max"] = "mean"):
        super().__init__()
        self.first, self.second = nn.Conv1d(width, channels, 2), nn.Conv1d(channels, channels, 2)
        self.pooling, self.classifier = pooling, classifier

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> pooled channels (B, channels), 0 where no frame is real."""
        values = features.masked_fill(~mask[..., None], 0.0).transpose(1, 2)
        for convolution in (self.first, self.second):
            values = convolution(functional.pad(values, (1, 0))).relu()
        pool = masked_mean if self.pooling == "mean" else masked_max
        return pool(values.transpose(1, 2), mask)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C)."""
        return cast(Tensor, self.classifier(self.encode(features, mask)))


class TransformerNet(nn.Module):
    """A convolution that compresses frames, blocks of self-attention (Vaswani et al., 2017), the mean, a classifier.

    `compression` frames become one position, without overlap. Which frame stands where is told by sines and cosines;
    the paper names neither sizes nor positions.
    """

    def __init__(
        self, width: int, channels: int, classifier: nn.Module, *, compression: int = 2, blocks: int = 3, heads: int = 8
    ) -> None:
        super().__init__()
        self.compress = nn.Conv1d(width, channels, compression, stride=compression)
        self.blocks = nn.ModuleList(AttentionBlock(channels, heads) for _ in range(blocks))
        self.norm, self.classifier = nn.LayerNorm(channels), classifier

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> mean position (B, channels), 0 where no frame is real."""
        size = self.compress.stride[0]
        rest = -features.shape[1] % size
        values = functional.pad(features.masked_fill(~mask[..., None], 0.0), (0, 0, 0, rest))
        there = functional.pad(mask, (0, rest)).view(len(mask), -1, size).any(dim=2)
        values = self.compress(values.transpose(1, 2)).transpose(1, 2)
        values = values + sinusoids(values.shape[1], values.shape[2]).to(values)
        for block in self.blocks:
            values = block(values, there)
        return masked_mean(self.norm(values), there)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C)."""
        return cast(Tensor, self.classifier(self.encode(features, mask)))


class AttentionBlock(nn.Module):
    """Self-attention, then two linear layers of four times the width, each added to its normalised input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"The heads share the channels, but {channels} channels can't be shared by {heads}.")
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.inward, self.outward = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.wide, self.narrow = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Values (B, T, channels) and mask (B, T) -> the same shape; rows without a real position stay finite."""
        batch, positions, channels = values.shape
        parts = self.inward(self.norms[0](values)).view(batch, positions, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, channels / heads)
        seen = mask | ~mask.any(dim=1, keepdim=True)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None])
        values = values + self.outward(mixed.transpose(1, 2).flatten(2))
        return cast(Tensor, values + self.narrow(self.wide(self.norms[1](values)).relu()))


class MixtureOfExperts(nn.Module):
    """Per class a mixture of `experts` logistic experts and one that always says 0 (google/youtube-8m, MoeModel).

    Gates have no bias, as there. The output is log-odds (B, C), so that it stands where a linear layer would.
    """

    def __init__(self, width: int, classes: int, experts: int = 2) -> None:
        super().__init__()
        self.classes, self.experts_per_class = classes, experts
        self.gates = nn.Linear(width, classes * (experts + 1), bias=False)
        self.experts = nn.Linear(width, classes * experts)

    def forward(self, encoded: Tensor) -> Tensor:
        """Encodings (B, H) -> log-odds (B, C)."""
        gates = self.gates(encoded).view(len(encoded), self.classes, -1).softmax(dim=2)
        experts = self.experts(encoded).view(len(encoded), self.classes, -1).sigmoid()
        return torch.logit((gates[..., :-1] * experts).sum(dim=2).float(), eps=1e-6)


def sinusoids(positions: int, channels: int) -> Tensor:
    """Sines and cosines (positions, channels) of falling frequency (Vaswani et al., 2017, 3.5)."""
    rates = torch.exp(torch.arange(0, channels, 2) * (-math.log(10_000.0) / channels))
    angles = torch.arange(positions)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :channels]


def _taken(features: Tensor, order: Tensor) -> Tensor:
    return features.gather(1, order[..., None].expand_as(features))


def _open_forget_gates(layer: nn.LSTM) -> None:
    for name, bias in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(bias)
        if name.startswith("bias_ih"):
            nn.init.ones_(bias.detach()[layer.hidden_size : 2 * layer.hidden_size])


def _lstm_after_padding(layer: nn.LSTM, values: Tensor, padding: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run a layer over values (B, T, D) whose left end is padding (B, T, 1): states stay exactly 0 until it ends.

    One more input says "padding" and pulls the input gates down until they are 0; from a state of 0 none can then rise.
    """
    size = layer.hidden_size
    column = values.new_zeros(4 * size, 1)
    column[:size] = _SHUT  # torch orders gates: input, forget, cell, output
    weights = []
    for suffix in ("", "_reverse") if layer.bidirectional else ("",):
        own = [getattr(layer, f"{kind}_l0{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        weights += [torch.cat([own[0], column.to(own[0])], dim=1), *own[1:]]
    start = values.new_zeros(2 if layer.bidirectional else 1, len(values), size)
    inputs = torch.cat([values, padding.to(values)], dim=2)
    output, hidden, cell = torch.lstm(
        inputs, (start, start), weights, True, 1, 0.0, layer.training, layer.bidirectional, True
    )
    return output, (hidden, cell)
