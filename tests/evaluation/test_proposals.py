from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.proposals import evaluate_proposals
from whenabouts.evaluation.reading import NO_LABEL, read_predictions, read_truth


def read(written: Any, database: dict[str, Any], results: dict[str, Any]) -> Any:
    truth_path, path = written(database, results)
    truth = read_truth(truth_path)
    return truth, read_predictions(path, truth, needs=NO_LABEL)


def proposal(start: float, end: float, score: float) -> dict[str, Any]:
    return {"segment": [start, end], "score": score}


def two_videos() -> dict[str, Any]:
    run = [{"label": "run", "segment": [0, 10]}]
    return {
        "v": {"subset": "validation", "annotations": [*run, {"label": "jump", "segment": [0, 9]}]},
        "w": {"subset": "validation", "annotations": run},
    }


def test_recall_by_hand(written: Any) -> None:
    # Two proposals a video. In v the best one, [0, 10], serves both instances (tIoU 1 and 0.9); in w only the second
    # hits. Half of them (1 a video): 2 of 3 instances; all (2 a video): 3 of 3. int() of the share: below one half, 0.
    results = {
        "v": [proposal(50, 60, 0.1), proposal(0, 10, 0.9)],
        "w": [proposal(50, 60, 0.8), proposal(0, 10, 0.7)],
    }
    scores = evaluate_proposals(*read(written, two_videos(), results), tiou=[0.5, 0.95])
    np.testing.assert_allclose(scores.proposals_per_video, np.arange(1, 101) / 100 * 2)
    np.testing.assert_allclose(scores.recall[0], [0] * 49 + [2 / 3] * 50 + [1])
    np.testing.assert_allclose(scores.recall[1], [0] * 49 + [1 / 3] * 50 + [2 / 3])  # at 0.95 v's second is missed
    expected = np.trapezoid(scores.recall.mean(axis=0), scores.proposals_per_video)
    assert scores.area_under_curve == pytest.approx(expected)
    assert scores.area_under_curve_percent == pytest.approx(100 * expected / 2)
    assert scores.report().metrics["AR@2"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_largest_number_cuts_each_video_by_the_same_share(written: Any) -> None:
    # 6 proposals on 2 videos, at most 1.5 a video: each gives half of its own: 2 of 4 and 1 of 2.
    results = {
        "v": [proposal(0, 10, 0.1), proposal(50, 60, 0.9), proposal(50, 60, 0.8), proposal(50, 60, 0.7)],
        "w": [proposal(0, 10, 0.9), proposal(50, 60, 0.1)],
    }
    scores = evaluate_proposals(*read(written, two_videos(), results), tiou=[0.5], proposals_per_video=1.5)
    assert scores.proposals_per_video[-1] == pytest.approx(1.5)
    assert scores.recall[0, -1] == pytest.approx(1 / 3)  # v's good one is its last


def test_ties_read_the_last_first_and_empty_spans_never_hit(written: Any) -> None:
    results = {"v": [proposal(50, 60, 0.5), proposal(0, 10, 0.5)]}
    database = {"v": {"subset": "validation", "annotations": [{"label": "run", "segment": [0, 10]}]}}
    scores = evaluate_proposals(*read(written, database, results), tiou=[0.5])
    assert scores.recall[0, 49:51].tolist() == [1, 1]
    database["v"]["annotations"] = [{"label": "run", "segment": [5, 5]}]
    assert evaluate_proposals(*read(written, database, {"v": [proposal(5, 5, 1)]})).recall.max() == 0


def test_videos_without_proposals_count_as_missed(written: Any) -> None:
    scores = evaluate_proposals(*read(written, two_videos(), {"v": [proposal(0, 10, 0.5)]}), tiou=[0.5])
    assert scores.recall[0, -1] == pytest.approx(2 / 3)


def test_what_can_not_be_measured_is_refused(written: Any) -> None:
    with pytest.raises(InvalidData, match="No annotated video"):
        evaluate_proposals(*read(written, two_videos(), {"elsewhere": [proposal(0, 10, 0.5)]}))
    with pytest.raises(InvalidData, match="must be above 0"):
        evaluate_proposals(*read(written, two_videos(), {"v": [proposal(0, 1, 1)]}), proposals_per_video=0)


def test_against_a_plain_loop(written: Any) -> None:
    rng = np.random.default_rng(5)
    ran = 0
    for _ in range(150):
        database: dict[str, Any] = {}
        results: dict[str, Any] = {}
        for number in range(rng.integers(1, 5)):
            spans = np.sort(rng.integers(0, 12, (rng.integers(1, 4), 2)), axis=1).tolist()
            rows = [{"label": "run", "segment": span} for span in spans]
            database[f"v{number}"] = {"subset": "validation", "annotations": rows}
            spans = np.sort(rng.integers(0, 12, (rng.integers(0, 9), 2)), axis=1).tolist()
            results[f"v{number}"] = [proposal(*span, float(rng.random())) for span in spans]
        results["v0"].append(proposal(0, 4, 0.5))
        results["elsewhere"] = [proposal(0, 4, 0.5)]
        most = None if rng.random() < 0.5 else float(rng.integers(1, 5))
        files = read(written, database, results)
        if not sum(map(len, given(database, results, most).values())):
            with pytest.raises(InvalidData, match="too few"):
                evaluate_proposals(*files, proposals_per_video=most)
            continue
        scores = evaluate_proposals(*files, tiou=[0.3, 0.5], proposals_per_video=most)
        np.testing.assert_allclose(scores.recall, plain(database, results, [0.3, 0.5], most), atol=1e-12)
        ran += 1
    assert ran > 100


def given(database: dict[str, Any], results: dict[str, Any], most: float | None) -> dict[str, list[Any]]:
    """Each video's best proposals, as many as its share allows, with the official order of operations."""
    everything = sum(len(rows) for rows in results.values())
    most = most or float(everything) / len(database)
    ratio = most * float(len(database)) / everything
    ranked = {name: sorted(results.get(name, []), key=lambda row: -row["score"]) for name in database}
    return {name: [row["segment"] for row in rows[: int(len(rows) * ratio)]] for name, rows in ranked.items()}


def plain(database: dict[str, Any], results: dict[str, Any], tiou: list[float], most: float | None) -> Any:
    """The official rules in loops."""
    most = most or float(sum(len(rows) for rows in results.values())) / len(database)
    kept = given(database, results, most)
    shares = np.arange(1, 101) / 100.0 * (most * float(len(database)) / sum(len(spans) for spans in kept.values()))
    recall = np.zeros((len(tiou), 100))
    for level, threshold in enumerate(tiou):
        for point, share in enumerate(shares):
            hits = total = 0
            for video, entry in database.items():
                offered = kept[video][: min(int(len(kept[video]) * share), len(kept[video]))]
                for row in entry["annotations"]:
                    total += 1
                    hits += any(overlap(row["segment"], span) >= threshold for span in offered)
            recall[level, point] = hits / total
    return recall


def overlap(first: list[float], second: list[float]) -> float:
    shared = max(0, min(first[1], second[1]) - max(first[0], second[0]))
    union = (first[1] - first[0]) + (second[1] - second[0]) - shared
    return shared / union if union else 0.0
