import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.evaluation.average_precision import eleven_points, interpolated, not_interpolated, per_group
from whenabouts.evaluation.matching import (
    Candidates,
    best_first,
    paired_hull_overlap,
    paired_tiou,
    ranks_in_group,
    taken_in_turn,
)
from whenabouts.evaluation.report import Report
from whenabouts.evaluation.thresholds import tiou_thresholds


def test_taking_turns_equals_a_plain_loop_on_long_queues() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        wishes = [rng.permutation(8)[: rng.integers(1, 9)] for _ in range(rng.integers(1, 40))]
        choosers = np.repeat(np.arange(len(wishes)) * 3, [len(wish) for wish in wishes])
        options = np.concatenate(wishes)
        taken = rng.random(8) < 0.2
        expected, gone, row = [], taken.copy(), 0
        for wish in wishes:
            free = [place for place in range(len(wish)) if not gone[wish[place]]]
            if free:
                gone[wish[free[0]]] = True
                expected.append(row + free[0])
            row += len(wish)
        assert taken_in_turn(choosers, options, taken).tolist() == expected
        assert taken.tolist() == gone.tolist()


def test_candidates_share_a_key_and_come_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    choosers, options = np.asarray([5, 1, 9, 5]), np.asarray([1, 5, 7, 5])
    for limit in (1, 2, 100):
        monkeypatch.setattr("whenabouts.evaluation.matching.PAIRS_AT_ONCE", limit)
        blocks = list(Candidates.by_key(choosers, options).blocks())
        pairs = [pair for turn, option in blocks for pair in zip(turn.tolist(), option.tolist(), strict=True)]
        assert pairs == [(0, 1), (0, 3), (1, 0), (3, 1), (3, 3)]
        assert len(blocks) == {1: 3, 2: 3, 100: 1}[limit]
    assert list(Candidates.by_key(choosers, np.zeros(0, np.int64)).blocks()) == []
    assert list(Candidates.by_key(np.zeros(0, np.int64), options).blocks()) == []


def test_orders_and_ranks() -> None:
    assert best_first(np.asarray([1.0, 3.0, 1.0, 3.0])).tolist() == [3, 1, 2, 0]
    assert ranks_in_group(np.asarray([4, 0, 4, 4, 0])).tolist() == [0, 0, 1, 2, 1]
    many = np.arange(70_000) % 69_999
    assert ranks_in_group(many).tolist() == [0] * 69_999 + [1]


def test_overlaps_by_hand() -> None:
    first = np.asarray([[0.0, 10], [0, 10], [0, 10], [5, 5], [10, 0]])
    second = np.asarray([[5.0, 20], [10, 20], [20, 30], [9, 9], [0, 5]])
    np.testing.assert_array_equal(paired_tiou(first, second), [5 / 20, 0, 0, np.nan, 0 / -5])
    np.testing.assert_array_equal(paired_hull_overlap(first, second), [5 / 20, 0, 0, 0, 0.5])


def test_average_precision_by_hand() -> None:
    # Hits at ranks 1 and 4 (from 1: places 2 and 5) of 4 instances: precision 1/2 and 2/5, recall 1/4 and 1/2.
    ranks = np.asarray([1, 4])
    assert interpolated(ranks, 4) == pytest.approx((1 / 2 + 2 / 5) / 4)
    assert not_interpolated(ranks, 4) == pytest.approx((1 / 2 + 2 / 5) / 4)
    assert eleven_points(ranks, 4) == pytest.approx((3 * 1 / 2 + 3 * 2 / 5) / 11)  # recall 0-0.2, then 0.3-0.5
    # Hits at places 2 and 3: precision 1/2, then 2/3; the envelope lifts the first to 2/3.
    ranks = np.asarray([1, 2])
    assert interpolated(ranks, 2) == pytest.approx(2 / 3)
    assert not_interpolated(ranks, 2) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # 3 of 10 instances: recall 0.3 is below MATLAB's 3 * 0.1 = 0.30000000000000004, so only 0, 0.1, 0.2 are reached.
    assert eleven_points(np.asarray([0, 1, 2]), 10) == pytest.approx(3 / 11)


def test_average_precision_per_group_takes_hits_in_any_order() -> None:
    groups, ranks = np.asarray([2, 0, 2]), np.asarray([2, 0, 1])
    table = per_group(groups, ranks, np.asarray([1, 5, 2]), interpolated)
    np.testing.assert_allclose(table, [1.0, 0.0, 2 / 3])


def test_thresholds_from_text_are_the_official_floats() -> None:
    assert tiou_thresholds("0.5:0.95:0.05").tolist() == np.linspace(0.5, 0.95, 10).tolist()
    assert tiou_thresholds("0.1:0.7:0.1").tolist() == np.linspace(0.1, 0.7, 7).tolist()
    assert tiou_thresholds("0.3,0.5").tolist() == [0.3, 0.5]
    assert tiou_thresholds("0.5").tolist() == [0.5]


@pytest.mark.parametrize(
    "text", ["", "a", "0.5:0.9", "0:1:0.1", "0.5:0.9:0", "0.5:0.9:-0.1", "1.5", "0.9:0.1:0.4:1", "0.1:0.9:1e-9"]
)
def test_other_thresholds_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="tIoU thresholds"):
        tiou_thresholds(text)


def test_a_report_speaks_to_people_and_programs() -> None:
    report = Report(
        title="Title",
        convention="by these rules",
        metrics={"mAP": 0.25, "gap (s)": float("nan")},
        classes=("run", "high jump"),
        columns=("AP",),
        per_class=np.asarray([0.5, np.nan]),
        settings={"subset": "validation"},
        remarks=("one remark",),
    )
    assert report.to_table().splitlines() == [
        "Title",
        "(by these rules)",
        "",
        "class          AP",
        "run        0.5000",
        "high jump       -",
        "",
        "mAP      0.2500",
        "gap (s)  -",
        "subset: validation",
        "one remark",
    ]
    values = report.to_json()
    assert values["metrics"] == {"mAP": 0.25, "gap (s)": None}
    assert values["per_class"] == {"run": {"AP": 0.5}, "high jump": {"AP": None}}
    with pytest.raises(InvalidData, match="needs a table of that shape"):
        Report("t", "c", {}, classes=("a", "b"), columns=("AP",), per_class=np.zeros((1, 1)))
