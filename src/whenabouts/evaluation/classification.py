"""Which videos show what: mean average precision and hit@k, after ActivityNet's classification evaluator."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.evaluation.average_precision import interpolated, per_group
from whenabouts.evaluation.matching import best_first, ranks_in_group
from whenabouts.evaluation.report import Report
from whenabouts.evaluation.tables import Predictions, Truth

CONVENTION = "ActivityNet classification: a video counts once per class, its repeated predictions as false positives"


@dataclass(frozen=True)
class ClassificationScores:
    """Average precision (L,) of each class; hit_at_k and avg_hit_at_k over videos, with k = top_k."""

    top_k: int
    labels: tuple[str, ...]
    average_precision: FloatArray
    hit_at_k: float
    avg_hit_at_k: float
    videos: int
    predictions: int

    @property
    def map(self) -> float:
        """Mean over the classes."""
        return float(self.average_precision.mean())

    def to_json(self) -> dict[str, Any]:
        """The stable JSON of `whenabouts evaluate classification`."""
        return {
            "top_k": self.top_k,
            "map": self.map,
            "hit_at_k": self.hit_at_k,
            "avg_hit_at_k": self.avg_hit_at_k,
            "per_class": dict(zip(self.labels, self.average_precision.tolist(), strict=True)),
            "videos": self.videos,
            "predictions": self.predictions,
        }

    def report(self) -> Report:
        """The same as a `Report`."""
        return Report(
            title=f"Classification: {self.predictions} predictions on {self.videos} videos",
            convention=CONVENTION,
            metrics={"mAP": self.map, f"hit@{self.top_k}": self.hit_at_k, f"avg hit@{self.top_k}": self.avg_hit_at_k},
            classes=self.labels,
            columns=("AP",),
            per_class=self.average_precision,
        )


def evaluate_classification(truth: Truth, predictions: Predictions, *, top_k: int = 3) -> ClassificationScores:
    """Average precision per class over videos, and how often a video's labels are among its `top_k` best.

    hit@k counts a video 1 as soon as one of its labels is there, avg hit@k by the share of its labels; a video without
    prediction counts 0.
    """
    if top_k < 1:
        raise InvalidData(f"top_k must be at least 1, but got {top_k}.")
    pairs = np.unique(_keys(truth.videos, truth))
    order = best_first(predictions.scores)
    ranked = predictions[order]
    keys = _keys(ranked.videos, truth, ranked.classes)
    right = np.isin(keys, pairs) & (ranks_in_group(np.unique(keys, return_inverse=True)[1]) == 0)
    counts = np.bincount(pairs % len(truth.labels), minlength=len(truth.labels))
    shares = _shares_found(pairs, keys[ranks_in_group(ranked.videos) < top_k], len(truth.labels))
    ranks = ranks_in_group(ranked.classes)
    return ClassificationScores(
        top_k,
        truth.labels,
        per_group(ranked.classes[right], ranks[right], counts, interpolated),
        float(np.ceil(shares).mean()),
        float(shares.mean()),
        len(shares),
        len(predictions),
    )


def _keys(videos: IntArray, truth: Truth, classes: IntArray | None = None) -> IntArray:
    """One number (N,) for each pair of video and class."""
    return videos * len(truth.labels) + (truth.classes if classes is None else classes)


def _shares_found(pairs: IntArray, top: IntArray, classes: int) -> FloatArray:
    """Share (V,) of each annotated video's labels that stand among its best predictions."""
    _, video = np.unique(pairs // classes, return_inverse=True)
    found = np.bincount(video, weights=np.isin(pairs, top))
    return found / np.bincount(video)
