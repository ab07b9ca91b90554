"""The golden files of Charades and AVA: official numbers, and those of the ports, met case by case."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray
from whenabouts.evaluation.ava import evaluate_ava
from whenabouts.evaluation.ava_files import MEASURED, read_actions, read_boxes, read_keyframes
from whenabouts.evaluation.charades import evaluate_charades_classify, evaluate_charades_localize
from whenabouts.evaluation.charades_files import read_submission, read_truth

pytestmark = pytest.mark.golden
AVA = {"official": "activitynet_official", "pyslowfast": "pyslowfast_port"}


def folders(shared: Path, name: str, count: int) -> list[tuple[Path, dict[str, Any]]]:
    found = sorted((shared / "golden" / "multilabel" / name).iterdir())
    assert len(found) == count
    return [(folder, json.loads((folder / "expected.json").read_text())) for folder in found]


def numbers(values: Any) -> FloatArray:
    return np.asarray([np.nan if value is None else value for value in values], np.float64)


def close(value: float, expected: float | None, tolerance: float = 1e-9) -> bool:
    return np.isnan(value) if expected is None else abs(value - expected) <= tolerance


def test_charades_classify(shared: Path) -> None:
    for folder, expected in folders(shared, "charades_classify", 6):
        truth, given = read_truth(folder / "gt.csv"), read_submission(folder / "submission.txt", 157, frames=False)
        scores = evaluate_charades_classify(truth, given)
        np.testing.assert_allclose(scores.ap, numbers(expected["official_matlab"]["ap"]), atol=1e-12)
        assert close(scores.mean, expected["official_matlab"]["map"]), folder.name
        assert close(scores.mean_of_occurring, expected["official_nanmean"]), folder.name
        told = expected["official_matlab"]["wap_line"].split()[1].split("(")[0]
        assert close(scores.weighted, None if told == "NaN" else float(told), 1e-5), folder.name
        ports = expected["alternatives_on_full_score_matrix"]
        if not expected["missing_in_submission"]:  # The ports saw the whole matrix there.
            for convention in ("pyslowfast", "mmaction2"):
                port = evaluate_charades_classify(truth, given, convention=convention)
                name = {"pyslowfast": "pyslowfast_get_map", "mmaction2": "mmaction2_mean_average_precision"}[convention]
                assert close(port.mean, ports[name]), (folder.name, convention)


def test_charades_localize(shared: Path) -> None:
    for folder, expected in folders(shared, "charades_localize", 3):
        truth, given = read_truth(folder / "gt.csv"), read_submission(folder / "submission.txt", 157, frames=True)
        scores = evaluate_charades_localize(truth, given)
        np.testing.assert_allclose(scores.ap, numbers(expected["official_matlab"]["ap"]), atol=1e-12)
        assert scores.positives.tolist() == expected["positives_per_class"]
        assert close(scores.mean, expected["official_matlab"]["map"]), folder.name
        assert close(scores.mean_of_occurring, expected["official_nanmean"]), folder.name


def test_ava(shared: Path) -> None:
    for folder, expected in folders(shared, "ava", 5):
        truth, found = read_boxes(folder / "gt.csv", scores=False), read_boxes(folder / "det.csv", scores=True)
        excluded, problems = read_keyframes(folder / "excluded.csv")
        assert problems == ()
        tolerance = 0.02 if folder.name == "a5_score_ties" else 1e-9  # There the order of equal scores is by chance.
        for convention, name in AVA.items():
            scores = evaluate_ava(truth, found, MEASURED, excluded=excluded, convention=convention)  # type: ignore[arg-type]
            assert close(scores.mean, expected[name]["map"], tolerance), (folder.name, convention)
            per_class = expected[name]["ap_by_class_id"]
            assert [str(number) for number in scores.ap] == list(per_class)
            if tolerance < 0.01:
                np.testing.assert_allclose(list(scores.ap.values()), numbers(per_class.values()), atol=1e-9)
        for ignore in (True, False):
            told = expected[f"mmaction2_ignore_empty_frames_{str(ignore).lower()}"]
            how = {"excluded": excluded, "convention": "mmaction2", "ignore_empty_frames": ignore}
            if "error" in told:
                with pytest.raises(InvalidData, match="without extent"):
                    evaluate_ava(truth, found, MEASURED, **how)  # type: ignore[arg-type]
            else:
                scores = evaluate_ava(truth, found, MEASURED, **how)  # type: ignore[arg-type]
                assert close(scores.mean, told["overall"], tolerance), (folder.name, ignore)


@pytest.mark.parametrize("convention", ["official", "pyslowfast", "mmaction2"])
def test_the_command_says_what_each_code_says(convention: str, shared: Path) -> None:
    """`evaluate ava` with --excluded and --convention, `charades-classify` with --convention and --classes."""
    folder = shared / "golden" / "multilabel" / "ava" / "a2_excluded_and_unannotated_frames"
    expected = json.loads((folder / "expected.json").read_text())
    told = typed("ava", folder / "gt.csv", folder / "det.csv", "--excluded", folder / "excluded.csv",
                 "--convention", convention)  # fmt: skip
    assert told["convention"] == convention
    code = expected[AVA.get(convention, "mmaction2_ignore_empty_frames_true")]
    assert close(told["map"], code["overall" if convention == "mmaction2" else "map"])
    assert list(told["per_class_ap"]) == [str(number) for number in MEASURED]
    folder = shared / "golden" / "multilabel" / "charades_classify" / "c2_ties"
    expected = json.loads((folder / "expected.json").read_text())
    ports = expected["alternatives_on_full_score_matrix"]
    by_code = {"official": expected["official_matlab"]["map"], "pyslowfast": ports["pyslowfast_get_map"],
               "mmaction2": ports["mmaction2_mean_average_precision"]}  # fmt: skip
    told = typed("charades-classify", folder / "gt.csv", folder / "submission.txt", "--convention", convention)
    assert close(told["map"], by_code[convention])
    assert len(told["per_class_ap"]) == 157


def typed(name: str, truth: Path, found: Path, *more: object) -> dict[str, Any]:
    words = ["evaluate", name, "--truth", truth, "--predictions", found, *more, "--json"]
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_the_sixty_actions_are_those_of_the_challenge(shared: Path) -> None:
    listed = read_actions(shared / "data" / "labels" / "ava" / "ava_action_list_v2.1_for_activitynet_2018.pbtxt")
    assert tuple(listed) == MEASURED
    assert listed[1] == "bend/bow (at the waist)"
    assert read_actions(shared / "data" / "labels" / "ava" / "label_map_60.txt") == listed


def test_real_rows_are_read(shared: Path) -> None:
    folder = shared / "data" / "labels" / "ava"
    rows = read_boxes(folder / "ava_val_v2.2_first_rows_sample.csv", scores=False)
    assert (len(rows), rows.problems) == (41, ())
    assert rows.keyframes[0] == ("1j20qq1JyX4", 902.0)
