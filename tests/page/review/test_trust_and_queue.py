"""How likely a found moment is right, and what is asked next: worked by hand."""

import numpy as np
import pytest

from whenabouts.page.review.queue import Judged, queue, usefulness
from whenabouts.page.review.trust import Candidates, chances, ranks

NOTHING = Judged.of([])


def candidates(count: int = 8, *, labelled: bool = True, expected: float = 4.0) -> Candidates:
    return Candidates(
        np.arange(count, 0, -1).astype(float), np.arange(count), np.zeros(count, np.int64), np.full(count, labelled),
        np.array([expected]),
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
        np.tile(one.scores, 2), np.tile(one.videos, 2), np.repeat([0, 1], 8), np.ones(16, bool), np.array([4.0, 4.0])
    )
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


def test_usefulness_is_greatest_in_doubt_and_zero_once_decided() -> None:
    found = candidates(8, labelled=False, expected=3.5)
    value = usefulness(found, Judged.of([(2, True)]))
    assert value[2] == 0
    assert ((value >= 0) & (value <= 1)).all()
    fresh = usefulness(found, NOTHING)
    p = chances(found, NOTHING.rows, NOTHING.right)
    assert fresh == pytest.approx(4 * p * (1 - p) * (p + (1 - p) / 2))
    assert usefulness(Candidates(*(np.zeros(0),) * 4, np.zeros(1)), NOTHING).tolist() == []  # type: ignore[arg-type]


def test_a_decision_makes_its_video_and_its_concept_less_worth_asking() -> None:
    scores = np.array([1.0, 1.0, 1.0, 1.0])
    found = Candidates(scores, np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), np.ones(4, bool), np.array([2.0, 2.0]))
    p = chances(found, np.array([0]), np.array([True]))
    value = usefulness(found, Judged.of([(0, True)]))
    doubt = 4 * p * (1 - p)
    assert value[1] == pytest.approx(doubt[1] * (p[1] / 2 + (1 - p[1]) / 2) / 2)
    assert value[2] == pytest.approx(doubt[2] * (p[2] / 2 + (1 - p[2]) / 2))
    assert value[3] == pytest.approx(doubt[3] * (p[3] + (1 - p[3]) / 2))


def test_the_queue_spreads_over_videos_and_concepts() -> None:
    useful = np.array([1.0, 0.9, 0.6, 0.3, 0.0])
    videos, concepts = np.array([0, 0, 1, 2, 3]), np.array([0, 0, 0, 1, 1])
    # After row 0 (video 0, concept 0) row 1 is worth 0.9 * 0.5 * 0.8 = 0.36, row 2 0.6 * 0.8 = 0.48.
    assert queue(useful, videos, concepts, 2) == [0, 2]
    # Then row 1 is worth 0.36 * 0.8 = 0.288, row 3 still 0.3; row 4 is of no use.
    assert queue(useful, videos, concepts, 10) == [0, 2, 3, 1]
    assert queue(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), 3) == []
