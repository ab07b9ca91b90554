"""Rankings, worked by hand and against plain loops over the written rules."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from whenabouts.core import InvalidData
from whenabouts.evaluation.ranking import (
    average_precision,
    precision_of_ranked,
    precision_per_class,
    recall_at,
)
from whenabouts.evaluation.video_ranking import VideoRanking, VideoScores, best_classes

# Two videos, four classes. Best first, video 0 ranks classes 2, 0, 3, 1 and video 1 ranks classes 1, 3, 0, 2.
SCORES = np.array([[0.7, 0.1, 0.9, 0.3], [0.2, 0.8, 0.1, 0.6]])
LABELS = np.array([[1, 0, 1, 0], [1, 0, 0, 1]])


def measured(scores: ArrayLike, labels: ArrayLike, *, top: int = 20) -> VideoScores:
    stream = VideoRanking(top=top)
    stream.add(scores, labels)
    return stream.scores()


def test_average_precision_by_hand() -> None:
    # Best first: hit, miss, hit, miss. Precision at the hits 1/1 and 2/3; two positives: (1 + 2/3) / 2 = 5/6.
    scores, labels = [0.9, 0.2, 0.8, 0.5], [1, 0, 0, 1]
    assert average_precision(scores, labels) == pytest.approx(5 / 6)
    # Of four positives in all, two were never listed: (1 + 2/3) / 4 = 5/12.
    assert average_precision(scores, labels, positives=4) == pytest.approx(5 / 12)
    # The best two: one hit at rank 1; min(4 positives, 2 rows) = 2: 1/2.
    assert average_precision(scores, labels, positives=4, n=2) == pytest.approx(1 / 2)
    assert average_precision([], []) == 0.0
    assert average_precision(scores, [0, 0, 0, 0]) == 0.0


def test_equal_scores_rank_in_the_order_given() -> None:
    # All equal: the order given is the rank. Hit first: 1/1. Hit last of three: 1/3.
    assert average_precision([0.5, 0.5, 0.5], [1, 0, 0]) == 1.0
    assert average_precision([0.5, 0.5, 0.5], [0, 0, 1]) == pytest.approx(1 / 3)
    assert best_classes(np.array([[0.5, 0.5, 0.9, 0.5]]), 3).tolist() == [[2, 0, 1]]


def test_recall_by_hand() -> None:
    # Best first: miss, hit, hit; four positives in all: 0/4, 1/4, 2/4, and no more beyond the end of the list.
    hits = np.array([False, True, True])
    assert recall_at(hits, 4, [0, 1, 2, 3, 100]).tolist() == [0, 0, 0.25, 0.5, 0.5]
    assert np.isnan(recall_at(hits, 0, [1])).all()


def test_video_measures_by_hand() -> None:
    # Hit@1: video 0's best class 2 is right, video 1's best class 1 is wrong: 1/2.
    assert measured(SCORES, LABELS).hit_at_one == 0.5
    # PERR: both videos have 2 labels. Video 0: classes 2, 0: both right, 2/2. Video 1: 1, 3: one right, 1/2. Mean 3/4.
    assert measured(SCORES, LABELS).perr == 0.75
    # GAP@2: pooled best first .9 hit, .8 miss, .7 hit, .6 hit; 4 labels in all: (1 + 2/3 + 3/4) / 4 = 29/48.
    assert measured(SCORES, LABELS, top=2).gap == pytest.approx(29 / 48)
    # GAP@20: then .3 miss, .2 hit (rank 6, 4th hit), .1, .1 misses: (1 + 2/3 + 3/4 + 4/6) / 4 = 37/48.
    assert measured(SCORES, LABELS).gap == pytest.approx(37 / 48)
    stream = VideoRanking(top=2)
    stream.add(SCORES[:1], LABELS[:1])
    stream.add(SCORES[1:], LABELS[1:])
    found = stream.scores()
    # Class 0 has 2 labels; only video 0 lists it among its best 2, a hit: 1/2. Class 1 has none. Classes 2 and 3: 1.
    assert found.average_precision.tolist() == [0.5, 0, 1, 1]
    assert found.map == pytest.approx(2.5 / 3)
    assert (found.videos, found.positives.tolist()) == (2, [2, 0, 1, 1])
    assert "GAP@2  0.6042" in found.report(("a", "b", "c", "d")).to_table()


def test_a_video_without_labels_counts_as_nothing_found() -> None:
    # One video with a right label, one without any: PERR (1 + 0) / 2.
    assert measured([[0.9, 0.1], [0.9, 0.1]], [[1, 0], [0, 0]]).perr == 0.5
    # A right class of score 0 is no hit.
    assert measured([[0.0, 0.0]], [[1, 0]]).perr == 0.0


def looped(scores: list[float], labels: list[int], n: int | None, positives: int | None) -> float:
    """The definition, row by row."""
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    total = sum(labels) if positives is None else positives
    total = total if n is None else min(total, n)
    hits, summed = 0, 0.0
    for rank, row in enumerate(order[:n], start=1):
        if labels[row]:
            hits += 1
            summed += hits / rank
    return summed / total if total else 0.0


def test_thousand_random_lists_agree_with_loops() -> None:
    generator = np.random.default_rng(5)
    tied = 0
    for _ in range(1000):
        count = int(generator.integers(0, 30))
        scores = (generator.integers(0, generator.integers(1, 40), count) / 8).tolist()
        labels = generator.integers(0, 2, count).tolist()
        n = [None, 1, 3, 20][generator.integers(4)]
        positives = None if generator.random() < 0.5 else int(generator.integers(0, 40))
        expected = looped(scores, labels, n, positives)
        assert average_precision(scores, labels, n=n, positives=positives) == pytest.approx(expected, abs=1e-12)
        tied += len(set(scores)) < count
    assert tied > 500


def test_all_classes_at_once_agree_with_each_alone() -> None:
    generator = np.random.default_rng(6)
    for _ in range(300):
        count, rows = int(generator.integers(1, 8)), int(generator.integers(0, 60))
        classes = generator.integers(0, count, rows)
        scores, labels = generator.integers(0, 9, rows) / 9, generator.integers(0, 2, rows)
        positives = generator.integers(0, 30, count)
        n = [None, 1, 5][generator.integers(3)]
        found = precision_per_class(classes, scores, labels, positives, n=n)
        for one in range(count):
            mine = classes == one
            expected = looped(scores[mine].tolist(), labels[mine].tolist(), n, int(positives[one]))
            assert found[one] == pytest.approx(expected, abs=1e-12)


def test_random_videos_agree_with_loops() -> None:
    generator = np.random.default_rng(7)
    for _ in range(300):
        videos, count, top = (int(generator.integers(1, high)) for high in (8, 12, 14))
        scores = generator.integers(0, generator.integers(1, 30), (videos, count)).astype(np.float32) / 8
        labels = generator.integers(0, 2, (videos, count))
        ranked = [sorted(range(count), key=lambda one, row=row: (-row[one], one)) for row in scores.tolist()]
        hits = [labels[video, order[0]] for video, order in enumerate(ranked)]
        found = measured(scores, labels, top=top)
        assert found.hit_at_one == pytest.approx(np.mean(hits))
        shares = []
        for video, order in enumerate(ranked):
            wanted = int(labels[video].sum())
            right = sum(labels[video, one] for one in order[:wanted] if scores[video, one] > 0)
            shares.append(right / wanted if wanted else 0.0)
        assert found.perr == pytest.approx(np.mean(shares))
        pooled = [(float(scores[video, one]), int(labels[video, one])) for video, order in enumerate(ranked)
                  for one in order[:top]]  # fmt: skip
        gap = looped([score for score, _ in pooled], [label for _, label in pooled], None, int(labels.sum()))
        assert found.gap == pytest.approx(gap, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: average_precision([0.1, 0.2], [1]), "a score and a label"),
        (lambda: average_precision([0.1, np.nan], [1, 0]), "row 1"),
        (lambda: average_precision([0.1], [1], n=0), "at least 1"),
        (lambda: average_precision([0.1], [1], positives=-1), "negative"),
        (lambda: precision_of_ranked(np.array([True]), float("nan")), "NaN"),
        (lambda: precision_per_class(np.array([2]), [0.1], [1], [1, 1]), "0..1"),
        (lambda: measured([[0.1, 0.2]], [[1]]), "videos, classes"),
        (lambda: measured([[0.1, np.nan]], [[1, 0]]), r"\[0, 1\]"),
        (lambda: VideoRanking().scores(), "no batch"),
        (lambda: VideoRanking(top=0), "at least 1"),
    ],
)
def test_what_has_no_meaning_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        wrong()


def test_batches_must_agree_on_the_classes() -> None:
    stream = VideoRanking()
    stream.add(SCORES, LABELS)
    with pytest.raises(InvalidData, match="3 classes"):
        stream.add(SCORES[:, :3], LABELS[:, :3])
