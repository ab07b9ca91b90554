"""The tables of relevance measure what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from relevance import cells_of
from relevance_figures import Judge, interval
from relevance_report import rows_of, verdict, write_report


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


def test_the_main_cells_come_first() -> None:
    cells = cells_of(2, [5, 20])
    assert cells[:2] == [(0, 20, "core"), (1, 20, "core")]
    assert sorted(cells) == sorted({(0, 5, "core"), (1, 5, "core"), *cells[:2], (0, 20, "further"), (1, 20, "further")})


def test_rows_are_means_over_the_seeds_that_have_them(tmp_path: Path) -> None:
    def row(value: float) -> dict[str, object]:
        return {"without": value, "with": value, "rated without": 0.0, "rated with": 1.0, "resampled": [value] * 4}

    made = {(0, 5): {"rows": {"one": row(0.2), "two": row(0.6)}}, (1, 5): {"rows": {"one": row(0.4)}}}
    told = rows_of(made, 5)
    assert told["one"]["with"] == pytest.approx(0.3)
    assert (told["two"]["with"], told["two"]["seeds"]) == (0.6, 1)
    with pytest.raises(SystemExit, match="No cell"):
        write_report(tmp_path, {}, {}, {})
