"""Who rates what in a made world: for each class a few segments of a few videos that are labelled with it.

As in YouTube-8M's validation set of 2019: five segments of a video, 55.7 % of all ratings are "yes"
(132,442 of 237,788, segment_vocabulary.csv), and only videos that carry a class's label are rated for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.data.youtube8m.reader import SEGMENT_SECONDS

PER_VIDEO = 5
SHARE_YES = 132_442 / 237_788


@dataclass(frozen=True)
class RatingRules:
    """How many segments are rated for each class, in videos among a `share` of all."""

    per_class: int
    share: float


@dataclass(frozen=True)
class Rated:
    """Ratings in order of classes, and how many lack by class, for want of labelled videos."""

    labels: SegmentLabels
    short: dict[int, int]


def rate(
    video_ids: Sequence[str],
    presence: Sequence[BoolArray],
    labels: Sequence[VideoLabels],
    rules: RatingRules,
    rng: Callable[..., np.random.Generator],
) -> Rated:
    """Rate segments of 5 s from 0 on; presence (segments, L) of each video is the truth, which raters never miss.

    `rng(*purpose)` gives chance for one purpose alone. Fewer ratings are a part of more: the first ones.
    """
    order = rng(0).permutation(len(video_ids))
    pool = sorted(order[: round(len(video_ids) * rules.share)].tolist())
    classes = presence[0].shape[1] if presence else 0
    rows: list[tuple[str, int, int, bool]] = []
    short: dict[int, int] = {}
    for index in range(classes):
        chance, left = rng(1, index), rules.per_class
        carrying = [place for place in pool if index in labels[place].classes]
        for place in chance.permutation(np.asarray(carrying, np.int64)).tolist():
            if not left:
                break
            chosen = chosen_segments(presence[place][:, index], SHARE_YES, chance)[:left]
            rows += [(video_ids[place], start, index, bool(presence[place][start, index])) for start in chosen.tolist()]
            left -= len(chosen)
        if left:
            short[index] = left
    return Rated(_table(rows), short)


def chosen_segments(present: BoolArray, share_yes: float, rng: np.random.Generator) -> IntArray:
    """Five segments (or all, if fewer) in random order, so many of them present (S,) as chance and the video allow."""
    yes, no = np.flatnonzero(present), np.flatnonzero(~present)
    count = min(PER_VIDEO, len(present))
    wanted = int(np.clip(rng.binomial(count, share_yes), count - len(no), len(yes)))
    picked = np.concatenate([rng.permutation(yes)[:wanted], rng.permutation(no)[: count - wanted]])
    return rng.permutation(picked)


def _table(rows: Sequence[tuple[str, int, int, bool]]) -> SegmentLabels:
    starts = np.asarray([segment * float(SEGMENT_SECONDS) for _, segment, _, _ in rows])
    return SegmentLabels(
        tuple(row[0] for row in rows),
        np.stack([starts, starts + SEGMENT_SECONDS], axis=1).reshape(-1, 2),
        np.asarray([row[2] for row in rows], np.int64),
        np.asarray([row[3] for row in rows], bool),
    )
