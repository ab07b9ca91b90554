"""The tables of relevance measure what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from relevance import cells_of
from relevance_claims import difference, verdict
from relevance_figures import Judge, interval, repeated_precision
from relevance_ground import settings_hash
from relevance_report import rows_of, write_report
from relevance_tuning import trainings
from relevance_tuning_page import better, page


@pytest.fixture
def judge() -> Judge:
    """Two videos of two segments, two classes; of class 0 only the first video is a candidate."""
    truth = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], bool)
    rated = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    candidates = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], bool)
    draws = np.array([[1, 1], [2, 0], [0, 2]])
    return Judge(truth, rated, candidates, np.array([0, 0, 1, 1]), np.array([0, 1]), draws)


def test_precision_is_as_reckoned_by_hand(judge: Judge) -> None:
    scores = np.array([[0.1, 0.9], [0.3, 0.1], [0.9, 0.5], [0.2, np.nan]])
    found = judge.figures(scores)
    # Class 0, all: ranked 2, 1, 3, 0: hits at places 1 and 4 of 2 positives. Class 1: hit at place 2 of 1.
    assert found["without"] == pytest.approx(((1 + 2 / 4) / 2 + 1 / 2) / 2)
    # Candidates of class 0 are segments 0 and 1: its one hit is second, and the other positive is lost.
    assert found["with"] == pytest.approx(((1 / 2) / 2 + 1 / 2) / 2)
    # Rated of class 0: segments 0 and 1, one positive, second. Of class 1: 0 and 2, one positive, second.
    assert found["rated without"] == pytest.approx(1 / 2)
    assert found["rated with"] == pytest.approx(1 / 2)


def test_a_resample_of_each_video_once_is_the_figure_itself(judge: Judge) -> None:
    found = judge.figures(np.array([[0.1, 0.9], [0.3, 0.1], [0.9, 0.5], [0.2, 0.0]]))
    assert found["resampled"][0] == pytest.approx(found["with"], abs=1e-5)
    # The first video twice: class 0 ranks 1, 1, 0, 0 with 2 positives; class 1 has none and is left out.
    assert found["resampled"][1] == pytest.approx((1 / 3 + 2 / 4) / 2, abs=1e-5)
    # The second video twice: no candidate of class 0 is left, so its two positives are lost; class 1 is perfect.
    assert found["resampled"][2] == pytest.approx(0.5, abs=1e-5)


def test_recall_counts_positives_among_the_best_videos(judge: Judge) -> None:
    found = judge.recall(np.array([[0.9, 0.1], [0.2, 0.8]]))
    at = dict(zip(found["shares"], found["recall"], strict=True))
    assert at[0.5] == pytest.approx((1 / 2 + 1) / 2)  # one of two of class 0, the only one of class 1
    assert at[1.0] == 1.0
    assert found["kept"] == [6 / 8]
    assert found["found"] == [2 / 3]


def test_an_interval_holds_both_seeds_and_videos() -> None:
    low, high = interval([[0.5] * 10])
    assert low == high == 0.5
    low, high = interval([[0.2] * 10, [0.8] * 10])
    assert (low, high) == pytest.approx((0.2, 0.8))
    assert verdict(0.1, 0.05, 0.2).startswith("holds")
    assert verdict(-0.1, -0.2, -0.05).startswith("does not hold")
    assert verdict(0.1, -0.05, 0.2).startswith("can't be told")


def test_the_main_cells_come_first_and_the_largest_number_of_ratings_last() -> None:
    cells = cells_of(2, [5, 20, 80])
    assert cells[:2] == [(1, 20, "core"), (2, 20, "core")]
    assert cells[2:4] == [(1, 5, "core"), (2, 5, "core")]
    assert cells[-4:] == [(seed, 80, part) for part in ("core", "normed") for seed in (1, 2)]
    parts = ("variants", "bounds", "further", "hidden", "distilled")
    assert {(seed, 20, part) for seed in (1, 2) for part in parts} < set(cells)
    assert {(seed, number, "normed") for seed in (1, 2) for number in (5, 20, 80)} < set(cells)
    assert len(cells) == len(set(cells)) == 22


def test_other_settings_make_other_cells() -> None:
    assert settings_hash(800) == settings_hash(800) != settings_hash(400)


def test_rows_are_means_over_the_seeds_that_have_them(tmp_path: Path) -> None:
    def row(value: float) -> dict[str, object]:
        return {"without": value, "with": value, "rated without": 0.0, "rated with": 1.0, "resampled": [value] * 4,
                "resampled without": [value] * 4}  # fmt: skip

    made = {(0, 5): {"rows": {"one": row(0.2), "two": row(0.6)}}, (1, 5): {"rows": {"one": row(0.4)}}}
    told = rows_of(made, 5)
    assert told["one"]["with"] == pytest.approx(0.3)
    assert (told["two"]["with"], told["two"]["seeds"]) == (0.6, 1)
    with pytest.raises(SystemExit, match="No cell"):
        write_report(tmp_path, {}, {}, {})


def test_copies_of_a_video_stand_beside_each_other() -> None:
    hits, times = np.array([False, True, True]), np.array([[1, 1, 1], [1, 2, 0], [0, 0, 2]])
    # One each: hits at places 2 and 3. The second twice: places 2 and 3. The third alone, twice: both first.
    assert repeated_precision(hits, times).tolist() == pytest.approx([1 / 2 + 2 / 3, 1 / 2 + 2 / 3, 2.0])


def test_differences_are_paired_and_may_read_a_row_both_ways() -> None:
    def row(value: float, without: float) -> dict[str, object]:
        return {"with": value, "without": without, "resampled": [value - 0.1, value + 0.1],
                "resampled without": [without - 0.1, without + 0.1]}  # fmt: skip

    made = {(1, 5): {"rows": {"a": row(0.5, 0.4), "b": row(0.3, 0.45)}}}
    assert difference(made, 5, "a", "b") == pytest.approx((0.2, 0.2, 0.2))
    assert difference(made, 5, "a", "a", ("with", "without")) == pytest.approx((0.1, 0.1, 0.1))
    assert difference(made, 5, "b", "b", ("with", "without"))[2] < 0


def test_a_value_in_use_leaves_for_a_clearly_better_one_alone() -> None:
    def trial(value: float, *resampled: float) -> dict[str, object]:
        return {"without": value, "resampled without": list(resampled), "cpu": 1.0}

    used, clear, unsure = trial(0.5, 0.4, 0.6), trial(0.6, 0.5, 0.7), trial(0.7, 0.9, 0.5)
    row = {"knob": "rate", "used": 0.005, "trials": {"0.002": unsure, "0.005": used, "0.01": clear}}
    # Resample by resample "0.01" is 0.1 above what is in use; "0.002" is 0.5 above it, then 0.1 below.
    assert better(row) == ["0.01"]
    lines = page({"net": row}, ["other"], {"cores": 2, "load": 1.0})
    assert lines[-1].startswith("Without all of their trials: other.")
    assert "| net | rate | 0.002: 0.700, **0.005: 0.500**, 0.01: 0.600 | 0.01 |" in lines
    assert "Better than what is in use: net 0.01 (+0.100)." in lines
    assert "1 trainings, 3 trials each" in "".join(lines)


def test_every_training_has_as_many_trials_and_what_is_in_use_is_one_of_them() -> None:
    found = trainings(None)
    assert {len(each.values) for each in found.values()} == {3}
    assert all(each.used in each.values for each in found.values())
    assert {"video.lstm", "convnet, ratings", "CCRL", "winners-out, no ratings"} < set(found)
