"""Timelines of videos that never were: when which concept shows, as in THUMOS14 or in ActivityNet.

How long videos are, how many instances they hold, how much of them is action, how lengths and gaps vary within a video
and which concepts go together is drawn from `timeline_statistics.json`: quantiles of the real annotations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from scipy.special import ndtr

from whenabouts.core.timing import BoolArray, FloatArray, IntArray

Kind = Literal["thumos14", "activitynet"]


@dataclass(frozen=True)
class TimelineShape:
    """What of a timeline the real annotations do not say, or says otherwise than they do.

    `classes` concepts; videos longer than `longest_seconds` are cut to it, and no instance is shorter than
    `shortest_seconds`. `weak` is the share of instances that look otherwise than most of their concept. `several` is
    the share of videos with more than one concept, None for the real one.
    """

    classes: int = 20
    longest_seconds: float = 600.0
    shortest_seconds: float = 0.5
    weak: float = 0.4
    several: float | None = None


@dataclass(frozen=True)
class Timeline:
    """One video: its duration, and instances in order of their start: spans (N, 2), classes (N,), weak (N,)."""

    video_id: str
    duration_seconds: float
    spans: FloatArray
    classes: IntArray
    weak: BoolArray


@cache
def statistics(kind: Kind) -> Mapping[str, Any]:
    """The distributions of one data set, with their `source`, and the `levels` that its quantiles stand at."""
    table = json.loads(files(__package__).joinpath("timeline_statistics.json").read_text(encoding="utf-8"))
    return {"levels": table["levels"], **table[kind]}


def draw_timeline(
    video_id: str, kind: Kind, shape: TimelineShape, rng: np.random.Generator, *, concept: int
) -> Timeline:
    """The timeline of one video of a `concept`, or, as often as the data set has such, of two that go together.

    Number of instances, duration and share of action are drawn together, as they go together in the real videos; the
    instances get lengths that vary around their mean as the real ones do, and the gaps likewise.
    """
    facts = statistics(kind)
    duration, count, share = _sizes(facts, shape, rng)
    classes, pair = _concepts(facts, shape, rng, concept)
    count = max(len(classes), count) if pair is None else max(1, round(count / 2))
    lengths = _parts(facts["length_over_mean"], facts["levels"], count, rng) * share * duration
    lengths = np.maximum(lengths, min(shape.shortest_seconds, duration / (2 * count)))
    gaps = _parts(facts["gap_over_mean"], facts["levels"], count + 1, rng) * max(0.0, duration - lengths.sum())
    starts = np.cumsum(gaps[:-1]) + np.cumsum(lengths) - lengths
    spans = np.minimum(np.stack([starts, starts + lengths], axis=1), duration)
    weak = rng.random(count) < shape.weak
    owners = np.full(count, classes[0]) if pair is not None else _owners(classes, count, rng)
    if pair is not None:
        spans, owners, weak = _with_partners(spans, owners, weak, classes[1], pair, duration)
    order = np.argsort(spans[:, 0], kind="stable")
    return Timeline(video_id, duration, spans[order], owners[order], weak[order])


def _sizes(facts: Mapping[str, Any], shape: TimelineShape, rng: np.random.Generator) -> tuple[float, int, float]:
    """Duration in seconds, number of instances, share of action.

    First the number; then the others as in videos of about that many, by a Gaussian copula with their rank correlation.
    """
    levels = facts["levels"]
    count = max(1, round(float(np.interp(rng.random(), levels, facts["instances_per_video"]))))
    group = next(each for each in facts["by_instances"] if each["most"] is None or count <= each["most"])
    correlation = 2 * np.sin(np.pi / 6 * group["rank_correlation"])
    places = ndtr(rng.multivariate_normal(np.zeros(2), [[1.0, correlation], [correlation, 1.0]]))
    duration = float(np.interp(places[0], levels, group["duration_seconds"]))
    share = float(np.interp(places[1], levels, group["action_share"]))
    kept = min(duration, shape.longest_seconds)
    return kept, max(1, round(count * kept / duration)), min(max(share, 0.01), 0.99)


def _parts(quantiles: list[float], levels: list[float], count: int, rng: np.random.Generator) -> FloatArray:
    """Shares (count,) of a whole that vary around their mean by these quantiles."""
    drawn = np.maximum(np.interp(rng.random(count), levels, quantiles), 1e-3)
    shares: FloatArray = drawn / drawn.sum()
    return shares


def _concepts(
    facts: Mapping[str, Any], shape: TimelineShape, rng: np.random.Generator, concept: int
) -> tuple[IntArray, Mapping[str, float] | None]:
    """Concepts of one video; a video of a pair of concepts that go together also gets what that pair does.

    The pairs are the concepts 0 and 1, 2 and 3, and so on, as many as the data set has. With `several` at None they
    are as frequent as there, and so are other videos of two concepts.
    """
    pairs = facts["pairs"][: shape.classes // 2]
    more = 1 - facts["classes_per_video"]["1"]
    shares = np.array([pair["videos"] for pair in pairs])
    others = max(0.0, more - float(shares.sum()))
    if shape.several is not None:
        scale = shape.several / more
        shares, others = shares * scale, others * scale
    place = int(np.searchsorted(np.cumsum([*shares, others]), rng.random(), side="right"))
    if place < len(pairs):
        return np.array([2 * place, 2 * place + 1]), pairs[place]
    if place > len(pairs) or shape.classes == 1:
        return np.array([concept]), None
    other = int(rng.integers(shape.classes - 1))
    return np.array([concept, other + (other >= concept)]), None


def _owners(classes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """The concept (count,) of each instance: each of `classes` at least once where there is room."""
    owners = np.concatenate([classes[:count], rng.choice(classes, max(0, count - len(classes)))])
    return rng.permutation(owners).astype(np.int64)


def _with_partners(
    spans: FloatArray, owners: IntArray, weak: BoolArray, partner: int, pair: Mapping[str, float], duration: float
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Beside each instance one of the partner: the same span where the pair's are twins, else shifted."""
    if pair["twins"] > 0.5:
        others = spans
    else:
        lengths = np.diff(spans)[:, 0]
        starts = spans[:, 0] + pair["shift"] * lengths
        others = np.stack([starts, np.minimum(starts + pair["length"] * lengths, duration)], axis=1)
    return (
        np.concatenate([spans, others]),
        np.concatenate([owners, np.full(len(others), partner)]),
        np.concatenate([weak, weak]),
    )
