"""What a rated segment plainly lacks, by hand."""

import numpy as np

from whenabouts.core.labels import VideoLabels
from whenabouts.localizers.concepts.weak_negatives import lacked, some_of


def test_labels_and_ratings_are_no_weak_negatives() -> None:
    labels = VideoLabels.of([1, 3])
    assert lacked(labels, (), 5).tolist() == [0, 2, 4]
    assert lacked(labels, {3, 4}, 5).tolist() == [0, 2]
    assert lacked(labels, {0, 2, 4}, 5).tolist() == []


def test_of_a_video_that_nobody_knows_nothing_is_lacking() -> None:
    assert lacked(VideoLabels.of([], absent="unknown"), (), 3).tolist() == []
    assert lacked(VideoLabels.of([], absent="negative"), (), 3).tolist() == [0, 1, 2]


def test_no_more_are_drawn_than_there_are_and_none_twice() -> None:
    there = np.array([2, 5, 7])
    rng = np.random.default_rng(0)
    assert sorted(some_of(there, 9, rng).tolist()) == [2, 5, 7]
    counts = np.bincount(np.concatenate([some_of(there, 2, rng) for _ in range(60)]), minlength=8)
    assert counts.sum() == 120
    assert (counts[there] > 20).all()
    assert some_of(there[:0], 2, rng).tolist() == []
