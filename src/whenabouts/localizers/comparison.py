"""A localizer beside rivals that know what is in a video and nothing about when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.moments import MomentScores, evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers.decoding import likely_classes, uniform_windows, whole_video


@dataclass(frozen=True)
class Compared:
    """One way of finding moments and what it reaches: mAP (T,) at each tIoU."""

    name: str
    result: MomentScores


def compare(
    found: Moments,
    scores: Mapping[str, ScoreSequence],
    truth: Moments,
    *,
    tiou: FloatArray,
    windows_seconds: Sequence[float],
    class_threshold: float,
    top_classes: int,
    name: str = "found",
) -> list[Compared]:
    """Measure `found`, the whole video and uniform windows on the videos of `scores`, by ActivityNet's protocol.

    The rivals take the same predicted video scores, and the same classes from them: above `class_threshold`, and
    always the `top_classes` best. All others are moments of those videos and of the truth's concepts only.
    """
    facts = Truth.of(truth, video_ids=sorted(scores))
    chosen = {
        video_id: likely_classes(each.video_scores, threshold=class_threshold, top=top_classes)
        for video_id, each in scores.items()
    }
    rivals = {
        "whole video": [whole_video(each, classes=chosen[key]) for key, each in scores.items()],
        **{
            f"uniform windows of {seconds:g} s": [
                uniform_windows(each, window_seconds=seconds, classes=chosen[key]) for key, each in scores.items()
            ]
            for seconds in windows_seconds
        },
    }
    ways = {name: found} | {rival: Moments.concatenate(parts, found.vocabulary) for rival, parts in rivals.items()}
    return [Compared(way, evaluate_moments(facts, _judged(moments, facts), tiou=tiou)) for way, moments in ways.items()]


def _judged(moments: Moments, facts: Truth) -> Predictions:
    """The moments of the truth's concepts in the videos that are judged."""
    known = set(facts.labels)
    videos = set(facts.video_ids)
    rows = [row for row, moment in enumerate(moments) if moment.concept in known and moment.video_id in videos]
    return Predictions.of(moments[rows], facts)
