from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.classification import evaluate_classification
from whenabouts.evaluation.reading import LABELS_ONLY, NO_SPAN, read_predictions, read_truth


def measured(written: Any, labels: dict[str, list[str]], results: dict[str, Any], **how: Any) -> Any:
    database = {
        name: {"subset": "validation", "annotations": [{"label": label} for label in row]}
        for name, row in labels.items()
    }
    listed = {name: [{"label": label, "score": score} for label, score in rows] for name, rows in results.items()}
    truth_path, path = written(database, listed)
    truth = read_truth(truth_path, needs=LABELS_ONLY)
    return evaluate_classification(truth, read_predictions(path, truth, needs=NO_SPAN), **how)


def test_by_hand(written: Any) -> None:
    # `run` is true of v (twice annotated, once counted) and w. Ranked: v hit, v again false, x false, w hit:
    # precision 1 at recall 1/2, then 2/4 at recall 1: AP 3/4. `jump` is true of v and x: only x is predicted: AP 1/2.
    scores = measured(
        written,
        {"v": ["run", "run", "jump"], "w": ["run"], "x": ["jump"]},
        {"v": [("run", 0.9), ("run", 0.8)], "x": [("run", 0.7), ("jump", 0.5)], "w": [("run", 0.6)]},
        top_k=1,
    )
    np.testing.assert_allclose(scores.average_precision, [3 / 4, 1 / 2])
    assert scores.map == pytest.approx(5 / 8)
    assert scores.hit_at_k == pytest.approx(2 / 3)  # x's best label is wrong
    assert scores.avg_hit_at_k == pytest.approx((1 / 2 + 1 + 0) / 3)  # v has one of its two labels
    assert scores.report().metrics["hit@1"] == scores.hit_at_k


def test_videos_without_prediction_miss_and_strangers_do_not_count_in_hits(written: Any) -> None:
    scores = measured(written, {"v": ["run"], "w": ["run"]}, {"v": [("run", 0.1)], "stranger": [("run", 0.9)]})
    assert (scores.videos, scores.hit_at_k) == (2, 0.5)
    assert scores.average_precision.tolist() == [pytest.approx(1 / 2 * 1 / 2)]


def test_top_k_ties_read_the_last_first(written: Any) -> None:
    labels = {"v": ["run"], "w": ["jump"]}
    assert measured(written, labels, {"v": [("run", 1), ("jump", 1)]}, top_k=1).hit_at_k == 0
    assert measured(written, labels, {"v": [("jump", 1), ("run", 1)]}, top_k=1).hit_at_k == 0.5
    with pytest.raises(InvalidData, match="at least 1"):
        measured(written, labels, {}, top_k=0)


def test_no_prediction_at_all_gives_zero(written: Any) -> None:
    scores = measured(written, {"v": ["run"]}, {})
    assert (scores.map, scores.hit_at_k, scores.avg_hit_at_k) == (0, 0, 0)


def test_against_a_plain_loop(written: Any) -> None:
    rng = np.random.default_rng(6)
    names, classes = ["a", "b", "c", "d"], ["run", "jump", "swim"]
    for _ in range(200):
        labels = {name: rng.choice(classes, rng.integers(0, 4)).tolist() for name in names}
        labels["a"] = [*labels["a"], "run"]
        known = sorted({label for row in labels.values() for label in row})
        results = {
            name: [(str(rng.choice(known)), float(rng.integers(0, 5))) for _ in range(rng.integers(0, 6))]
            for name in [*names, "stranger"]
        }
        scores = measured(written, labels, results, top_k=2)
        assert (scores.hit_at_k, scores.avg_hit_at_k) == pytest.approx(plain_hits(labels, results, 2))
        for label, value in zip(scores.labels, scores.average_precision, strict=True):
            assert value == pytest.approx(plain_precision(label, labels, results), abs=1e-12)


def plain_hits(labels: dict[str, list[str]], results: dict[str, Any], top_k: int) -> tuple[float, float]:
    shares = []
    for name, row in labels.items():
        if row:
            best = [label for label, _ in sorted(results[name], key=lambda pair: pair[1])[::-1][:top_k]]
            shares.append(np.mean([label in best for label in set(row)]))
    return float(np.mean(np.ceil(shares))), float(np.mean(shares))


def plain_precision(label: str, labels: dict[str, list[str]], results: dict[str, Any]) -> float:
    rows = [(score, name) for name, pairs in results.items() for other, score in pairs if other == label]
    right, precision, done = [], [], set()
    for place, (_, name) in enumerate(sorted(rows, key=lambda row: row[0])[::-1], start=1):
        right.append(label in labels.get(name, []) and name not in done)
        done.add(name)
        precision.append(sum(right) / place)
    positives = sum(label in row for row in labels.values())
    return sum(max(precision[place:]) for place in range(len(right)) if right[place]) / positives
