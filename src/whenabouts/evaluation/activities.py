"""How well probabilities name the activities of videos, clips or persons: with several labels, or one of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.label_ranking import LabelScores, label_aps

_MULTI = (
    "not interpolated; tied scores count as one step; classes without a known positive, or with unknown labels and no "
    "known negative, are left out of mAP, unknown labels out of their class"
)


@dataclass(frozen=True)
class ActivityScores:
    """Figures by name, the first of them the one to tell; per class in `labels` where there are such."""

    figures: Mapping[str, float]
    labels: LabelScores
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null where something is not defined."""
        figures = {name: None if np.isnan(value) else float(value) for name, value in self.figures.items()}
        return {**figures, "rows": self.rows, "per_class_ap": self.labels.to_json()["per_class_ap"]}

    def told(self) -> str:
        """One line."""
        said = ", ".join(f"{name} {value:.4f}" for name, value in self.figures.items())
        return f"{said} over {self.rows} rows"


def multi_label_scores(names: Sequence[str], scores: FloatArray, labels: FloatArray) -> ActivityScores:
    """mAP and wAP of probabilities (N, A), and accuracies at 0.5, against labels (N, A): 1, 0, NaN unknown.

    `subset` is the share of rows whose known labels are all right, `hamming` that of known pairs; a row or class with
    nothing known does not count. What is not defined is NaN.
    """
    per_class = ranked_labels(names, scores, labels)
    known = ~np.isnan(labels)
    right = ((scores >= 0.5) == (labels == 1)) & known
    rows = known.any(axis=1)
    figures = {
        "map": per_class.mean,
        "weighted_ap": per_class.weighted,
        "subset_accuracy": _share((right | ~known).all(axis=1)[rows]),
        "hamming_accuracy": _share(right[known]),
    }
    return ActivityScores(figures, per_class, len(scores))


def single_label_scores(names: Sequence[str], scores: FloatArray, labels: FloatArray) -> ActivityScores:
    """Top-1 and top-5 accuracy, and the mean of the classes' top-1, of probabilities (N, A).

    Rows without exactly one label are left out; of tied scores the class that is named first counts as best.
    """
    per_class = ranked_labels(names, scores, labels)
    one = (labels == 1).sum(axis=1) == 1
    ranked = np.argsort(-scores[one], axis=1, kind="stable")
    truth = (labels[one] == 1).argmax(axis=1) if one.any() else np.zeros(0, np.int64)
    first = ranked[:, 0] == truth if ranked.size else np.zeros(0, bool)
    each = [_share(first[truth == label]) for label in np.unique(truth)]
    figures = {
        "top1": _share(first),
        "top5": _share((ranked[:, :5] == truth[:, None]).any(axis=1)),
        "mean_class_accuracy": float(np.mean(each)) if each else float("nan"),
    }
    return ActivityScores(figures, per_class, int(one.sum()))


def ranked_labels(names: Sequence[str], scores: FloatArray, labels: FloatArray) -> LabelScores:
    """Average precision per class over the rows whose label is known."""
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    if scores.shape != labels.shape or scores.ndim != 2 or scores.shape[1] != len(names):
        raise InvalidData(
            f"Scores and labels need one shape (N, {len(names)}), but got {scores.shape} and {labels.shape}."
        )
    aps = np.full(len(names), np.nan)
    for label in range(len(names)):
        known = ~np.isnan(labels[:, label])
        column, truth = scores[known, label : label + 1], labels[known, label : label + 1] == 1
        if truth.all() and not known.all():
            continue  # Only yes is known, and no is not: any order would be right.
        aps[label] = label_aps(column, truth, ties="together")[0]
    return LabelScores(
        tuple(names), aps, (labels == 1).sum(axis=0).astype(np.float64), "pyslowfast", "Several labels at once", _MULTI
    )


def _share(right: Any) -> float:
    return float(np.mean(right)) if np.size(right) else float("nan")
