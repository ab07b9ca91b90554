"""Nets of the multi-label tables: a small backbone, rivals that stand behind it, and pooled classifiers for a start."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.activity_heads import ActivityHead, PooledHead
from whenabouts.nets.nonlocal_block import NonLocalBlock

WIDTH = 128


class SmallVideoNet(nn.Module):
    """Clips (B, 3, T, S, S) and their differences in time -> maps (B, 128, T / 2, S / 4, S / 4); 69 K weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block3d(6, 16, (3, 5, 5), (1, 2, 2)),
            *_block3d(16, 32, (3, 3, 3), (1, 2, 2)),
            *_block3d(32, 48, (3, 3, 3), (2, 1, 1)),
            *_block3d(48, WIDTH, (1, 1, 1), (1, 1, 1)),
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Differences are three times as large as the pictures that they come from; the first is 0."""
        steps = functional.pad(clips[:, :, 1:] - clips[:, :, :-1], (0, 0, 0, 0, 1, 0))
        maps: Tensor = self.body(torch.cat([clips, 3 * steps], dim=1))
        return maps


class SmallSoundNet(nn.Module):
    """Log-mel maps (B, 1, T, 32) -> (B, 128, T / 8, 1, 8); 60 K weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block3d(1, 24, (5, 1, 5), (2, 1, 1)),
            *_block3d(24, 40, (3, 1, 3), (2, 1, 2)),
            *_block3d(40, 64, (3, 1, 3), (2, 1, 2)),
            *_block3d(64, 64, (3, 1, 1), (1, 1, 1)),
            *_block3d(64, WIDTH, (1, 1, 1), (1, 1, 1)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps are brought to a mean near 0 and a spread near 1."""
        found: Tensor = self.body(((maps - 1.6) / 0.85)[:, :, :, None])
        return found


def _block3d(inward: int, outward: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> list[nn.Module]:
    pad = tuple(each // 2 for each in kernel)
    return [nn.Conv3d(inward, outward, kernel, stride, pad, bias=False), nn.BatchNorm3d(outward), nn.ReLU()]


class PooledThree(nn.Module):
    """Mean, maximum and log-sum-exp at once: the backbone learns from all three, so that it suits none alone."""

    def __init__(self, activities: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            PooledHead(WIDTH, activities, pooling=pooling, dropout=0.0, generator=generator)
            for pooling in ("mean", "max", "logsumexp")
        )

    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, C, ...) -> three times logits (B, A)."""
        return tuple(head(maps) for head in self.heads)


class WideHead(nn.Module):
    """The pooled baseline with as many weights as the head: one hidden layer on the mean."""

    def __init__(self, activities: int, weights: int, dropout: float) -> None:
        super().__init__()
        hidden = round(weights / (WIDTH + activities + 1))
        self.inward, self.dropout = nn.Linear(WIDTH, hidden), nn.Dropout(dropout)
        self.outward = nn.Linear(hidden, activities)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, ...) -> logits (B, A)."""
        logits: Tensor = self.outward(self.dropout(self.inward(maps.flatten(2).mean(dim=2)).relu()))
        return logits


class AxisAttention(nn.Module):
    """Each place looks at the others along one axis, "time" or "space", by dot products, and adds what it sees."""

    def __init__(self, width: int, axis: str) -> None:
        super().__init__()
        self.axis = axis
        self.norm = nn.LayerNorm(width)
        self.inward, self.outward = nn.Linear(width, 3 * (width // 2)), nn.Linear(width // 2, width)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same shape; begins as the identity."""
        batch, width, times, rows, columns = maps.shape
        places = maps.flatten(3).permute(0, 3, 2, 1) if self.axis == "time" else maps.flatten(3).permute(0, 2, 3, 1)
        queries, keys, values = self.inward(self.norm(places)).chunk(3, dim=-1)
        seen = self.outward(functional.scaled_dot_product_attention(queries, keys, values))
        back = seen.permute(0, 3, 2, 1) if self.axis == "time" else seen.permute(0, 3, 1, 2)
        return maps + back.reshape(batch, width, times, rows, columns)


class AttendedMean(nn.Module):
    """Two layers of attention after the backbone, then the mean and a linear classifier (Table 3e's rivals)."""

    def __init__(self, kind: str, activities: int, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            layers: list[nn.Module]
            if kind == "temporal":
                layers = [AxisAttention(WIDTH, "time") for _ in range(2)]
            elif kind == "nonlocal":
                layers = [NonLocalBlock(WIDTH) for _ in range(2)]
            else:
                layers = [AxisAttention(WIDTH, "time"), AxisAttention(WIDTH, "space")]
        self.layers = nn.Sequential(*layers)
        self.head = PooledHead(WIDTH, activities, pooling="mean", dropout=dropout, generator=generator)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) -> logits (B, A)."""
        logits: Tensor = self.head(self.layers(maps))
        return logits


class SharedTokens(nn.Module):
    """ "No activity-specific": a token of each activity from the mean feature, then correlations as in the head."""

    def __init__(self, activities: int, mask: Tensor, hidden: int, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            self.tokens = nn.Linear(WIDTH, activities * hidden)
        self.head = ActivityHead(WIDTH, activities, observations=1, hidden=hidden, co_occurrence=mask,
                                 dropout=dropout, generator=generator)  # fmt: skip

    def forward(self, maps: Tensor) -> tuple[Tensor, ...]:
        """Maps (B, C, ...) -> twice logits (B, A): from tokens, and from correlated tokens."""
        head = self.head
        own = self.tokens(maps.flatten(2).mean(dim=2)).view(len(maps), len(head.queries), -1)
        related = head.dropout(head.correlate(own) @ own)
        return ((head.dropout(own) * head.own_weight).sum(dim=2) + head.own_bias,
                (related * head.related_weight).sum(dim=2) + head.related_bias)  # fmt: skip


class SharedLogSumExp(nn.Module):
    """Per-position linear with log-sum-exp, with as many weights as the head: a hidden layer at every position."""

    def __init__(self, activities: int, weights: int, dropout: float) -> None:
        super().__init__()
        hidden = round(weights / (WIDTH + activities + 1))
        self.inward, self.dropout = nn.Linear(WIDTH, hidden), nn.Dropout(dropout)
        self.outward = nn.Linear(hidden, activities)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, ...) -> logits (B, A)."""
        places = self.inward(maps.flatten(2).transpose(1, 2)).relu()
        logits: Tensor = self.outward(self.dropout(places)).logsumexp(dim=1) - math.log(places.shape[1])
        return logits


def weights_of(net: nn.Module) -> int:
    """How many numbers a net learns."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
