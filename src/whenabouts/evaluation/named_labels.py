"""How well labels of whole examples are named: top-1 and top-5, and mean average precision for several each."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray
from whenabouts.evaluation.label_ranking import label_aps


@dataclass(frozen=True)
class NamedLabels:
    """What was measured over `examples` (N).

    `top` maps k to the share of examples with a true label among the k that score best; `per_class` (L,) is the share
    of each class's examples whose best label is true, NaN for a class without any. `ap` (L,) is the average precision
    of each class over all examples, NaN where none has it, and `mean_ap` the mean of the others.
    """

    examples: int
    top: dict[int, float]
    per_class: FloatArray
    ap: FloatArray

    @property
    def mean_ap(self) -> float:
        """Mean average precision over the classes that occur; NaN where none does."""
        return _mean(self.ap)

    @property
    def mean_per_class(self) -> float:
        """Mean over the classes that occur of the share named rightly; NaN where none does."""
        return _mean(self.per_class)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null where something is not defined."""
        found = {f"top{k}": share for k, share in self.top.items()}
        found |= {"map": self.mean_ap, "mean_per_class": self.mean_per_class}
        return {"examples": self.examples, **{name: _plain(value) for name, value in found.items()}}


def named_labels(scores: FloatArray, present: BoolArray, *, ks: tuple[int, ...] = (1, 5)) -> NamedLabels:
    """Measure scores (N, L) against the labels present (N, L), each example having one or more.

    An example counts for top-k once any of its labels is among its k best. Of classes with equal scores the first of
    the vocabulary stands first; NaN is refused. Average precision takes tied examples together.
    """
    if scores.shape != present.shape or scores.ndim != 2:
        raise InvalidData(f"Scores and labels need one shape (N, L), but got {scores.shape} and {present.shape}.")
    if np.isnan(scores).any():
        raise InvalidData("Scores hold NaN, which has no rank. Look for broken weights or inputs.")
    if not present.any(1).all():
        raise InvalidData(f"{int((~present.any(1)).sum())} examples have no label. Leave them out before measuring.")
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(present, order, axis=1)
    top = {k: float(hits[:, :k].any(1).mean()) if len(hits) else float("nan") for k in ks}
    best = np.zeros_like(present)
    np.put_along_axis(best, order[:, :1], True, axis=1)
    first = best & present
    counts = present.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        per_class = np.where(counts > 0, first.sum(0) / np.maximum(counts, 1), np.nan)
    return NamedLabels(len(scores), top, per_class, label_aps(scores, present, ties="together"))


def _mean(values: FloatArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
