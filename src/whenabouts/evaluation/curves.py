"""Precision against recall, class by class, by the same rules as the numbers of `evaluate_moments`."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.moments import PROTOCOLS
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.evaluation.thresholds import checked

RECALL = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class PrecisionRecall:
    """Curves of all classes (L,) at one threshold.

    recall and precision hold one array (K_l,) a class, a point for each true positive, best score first. `envelope`
    (L, 101) is the largest precision at each recall of `RECALL` or beyond, 0 where that recall is not reached.
    """

    tiou: float
    labels: tuple[str, ...]
    recall: tuple[FloatArray, ...]
    precision: tuple[FloatArray, ...]
    envelope: FloatArray


def precision_recall(
    truth: Truth, predictions: Predictions, *, tiou: float, protocol: str = "activitynet"
) -> PrecisionRecall:
    """Curves at one threshold, matched as the protocol matches. Raises InvalidData as `evaluate_moments` does."""
    if protocol not in PROTOCOLS:
        raise InvalidData(f"There is no protocol {protocol!r}. Choose one of {', '.join(PROTOCOLS)}.")
    if len(predictions) and predictions.classes.min() < 0:
        raise InvalidData("Some predictions bear no class that the truth knows. Leave them out first.")
    matched = PROTOCOLS[protocol].match(truth, predictions, checked([tiou]))
    classes = truth.classes[matched.truths]
    recalls, precisions = list[FloatArray](), list[FloatArray]()
    for label, count in enumerate(truth.class_counts.tolist()):
        ranks = np.sort(matched.ranks[classes == label])
        found = np.arange(1, len(ranks) + 1)
        recalls.append(found / max(count, 1))
        precisions.append(found / (ranks + 1))
    envelopes = [_envelope(*pair) for pair in zip(recalls, precisions, strict=True)]
    return PrecisionRecall(tiou, truth.labels, tuple(recalls), tuple(precisions),
                           np.reshape(envelopes, (len(truth.labels), len(RECALL))))  # fmt: skip


def _envelope(recall: FloatArray, precision: FloatArray) -> FloatArray:
    best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    reached: FloatArray = best[np.searchsorted(recall, RECALL - 1e-12, side="left")]
    return reached
