"""From video labels to candidates to their recall: video models stream scores, classes keep videos, ratings judge."""

import numpy as np
import pytest

from whenabouts.core import Vocabulary
from whenabouts.core.labels import SegmentLabels
from whenabouts.data.examples import Example
from whenabouts.evaluation.candidate_recall import RecallCurve, recall_curve
from whenabouts.evaluation.ranked_lists import RankedList
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.localizers.concepts.candidates import Ranked, best_videos
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model

from .conftest import QUICK, run_of, small

CLASSES = 3


def starts_of(example: Example) -> list[int]:
    return list(range(0, int(example.features["rgb"].grid.duration_seconds), 5))


def rated_blocks(examples: tuple[Example, ...]) -> RatedPairs:
    """Each block of 5 s of each video, rated for each concept by the video's own label: what candidates can tell."""
    rows = [
        (example.video_id, start, index, index in example.labels.classes)
        for example in examples
        for start in starts_of(example)
        for index in range(CLASSES)
    ]
    ids, starts, classes, present = zip(*rows, strict=True)
    spans = np.asarray([(start, start + 5) for start in starts], float)
    return RatedPairs.of(SegmentLabels(ids, spans, np.asarray(classes), np.asarray(present)))


def kept_of(ranked: Ranked, index: int) -> list[str]:
    return [ranked.video_ids[row] for row in ranked.of_class(index).videos]


def curve_of(ranked: Ranked, examples: tuple[Example, ...]) -> RecallCurve:
    by_id = {example.video_id: starts_of(example) for example in examples}
    segments = sum(map(len, by_id.values()))
    lists = [
        RankedList(index, [f"{name}:{start}" for name in kept_of(ranked, index) for start in by_id[name]])
        for index in range(CLASSES)
    ]
    return recall_curve(rated_blocks(examples), lists, [10, 20, segments], segments=segments)


@pytest.mark.parametrize("kind", ["logistic", "lstm", "netvlad", "netfv"])
def test_candidates_of_a_trained_model_hold_more_than_chance(
    kind: NetKind, videos: FrameVideos, held_out: tuple[Example, ...], vocabulary: Vocabulary
) -> None:
    model = train_video_model(videos, VideoModelSettings(net=small(kind), fit=QUICK), run_of(), vocabulary=vocabulary)
    ranked, left_out = best_videos(model.scores_of(held_out), np.full(CLASSES, len(held_out)))
    curve = curve_of(ranked, held_out)
    assert not left_out
    assert curve.mean_recall[-1] == 1.0
    assert (curve.mean_recall[:2] > curve.mean_kept_share[:2] + 0.15).all()


def test_fewer_videos_keep_fewer_segments(
    videos: FrameVideos, held_out: tuple[Example, ...], vocabulary: Vocabulary
) -> None:
    how = VideoModelSettings(net=small("logistic"), fit=QUICK)
    model = train_video_model(videos, how, run_of(), vocabulary=vocabulary)
    limits = np.array([1, 4, len(held_out)])
    ranked, _ = best_videos(model.scores_of(held_out), limits)
    curve = curve_of(ranked, held_out)
    by_id = {example.video_id: starts_of(example) for example in held_out}
    for index, limit in enumerate(limits):
        kept = kept_of(ranked, index)
        assert len(kept) == limit
        share = sum(len(by_id[video_id]) for video_id in kept) / sum(map(len, by_id.values()))
        assert curve.kept_share[index, -1] == pytest.approx(share)
