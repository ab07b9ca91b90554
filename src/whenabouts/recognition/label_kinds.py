"""One switch for what labels mean: several at once, or one of many.

It sets the loss, the activation, how views are joined, and the measure together, so that none can be forgotten.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.activities import ActivityScores, multi_label_scores, single_label_scores
from whenabouts.nets.losses import known_bce, one_of_many

KindName = Literal["multi-label", "single-label"]
Joining = Literal["sum", "max"]


@dataclass(frozen=True)
class LabelKind:
    """What goes together: `loss` of outputs (B, A) each against labels (B, A), NaN unknown; `activation` of one
    output's logits; `measure` of probabilities (V, A) against labels (V, A) over names.
    """

    loss: Callable[[Sequence[Tensor], Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    measure: Callable[[Sequence[str], FloatArray, FloatArray], ActivityScores]

    def probabilities(self, outputs: Sequence[Tensor]) -> Tensor:
        """Mean (B, A) of the outputs' probabilities, in float32."""
        return torch.stack([self.activation(logits.float()) for logits in outputs]).mean(dim=0)


KINDS: Mapping[KindName, LabelKind] = {
    "multi-label": LabelKind(known_bce, torch.sigmoid, multi_label_scores),
    "single-label": LabelKind(one_of_many, lambda logits: logits.softmax(dim=1), single_label_scores),
}


def joined(probabilities: FloatArray, joining: Joining = "sum", weights: FloatArray | None = None) -> FloatArray:
    """Probabilities (V, A) of views -> (A,) of their video, in [0, 1].

    "sum" adds them up and divides by the number of views, which leaves their order as it is; `weights` (V,) count equal
    views. It starts at 0: a sum that starts far below, as PySlowFast's does, loses all of them to rounding.
    """
    views = np.asarray(probabilities, np.float64)
    if joining == "max":
        return np.asarray(views.max(axis=0))
    return np.asarray(np.average(views, axis=0, weights=weights))
