"""What a head for activities is, and how it is trained."""

from typing import Literal

import torch
from torch import Tensor

from whenabouts.config import Count, CountOrZero, NotAll, NotNegative, Positive, settings
from whenabouts.nets.activity_heads import ActivityHead, Classifier, PooledHead, Query, Viewpoint, groups_within
from whenabouts.nets.activity_net import ExtraInputs, Fusion, Head
from whenabouts.recognition.label_kinds import KindName


@settings
class HeadSettings:
    """Which head, for which `kind` of labels: that switch sets loss, activation, joining and measure together.

    "activities" is that of Zhang, Li & Marsic (CVPR 2021), with `classifier` "shared", `viewpoint` "last" and
    `correlation` off to the paper's parameter counts; "mean", "max" and "logsumexp" are the plain ones. `groups` is the
    most groups of channels: as many are made as divide both widths. `query`, `scaled`, `viewpoint` and `row_shares` are
    as in `ActivityHead`.
    `fusion` says how extra inputs join: see `ExtraInputs`.
    """

    kind: KindName = "multi-label"
    head: Literal["activities", "mean", "max", "logsumexp"] = "activities"
    observations: Count = 64
    hidden: Count = 128
    groups: Count = 32
    classifier: Classifier = "rows"
    query: Query = "learned"
    correlation: bool = True
    scaled: bool = False
    viewpoint: Viewpoint = "mean"
    row_shares: bool = False
    dropout: NotAll = 0.5
    fusion: Fusion = "positions"

    def build(self, width: int, activities: int, mask: Tensor | None, generator: torch.Generator | None) -> Head:
        """A fresh head for features of `width`; `mask` is the co-occurrence (A, A) that a correlation map needs."""
        if self.head != "activities":
            return PooledHead(width, activities, pooling=self.head, dropout=self.dropout, generator=generator)
        return ActivityHead(
            width,
            activities,
            observations=self.observations,
            hidden=self.hidden,
            groups=groups_within(self.groups, width, self.hidden),
            classifier=self.classifier,
            query=self.query,
            co_occurrence=mask if self.correlation else None,
            scaled=self.scaled,
            viewpoint=self.viewpoint,
            row_shares=self.row_shares,
            dropout=self.dropout,
            generator=generator,
        )

    def extras(self, extra_width: int | None, width: int) -> ExtraInputs | None:
        """The part that takes extra inputs of a width, where there are such."""
        return None if extra_width is None else ExtraInputs(extra_width, width, self.fusion)


@settings
class HeadTraining:
    """How a head is trained. AdamW at 3e-3 with a cosine trains it; the paper's SGD (recipes) needs its 50,000 steps.

    The work is a number of steps, never a time, so that a busy machine learns the same.
    """

    steps: Count = 400
    batch: Count = 16
    learning_rate: Positive = 3e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: NotAll = 0.9
    weight_decay: NotNegative = 0.01
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: CountOrZero = 0
    drops: tuple[int, ...] = ()
    clip_norm: Positive | None = None
    checkpoint_every: Count = 100

    def __post_init__(self) -> None:
        if self.schedule == "step" and not self.drops:
            raise ValueError("schedule 'step' lowers the rate at `drops`, but there are none. Give some steps.")
