"""How likely a found moment is right, and what is asked next: worked by hand."""

import numpy as np
import pytest

from whenabouts.page.review.queue import LAST, Judged, queue, usefulness
from whenabouts.page.review.trust import Candidates, chances, ranks

NOTHING = Judged.of([])


def candidates(count: int = 8, *, labelled: bool = True, expected: float = 4.0) -> Candidates:
    return Candidates(
        np.arange(count, 0, -1).astype(float), np.tile([0.0, 5.0], (count, 1)), np.arange(count),
        np.zeros(count, np.int64), np.full(count, labelled), np.array([expected]),
    )  # fmt: skip


def test_ranks_are_within_concepts_and_ties_share_theirs() -> None:
    scores = np.array([1.0, 3.0, 2.0, 2.0, 0.5])
    assert ranks(scores, np.array([0, 0, 0, 0, 1])).tolist() == [3.5, 0.5, 2.0, 2.0, 0.5]
    assert ranks(np.zeros(0), np.zeros(0, np.int64)).tolist() == []


def test_without_decisions_a_ranking_is_even_where_as_many_are_expected() -> None:
    found = candidates(8, expected=3.5)
    p = chances(found, NOTHING.rows, NOTHING.right)
    label = np.exp(1.0)  # Half of the prior's 2 for a label.
    assert p[3] == pytest.approx(label / (1 + label))  # Rank 3.5 of 3.5 expected: even odds, times the label.
    assert p[0] == pytest.approx(7 * label / (1 + 7 * label))  # Rank 0.5: odds of 7 to 1.
    assert (np.diff(p) < 0).all()
    unlabelled = chances(candidates(8, labelled=False, expected=3.5), NOTHING.rows, NOTHING.right)
    assert (unlabelled < p).all()


def test_decisions_move_chances_of_their_concept_most() -> None:
    one = candidates()
    both = Candidates(
        np.tile(one.scores, 2), np.tile(one.spans, (2, 1)), np.tile(one.videos, 2), np.repeat([0, 1], 8),
        np.ones(16, bool), np.array([4.0, 4.0]),
    )  # fmt: skip
    before = chances(both, NOTHING.rows, NOTHING.right)
    after = chances(both, np.array([0, 1, 2, 3]), np.zeros(4, bool))
    assert (after < before).all()
    assert ((before - after)[:8].sum()) > ((before - after)[8:].sum()) > 0
    agreeing = chances(both, np.array([0, 1, 6, 7]), np.array([True, True, False, False]))
    assert agreeing[0] - agreeing[7] > before[0] - before[7]


def test_chances_stay_finite_where_all_decisions_agree() -> None:
    found = candidates(50)
    p = chances(found, np.arange(50), np.ones(50, bool))
    assert np.isfinite(p).all()
    assert (p > 0.5).all()


def grid(videos: int, concepts: int, moments: int, seconds: float = 10.0) -> Candidates:
    """In every video, of every concept, `moments` moments one after the other, as likely as not or more."""
    video, concept, place = (each.ravel() for each in np.indices((videos, concepts, moments)))
    spans = np.stack([place * seconds, (place + 1) * seconds], axis=1)
    count = len(video)
    return Candidates(np.zeros(count), spans, video, concept, np.ones(count, bool), np.full(concepts, 1e6))


def test_usefulness_is_the_chance_up_to_a_half() -> None:
    found = candidates(8, expected=0.5)
    p = chances(found, NOTHING.rows, NOTHING.right)
    assert p[0] > 0.5 > p[7]
    assert usefulness(found, NOTHING) == pytest.approx([min(1.0, 2 * each) for each in p])
    assert usefulness(Candidates(*(np.zeros(0),) * 5, np.zeros(1)), NOTHING).tolist() == []  # type: ignore[arg-type]


def test_decided_moments_have_no_use_and_those_that_overlap_them_come_last() -> None:
    spans = np.array([[0.0, 10.0], [8.0, 20.0], [10.0, 20.0], [8.0, 20.0], [8.0, 20.0]])
    videos, concepts = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 0])
    found = Candidates(np.zeros(5), spans, videos, concepts, np.ones(5, bool), np.full(2, 1e6))
    value = usefulness(found, Judged.of([(0, True)], [(0, 0, 0.0, 10.0)]))
    both, one = 1 / np.sqrt(2 * 2), 1 / np.sqrt(2)  # One decision on the video and the concept; on one of them.
    assert value == pytest.approx([0.0, LAST * both, both, one, one])
    # Nothing that was found resembles what was asked: it covers its time all the same.
    unseen = usefulness(found, Judged.of([], [(0, 0, 9.0, 9.5), (0, 1, 30.0, 31.0)]))
    assert (unseen < 0.01).tolist() == [True, True, False, False, False]
    # A concept by a number that nothing found has, such as one saved from examples since.
    assert usefulness(found, Judged.of([], [(1, 7, 0.0, 99.0)]))[4] == pytest.approx(one)


def test_videos_without_the_label_come_last_unless_no_video_has_it() -> None:
    labelled = np.array([True, False, False, False])
    found = Candidates(
        np.zeros(4), np.tile([0.0, 5.0], (4, 1)), np.arange(4), np.array([0, 0, 1, 1]), labelled, np.full(2, 1e9)
    )
    assert usefulness(found, NOTHING) == pytest.approx([1.0, LAST, 1.0, 1.0])


def test_the_queue_draws_the_same_by_seed_and_another_by_another() -> None:
    found = grid(20, 3, 5)
    useful = usefulness(found, NOTHING)
    first = queue(useful, found, 12, seed=3)
    assert first == queue(useful, found, 12, seed=3)
    assert first[:5] == queue(useful, found, 5, seed=3)
    assert first != queue(useful, found, 12, seed=4)
    assert queue(np.zeros(len(found)), found, 12) == []
    empty = Candidates(*(np.zeros(0),) * 5, np.zeros(0))  # type: ignore[arg-type]
    assert queue(np.zeros(0), empty, 3) == []


def test_the_queue_draws_by_use() -> None:
    found = grid(400, 1, 1)
    useful = np.where(np.arange(400) % 2, 0.2, 1.0)
    drawn = [row for seed in range(20) for row in queue(useful, found, 1, seed=seed)]
    assert not any(row % 2 for row in drawn)  # With many at 1 the greatest of 1 x u is above 0.2.
    everything = queue(useful, found, 500)
    assert sorted(everything) == list(range(400))
    half = sum(row % 2 for row in everything[:200])
    assert half < 50


def test_a_batch_is_spread_over_videos_and_concepts_and_overlaps_in_nothing() -> None:
    found = grid(12, 4, 6)
    crowded = Candidates(
        np.tile(found.scores, 2), np.concatenate([found.spans, found.spans + 4.0]), np.tile(found.videos, 2),
        np.tile(found.concepts, 2), np.tile(found.labelled, 2), found.expected,
    )  # fmt: skip
    rows = queue(usefulness(crowded, NOTHING), crowded, 48, seed=1)
    assert len(set(rows)) == 48
    assert np.bincount(crowded.concepts[rows], minlength=4).tolist() == pytest.approx([12] * 4, abs=3)
    assert np.bincount(crowded.videos[rows], minlength=12).tolist() == pytest.approx([4] * 12, abs=2)
    assert overlaps(crowded, rows) == 0


def test_asked_one_at_a_time_nothing_comes_twice_and_all_concepts_and_videos_have_their_turn() -> None:
    found = grid(8, 3, 4, seconds=5.0)
    crowded = Candidates(
        np.tile(found.scores, 2), np.concatenate([found.spans, found.spans + 2.0]), np.tile(found.videos, 2),
        np.tile(found.concepts, 2), np.tile(found.labelled, 2), found.expected,
    )  # fmt: skip
    rows: list[int] = []
    for _ in range(36):
        asked = [(int(crowded.videos[r]), int(crowded.concepts[r]), *map(float, crowded.spans[r])) for r in rows]
        judged = Judged.of([(row, row % 2 == 0) for row in rows], asked)
        rows += queue(usefulness(crowded, judged), crowded, 1, seed=1)
    assert len(set(rows)) == 36
    assert overlaps(crowded, rows) == 0
    assert np.bincount(crowded.concepts[rows], minlength=3).min() >= 8
    assert np.bincount(crowded.videos[rows], minlength=8).min() >= 2


def overlaps(found: Candidates, rows: list[int]) -> int:
    """How many pairs of rows of one video and concept share time."""
    count = 0
    for place, one in enumerate(rows):
        for other in rows[:place]:
            same = found.videos[one] == found.videos[other] and found.concepts[one] == found.concepts[other]
            start, end = max(found.spans[[one, other], 0]), min(found.spans[[one, other], 1])
            count += bool(same and start < end)
    return count
