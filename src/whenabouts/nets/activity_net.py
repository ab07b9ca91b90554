"""A backbone, further inputs, and a head for activities, as one net."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome, PooledHead
from whenabouts.nets.clip_net import ClipNet

Learns = Literal["all", "head", "correlation"]
Fusion = Literal["positions", "added"]
Head = ActivityHead | PooledHead


class ExtraInputs(nn.Module):
    """Vectors from elsewhere, of objects or persons, brought to the width of the backbone's features.

    "positions": each vector becomes one more position that the head may attend to, before the backbone's own, so that
    the last position stays a picture's. "added": their mean is added to every position.
    """

    def __init__(self, extra_width: int, width: int, fusion: Fusion = "positions") -> None:
        super().__init__()
        self.fusion: Fusion = fusion
        self.project = nn.Linear(extra_width, width)

    def forward(self, flat: Tensor, valid: Tensor | None, extras: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (B, C, N), valid (B, N) or None, extras (B, E) or (B, M, E) -> the same with extras in them.

        A vector that holds NaN is missing.
        """
        vectors = extras[:, None] if extras.ndim == 2 else extras
        there = ~vectors.isnan().any(dim=2)
        mapped = self.project(vectors.nan_to_num(0.0)) * there[:, :, None]
        if self.fusion == "added":
            return flat + (mapped.sum(dim=1) / there.sum(dim=1, keepdim=True).clamp_min(1))[:, :, None], valid
        own = flat.new_ones(len(flat), flat.shape[2], dtype=torch.bool) if valid is None else valid
        return torch.cat([mapped.transpose(1, 2), flat], dim=2), torch.cat([there, own], dim=1)


class ActivityNet(nn.Module):
    """Clips through a backbone, or its features, to activities; `learns` says which weights change in training.

    "all": every weight. "head": what stands behind the backbone; its batch-norm statistics are frozen too.
    "correlation": the correlation map and the classifier of correlated features alone.
    """

    def __init__(self, head: Head, *, backbone: ClipNet | None = None, extras: ExtraInputs | None = None) -> None:
        super().__init__()
        self.backbone, self.extras, self.head = backbone, extras, head
        self.learns: Learns = "all"

    def forward(self, inputs: Tensor, valid: Tensor | None = None, extras: Tensor | None = None) -> "Outcome":
        """Clips (B, 3, T, H, W) where there is a backbone, else features (B, C, N) or (B, C, T, H, W)."""
        return self.judged(self.maps(inputs), valid, extras)

    def maps(self, inputs: Tensor) -> Tensor:
        """The backbone's maps (B, C, T', H', W') of clips; without gradients while it does not learn."""
        if self.backbone is None:
            return inputs
        if self.learns == "all":
            return self.backbone.maps(inputs)
        with torch.no_grad():
            return self.backbone.maps(inputs)

    def judged(self, maps: Tensor, valid: Tensor | None = None, extras: Tensor | None = None) -> "Outcome":
        """What the head says of features (B, C, ...), with extras (B, E) or (B, M, E) where the net takes such."""
        flat = maps.flatten(2)
        if (extras is None) != (self.extras is None):
            raise ValueError("Extra inputs go with a net that was made for them: give both, or neither.")
        if self.extras is not None and extras is not None:
            flat, valid = self.extras(flat, valid, extras)
        judged: Outcome = self.head(flat, valid)
        return judged

    def learn(self, what: Learns) -> None:
        """Choose which weights change from now on."""
        self.learns = what
        for parameter in self.parameters():
            parameter.requires_grad_(what == "all")
        if what == "head":
            parts: Sequence[nn.Module] = [self.head, *([] if self.extras is None else [self.extras])]
            for part in parts:
                part.requires_grad_(True)
        if what == "correlation":
            if not isinstance(self.head, ActivityHead) or self.head.co_occurrence is None:
                raise ValueError("This head has no correlation map to learn: make one with correlation.")
            self.head.between.requires_grad_(True)
            self.head.related_weight.requires_grad_(True)
            self.head.related_bias.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "ActivityNet":
        """Training mode, but for a backbone that does not learn: its batch-norm statistics stay."""
        super().train(mode)
        if self.backbone is not None and self.learns != "all":
            self.backbone.eval()
        return self


Outcome = ActivityOutcome | Tensor


def outputs_of(outcome: Outcome) -> tuple[Tensor, ...]:
    """The logits (B, A) of each output of a head."""
    return (outcome,) if isinstance(outcome, Tensor) else outcome.outputs


def padded(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (C, N) of several lengths -> (B, C, most) with zeros behind, and which positions are there (B, most)."""
    most = max(1, *(each.shape[1] for each in features))
    lengths = torch.tensor([each.shape[1] for each in features])
    valid = torch.arange(most) < lengths[:, None]
    return torch.stack([functional.pad(each, (0, most - each.shape[1])) for each in features]), valid
