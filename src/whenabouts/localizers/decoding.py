"""From scores over time to moments, and the simple rivals that every localizer has to beat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary

Proposals = Literal["union", "nested", "contrast"]
Suppression = Literal["hard", "soft"]
Levels = Callable[[int], BoolArray]


def likely_classes(video_scores: ArrayLike, *, threshold: float, top: int = 0) -> IntArray:
    """Classes (P,) of a video, in order: those with scores (L,) above `threshold`, and always the `top` best."""
    scores = np.asarray(video_scores, np.float64)
    best = np.argsort(-scores, kind="stable")[:top]
    return np.union1d(np.flatnonzero(scores > threshold), best).astype(np.int64)


@dataclass(frozen=True)
class Track:
    """What is known of one video for classes (P,): values (P, K) over its segments, and its video scores (P,)."""

    video_id: str
    classes: IntArray
    values: FloatArray
    video_scores: FloatArray
    grid: TimeGrid
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Decoder:
    """How runs of segments become moments; the same for every localizer.

    Runs come from levels, masks from strict to generous: "union" takes the last level alone, "nested" and "contrast"
    the runs of all, each once. "union" and "nested" score a run by its mean, times its number of segments to the power
    `length_credit`; "contrast" by its mean minus the mean beside it, `margin` times its length on either side
    (outer-inner contrast: Shou et al., "AutoLoc", ECCV 2018), times n / (n + `doubt`) for n segments: what to expect of
    the true contrast where each segment errs by itself, with `doubt` times the variance of true contrasts.
    `video_weight` times the class's video score is added.
    Runs of one level never overlap; of the others those go that overlap a better one by more than `tiou` ("hard"), or
    they are lowered by `sigma` ("soft": `softened_scores`). Of a video's moments the `most` best stay (None: all), and
    `Moments.cut` counts the others: what many unsure classes bring together would else fill the memory.
    """

    proposals: Proposals = "contrast"
    length_credit: float = 0.0
    margin: float = 0.25
    doubt: float = 0.0
    video_weight: float = 0.0
    suppression: Suppression = "hard"
    tiou: float = 0.45
    sigma: float = 0.3
    most: int | None = None

    def decode(self, track: Track, levels: Levels) -> Moments:
        """Moments of one video; `levels(row)` gives the masks (S, K) of one row of its values."""
        kept = Best(track.vocabulary, self.most)
        for row, values in enumerate(track.values):
            masks = levels(row)
            runs = unique_runs(masks[-1:] if self.proposals == "union" else masks)
            scores = self._scores(values, runs) + self.video_weight * track.video_scores[row]
            kept.add(self._settled(Moments.build([track.video_id] * len(runs), track.grid.spans(runs),
                                                 np.full(len(runs), track.classes[row]), track.vocabulary,
                                                 scores=scores)))  # fmt: skip
        found = kept.moments()
        return found if self.proposals == "union" else replace(found.ranked(), cut=found.cut)

    def _settled(self, moments: Moments) -> Moments:
        """Moments of one class after those of several levels have settled which of them stand."""
        if self.proposals == "union":
            return moments
        return moments.suppressed(self.tiou) if self.suppression == "hard" else moments.softened(self.sigma)

    def _scores(self, values: FloatArray, runs: IntArray) -> FloatArray:
        lengths = runs[:, 1] - runs[:, 0]
        if self.proposals == "contrast":
            found: FloatArray = run_means(values, runs) - means_beside(values, runs, self.margin)
            return found * (lengths / (lengths + self.doubt))
        return run_means(values, runs) * lengths**self.length_credit


class Best:
    """The `most` best of moments that come part by part (None: all), with little more than twice as many in memory."""

    def __init__(self, vocabulary: Vocabulary, most: int | None) -> None:
        self._vocabulary, self._most = vocabulary, most
        self._parts: list[Moments] = []
        self._held = self._cut = 0

    def add(self, part: Moments) -> None:
        """Take some more; what they had cut already counts too."""
        self._parts.append(part)
        self._held += len(part)
        self._cut += part.cut
        if self._most is not None and self._held > 2 * self._most:
            self._trim(self._most)

    def moments(self) -> Moments:
        """All of them in the order in which they came; the best, in order of their scores, where there were more."""
        if self._most is not None and self._held > self._most:
            self._trim(self._most)
        return replace(Moments.concatenate(self._parts, self._vocabulary), cut=self._cut)

    def _trim(self, most: int) -> None:
        self._parts = [Moments.concatenate(self._parts, self._vocabulary).ranked(most)]
        self._cut += self._held - most
        self._held = most


def levels_between(values: FloatArray, shares: Sequence[float] | FloatArray) -> Levels:
    """Levels of each row of values (P, K): above shares (S,) of the way from its lowest to its highest, falling."""
    falling = np.sort(np.asarray(shares, np.float64))[::-1, None]

    def levels(row: int) -> BoolArray:
        low, high = float(values[row].min()), float(values[row].max())
        above: BoolArray = values[row] >= low + falling * (high - low)
        return above

    return levels


def even_shares(count: int) -> FloatArray:
    """Shares (count,) strictly between 0 and 1, evenly: 19 are 0.05, 0.1 and so on to 0.95."""
    return np.arange(1, count + 1) / (count + 1)


def unique_runs(masks: BoolArray) -> IntArray:
    """Runs (R, 2) `[first, stop)` of consecutive True in any of the masks (S, K), each once, in order of time."""
    flags = np.pad(masks.astype(np.int8), ((0, 0), (1, 1)))
    edges = np.diff(flags, axis=1)
    runs = np.stack([np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]], axis=1)
    unique: IntArray = np.unique(runs.astype(np.int64), axis=0)
    return unique


def moments_of_runs(
    video_id: str,
    selected: BoolArray,
    values: FloatArray,
    *,
    classes: Sequence[int] | IntArray,
    grid: TimeGrid,
    vocabulary: Vocabulary,
    length_credit: float = 0.0,
    most: int | None = None,
) -> Moments:
    """One moment per run of selected steps (P, T) for classes (P,), scored by the run's mean of values (P, T).

    The mean is multiplied by the number of steps to the power `length_credit`: 0 leaves it, and 0.5 ranks runs by how
    sure they are if steps err independently, for then the mean of n steps errs by 1 / sqrt(n). Of more than `most` the
    best stay, and the others are counted (`Decoder`).
    """
    track = Track(video_id, np.asarray(classes, np.int64), values, np.zeros(len(values)), grid, vocabulary)
    decoder = Decoder(proposals="union", length_credit=length_credit, most=most)
    return decoder.decode(track, lambda row: selected[row][None])


def contrast_moments(
    scores: ScoreSequence,
    *,
    classes: Sequence[int] | IntArray,
    thresholds: Sequence[float] = tuple(np.linspace(0.05, 0.95, 19)),
    margin: float = 0.25,
    tiou: float = 0.45,
    video_weight: float = 0.0,
) -> Moments:
    """Runs above many thresholds, scored by how much they stand out, overlapping ones suppressed (`Decoder`).

    Thresholds are shares of the way from a class's lowest to its highest score. Where scores don't change, the whole
    video is one moment.
    """
    chosen = np.asarray(classes, np.int64)
    if not scores.grid.steps or not len(chosen):
        return Moments.empty(scores.vocabulary)
    values = np.asarray(scores.scores[:, chosen].T, np.float64)
    video_scores = np.asarray(scores.video_scores[chosen], np.float64)
    track = Track(scores.video_id, chosen, values, video_scores, scores.grid, scores.vocabulary)
    decoder = Decoder(margin=margin, tiou=tiou, video_weight=video_weight)
    return decoder.decode(track, levels_between(values, thresholds))


def whole_video(scores: ScoreSequence, *, classes: Sequence[int] | IntArray) -> Moments:
    """Rival: the whole video for each of the classes, with its video score."""
    return _spread(scores, np.array([[0.0, scores.grid.duration_seconds]]), classes)


def uniform_windows(scores: ScoreSequence, *, window_seconds: float, classes: Sequence[int] | IntArray) -> Moments:
    """Rival: the video cut into equal windows for each of the classes, all with its video score."""
    grid = TimeGrid.of_length(scores.grid.duration_seconds, window_seconds)
    edges = grid.edges()
    return _spread(scores, np.stack([edges[:-1], edges[1:]], axis=1), classes)


def _spread(scores: ScoreSequence, spans: FloatArray, classes: Sequence[int] | IntArray) -> Moments:
    if scores.grid.duration_seconds <= 0:
        return Moments.empty(scores.vocabulary)
    chosen = np.asarray(classes, np.int64)
    return Moments.build(
        [scores.video_id] * (len(chosen) * len(spans)),
        np.tile(spans, (len(chosen), 1)),
        np.repeat(chosen, len(spans)),
        scores.vocabulary,
        scores=np.repeat(np.asarray(scores.video_scores, np.float64)[chosen], len(spans)),
    )


def run_means(values: FloatArray, runs: IntArray) -> FloatArray:
    """Mean (R,) of values (K,) within runs (R, 2), none of them empty."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means: FloatArray = (sums[runs[:, 1]] - sums[runs[:, 0]]) / (runs[:, 1] - runs[:, 0])
    return means


def means_beside(values: FloatArray, runs: IntArray, margin: float) -> FloatArray:
    """Mean (R,) of values (K,) beside runs (R, 2), on both sides `margin` times their length, at least one segment.

    Beyond the video's borders there is nothing: the mean is of what lies within, and 0 where a run is the whole video.
    """
    sums = np.concatenate([[0.0], np.cumsum(values)])
    reach = np.maximum(1, np.rint(margin * (runs[:, 1] - runs[:, 0])).astype(np.int64))
    before, behind = np.maximum(runs[:, 0] - reach, 0), np.minimum(runs[:, 1] + reach, len(values))
    total = sums[runs[:, 0]] - sums[before] + sums[behind] - sums[runs[:, 1]]
    count = runs[:, 0] - before + behind - runs[:, 1]
    means: FloatArray = np.divide(total, count, out=np.zeros(len(runs)), where=count > 0)
    return means
