"""A backbone, further inputs, and a head for activities, as one net."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome, PooledHead
from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.roi_align import roi_align

Learns = Literal["all", "head", "correlation"]
PeopleAs = Literal["none", "each", "positions"]
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


@dataclass(frozen=True)
class People:
    """Boxes (P, 4), x1 y1 x2 y2 in fractions of the pictures, and the clip (P,) of the batch that each is of."""

    boxes: Tensor
    clips: Tensor


class ActivityNet(nn.Module):
    """Clips through a backbone, or its features, to activities; `learns` says which weights change in training.

    "all": every weight. "head": what stands behind the backbone; its batch-norm statistics are frozen too.
    "correlation": the correlation map and the classifier of correlated features alone.

    `people` says what boxes are for. "each": the head judges each person by the `side` x `side` features of the box at
    all times (AVA). "positions": the mean feature of each box becomes one more position of its clip, before the scene's
    own (Volleyball's groups, from boxes).
    """

    def __init__(
        self,
        head: Head,
        *,
        backbone: ClipNet | None = None,
        extras: ExtraInputs | None = None,
        people: PeopleAs = "none",
        side: int = 7,
    ) -> None:
        super().__init__()
        self.backbone, self.extras, self.head = backbone, extras, head
        self.people: PeopleAs = people
        self.side = side
        self.learns: Learns = "all"

    def forward(
        self,
        inputs: Tensor,
        valid: Tensor | None = None,
        extras: Tensor | None = None,
        people: People | None = None,
    ) -> "Outcome":
        """Clips (B, 3, T, H, W) where there is a backbone, else features (B, C, N) or (B, C, T, H, W).

        With `people` the outcome is of each person, or of each clip, as the net was made.
        """
        maps = self.maps(inputs)
        if (people is None) != (self.people == "none"):
            raise ValueError("Boxes go with a net that was made for people: give both, or neither.")
        if people is None:
            return self.judged(maps, valid, extras)
        found = roi_align(maps, people.boxes, people.clips, side=self.side)
        if self.people == "each":
            return self.judged(found, None, None if extras is None else extras[people.clips])
        flat, there = _beside(maps.flatten(2), found.mean(dim=(2, 3, 4)), people.clips)
        return self.judged(flat, there, extras)

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


def _beside(flat: Tensor, persons: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, C, N), those of persons (P, C) in clips (P,) -> (B, C, M + N), persons first, and what is there."""
    batch, width, count = flat.shape
    most = int(torch.bincount(clips, minlength=batch).max()) if len(clips) else 0
    order = torch.argsort(clips, stable=True)
    sorted_clips = clips[order]
    first = torch.searchsorted(sorted_clips, torch.arange(batch, device=flat.device))
    places = torch.arange(len(clips), device=flat.device) - first[sorted_clips]
    padded_persons = flat.new_zeros(batch, most, width)
    there = torch.ones(batch, most + count, dtype=torch.bool, device=flat.device)
    there[:, :most] = False
    padded_persons = padded_persons.index_put((sorted_clips, places), persons[order].to(flat.dtype))
    there[sorted_clips, places] = True
    return torch.cat([padded_persons.transpose(1, 2), flat], dim=2), there


def outputs_of(outcome: Outcome) -> tuple[Tensor, ...]:
    """The logits (B, A) of each output of a head."""
    return (outcome,) if isinstance(outcome, Tensor) else outcome.outputs


def padded(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (C, N) of several lengths -> (B, C, most) with zeros behind, and which positions are there (B, most)."""
    most = max(1, *(each.shape[1] for each in features))
    lengths = torch.tensor([each.shape[1] for each in features])
    valid = torch.arange(most) < lengths[:, None]
    return torch.stack([functional.pad(each, (0, most - each.shape[1])) for each in features]), valid
