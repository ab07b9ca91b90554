import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import LABELS_ONLY, NO_LABEL, NO_SPAN, read_predictions, read_truth
from whenabouts.evaluation.rows import Policy, as_json, as_remarks

GOOD = {"label": "run", "segment": [0.0, 10.0], "score": 0.5}
DATABASE = {
    "v": {"subset": "validation", "duration": 60, "annotations": [{"label": "run", "segment": [0.0, 10.0]}]},
    "quiet": {"subset": "validation", "annotations": []},
    "t": {"subset": "training", "annotations": [{"label": "jump", "segment": [0.0, 10.0]}]},
}
ODD_PREDICTIONS = [
    ("zero-length", "v", {**GOOD, "segment": [3.0, 3.0]}),
    ("inverted", "v", {**GOOD, "segment": [5.0, 3.0]}),
    ("unknown video", "elsewhere", GOOD),
    ("other subset", "t", GOOD),
    ("not finite", "v", {**GOOD, "score": float("nan")}),
]
FATAL_PREDICTIONS = [
    ("unknown label", "v", {**GOOD, "label": "jump"}),  # the training subset knows it, this one does not
    ("malformed", "v", {"label": "run", "segment": [0.0, 10.0]}),
    ("malformed", "v", {**GOOD, "segment": [1.0]}),
    ("malformed", "v", {**GOOD, "segment": None}),
    ("malformed", "v", {**GOOD, "segment": ["a", "b"]}),
    ("malformed", "v", {**GOOD, "score": "0.5"}),
    ("malformed", "v", {**GOOD, "score": 10**400}),
    ("malformed", "v", {**GOOD, "label": 7}),
    ("malformed", "v", "run"),
]


def test_files_become_columns_in_file_order(written: Any) -> None:
    truth_path, predictions_path = written(DATABASE, {"quiet": [GOOD], "v": [GOOD, {**GOOD, "segment": ["1.5", "2"]}]})
    truth = read_truth(truth_path)
    assert (truth.video_ids, truth.labels, len(truth)) == (("v", "quiet"), ("run",), 1)
    assert truth.other_video_ids == {"t"}
    np.testing.assert_array_equal(truth.durations, [60, np.nan])
    predictions = read_predictions(predictions_path, truth)
    assert predictions.videos.tolist() == [1, 0, 0]
    assert predictions.spans.tolist() == [[0, 10], [0, 10], [1.5, 2]]  # numbers as text, as published files have them
    assert repr(truth) == "Truth(1 moments of 1 classes in 2 videos)"
    assert repr(predictions) == "Predictions(3 over 2 videos)"


def test_our_own_concepts_take_the_spelling_of_the_truth_by_their_aliases(written: Any, tmp_path: Path) -> None:
    row = {"subset": "validation", "annotations": [{"label": "child_pose", "segment": [0.0, 10.0]}]}
    truth = read_truth(written({"v": row}, {})[0])
    words = Vocabulary(("child pose", "run"), aliases={"child_pose": "child pose", "Child-Pose": "child pose"})
    moments = Moments.build(["v"], [[0, 10]], [0], words)
    path = tmp_path / "moments.json"
    path.write_text(json.dumps(moments.to_json()))
    assert evaluate_moments(truth, read_predictions(path, truth)).average_map == 1.0
    path.write_text(json.dumps({**moments.to_json(), "vocabulary": {"aliases": {"child_pose": ["child pose"]}}}))
    with pytest.raises(InvalidData, match="unknown label"):
        read_predictions(path, truth)
    # Two labels of the truth that are one concept to us can't be told apart: nothing is guessed.
    both = {**row, "annotations": [*row["annotations"], {"label": "Child-Pose", "segment": [20.0, 30.0]}]}
    truth = read_truth(written({"v": both}, {})[0])
    path.write_text(json.dumps(moments.to_json()))
    with pytest.raises(InvalidData, match="unknown label"):
        read_predictions(path, truth)


@pytest.mark.parametrize(("reason", "video", "row"), ODD_PREDICTIONS)
def test_odd_predictions_pass_officially_stop_strictly_and_are_left_out_cleanly(
    written: Any, reason: str, video: str, row: Any
) -> None:
    truth_path, predictions_path = written(DATABASE, {"v": [GOOD], video: [GOOD, row] if video == "v" else [row]})
    truth = read_truth(truth_path)
    assert len(read_predictions(predictions_path, truth)) == 2
    with pytest.raises(InvalidData, match=f"1 row of the predictions .*1 {reason}.*--policy clean"):
        read_predictions(predictions_path, truth, policy="strict")
    clean = read_predictions(predictions_path, truth, policy="clean")
    assert len(clean) == 1
    (problem,) = clean.left_out
    assert (problem.reason, problem.video_id, problem.row) == (reason, video, 1 if video == "v" else 0)


@pytest.mark.parametrize(("reason", "video", "row"), FATAL_PREDICTIONS)
def test_predictions_that_stop_the_official_rules_too(written: Any, reason: str, video: str, row: Any) -> None:
    truth_path, predictions_path = written(DATABASE, {video: [GOOD, row]})
    truth = read_truth(truth_path)
    refusals: list[tuple[Policy, str]] = [("official", "official rules stop"), ("strict", "strict policy")]
    for policy, said in refusals:
        with pytest.raises(InvalidData, match=f"1 {reason}.*v row 1.*{said}.*--policy clean"):
            read_predictions(predictions_path, truth, policy=policy)
    clean = read_predictions(predictions_path, truth, policy="clean")
    assert (len(clean), [problem.reason for problem in clean.left_out]) == (1, [reason])


def test_the_official_reader_looks_at_the_first_two_numbers_only(written: Any) -> None:
    truth_path, predictions_path = written(DATABASE, {"v": [{**GOOD, "segment": [0, 10, 99]}]})
    truth = read_truth(truth_path)
    assert read_predictions(predictions_path, truth).spans.tolist() == [[0, 10]]
    with pytest.raises(InvalidData, match="malformed"):
        read_predictions(predictions_path, truth, policy="strict")


def test_truth_follows_the_policy_too(written: Any) -> None:
    rows = [*DATABASE["v"]["annotations"], {"label": "run", "segment": [4, 4]}, {"label": "hop", "segment": [4, 2]}]
    truth_path, _ = written({"v": {**DATABASE["v"], "annotations": rows}, "broken": {"annotations": []}}, {})
    with pytest.raises(InvalidData, match="broken row -1: malformed, no subset"):
        read_truth(truth_path)
    clean = read_truth(truth_path, policy="clean")
    assert (clean.labels, len(clean)) == (("run",), 1)
    assert as_json(clean.left_out)["by_reason"] == {"malformed": 1, "inverted": 1, "zero-length": 1}
    truth_path, _ = written({"v": {**DATABASE["v"], "annotations": rows}}, {})
    assert read_truth(truth_path).labels == ("run", "hop")
    with pytest.raises(InvalidData, match="1 inverted, 1 zero-length"):
        read_truth(truth_path, policy="strict")


def test_a_row_counts_once_under_its_first_reason(written: Any) -> None:
    odd = {"label": "nobody", "segment": [5, 3], "score": 1}
    truth_path, predictions_path = written(DATABASE, {"elsewhere": [odd] * 12})
    clean = read_predictions(predictions_path, read_truth(truth_path), policy="clean")
    assert as_json(clean.left_out)["by_reason"] == {"unknown video": 12}
    remarks = as_remarks(clean.left_out)
    assert remarks[0] == "rows left out: 12 (12 unknown video)"
    assert len(remarks) == 12
    assert "2 more" in remarks[-1]
    assert as_remarks(()) == ()


def test_ambiguous_intervals_come_as_a_list_or_under_a_label(written: Any) -> None:
    rows = [*DATABASE["v"]["annotations"], {"label": "Ambiguous", "segment": [20, 30]}]
    truth_path, _ = written({"v": {**DATABASE["v"], "annotations": rows, "ambiguous": [{"segment": [40, 50]}]}}, {})
    assert read_truth(truth_path).labels == ("run", "Ambiguous")
    truth = read_truth(truth_path, ambiguous_label="Ambiguous")
    assert truth.labels == ("run",)
    assert truth.ambiguous_spans.tolist() == [[40, 50], [20, 30]]
    assert truth.ambiguous_videos.tolist() == [0, 0]


def test_fields_that_a_task_does_not_need_may_be_absent(written: Any) -> None:
    truth_path, path = written({"v": {"subset": "validation", "annotations": [{"label": "run"}]}}, {
        "v": [{"label": "run", "score": 1}]
    })  # fmt: skip
    truth = read_truth(truth_path, needs=LABELS_ONLY, policy="strict")
    assert read_predictions(path, truth, needs=NO_SPAN, policy="strict").classes.tolist() == [0]
    truth_path, path = written(DATABASE, {"v": [{"segment": [0, 1], "score": 1}]})
    assert read_predictions(path, read_truth(truth_path), needs=NO_LABEL, policy="strict").classes.tolist() == [-1]


def test_our_own_moments_file_is_a_prediction_file(written: Any, tmp_path: Path) -> None:
    vocabulary = Vocabulary(("jump", "run"))
    moments = Moments.build(["v", "quiet"], [[0, 10], [1, 2]], [1, 1], vocabulary, scores=[0.9, 0.1])
    path = tmp_path / "moments.json"
    path.write_text(json.dumps(moments.to_json()), encoding="utf-8")
    truth = read_truth(written(DATABASE, {})[0])
    assert evaluate_moments(truth, read_predictions(path, truth, policy="strict")).average_map == 1.0


def test_broken_files_say_what_is_wrong(tmp_path: Path, written: Any) -> None:
    with pytest.raises(InvalidData, match="no file"):
        read_truth(tmp_path / "absent.json")
    path = tmp_path / "broken.json"
    for content, said in (
        ("{", "can't be read as JSON"),
        ("[]", "needs an object 'database'.*list"),
        ('{"results": {}}', "needs an object 'database'.*results"),
        ('{"database": {"v": {"subset": "training"}}}', r"no video of subset 'validation'.*training \(1 videos\)"),
        ('{"database": {"v": {"subset": "validation", "annotations": []}}}', "no annotation"),
        ('{"database": {"v": {"subset": "validation"}}}', "v row -1: malformed, not a list: None"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InvalidData, match=said):
            read_truth(path)
    truth = read_truth(written(DATABASE, {"v": {"label": "run"}})[0])
    with pytest.raises(InvalidData, match="not a list"):
        read_predictions(tmp_path / "predictions.json", truth)


def test_json_that_is_nested_too_deep_is_told(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    with pytest.raises(InvalidData, match="can't be read as JSON"):
        read_truth(path, subset="validation", policy="clean")
