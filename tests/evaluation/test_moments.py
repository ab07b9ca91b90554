"""Cases small enough to be worked out by hand; the working stands beside each."""

from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.moments import MomentScores, evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth
from whenabouts.evaluation.tables import Predictions, Truth


def video(*rows: tuple[str, float, float], ambiguous: tuple[tuple[float, float], ...] = ()) -> dict[str, Any]:
    return {
        "subset": "validation",
        "annotations": [{"label": label, "segment": [start, end]} for label, start, end in rows],
        "ambiguous": [{"segment": list(span)} for span in ambiguous],
    }


def found(*rows: tuple[str, float, float, float]) -> list[dict[str, Any]]:
    return [{"label": label, "segment": [start, end], "score": score} for label, start, end, score in rows]


def measured(written: Any, database: dict[str, Any], results: dict[str, Any], **how: Any) -> MomentScores:
    truth_path, predictions_path = written(database, results)
    truth = read_truth(truth_path)
    return evaluate_moments(truth, read_predictions(predictions_path, truth), **how)


def test_a_hit_a_duplicate_and_a_second_hit(written: Any) -> None:
    # Ranked: [10, 20] hits the first instance exactly; [11, 21] (tIoU 9/11 = 0.818 with the same, now taken, and 0 with
    # the other) is false; [42, 60] hits the second with 18/20 = 0.9. Precision 1, 1/2, 2/3; recall 1/2, 1/2, 1.
    # Envelope 1 at the first hit, 2/3 at the second: AP = 1/2 + 1/2 * 2/3 = 5/6. At 0.95 the last is false: AP = 1/2.
    scores = measured(
        written,
        {"v": video(("run", 10, 20), ("run", 40, 60))},
        {"v": found(("run", 10, 20, 0.9), ("run", 11, 21, 0.8), ("run", 42, 60, 0.7))},
        tiou=[0.5, 0.9, 0.95],
    )
    np.testing.assert_allclose(scores.average_precision, [[5 / 6, 5 / 6, 1 / 2]], atol=1e-15)
    assert scores.average_map == pytest.approx((5 / 6 + 5 / 6 + 1 / 2) / 3)


def test_a_duplicate_falls_back_to_its_next_best_instance(written: Any) -> None:
    # Instances [0, 10] and [2, 12]. First prediction [0, 10] takes the first. The second, [0, 11], has tIoU 10/11 with
    # the taken one and 9/12 = 0.75 with the other: at 0.7 it falls back and hits (AP 1), at 0.8 it is false (AP 1/2).
    scores = measured(
        written,
        {"v": video(("run", 0, 10), ("run", 2, 12))},
        {"v": found(("run", 0, 10, 0.9), ("run", 0, 11, 0.8))},
        tiou=[0.7, 0.8],
    )
    np.testing.assert_allclose(scores.average_precision, [[1.0, 0.5]], atol=1e-15)


def test_an_overlap_of_exactly_the_threshold_counts_for_activitynet_and_not_for_thumos(written: Any) -> None:
    # [0, 5] in [0, 10]: tIoU = overlap over hull = 0.5, exact in binary.
    database, results = {"v": video(("run", 0, 10))}, {"v": found(("run", 0, 5, 1.0))}
    assert measured(written, database, results, tiou=[0.5]).average_map == 1.0
    assert measured(written, database, results, tiou=[0.5], protocol="thumos14").average_map == 0.0


def test_of_equal_scores_the_one_read_last_comes_first(written: Any) -> None:
    # One instance; the false prediction stands second in the file, so it is ranked first: precision at the hit is 1/2.
    database = {"v": video(("run", 0, 10))}
    late = measured(written, database, {"v": found(("run", 0, 10, 0.5), ("run", 50, 60, 0.5))}, tiou=[0.5])
    early = measured(written, database, {"v": found(("run", 50, 60, 0.5), ("run", 0, 10, 0.5))}, tiou=[0.5])
    assert (late.average_map, early.average_map) == (0.5, 1.0)


def test_of_equal_overlaps_the_instance_read_last_is_tried_first(written: Any) -> None:
    # Instances [0, 8] and [2, 10]: [1, 9] has tIoU 7/9 with each. It takes the one read last, [2, 10]. Then [2, 10]
    # itself (tIoU 1 with the taken, 6/10 with [0, 8]) fails at 0.7. Read the other way round, both hit.
    results = {"v": found(("run", 1, 9, 0.9), ("run", 2, 10, 0.8))}
    last = measured(written, {"v": video(("run", 0, 8), ("run", 2, 10))}, results, tiou=[0.7])
    first = measured(written, {"v": video(("run", 2, 10), ("run", 0, 8))}, results, tiou=[0.7])
    assert (last.average_map, first.average_map) == (0.5, 1.0)


def test_two_empty_spans_match_wherever_they_lie(written: Any) -> None:
    # 0/0 is not a number, sorts first and is not below any threshold: the official code calls it a match.
    scores = measured(written, {"v": video(("run", 3, 3))}, {"v": found(("run", 90, 90, 1.0))}, tiou=[0.5, 1.0])
    assert scores.map.tolist() == [1.0, 1.0]


def test_infinite_and_missing_numbers_follow_the_official_rules_without_a_warning(written: Any) -> None:
    # JSON from Python may hold NaN and Infinity. A NaN score sorts first; a NaN border makes a NaN tIoU, which matches.
    endless, nothing = float("inf"), float("nan")
    results = {"v": found(("run", 0, endless, 0.9), ("run", 0, nothing, 0.8), ("run", 50, 60, nothing))}
    for protocol, expected in (("activitynet", 1 / 3), ("thumos15", 0)):
        scores = measured(written, {"v": video(("run", 0, 10))}, results, tiou=[0.5], protocol=protocol)
        assert scores.average_map == pytest.approx(expected)


def test_classes_without_prediction_count_zero_and_other_videos_are_false_positives(written: Any) -> None:
    # `jump` has no prediction: AP 0. `run`: the better prediction lies on a video that nobody knows: precision 1/2.
    database = {"v": video(("run", 0, 10), ("jump", 0, 10)), "w": {**video(("run", 0, 10)), "subset": "training"}}
    results = {"elsewhere": found(("run", 0, 10, 0.9)), "v": found(("run", 0, 10, 0.8))}
    scores = measured(written, database, results, tiou=[0.5])
    assert dict(zip(scores.labels, scores.average_precision[:, 0].tolist(), strict=True)) == {"run": 0.5, "jump": 0.0}
    scores = measured(written, database, {"w": found(("run", 0, 10, 0.9)), **results}, tiou=[0.5])
    assert scores.average_precision[0, 0] == pytest.approx(1 / 3)  # the training video comes first too, and is false


def test_no_prediction_at_all_gives_zero(written: Any) -> None:
    for protocol in ("activitynet", "thumos14", "thumos15"):
        assert measured(written, {"v": video(("run", 0, 10))}, {}, protocol=protocol).average_map == 0.0


def test_thumos_instances_choose_in_file_order(written: Any) -> None:
    # Instances [0, 10], [4, 14]; predictions a = [3, 13] (score 0.9), b = [0, 4] (0.8). Overlaps over the hull:
    # first instance: a 7/13 = 0.54, b 4/10 = 0.4; second: a 9/11 = 0.82, b 0. Above 0.3 the first instance takes a, the
    # second finds nothing: one hit, ranked first, b false. Recall 1/2, so 6 of 11 points (0 to 0.5) see precision 1.
    # The other way round the second instance takes a and [0, 10] takes b: all right.
    results = {"v": found(("run", 3, 13, 0.9), ("run", 0, 4, 0.8))}
    greedy = {"v": video(("run", 0, 10), ("run", 4, 14))}
    better = {"v": video(("run", 4, 14), ("run", 0, 10))}
    how = {"tiou": [0.3], "protocol": "thumos14"}
    assert measured(written, greedy, results, **how).average_map == pytest.approx(6 / 11)
    assert measured(written, better, results, **how).average_map == pytest.approx(1.0)
    assert measured(written, greedy, results, tiou=[0.3], protocol="thumos15").average_map == pytest.approx(1 / 2)


def test_thumos_drops_what_touches_an_ambiguous_interval_unless_it_is_right(written: Any) -> None:
    # The best prediction is wrong but touches [30, 40]: it leaves the ranking, so that the hit stands first.
    results = {"v": found(("run", 39, 50, 0.9), ("run", 0, 10, 0.8))}
    for vague, expected in (((30, 40), 1.0), ((30, 39), 0.5)):
        database = {"v": video(("run", 0, 10), ambiguous=(vague,))}
        assert measured(written, database, results, protocol="thumos15", tiou=[0.5]).average_map == expected
    database = {"v": video(("run", 0, 10), ambiguous=((5, 6),))}  # the hit touches it, and stays
    assert measured(written, database, results, protocol="thumos15", tiou=[0.5]).average_map == 0.5


def test_thumos_ties_put_hits_first_in_2014_and_keep_the_order_of_videos_in_2015(written: Any) -> None:
    # Equal scores: a false one on video `a`, a hit on video `b`. 2014: hit first, AP 1. 2015: `a` first, precision 1/2.
    database = {"b": video(("run", 0, 10)), "a": video(("jump", 0, 1))}
    results = {"b": found(("run", 0, 10, 0.5)), "a": found(("run", 0, 10, 0.5))}
    first = measured(written, database, results, protocol="thumos14", tiou=[0.5])
    second = measured(written, database, results, protocol="thumos15", tiou=[0.5])
    assert (first.average_precision[0, 0], second.average_precision[0, 0]) == (1.0, 0.5)


def test_thumos_puts_the_ends_of_a_span_in_order(written: Any) -> None:
    scores = measured(written, {"v": video(("run", 0, 10))}, {"v": found(("run", 10, 0, 0.5))}, protocol="thumos14")
    assert scores.map.tolist() == [1.0] * 5


def test_default_thresholds_are_the_official_floats(written: Any) -> None:
    database, results = {"v": video(("run", 0, 10))}, {"v": found(("run", 0, 10, 0.5))}
    assert measured(written, database, results).tiou.tolist() == np.linspace(0.5, 0.95, 10).tolist()
    thumos = measured(written, database, results, protocol="thumos14")
    assert thumos.tiou.tolist() == [0.1, 0.2, 0.30000000000000004, 0.4, 0.5]


def test_nouns_can_be_measured_without_files() -> None:
    vocabulary = Vocabulary(("jump", "run"))
    real = Moments.build(["v", "v"], [[10, 20], [40, 60]], [1, 1], vocabulary, kind="truth")
    vague = Moments.build(["v"], [[80, 90]], [1], vocabulary, kind="ambiguous")
    guess = Moments.build(["v"] * 3, [[10, 20], [11, 21], [42, 60]], [1] * 3, vocabulary, scores=[0.9, 0.8, 0.7])
    truth = Truth.of(Moments.concatenate([real, vague], vocabulary), video_ids=["v", "quiet"])
    assert (truth.labels, truth.video_ids, truth.ambiguous_spans.tolist()) == (("run",), ("v", "quiet"), [[80, 90]])
    assert evaluate_moments(truth, Predictions.of(guess, truth), tiou=0.5).average_map == pytest.approx(5 / 6)
    strange = Moments.build(["v"], [[0, 1]], [0], vocabulary)
    with pytest.raises(InvalidData, match=r"no instance of .*jump"):
        Predictions.of(strange, truth)
    with pytest.raises(InvalidData, match="no true moment"):
        Truth.of(Moments.empty(vocabulary))
    with pytest.raises(InvalidData, match="not to be judged"):
        Truth.of(real, video_ids=["quiet"])


def test_unknown_protocols_and_thresholds_are_refused(written: Any) -> None:
    database, results = {"v": video(("run", 0, 10))}, {"v": found(("run", 0, 10, 0.5))}
    with pytest.raises(InvalidData, match="no protocol 'coco'"):
        measured(written, database, results, protocol="coco")
    with pytest.raises(SettingsError, match="above 0 and at most"):
        measured(written, database, results, tiou=[0.0])


def test_json_and_report_say_the_same(written: Any) -> None:
    scores = measured(written, {"v": video(("run", 0, 10))}, {"v": found(("run", 0, 10, 0.5))}, tiou=[0.5, 0.75])
    values, report = scores.to_json(), scores.report()
    assert values["map"] == [1.0, 1.0]
    assert values["per_class"] == {"run": [1.0, 1.0]}
    assert report.metrics == {"mAP@0.5": 1.0, "mAP@0.75": 1.0, "average mAP": 1.0}
    assert "ActivityNet" in report.convention
