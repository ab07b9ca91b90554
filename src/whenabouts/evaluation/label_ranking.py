"""Average precision per label over videos or frames that may have several labels, and its means.

Public conventions differ where scores are tied and where a label never occurs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray
from whenabouts.evaluation.average_precision import not_interpolated
from whenabouts.evaluation.report import Report

LabelConvention = Literal["official", "pyslowfast", "mmaction2"]


@dataclass(frozen=True)
class LabelScores:
    """Average precision (L,) per label, NaN for one that never occurs, and how often each occurs, positives (L,).

    `mean` is the plain mean: NaN where a label never occurs and the rules are `undefined_without_truth`, else over the
    labels with a number. `weighted` weighs labels by how often they occur. `rules` say the convention in words.
    """

    labels: tuple[str, ...]
    ap: FloatArray
    positives: FloatArray
    convention: LabelConvention
    title: str
    rules: str
    undefined_without_truth: bool = False
    problems: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean average precision by the convention."""
        if self.undefined_without_truth:
            return float(self.ap.mean()) if len(self.ap) else float("nan")
        return self.mean_of_occurring

    @property
    def mean_of_occurring(self) -> float:
        """Mean over the labels that occur; NaN where none does."""
        occurring = self.ap[~np.isnan(self.ap)]
        return float(occurring.mean()) if len(occurring) else float("nan")

    @property
    def weighted(self) -> float:
        """Mean of the labels with a number, weighted by how often each occurs; NaN where `mean` is undefined."""
        measured = ~np.isnan(self.ap)
        total = self.positives[measured].sum()
        if not total or (self.undefined_without_truth and not measured.all()):
            return float("nan")
        return float((self.ap[measured] * self.positives[measured]).sum() / total)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null where something is not defined."""
        per_label = {name: _number(value) for name, value in zip(self.labels, self.ap.tolist(), strict=True)}
        return {
            "map": _number(self.mean),
            "map_of_occurring": _number(self.mean_of_occurring),
            "weighted_ap": _number(self.weighted),
            "per_class_ap": per_label,
            "positives": {name: int(count) for name, count in zip(self.labels, self.positives, strict=True)},
            "convention": self.convention,
            "settings": dict(self.settings),
            "problem_count": len(self.problems),
            "problems": list(self.problems[:100]),
        }

    def report(self) -> Report:
        """A table of labels, and the means."""
        never = [name for name, count in zip(self.labels, self.positives, strict=True) if not count]
        remarks = [f"{len(self.problems)} problems; the first: {self.problems[0]}"] if self.problems else []
        if never:
            told = ", ".join(never[:5]) + (f" and {len(never) - 5} more" if len(never) > 5 else "")
            without = f"{len(never)} labels never occur ({told})"
            undefined = f"{without}: by the official rules mAP is not defined. Read the mean over those that occur."
            remarks.append(undefined if self.undefined_without_truth else f"{without} and are left out.")
        metrics = {"mAP": self.mean, "mAP of labels that occur": self.mean_of_occurring, "wAP": self.weighted}
        table = np.stack([self.ap, self.positives], axis=1) if len(self.labels) else np.zeros((0, 2))
        return Report(
            self.title, self.rules, metrics, self.labels, ("AP", "positives"), table,
            settings=self.settings, remarks=tuple(remarks), rows="label",
        )  # fmt: skip


def label_aps(scores: FloatArray, present: BoolArray, *, ties: Literal["in order", "together"]) -> FloatArray:
    """Average precision (L,) of scores (N, L) against present (N, L); NaN for a label without a positive.

    Precision is taken at each positive, not interpolated. Tied scores stand in the order of the rows, or make one step
    ("together": each of them has the precision at the step's end). -inf ranks last, NaN is refused.
    """
    if scores.shape != present.shape or scores.ndim != 2:
        raise InvalidData(f"Scores and labels need one shape (N, L), but got {scores.shape} and {present.shape}.")
    if np.isnan(scores).any():
        raise InvalidData(
            "Scores hold NaN, which has no rank. Give a number, or leave the row out: it then ranks last."
        )
    rule = _in_order if ties == "in order" else _together
    return np.asarray([rule(scores[:, label], present[:, label]) for label in range(scores.shape[1])], np.float64)


def _in_order(scores: FloatArray, present: BoolArray) -> float:
    ranks = np.flatnonzero(present[np.argsort(-scores, kind="stable")])
    return not_interpolated(ranks, len(ranks)) if len(ranks) else float("nan")


def _together(scores: FloatArray, present: BoolArray) -> float:
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(present[order])
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True)) if len(order) else order
    if not len(hits) or not hits[-1]:
        return float("nan")
    reached = hits[ends]
    gained = np.diff(reached, prepend=0)
    return float((gained * reached / (ends + 1)).sum() / hits[-1])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
