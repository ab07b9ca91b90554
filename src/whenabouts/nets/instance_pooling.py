"""Multiple-instance learning over segments: logits and attention of each segment, and the ways to one of the video.

Shapes: B videos, K segments, D width of one stream, C outputs. A mask (B, K) is True where a segment is real.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.group_attention import masked_softmax

_PART = 8192
_TINY = 1e-12


@dataclass(frozen=True)
class Instances:
    """What a net says of each segment: logits (B, K, C), attention before sigmoid or softmax (B, K), and what the
    classifier saw of it (B, K, H)."""

    logits: Tensor
    energies: Tensor
    hidden: Tensor


class Tower(nn.Module):
    """Features (B, K, D) to segments' logits and attention by one convolution over time, `width` segments wide.

    With `hidden` above 0 the convolution makes so many rectified features, which two linear maps read; with 0 it makes
    the logits itself. Beyond the borders of a video, and where a mask is False, it sees zeros: the training mean.
    """

    def __init__(
        self, inputs: int, outputs: int, *, hidden: int, width: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        last, reach = (hidden, 1) if hidden else (inputs, width)
        self.embed = _Kernel(inputs, hidden, width, generator) if hidden else None
        self.classify = _Kernel(last, outputs, reach, generator)
        self.attend = _Kernel(last, 1, reach, generator)
        self.features = last

    def forward(self, values: Tensor, kept: Tensor | None) -> Instances:
        """kept (B, features): dropout factors of whole features of a video."""
        seen = values if self.embed is None else self.embed(values).relu()
        dropped = seen if kept is None else seen * kept[:, None]
        return Instances(self.classify(dropped), self.attend(dropped)[..., 0], seen)


class InstanceNet(nn.Module):
    """Segments of all streams to logits and attention: one tower over joined features, or one for each stream.

    Features are standardised by the buffers `mean` and `std` (D of all streams). A missing stream is the training mean
    in a joined tower; towers of their own are averaged over the streams that are there. With `own` there is a second
    classifier, of the joined features of single segments (`own_weight`, `own_bias`), which is no part of `forward`.
    """

    mean: Tensor
    std: Tensor
    own_weight: Tensor
    own_bias: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        *,
        joined: bool = True,
        hidden: int = 0,
        width: int = 1,
        own: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.widths, self.joined = tuple(widths), joined
        self.reach = width // 2
        inputs = [sum(widths)] if joined else list(widths)
        self.towers = nn.ModuleList(
            Tower(each, outputs, hidden=hidden, width=width, generator=generator) for each in inputs
        )
        self.register_buffer("mean", torch.zeros(sum(widths)))
        self.register_buffer("std", torch.ones(sum(widths)))
        if own:
            self.register_buffer("own_weight", torch.zeros(sum(widths), outputs))
            self.register_buffer("own_bias", torch.zeros(outputs))

    @property
    def features(self) -> int:
        """Numbers that the classifiers see of one segment, all towers together: as many are dropped."""
        return sum(self.tower(index).features for index in range(len(self.towers)))

    def tower(self, index: int) -> Tower:
        """The tower of one stream, or the only one."""
        return cast(Tower, self.towers[index])

    def forward(
        self, features: Sequence[Tensor], mask: Tensor, *, present: Tensor, kept: Tensor | None = None
    ) -> Instances:
        """Raw features, one (B, K, D) per stream, mask (B, K), present (B, streams), kept (B, features)."""
        inputs = self._standardised(features, mask, present)
        rates = (
            [None] * len(inputs)
            if kept is None
            else torch.split(kept, [self.tower(i).features for i in range(len(inputs))], 1)
        )
        found = [self.tower(i)(values, rates[i]) for i, values in enumerate(inputs)]
        if len(found) == 1:
            return cast(Instances, found[0])
        shares = (present / present.sum(dim=1, keepdim=True).clamp_min(1)).T[..., None]  # (streams, B, 1)
        return Instances(
            torch.stack([share[..., None] * each.logits for share, each in zip(shares, found, strict=True)]).sum(dim=0),
            torch.stack([share * each.energies for share, each in zip(shares, found, strict=True)]).sum(dim=0),
            torch.cat([each.hidden for each in found], dim=2),
        )

    def whole(self, features: Sequence[Tensor], *, present: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (K, C) and energies (K,) of one video, features (K, D), part by part: memory for one part alone."""
        segments, logits, energies = len(features[0]), [], []
        for first in range(0, segments, _PART):
            begin, end = max(0, first - self.reach), min(segments, first + _PART + self.reach)
            part = [values[None, begin:end] for values in features]
            found = self(part, torch.ones(1, end - begin, dtype=torch.bool, device=present.device), present=present)
            own = slice(first - begin, first - begin + min(_PART, segments - first))
            logits.append(found.logits[0, own])
            energies.append(found.energies[0, own])
        return torch.cat(logits), torch.cat(energies)

    def standardised(self, features: Sequence[Tensor], *, present: Tensor) -> Tensor:
        """Joined features (K, D of all streams) of one video, raw ones (K, D) per stream: 0 where one is missing."""
        mask = torch.ones(1, len(features[0]), dtype=torch.bool, device=present.device)
        return torch.cat(self._standardised([values[None] for values in features], mask, present), dim=2)[0]

    def own_logits(self, features: Sequence[Tensor], *, present: Tensor) -> Tensor:
        """Logits (K, C) of the second classifier for one video, features as in `standardised`."""
        return self.standardised(features, present=present) @ self.own_weight + self.own_bias

    def _standardised(self, features: Sequence[Tensor], mask: Tensor, present: Tensor) -> list[Tensor]:
        parts = []
        means, deviations = torch.split(self.mean, list(self.widths)), torch.split(self.std, list(self.widths))
        for index, values in enumerate(features):
            there = (mask & present[:, index, None])[..., None]
            parts.append((values - means[index]) / deviations[index] * there)
        return [torch.cat(parts, dim=2)] if self.joined else parts


class _Kernel(nn.Module):
    """A convolution over time that keeps the number of segments."""

    def __init__(self, inputs: int, outputs: int, width: int, generator: torch.Generator | None) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs * width)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, width).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Features (B, K, D) -> (B, K, outputs): one product for all places of the kernel, moved and added.

        With few outputs that takes half the time of torch's convolution, forward and backward, on a CPU.
        """
        outputs, inputs, width = self.weight.shape
        products = values @ self.weight.permute(1, 2, 0).reshape(inputs, width * outputs)
        if width == 1:
            return products + self.bias
        reach, segments = width // 2, values.shape[1]
        padded = functional.pad(products, (0, 0, reach, reach))
        around = padded.view(len(values), segments + 2 * reach, width, outputs)
        moved = [around[:, place : place + segments, place] for place in range(width)]
        return torch.stack(moved).sum(dim=0) + self.bias


def top_mean(values: Tensor, mask: Tensor, *, share: float, count: int = 0) -> Tensor:
    """Mean (B, C) of the largest values (B, K, C) of each output: a share of a video's segments, or `count` of them.

    Top-k multiple-instance learning (Paul et al., "W-TALC", ECCV 2018, whose code takes an eighth, rounded up), and
    with a small count the hard selection of UntrimmedNets (Wang et al., CVPR 2017). At least one segment counts.
    """
    lengths = mask.sum(dim=1)
    wanted = torch.full_like(lengths, count) if count else (lengths * share).round().long()
    wanted = torch.minimum(wanted.clamp_min(1), lengths.clamp_min(1))  # (B,)
    most = int(wanted.max())
    best = values.masked_fill(~mask[..., None], -torch.inf).topk(most, dim=1).values  # (B, most, C)
    taken = torch.arange(most, device=values.device)[None] < wanted[:, None]
    return best.masked_fill(~taken[..., None], 0).sum(dim=1) / wanted[:, None]


def soft_selection(instances: Instances, mask: Tensor) -> Tensor:
    """Log-probabilities (B, C): softmax attention over segments weighs each segment's class probabilities.

    Soft selection of UntrimmedNets (Wang et al., CVPR 2017).
    """
    attention = masked_softmax(instances.energies, mask)
    return torch.einsum("bk,bkc->bc", attention, instances.logits.softmax(dim=2)).clamp_min(_TINY).log()


def weighted_mean(logits: Tensor, attention: Tensor) -> Tensor:
    """Logits (B, C): those of segments (B, K, C), weighed by attention (B, K) that is 0 where nothing is.

    The attended pooling of STPN (Nguyen et al., CVPR 2018), divided by the sum of the weights: so it does not
    grow with the length of a video. The classifier is linear, so pooling its logits is pooling its features.
    """
    return torch.einsum("bk,bkc->bc", attention, logits) / attention.sum(dim=1, keepdim=True).clamp_min(_TINY)


def co_activity(instances: Instances, mask: Tensor, shows: Tensor, *, margin: float = 0.5) -> Tensor:
    """Loss that draws together what two videos of one class show of it, and apart from the rest of them.

    Co-activity similarity (Paul et al., ECCV 2018, as in their code): for each class that `shows` (B, C) gives to two
    videos, features weighed by a softmax of the class's logits over time, and by what that leaves, are compared by
    cosine.
    """
    attention = masked_softmax(instances.logits.transpose(1, 2), mask[:, None])  # (B, C, K)
    rest = (1 - attention) * mask[:, None] / (mask.sum(dim=1)[:, None, None] - 1).clamp_min(1)
    high = functional.normalize(attention @ instances.hidden, dim=2).transpose(0, 1)  # (C, B, H)
    low = functional.normalize(rest @ instances.hidden, dim=2).transpose(0, 1)
    near, mixed = 1 - high @ high.transpose(1, 2), 1 - high @ low.transpose(1, 2)  # (C, B, B)
    pairs = (shows.T[:, :, None] * shows.T[:, None]).triu(diagonal=1)
    loss = (near - mixed + margin).relu() + (near - mixed.transpose(1, 2) + margin).relu()
    return (0.5 * loss * pairs).sum() / pairs.sum().clamp_min(1)
