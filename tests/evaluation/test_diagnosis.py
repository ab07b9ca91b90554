from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.diagnosis import diagnose
from whenabouts.evaluation.error_kinds import KINDS
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth
from whenabouts.evaluation.tables import Predictions, Truth

VOCABULARY = Vocabulary(("run", "jump"))


def truth_of(*rows: tuple[str, float, float, str]) -> Truth:
    videos, starts, ends, labels = zip(*rows, strict=True)
    spans = np.column_stack([starts, ends])
    return Truth.of(Moments.build(videos, spans, VOCABULARY.encode(labels), VOCABULARY, kind="truth"))


def found_in(truth: Truth, *rows: tuple[str, float, float, str, float]) -> Predictions:
    videos, starts, ends, labels, scores = zip(*rows, strict=True)
    spans = np.column_stack([starts, ends])
    return Predictions.of(Moments.build(videos, spans, VOCABULARY.encode(labels), VOCABULARY, scores=scores), truth)


def hand_case() -> tuple[Truth, Predictions]:
    truth = truth_of(("v", 0, 10, "run"), ("v", 20, 60, "run"), ("v", 70, 80, "jump"))
    return truth, found_in(
        truth,
        ("v", 90, 99, "run", 0.9),  # background
        ("v", 0, 10, "run", 0.8),  # right
        ("v", 0, 9, "run", 0.7),  # duplicate: 0.9 with the one just taken
        ("v", 20, 44, "run", 0.6),  # bad boundaries: 0.6 of the second
        ("v", 70, 80, "run", 0.5),  # wrong class
        ("v", 70, 75, "run", 0.4),  # confusion: half of another class
        ("elsewhere", 0, 10, "run", 0.3),  # background
    )


def test_kinds_of_error_by_hand() -> None:
    result = diagnose(*hand_case(), tiou=0.7)
    assert result.errors.predictions == 7
    np.testing.assert_allclose(result.errors.shares[9], [1 / 7, 1 / 7, 1 / 7, 1 / 7, 1 / 7, 2 / 7])
    np.testing.assert_allclose(result.errors.shares[0], [1 / 2, 0, 0, 0, 0, 1 / 2])  # the best two of class run
    # 1.5 instances a class. The hit stands second: recall 1/2, normalised precision 0.75 / (0.75 + 1) = 3/7, AP 3/14;
    # `jump` 0, so 3/28. Without background the hit stands first: AP 1/2, mean 1/4. No other kind stands before it.
    assert result.normalised_average_map == pytest.approx(3 / 28)
    np.testing.assert_allclose(result.errors.gains, [0, 0, 0, 0, 0, 1 / 4 - 3 / 28], atol=1e-12)


def test_at_a_lower_threshold_bad_boundaries_become_right() -> None:
    result = diagnose(*hand_case(), tiou=[0.5, 0.7])
    np.testing.assert_allclose(result.errors.shares[9] * 14, [3, 2, 3, 1, 1, 4])
    assert result.matched == 2  # at 0.5: [0, 10] exactly, [20, 44] for [20, 60]
    assert (result.starts.median, result.starts.mean_size) == (0, 0)
    assert (result.ends.median, result.ends.mean_size, result.ends.median_size) == (-8, 8, 8)
    assert result.ends.nine_of_ten == pytest.approx(14.4)


def test_an_instance_under_two_names_makes_a_duplicate_and_no_wrong_class() -> None:
    truth = truth_of(("v", 0, 10, "jump"), ("v", 0, 10, "run"))
    found = found_in(truth, ("v", 0, 10, "run", 0.9), ("v", 0, 10, "run", 0.8))
    assert diagnose(truth, found, tiou=0.5).errors.shares[9].tolist() == [0.5, 0.5, 0, 0, 0, 0]


def test_sensitivity_by_hand() -> None:
    truth, found = hand_case()
    result = diagnose(truth, found, tiou=[0.5], buckets="activitynet")
    lengths = [bucket for bucket in result.buckets if bucket.trait == "length (s)"]
    assert [(bucket.low, bucket.high, bucket.instances) for bucket in lengths] == [(0, 30, 2), (30, 60, 1)]
    short, long = lengths
    # Short: `run` [0, 10] at rank 2 of what is left, recall 1, precision 1.5 / (1.5 + 1) = 0.6; `jump` 0: mean 0.3.
    assert (short.average_map, short.recall) == (pytest.approx(0.3), 0.5)
    # Long: [20, 60] only, found behind two false ones (the hit on the short one is left out): 1.5 / (1.5 + 2) = 3/7.
    assert (long.average_map, long.recall) == (pytest.approx(3 / 7), 1.0)
    counts = [(bucket.high, bucket.instances) for bucket in result.buckets if bucket.trait == "instances"]
    assert counts == [(1, 1), (4, 2)]
    assert not [bucket for bucket in result.buckets if bucket.trait == "coverage"]  # no durations here


def test_coverage_needs_durations_and_fifths_follow_the_data(written: Any) -> None:
    rows = [{"label": "run", "segment": [0, length]} for length in (1, 2, 3, 4, 5, 6, 7, 8, 9, 20)]
    results = {"v": [{**row, "score": 1.0} for row in rows]}
    truth_path, path = written({"v": {"subset": "validation", "duration": 10, "annotations": rows}}, results)
    truth = read_truth(truth_path)
    result = diagnose(truth, read_predictions(path, truth), tiou=[1.0])
    by_trait = {
        trait: [bucket.instances for bucket in result.buckets if bucket.trait == trait]
        for trait in ("length (s)", "coverage", "instances")
    }
    assert by_trait == {"length (s)": [2] * 5, "coverage": [2] * 5, "instances": [10]}
    assert all(bucket.recall == 1 for bucket in result.buckets)
    with pytest.raises(SettingsError, match="Buckets are one of"):
        diagnose(truth, read_predictions(path, truth), buckets="tenths")  # type: ignore[arg-type]


def random_case(rng: np.random.Generator, labels: int) -> tuple[Truth, Predictions]:
    def spans(count: int) -> Any:
        starts = rng.uniform(0, 50, count)
        return np.column_stack([starts, starts + rng.uniform(1, 20, count)])

    real, guesses = int(rng.integers(3, 12)), int(rng.integers(0, 40))
    names = ["a", "b", "c"]
    classes = np.append(np.arange(labels), rng.integers(0, labels, real))
    truth = Truth.of(
        Moments.build(rng.choice(names, len(classes)), spans(len(classes)), classes, VOCABULARY, kind="truth")
    )
    guess = Moments.build(rng.choice([*names, "d"], guesses), spans(guesses), rng.integers(0, labels, guesses),
                          VOCABULARY, scores=rng.random(guesses))  # fmt: skip
    return truth, Predictions.of(guess, truth)


def test_with_one_class_nothing_is_normalised() -> None:
    rng = np.random.default_rng(8)
    for _ in range(100):
        truth, found = random_case(rng, labels=1)
        result = diagnose(truth, found, tiou=[0.3, 0.5])
        assert result.normalised_average_map == pytest.approx(
            evaluate_moments(truth, found, tiou=[0.3, 0.5]).average_map
        )
        np.testing.assert_allclose(result.errors.shares.sum(axis=1), 1 if len(found) else 0)


def test_kinds_and_gains_against_a_plain_loop() -> None:
    rng = np.random.default_rng(9)
    seen: set[int] = set()
    for _ in range(150):
        truth, found = random_case(rng, labels=2)
        result = diagnose(truth, found, tiou=0.4)
        kinds = plain_kinds(truth, found, 0.4)
        seen |= set(kinds)
        counts = np.bincount(kinds, minlength=6)
        if found.classes.size and max(np.bincount(found.classes)) <= 10 * truth.class_counts.min():
            np.testing.assert_allclose(result.errors.shares[9] * max(1, len(kinds)), counts, atol=1e-9)
            for kind in range(1, 6):  # an error taken away changes no match, so the rest may be measured anew
                rest = found[np.flatnonzero(np.asarray(kinds) != kind)]
                gain = diagnose(truth, rest, tiou=0.4).normalised_average_map - result.normalised_average_map
                assert result.errors.gains[kind] == pytest.approx(gain, abs=1e-12)
    assert seen == set(range(len(KINDS)))


def plain_kinds(truth: Truth, found: Predictions, threshold: float) -> list[int]:
    kinds, taken = [-1] * len(found), set()
    for row in np.argsort(-found.scores).tolist():
        near = [(overlap(truth.spans[k], found.spans[row]), k) for k in range(len(truth))
                if truth.videos[k] == found.videos[row]]  # fmt: skip
        own = [pair for pair in near if truth.classes[pair[1]] == found.classes[row]]
        free = [pair for pair in sorted(own, reverse=True) if pair[0] >= threshold and pair[1] not in taken]
        best, same = max(near, default=(0.0, -1))[0], max(own, default=(0.0, -1))[0]
        if free:
            taken.add(free[0][1])
            kinds[row] = 0
        elif best >= threshold:
            kinds[row] = 1 if same >= best else 2
        elif best >= 0.1:
            kinds[row] = 3 if same >= best else 4
        else:
            kinds[row] = 5
    return kinds


def overlap(first: Any, second: Any) -> float:
    shared = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    return float(shared / (first[1] - first[0] + second[1] - second[0] - shared))


def test_json_and_tables() -> None:
    truth, found = hand_case()
    result = diagnose(truth, found[np.zeros(0, np.int64)], tiou=0.7)
    values = result.to_json()
    assert values["border_errors"]["start_seconds"]["median"] is None
    assert values["errors"]["gain_if_removed"].keys() == set(KINDS[1:])
    assert values["normalised_average_map"] == 0
    kinds, groups, borders = (report.to_table() for report in diagnose(truth, found, tiou=0.7).reports())
    assert "wrong class" in kinds
    assert "length (s)" in groups
    assert "nine of ten within" in borders
    with pytest.raises(InvalidData, match="bear no class"):
        diagnose(truth, Predictions(found.video_ids, found.videos, found.classes - 1, found.spans, found.scores))
