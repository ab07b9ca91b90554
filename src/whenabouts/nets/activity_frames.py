"""The head for several activities over the frames of a video or segment, with a mask: a rival of other frame nets."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome, groups_within


class ActivityFrames(nn.Module):
    """Activity-specific features of frames and their correlations (Zhang, Li & Marsic, CVPR 2021), as one logit each.

    `observations` of `hidden` numbers, in as many `groups` up to that number as divide both widths. `learn` tells it
    what goes together; before, its correlation map is attention alone.
    """

    def __init__(
        self, width: int, classes: int, *, observations: int = 64, hidden: int = 128, groups: int = 32
    ) -> None:
        super().__init__()
        self.head = ActivityHead(
            width,
            classes,
            observations=observations,
            hidden=hidden,
            groups=groups_within(groups, width, hidden),
            co_occurrence=torch.zeros(classes, classes),
        )

    def learn(self, labels: Tensor) -> None:
        """Take the co-occurrence (Eq. 10) of labels (V, C) of training videos; before the first step of training."""
        self.head.learn_co_occurrence(labels)

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> mean of the observations (B, hidden), 0 where no frame is real."""
        _, observations = self.head.observe(features.transpose(1, 2), mask)
        return observations.mean(dim=1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features (B, T, D) and mask (B, T) -> logits (B, C) of the mean of both outputs' probabilities."""
        outcome: ActivityOutcome = self.head(features.transpose(1, 2), mask)
        assert outcome.correlated is not None
        outputs = torch.stack([outcome.logits, outcome.correlated]).float()
        likely, unlikely = functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
        return torch.logsumexp(likely, dim=0) - torch.logsumexp(unlikely, dim=0)
