"""Which instances are found well: by length, by share of the video, by how many there are (after DETAD, 2018)."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from whenabouts.core.errors import SettingsError
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.ranked_matches import RankedMatches
from whenabouts.evaluation.tables import Truth

Buckets = Literal["fifths", "activitynet", "thumos14"]
EDGES = {
    "activitynet": {
        "length (s)": (0.0, 30.0, 60.0, 120.0, 180.0, np.inf),
        "coverage": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        "instances": (0.0, 1.0, 4.0, 8.0, np.inf),
    },
    "thumos14": {
        "length (s)": (0.0, 3.0, 6.0, 12.0, 18.0, np.inf),
        "coverage": (0.0, 0.02, 0.04, 0.06, 0.08, 1.0),
        "instances": (0.0, 1.0, 40.0, 80.0, np.inf),
    },
}


@dataclass(frozen=True)
class Bucket:
    """Instances whose `trait` lies above `low` and up to `high`: how many, normalised average mAP on them alone, and
    recall, both averaged over the thresholds.
    """

    trait: str
    low: float
    high: float
    instances: int
    average_map: float
    recall: float


def sensitivity(truth: Truth, ranked: RankedMatches, buckets: Buckets = "fifths") -> tuple[Bucket, ...]:
    """Measure each group of instances alone: what matched an instance of another group is neither right nor wrong.

    `buckets`: borders of DETAD for ActivityNet or THUMOS14, or the fifths of this truth's own values. Traits that the
    truth does not tell (coverage without durations) are left out.
    """
    if buckets not in get_args(Buckets):
        raise SettingsError(f"Buckets are one of {', '.join(get_args(Buckets))}, but got {buckets!r}.")
    found = []
    for trait, values in _traits(truth).items():
        known = values[np.isfinite(values)]
        if len(known):
            edges = np.asarray(EDGES[buckets][trait]) if buckets != "fifths" else _fifths(known)
            found += [
                _bucket(truth, ranked, trait, values, edges[k : k + 2], first=k == 0) for k in range(len(edges) - 1)
            ]
    return tuple(bucket for bucket in found if bucket.instances)


def _traits(truth: Truth) -> dict[str, FloatArray]:
    """Length in seconds, share of the video, and number of the video's instances of the same class, each (G,)."""
    length = np.maximum(truth.spans[:, 1] - truth.spans[:, 0], 0.0)
    durations = np.where(truth.durations > 0, truth.durations, np.nan)[truth.videos]
    keys = truth.videos * len(truth.labels) + truth.classes
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    return {
        "length (s)": length,
        "coverage": np.minimum(length / durations, 1.0),
        "instances": sizes[group].astype(np.float64),
    }


def _fifths(values: FloatArray) -> FloatArray:
    """Borders that cut the values into five groups of one size, or fewer where values repeat."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 6)))
    return edges if len(edges) > 1 else np.repeat(edges, 2)


def _bucket(
    truth: Truth, ranked: RankedMatches, trait: str, values: FloatArray, edges: FloatArray, *, first: bool
) -> Bucket:
    low, high = edges.tolist()
    inside = ((values > low) | (first & (values == low))) & (values <= high)
    positives = np.bincount(truth.classes[inside], minlength=len(truth.labels))
    hit_inside = np.append(inside, False)[ranked.matched]  # -1, no match, reads the False at the end
    if not inside.any():
        return Bucket(trait, low, high, 0, np.nan, np.nan)
    table = ranked.normalised_precision(hit_inside | (ranked.matched < 0), positives)
    recall = hit_inside.sum() / (inside.sum() * len(ranked.matched))
    return Bucket(trait, low, high, int(inside.sum()), float(np.nanmean(table)), float(recall))
