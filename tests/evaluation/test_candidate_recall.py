"""The recall curve of candidates, on cases worked by hand."""

import json

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.candidate_recall import recall_curve
from whenabouts.evaluation.ranked_lists import RankedList
from whenabouts.evaluation.rated_pairs import RatedPairs

# Class 3 has positives a:0, b:5 and one (z:0) that no list holds; class 7 has c:0; class 8 is rated no alone.
TRUTH = RatedPairs({
    3: {"a:0": True, "b:5": True, "z:0": True, "c:0": False}, 7: {"c:0": True, "a:0": False}, 8: {"a:0": False},
})  # fmt: skip
LISTS = [RankedList(7, ["a:0", "c:0"]), RankedList(3, ["a:0", "x:0", "c:0", "b:5", "x:5"]), RankedList(8, ["a:0"])]


def test_a_curve_by_hand() -> None:
    found = recall_curve(TRUTH, LISTS, [1, 2, 4, 8], segments=10)
    assert found.classes.tolist() == [3, 7]
    assert found.recall.tolist() == [pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3]), [0, 1, 1, 1]]
    assert found.kept_share.tolist() == [pytest.approx([0.1, 0.2, 0.4, 0.5]), pytest.approx([0.1, 0.2, 0.2, 0.2])]
    assert found.mean_recall == pytest.approx([1 / 6, 2 / 3, 5 / 6, 5 / 6])
    assert found.mean_kept_share == pytest.approx([0.1, 0.2, 0.3, 0.35])
    assert found.positives.tolist() == [3, 1]
    assert found.left_out == (8,)


def test_all_segments_in_any_order_have_the_recall_of_their_share() -> None:
    rng = np.random.default_rng(4)
    names = [f"v{number}:0" for number in range(200)]
    truth = RatedPairs({index: dict.fromkeys(names, True) for index in range(20)})
    lists = [RankedList(index, rng.permutation(names).tolist()) for index in range(20)]
    found = recall_curve(truth, lists, [20, 100, 200], segments=200)
    assert np.array_equal(found.recall, found.kept_share)
    assert found.mean_recall == pytest.approx([0.1, 0.5, 1.0])


def test_absent_classes_keep_nothing_and_repeats_take_no_place() -> None:
    found = recall_curve(TRUTH, [RankedList(3, ["x:0", "x:0", "x:0", "b:5"])], [2], segments=4)
    assert found.recall.tolist() == [[1 / 3], [0]]
    assert found.kept_share.tolist() == [[0.5], [0]]


def test_table_and_json() -> None:
    found = recall_curve(TRUTH, LISTS, [1, 4], segments=10)
    values = json.loads(json.dumps(found.to_json()))
    assert values["mean_recall"] == pytest.approx([1 / 6, 5 / 6])
    assert values["per_class_recall"][1] == [0, 1]
    table = found.report().to_table()
    assert "segments a class" in table
    assert "Recall@4  0.8333" in table


@pytest.mark.parametrize(
    ("depths", "segments", "said"),
    [([], 10, "rise"), ([0, 1], 10, "rise"), ([2, 2], 10, "rise"), ([1], 1, "only 1")],
)
def test_wrong_questions_are_refused(depths: list[int], segments: int, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        recall_curve(TRUTH, LISTS, depths, segments=segments)


def test_what_can_not_be_judged_is_told() -> None:
    with pytest.raises(InvalidData, match="two lists"):
        recall_curve(TRUTH, [LISTS[0], LISTS[0]], [1], segments=10)
    with pytest.raises(InvalidData, match="no class"):
        recall_curve(RatedPairs({3: {"a:0": False}}), LISTS, [1], segments=10)
