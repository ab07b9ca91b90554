"""Rivals that share the classifier of a localizer and know of time only what the picture's cuts tell.

None of them measures the distance to a typical frame of a take: the truth was proposed by such distances.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, TimeGrid
from whenabouts.localizers.decoding import likely_classes, whole_video
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.media.reader import VideoReader

APART_SECONDS = 3.0  # takes are longer
NEAR_SECONDS = 0.5  # a cut this near to a joint has found it
MIDDLE = 0.6


@dataclass(frozen=True)
class Changes:
    """How much the picture changes (N,) when each frame appears, at times (N,) in seconds."""

    times: FloatArray
    amounts: FloatArray

    @classmethod
    def of(cls, path: Path) -> "Changes":
        """Mean absolute difference of small grey pictures from one frame to the next, in grey values."""
        times, pictures = [], []
        for seconds, pixels in VideoReader(path, size=(36, 64)):
            times.append(seconds)
            pictures.append(pixels.mean(axis=2))
        differences = np.abs(np.diff(np.stack(pictures), axis=0)).mean(axis=(1, 2))
        return cls(np.asarray(times[1:]), differences)

    def cuts(self, threshold: float) -> list[float]:
        """Times of changes above `threshold`, the greatest first, none within APART_SECONDS of a greater one."""
        found: list[float] = []
        for place in np.argsort(-self.amounts, kind="stable").tolist():
            if self.amounts[place] <= threshold:
                break
            if all(abs(self.times[place] - other) >= APART_SECONDS for other in found):
                found.append(float(self.times[place]))
        return sorted(found)


@dataclass(frozen=True)
class CutCounts:
    """Cuts found, joints there are, and joints that a cut found."""

    found: int
    joints: int
    right: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, self.found + self.joints)


def counted(changes: Sequence[Changes], joints: Sequence[Sequence[float]], threshold: float) -> CutCounts:
    """How cuts above a threshold compare with the true joints of some sessions."""
    found = [each.cuts(threshold) for each in changes]
    right = sum(
        any(abs(cut - joint) <= NEAR_SECONDS for cut in cuts)
        for cuts, true in zip(found, joints, strict=True)
        for joint in true
    )
    return CutCounts(sum(map(len, found)), sum(map(len, joints)), right)


def tuned_threshold(changes: Sequence[Changes], joints: Sequence[Sequence[float]]) -> float:
    """The threshold of best F1 on these sessions; the middle of the range where several are best."""
    levels = np.geomspace(0.5, 64, 141)
    scores = np.array([counted(changes, joints, float(level)).f1 for level in levels])
    return float(np.median(levels[scores == scores.max()]))


def shots_of(cuts: Sequence[float], duration: float) -> FloatArray:
    """Shots (N, 2) between cuts, in seconds."""
    borders = [0.0, *cuts, duration]
    return np.asarray(list(itertools.pairwise(borders)))


def part_of(sequence: FeatureSequence, span: NDArray[np.float64]) -> FeatureSequence | None:
    """The steps whose window has its middle in `span`, as a video of their own; None where there is none."""
    grid, (start, end) = sequence.grid, span.tolist()
    centres = grid.centre(np.arange(grid.steps))
    inside = (centres >= start) & (centres < end)
    if not inside.any():
        return None
    cut = TimeGrid(0.0, grid.hop_seconds, grid.window_seconds, int(inside.sum()), end - start)
    return FeatureSequence(sequence.video_id, sequence.values[inside], cut, sequence.modality, sequence.source)


def by_shot(localizer: WinnersOut, sequence: FeatureSequence, shots: FloatArray) -> Moments:
    """Each shot scored as a video of its own: its likely classes, with their probabilities."""
    parts, settings = [], localizer.settings
    for shot in shots:
        part = part_of(sequence, shot)
        if part is None:
            continue
        scores = localizer.score({sequence.modality: part}).video_scores
        classes = likely_classes(scores, threshold=settings.class_threshold, top=settings.top_classes)
        parts.append(Moments.build([sequence.video_id] * len(classes), np.tile(shot, (len(classes), 1)), classes,
                                   localizer.vocabulary, scores=scores[classes]))  # fmt: skip
    return Moments.concatenate(parts, localizer.vocabulary)


def by_session(localizer: WinnersOut, scores: ScoreSequence, shots: FloatArray) -> Moments:
    """Each shot with the mean of the session's own segment scores, for the classes that are likely in the session."""
    settings = localizer.settings
    classes = likely_classes(scores.video_scores, threshold=settings.class_threshold, top=settings.top_classes)
    runs = scores.grid.runs(shots)
    means = np.stack([scores.scores[first:stop].mean(axis=0) for first, stop in runs.tolist()])
    return Moments.build(
        [scores.video_id] * (len(classes) * len(shots)),
        np.tile(shots, (len(classes), 1)),
        np.repeat(classes, len(shots)),
        localizer.vocabulary,
        scores=means.T[classes].reshape(-1) * scores.grid.steps,
    )


def middles(moments: Moments) -> Moments:
    """The same moments, each shortened to its middle 60 %."""
    edge = (1 - MIDDLE) / 2 * moments.durations
    spans = np.stack([moments.spans[:, 0] + edge, moments.spans[:, 1] - edge], axis=1)
    return Moments(moments.video_ids, spans, moments.classes, moments.scores, moments.kinds, moments.vocabulary)


def found_by_all(localizer: WinnersOut, sequence: FeatureSequence, cuts: Sequence[float]) -> dict[str, Moments]:
    """The moments of one session, by the localizer and by each rival."""
    features = {sequence.modality: sequence}
    scores, settings = localizer.score(features), localizer.settings
    classes = likely_classes(scores.video_scores, threshold=settings.class_threshold, top=settings.top_classes)
    shots = shots_of(cuts, sequence.grid.duration_seconds)
    alone, within = by_shot(localizer, sequence, shots), by_session(localizer, scores, shots)
    return {
        "winners-out": localizer.localize(features),
        "cut detection": alone,
        "middle 60 %": middles(alone),
        "cut detection, session's scores": within,
        "middle 60 %, session's scores": middles(within),
        "whole session": whole_video(scores, classes=classes),
    }
