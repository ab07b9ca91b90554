"""The benchmark of winners-out measures what it says, and its cells can be taken up again."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from whenabouts.core.moments import Moments
from whenabouts.core.timing import temporal_iou
from whenabouts.data.worlds.timeline_world import timeline_world
from whenabouts.evaluation.average_precision import interpolated
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from winners_out import SEGMENTS, TIERS, gathered, validation_cells
from winners_out_bounds import best_window
from winners_out_cells import Place, completed, lacking, trained_cell
from winners_out_claims import CLAIMS, row_named
from winners_out_figures import SAMPLES, TIOU, Measure, average_precision, estimates
from winners_out_report import write_report
from winners_out_rows import ROWS, Training, rows_of, trained, use_key

QUICK = {"epochs": 1, "attentions": 2, "segment_count": 30}


def test_weighted_precision_is_that_of_predictions_that_stand_so_often() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        hits, weights = rng.random(12) < 0.4, rng.integers(0, 4, size=(1, 12))
        repeated = np.repeat(hits, weights[0])
        positives = max(1, int(repeated.sum()) + 3)
        expected = interpolated(np.flatnonzero(repeated), positives) if repeated.any() else 0.0
        assert average_precision(weights, hits, np.array([positives]))[0] == pytest.approx(expected)


def test_a_measure_agrees_with_the_evaluation_and_finds_the_truth_perfect() -> None:
    part = timeline_world("thumos14", train=0, test=12, seed=3).test
    measure, rng = Measure(part, 3), np.random.default_rng(0)
    shift = rng.normal(0, 1, len(part.truth))
    spans = np.maximum(part.truth.spans + shift[:, None], 0)
    found = Moments(part.truth.video_ids, spans, part.truth.classes, rng.random(len(spans)), part.truth.kinds,
                    part.truth.vocabulary)  # fmt: skip
    expected = evaluate_moments(measure.truth, Predictions.of(found, measure.truth), tiou=TIOU)
    figures = measure.figures(found)
    np.testing.assert_allclose(figures["map"], expected.map)
    assert len(figures["average_samples"]) == SAMPLES
    perfect = measure.figures(part.truth)
    assert perfect["map"] == pytest.approx([1.0] * len(TIOU))
    assert (perfect["recall_weak"], perfect["recall_strong"]) == (1.0, 1.0)


def test_differences_are_paired_by_seed_and_intervals_hold_the_mean() -> None:
    rng = np.random.default_rng(1)
    uses = {}
    for seed in range(4):
        level, noise = rng.random(7), rng.normal(0, 0.01, SAMPLES)
        uses[seed] = {"map": level.tolist(), "average_samples": level.mean() + noise, "half_samples": level[4] + noise}
    for estimate in estimates(uses):
        assert estimate.low < estimate.mean < estimate.high
    better = {seed: {name: (np.asarray(value) + 0.1).tolist() for name, value in use.items()}
              for seed, use in uses.items() if seed}  # fmt: skip
    for estimate in estimates(better, uses):
        np.testing.assert_allclose([estimate.low, estimate.mean, estimate.high], 0.1)


def test_every_claim_speaks_of_rows_and_every_row_of_a_training() -> None:
    for claim in CLAIMS:
        for kind in claim.kinds:
            made = {name for cells in TIERS.values() for name, _ in cells(kind, 0, Place(Path(), 1, 1))}
            assert {trained(kind, row_named(claim.better)), trained(kind, row_named(claim.worse))} <= made
    assert {row.training for row in ROWS} - {f"K = {k}" for k in SEGMENTS.values()} <= {
        name for cells in TIERS.values() for name, _ in cells("thumos14", 0, Place(Path(), 1, 1))
    }


def test_a_cell_gets_the_uses_that_it_lacks_and_a_page_is_written_from_what_is_there(tmp_path: Path) -> None:
    place, training = Place(tmp_path / "work", 20, 6), Training("CAM", {**QUICK, "scores": "cam"})
    cell = trained_cell("activitynet", 0, place, training)
    rows = rows_of("activitynet", "CAM")
    assert list(cell["uses"]) == [use_key(row) for row in rows]
    again = completed("activitynet", 0, place, training, {**cell, "uses": {}})
    assert again["uses"] == cell["uses"]
    assert not lacking("activitynet", training, cell)
    told = gathered(1, place)
    assert set(told["activitynet"]["validation"]) == {name for name, _ in validation_cells("activitynet", 100, place)}
    told["activitynet"]["CAM"] = {0: cell}
    write_report(tmp_path / "out", told, 20, {"cores": 2, "python": "3", "load": 0.0})
    page = (tmp_path / "out" / "winners_out.md").read_text()
    assert "| claim | world |" in page
    assert (tmp_path / "out" / "winners_out.json").exists()


def test_the_uniform_window_is_the_one_that_most_instances_are_like() -> None:
    part = timeline_world("activitynet", train=40, test=0, seed=5).train
    durations = {each.video_id: each.features["rgb"].grid.duration_seconds for each in part.examples}
    share = best_window(part)
    spans = part.truth.spans

    def like(window: float) -> float:
        middles = spans.mean(axis=1)
        half = window / 2 * np.array([durations[name] for name in part.truth.video_ids.tolist()])
        windows = np.stack([middles - half, middles + half], axis=1)
        return float((np.diag(temporal_iou(spans, windows)) >= 0.5).mean())

    assert like(share) >= max(like(other) for other in (0.02, 0.05, 0.1, 0.2, 0.5)) - 1e-9
    assert Truth.of(part.truth).labels
