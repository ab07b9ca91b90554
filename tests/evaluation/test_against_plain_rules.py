"""The fast code against plain loops, on many small random cases full of ties, duplicates and odd spans."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from whenabouts.evaluation import matching
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth

LABELS = ("run", "jump", "swim")


def span(rng: np.random.Generator, *, odd: bool) -> list[float]:
    """Whole and half seconds, so that overlaps tie and meet thresholds exactly; `odd`: also empty and inverted."""
    start = float(rng.integers(0, 12)) / 2
    length = float(rng.integers(-1 if odd else 1, 9)) / 2
    return [start, start + length]


def case(rng: np.random.Generator, *, odd: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """A database over two subsets and results that also speak of other and unknown videos, some rows twice."""
    database: dict[str, Any] = {}
    for number in range(int(rng.integers(1, 5))):
        rows = [{"label": str(rng.choice(LABELS)), "segment": span(rng, odd=odd)} for _ in range(rng.integers(0, 6))]
        vague = [{"segment": span(rng, odd=odd)} for _ in range(rng.integers(0, 2))]
        subset = "validation" if number == 0 else str(rng.choice(["validation", "training"]))
        database[f"v{rng.integers(0, 100)}{number}"] = {"subset": subset, "annotations": rows, "ambiguous": vague}
    first = next(iter(database.values()))
    first["annotations"].append({"label": "run", "segment": span(rng, odd=odd)})
    known = list(dict.fromkeys(row["label"] for entry in database.values() if entry["subset"] == "validation"
                               for row in entry["annotations"]))  # fmt: skip
    results: dict[str, Any] = {}
    names = [*database, "unknown", "a stranger"]
    for _ in range(int(rng.integers(0, 25))):
        row = {"label": str(rng.choice(known)), "segment": span(rng, odd=odd), "score": float(rng.integers(0, 6)) / 4}
        results.setdefault(str(rng.choice(names)), []).extend([row] * int(rng.integers(1, 3)))
    return database, results


def compare(plain: dict[str, list[float]], written: Any, files: tuple[Any, Any], tiou: list[float], name: str) -> None:
    truth_path, predictions_path = written(*files)
    truth = read_truth(truth_path)
    scores = evaluate_moments(truth, read_predictions(predictions_path, truth), protocol=name, tiou=tiou)
    assert set(plain) == set(scores.labels)
    for label, row in zip(scores.labels, scores.average_precision.tolist(), strict=True):
        assert row == pytest.approx(plain[label], abs=1e-9), (label, *files)


@pytest.mark.parametrize("pairs_at_once", [2_000_000, 3])
def test_activitynet(
    plain_rules: ModuleType, written: Any, monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(0)
    tiou = [0.25, 0.5, 0.75, 1.0]
    ran = found = 0
    for _ in range(1000 if pairs_at_once > 3 else 300):
        files = case(rng, odd=True)
        plain = plain_rules.activitynet(*files, "validation", tiou)
        compare(plain, written, files, tiou, "activitynet")
        ran, found = ran + 1, found + any(any(row) for row in plain.values())
    assert ran == (1000 if pairs_at_once > 3 else 300)
    assert found > ran / 2  # not a test of nothing against nothing


def test_clean_equals_the_official_rules_on_a_cleaned_file(plain_rules: ModuleType, written: Any) -> None:
    rng = np.random.default_rng(2)
    tiou = [0.25, 0.5, 0.75]
    ran = left_out = 0
    for _ in range(300):
        database, results = case(rng, odd=True)
        first = next(iter(database.values()))
        first["annotations"].append({"label": "run", "segment": [1.0, 2.0]})
        truth_path, predictions_path = written(database, results)
        truth = read_truth(truth_path, policy="clean")
        predictions = read_predictions(predictions_path, truth, policy="clean")
        cleaned, rest = without_odd_rows(database, results)
        plain = plain_rules.activitynet(cleaned, rest, "validation", tiou)
        scores = evaluate_moments(truth, predictions, tiou=tiou)
        assert set(scores.labels) == set(plain)
        for label, row in zip(scores.labels, scores.average_precision.tolist(), strict=True):
            assert row == pytest.approx(plain[label], abs=1e-9)
        assert len(predictions) + len(predictions.left_out) == sum(map(len, results.values()))
        ran, left_out = ran + 1, left_out + len(predictions.left_out)
    assert ran == 300
    assert left_out > 300


def without_odd_rows(database: dict[str, Any], results: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    def regular(rows: list[Any]) -> list[Any]:
        return [row for row in rows if row["segment"][0] < row["segment"][1]]

    cleaned = {
        name: {**entry, "annotations": regular(entry["annotations"])}
        for name, entry in database.items()
        if entry["subset"] == "validation"
    }
    known = {row["label"] for entry in cleaned.values() for row in entry["annotations"]}
    return cleaned, {
        name: [row for row in regular(rows) if row["label"] in known]
        for name, rows in results.items()
        if name in cleaned
    }


@pytest.mark.parametrize("name", ["thumos14", "thumos15"])
def test_thumos(plain_rules: ModuleType, written: Any, name: str) -> None:
    rng = np.random.default_rng(1)
    tiou = [0.1, 0.25, 0.5, 0.75]
    ran = found = 0
    for _ in range(300):
        files = case(rng, odd=True)
        plain = plain_rules.thumos(*files, "validation", tiou, updated=name == "thumos15")
        compare(plain, written, files, tiou, name)
        ran, found = ran + 1, found + any(any(row) for row in plain.values())
    assert ran == 300
    assert found > 150
