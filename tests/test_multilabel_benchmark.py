"""The multi-label tables: rows name models and worlds that there are, cells hold what is asked, claims are judged."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import multilabel
import multilabel_worlds
from multilabel_cells import (
    JOINT_TRIALS,
    TRIALS,
    TUNING_SEEDS,
    Model,
    cell,
    chosen,
    chosen_jointly,
    head_of,
    outputs,
    trials,
)
from multilabel_claims import CLAIMS, Claim, Estimate, difference, row_named, verdict
from multilabel_costs import formula_macs
from multilabel_nets import SmallSoundNet, SmallVideoNet, weights_of
from multilabel_report import write_report
from multilabel_rows import MODELS, RIVALS, ROWS, TABLES, cells_of
from multilabel_worlds import WORLDS, Features, Place
from whenabouts.core.files import write_json

SEEDS = range(5)


def tiny(activities: int = 4) -> Features:
    """Eight clips with one activity each, at a place of its own."""
    random = torch.Generator().manual_seed(0)
    labels = torch.eye(activities).repeat(2, 1)
    maps = torch.rand(len(labels), 128, 2, 4, 4, generator=random) * 0.1
    for row, each in enumerate(labels.argmax(dim=1).tolist()):
        maps[row, each, row % 2, each % 4, 1] = 5.0
    return Features(maps, labels, labels, {"4": maps}, labels.bool().numpy(), {2: (maps, labels), 8: (maps, labels)})


def test_every_row_has_a_model_and_a_world_and_every_table_the_plain_rivals() -> None:
    assert {row.model for row in ROWS} <= set(MODELS)
    assert {row.world for row in ROWS} <= set(WORLDS)
    assert len({(row.table, row.name) for row in ROWS}) == len(ROWS)
    for table in TABLES:
        models = {row.model.removesuffix(", jointly") for row in ROWS if row.table == table}
        assert {"mean", "mean, as many weights", "log-sum-exp"} <= models, table


def test_every_rival_has_the_same_trials_on_seeds_of_their_own() -> None:
    assert min(TUNING_SEEDS) >= 100
    joint = [model for model in MODELS.values() if model.joint]
    made = {(model.name, trial, seed) for model, trial, seed in trials()}
    assert len(made) == len(trials())
    assert len(made) == (len(RIVALS) * len(TRIALS) + len(joint) * len(JOINT_TRIALS)) * len(TUNING_SEEDS)
    assert {model.tuned for model in MODELS.values()} == {model.name for model in RIVALS}


def test_rates_of_training_jointly_come_from_their_own_trials(tmp_path: Path) -> None:
    joint = [{"share": share, "backbone": rate, "seed": 100, "map": rate - share} for share, rate in JOINT_TRIALS]
    frozen = {"rate": 1e-2, "dropout": 0.5, "seed": 100, "map": 0.4}
    write_json(tmp_path / "tuning.json", {"head": [frozen], "head, jointly": joint})
    place = Place(tmp_path, tmp_path)
    assert chosen(MODELS["head, jointly"], place) == (1e-2, 0.5)
    assert chosen_jointly(MODELS["head, jointly"], place) == [1 / 30, 1e-2]
    assert chosen_jointly(MODELS["head"], place) == []


def test_claims_name_rows_that_there_are() -> None:
    for claim in CLAIMS:
        better, worse = row_named(claim.better), row_named(claim.worse)
        assert better.table == claim.better[0]
        assert better != worse
        assert better.world == worse.world
    assert sum(claim.swept for claim in CLAIMS) >= 8


@pytest.mark.parametrize("model", RIVALS, ids=lambda model: model.name)
def test_every_head_answers_and_learns(model: Model) -> None:
    features = tiny()
    head = head_of(model, features, 0.0, 0)
    told = outputs(head(features.train))
    assert {each.shape for each in told} == {(8, 4)}
    assert len(told) == (2 if model.options.get("correlation") or model.kind == "tokens" else 1)
    told[0].square().sum().backward()
    assert any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in head.parameters())


def test_rivals_with_as_many_weights_have_them() -> None:
    features = tiny(16)
    ours = weights_of(head_of(MODELS["head"], features, 0.0, 0))
    for name in ("mean, as many weights", "log-sum-exp, as many weights"):
        assert weights_of(head_of(MODELS[name], features, 0.0, 0)) == pytest.approx(ours, rel=0.01)
    assert weights_of(SmallVideoNet()) < 100_000
    assert weights_of(SmallSoundNet()) < 100_000


def test_paper_sizes_are_counted_as_in_the_notes() -> None:
    """Multiply-adds of the equations at 157 and 1,024 activities, counted by hand."""
    assert formula_macs(157, False) == 308_281_344 + 3_211_264 + 2_572_288 + 20_096
    assert formula_macs(1024, True) - formula_macs(1024, False) == 2 * 1024**2 * 128 + 2 * 1024 * 128 * 4 + 1024 * 128


def test_a_cell_holds_every_reading_that_rows_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multilabel_cells.held_features", lambda *_: tiny())
    monkeypatch.setattr("multilabel_cells.STEPS", 150)
    trial = {"rate": 3e-3, "dropout": 0.0, "seed": 100, "map": 0.5}
    write_json(tmp_path / "tuning.json", {model.name: [trial] for model in RIVALS})
    made = cell("base", MODELS["head"], 0, Place(tmp_path, tmp_path))
    assert set(made["read"]) == {"4 mean", "4 own", "4 correlated"}
    assert made["read"]["4 mean"]["map"] > 0.9
    assert made["weights"] > 100_000
    assert made["rate"] == 3e-3


def test_cells_are_made_once_and_told_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def made(world: str, model: Model, seed: int, place: Place) -> dict[str, object]:
        calls.append((world, model.name, seed))
        height = 0.5 + 0.1 * (model.name == "head") + 0.01 * seed
        reads = {f"{row.views} {row.output}": {"map": height, "ap": [height]} for row in ROWS}
        rate, dropout = chosen(model, place)
        return {"read": reads, "weights": 1000, "rate": rate, "dropout": dropout, "cpu_seconds": 1.0, "load": 1.0}

    monkeypatch.setattr(multilabel, "cell", made)
    trials = {model.name: [{"rate": 1e-2, "dropout": 0.5, "seed": 100, "map": 0.4}] for model in RIVALS}
    write_json(tmp_path / "tuning.json", trials)
    place, table = Place(tmp_path, tmp_path), next(each for each in TABLES if each.startswith("Table 3c"))
    for _ in range(2):
        multilabel.make(place, [table], [0, 1, 2], float("inf"))
    assert len(calls) == len(set(calls)) == 3 * len(cells_of(tuple(row for row in ROWS if row.table == table)))
    costs = [{"name": "x", "activities": 157, "weights": 1_600_000, "gmacs": 0.1, "cpu_ms": 2.0}]
    write_report(tmp_path / "out", tmp_path, multilabel.gathered(place, [0, 1, 2]), costs)
    page = (tmp_path / "out" / "multilabel.md").read_text()
    assert "| complete | 61.0 (58.5 to 63.5) | +10.0 (+10.0 to +10.0) | 49.2 | 1.0 K | 3 |" in page
    assert "| Correlation helps (3c) | +0.8 | +10.0 (+10.0 to +10.0) | 3 | holds |" in page
    told = json.loads((tmp_path / "out" / "multilabel.json").read_text())
    assert {row["row"] for row in told["rows"] if row["table"] == table} == {
        row.name for row in ROWS if row.table == table}  # fmt: skip
    trials["mean"] += [{"rate": 3e-3, "dropout": 0.0, "seed": 100, "map": 0.6},  # Better on one seed alone.
                       {"rate": 3e-3, "dropout": 0.0, "seed": 101, "map": 0.1}]  # fmt: skip
    write_json(tmp_path / "tuning.json", trials)
    assert multilabel.gathered(place, [0, 1, 2])["base", "mean"]
    assert chosen(MODELS["mean"], place) == (1e-2, 0.5)
    trials["mean"].append({"rate": 3e-2, "dropout": 0.0, "seed": 100, "map": 0.5})  # Its cells are made anew.
    write_json(tmp_path / "tuning.json", trials)
    assert not multilabel.gathered(place, [0, 1, 2])["base", "mean"]
    before = len(calls)
    multilabel.make(place, [table], [0, 1, 2], float("inf"))
    assert calls[before:] == [("base", "mean", seed) for seed in range(3)]


def test_verdicts_follow_the_interval() -> None:
    higher, same = Claim("", ("", ""), ("", "")), Claim("", ("", ""), ("", ""), same=True)
    assert verdict(higher, Estimate(0.02, 0.01, 0.03, 5)) == "holds"
    assert verdict(higher, Estimate(0.02, -0.01, 0.05, 5)) == "not told apart"
    assert "other way" in verdict(higher, Estimate(-0.02, -0.03, -0.01, 5))
    assert verdict(same, Estimate(0.001, -0.005, 0.008, 5)) == "holds"
    assert verdict(same, Estimate(0.03, 0.02, 0.04, 5)) == "does not hold"
    assert verdict(same, Estimate(0.01, -0.02, 0.04, 5)) == "not told apart"
    assert verdict(higher, Estimate.of([0.1])) == "open: one seed"
    values = [0.01 * seed for seed in SEEDS]
    found = Estimate.of(values)
    assert (found.mean, found.high - found.mean) == (pytest.approx(0.02), pytest.approx(2.7764 * np.std(values, ddof=1) / 5**0.5, rel=1e-3))  # fmt: skip  # noqa: E501


def test_differences_are_paired_by_seed() -> None:
    better, worse = row_named(CLAIMS[0].better), row_named(CLAIMS[0].worse)

    def told(values: dict[int, float]) -> dict[int, dict[str, object]]:
        return {seed: {"read": {"4 mean": {"map": value}}} for seed, value in values.items()}

    cells = {
        ("base", better.model): told({0: 0.5, 1: 0.9, 3: 0.4}),
        ("base", worse.model): told({0: 0.4, 1: 0.8, 2: 0}),
    }
    found = difference(cells, better, worse)
    assert found is not None
    assert (found.mean, found.seeds) == (pytest.approx(0.1), 2)


def test_features_of_a_small_world_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("VIDEOS", {"train": 4, "test": 2}), ("BACKBONE_STEPS", {"video": 1, "sound": 1}),
                        ("CLIPS", 1)):  # fmt: skip
        monkeypatch.setattr(multilabel_worlds, name, value)
    multilabel_worlds.video_world.cache_clear()
    place = Place(tmp_path, tmp_path)
    made, again = (multilabel_worlds.features_of("base", 0, place) for _ in range(2))
    multilabel_worlds.video_world.cache_clear()
    assert made.train.shape == (4, 128, 4, 8, 8)
    assert set(made.test) == {"4", "2+4", "2+4+8"}
    assert {len(each) for each in made.test.values()} == {20}
    assert set(made.rates) == {2, 8}
    torch.testing.assert_close(made.train, again.train)
    assert made.test_labels.shape == (2, 16)
