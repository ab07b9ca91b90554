"""The official evaluators' own results (shared/golden/tal), to 1e-9."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.evaluation.classification import evaluate_classification
from whenabouts.evaluation.moments import MomentScores, evaluate_moments
from whenabouts.evaluation.proposals import evaluate_proposals
from whenabouts.evaluation.reading import LABELS_ONLY, NO_LABEL, NO_SPAN, read_predictions, read_truth

pytestmark = pytest.mark.golden
CLOSE = 1e-9


def expected(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def measured(folder: Path, wanted: dict[str, Any], protocol: str = "activitynet", **names: str) -> MomentScores:
    subset = {"val": "validation"}.get(wanted["subset"], wanted["subset"])
    truth = read_truth(folder / names.get("truth", "gt.json"), subset=subset)
    predictions = read_predictions(folder / "pred.json", truth)
    assert len(truth) == wanted.get("n_ground_truth", len(truth))
    assert len(predictions) == wanted.get("n_predictions", len(predictions))
    return evaluate_moments(truth, predictions, protocol=protocol, tiou=wanted["tiou_thresholds"])


def compare(scores: MomentScores, wanted: dict[str, Any]) -> None:
    assert set(scores.labels) == set(wanted["ap_per_class"])
    for label, row in zip(scores.labels, scores.average_precision, strict=True):
        np.testing.assert_allclose(row, wanted["ap_per_class"][label], atol=CLOSE, rtol=0, err_msg=label)
    np.testing.assert_allclose(scores.map, wanted["mAP"], atol=CLOSE, rtol=0)
    if "average_mAP" in wanted:
        assert scores.average_map == pytest.approx(wanted["average_mAP"], abs=CLOSE)


def test_activitynet_detection(shared: Path) -> None:
    folders = sorted((shared / "golden" / "tal").glob("[crs][0-9][0-9]_*"))
    folders = [folder for folder in folders if "classification" not in folder.name]
    for folder in folders:
        wanted = expected(folder / "expected.json")
        config = folder / "config.json"
        if config.exists():
            assert expected(config)["tiou_thresholds"] == wanted["tiou_thresholds"]
        compare(measured(folder, wanted), wanted)
    assert len(folders) == 12  # c01 to c10, r01, s01


def test_ties_stay_within_the_ranges_seen_over_other_orders(shared: Path) -> None:
    ran = 0
    for name, classes in (("c08_ties", 5), ("s01_bundled_sample_detection", 129)):
        folder = shared / "golden" / "tal" / name
        wanted = expected(folder / "expected.json")
        scores = measured(folder, wanted)
        own = dict(zip(scores.labels, scores.average_precision, strict=True))
        assert len(wanted["order_sensitive_classes"]) == classes
        for label, seen in wanted["order_sensitive_classes"].items():
            assert (own[label] >= np.asarray(seen["lowest_ap"]) - CLOSE).all(), label
            assert (own[label] <= np.asarray(seen["highest_ap"]) + CLOSE).all(), label
            ran += 1
    assert ran == 134


def test_thumos_kits(shared: Path) -> None:
    stpn = shared / "golden" / "tal" / "t01_thumos_kit_stpn"
    simulated = shared / "golden" / "tal" / "t02_thumos_kit_simulated_val"
    cases = [
        (stpn, "expected_activitynet_protocol.json", "activitynet", "gt_activitynet_protocol.json"),
        (stpn, "expected_interp11.json", "thumos14", "gt.json"),
        (stpn, "expected_noninterp.json", "thumos15", "gt.json"),
        (simulated, "expected_interp11.json", "thumos14", "gt.json"),
    ]
    ran = 0
    for folder, result, protocol, truth in cases:
        wanted = expected(folder / result)
        compare(measured(folder, wanted, protocol, truth=truth), wanted)
        ran += 1
    assert ran == 4


def test_proposals(shared: Path) -> None:
    folders = sorted((shared / "golden" / "tal").glob("p[0-9][0-9]_*"))
    for folder in folders:
        wanted = expected(folder / "expected.json")
        truth = read_truth(folder / "gt.json", subset=wanted["subset"])
        proposals = read_predictions(folder / "proposals.json", truth, needs=NO_LABEL)
        assert (len(truth), len(proposals)) == (wanted["n_ground_truth"], wanted["n_proposals"])
        scores = evaluate_proposals(
            truth, proposals, tiou=wanted["tiou_thresholds"], proposals_per_video=wanted["max_avg_nr_proposals"]
        ).to_json()
        for key in ("proposals_per_video", "recall", "average_recall", "area_under_curve", "area_under_curve_percent"):
            np.testing.assert_allclose(scores[key], wanted[key], atol=CLOSE, rtol=0, err_msg=key)
    assert len(folders) == 2


def test_classification(shared: Path) -> None:
    root = shared / "golden" / "tal"
    truths = {
        "k01_classification": root / "k01_classification" / "gt.json",
        "k02_classification_top1": root / "k02_classification_top1" / "gt.json",
        "s02_bundled_sample_classification": root / "s01_bundled_sample_detection" / "gt.json",
    }
    ran = 0
    for name, path in truths.items():
        wanted = expected(root / name / "expected.json")
        truth = read_truth(path, subset=wanted["subset"], needs=LABELS_ONLY)
        predictions = read_predictions(root / name / "pred.json", truth, needs=NO_SPAN)
        scores = evaluate_classification(truth, predictions, top_k=wanted["top_k"])
        assert scores.hit_at_k == pytest.approx(wanted["hit_at_k"], abs=CLOSE)
        assert scores.avg_hit_at_k == pytest.approx(wanted["avg_hit_at_k"], abs=CLOSE)
        ran += 1
        if name.startswith("s02"):
            continue  # every score is 1.0 there: its AP is the official code's on one machine only
        assert scores.map == pytest.approx(wanted["mAP"], abs=CLOSE)
        for label, value in zip(scores.labels, scores.average_precision, strict=True):
            assert value == pytest.approx(wanted["ap_per_class"][label], abs=CLOSE), label
    assert ran == 3
