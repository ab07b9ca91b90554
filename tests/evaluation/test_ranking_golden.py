"""The golden YouTube-8M metrics: official numbers, met case by case."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core import InvalidData
from whenabouts.evaluation.ranked_lists import read_ranked_lists
from whenabouts.evaluation.ranking import average_precision, precision_per_class
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.evaluation.segment_ranking import Convention, RankingScores, evaluate_ranking
from whenabouts.evaluation.video_ranking import VideoRanking

pytestmark = pytest.mark.golden


def cases(shared: Path, name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads((shared / "golden" / "y8m" / name).read_text())
    return listed


def numbers(values: list[Any]) -> list[float]:
    return [float(value) for value in values]


def assert_meets(case: dict[str, Any], value: float) -> None:
    if case["tie_free"]:
        assert value == pytest.approx(case["ap"], abs=1e-9), case.get("tag")
    assert case["ap_min_over_ties"] - 1e-9 <= value <= case["ap_max_over_ties"] + 1e-9, case.get("tag")


def test_average_precision_at_n(shared: Path) -> None:
    refused, tied = 0, 0
    every = cases(shared, "metrics/ap_at_n.json")
    for case in every:
        scores, labels = numbers(case["predictions"]), numbers(case["actuals"])
        if case["error"]:
            with pytest.raises(InvalidData):
                average_precision(scores, labels, n=case["n"], positives=case["total_num_positives"])
            refused += 1
            continue
        assert_meets(case, average_precision(scores, labels, n=case["n"], positives=case["total_num_positives"]))
        tied += not case["tie_free"]
    assert (len(every), refused, tied) == (205, 2, 27)


def test_average_precision_in_chunks(shared: Path) -> None:
    every = cases(shared, "metrics/ap_accumulate.json")
    for case in every:
        scores, labels = (
            [float(value) for chunk in case["chunks"] for value in chunk[name]] for name in ("predictions", "actuals")
        )
        told = [chunk["num_positives"] for chunk in case["chunks"]]
        found = [np.sum(np.asarray(numbers(chunk["actuals"])) > 0) for chunk in case["chunks"]]
        positives = sum(one if number is None else number for number, one in zip(told, found, strict=True))
        assert positives == case["num_accumulated_positives"]
        assert_meets(case, average_precision(scores, labels, n=case["top_n"], positives=positives))
    assert len(every) == 50


def test_mean_average_precision(shared: Path) -> None:
    every = cases(shared, "metrics/mean_ap.json")
    for case in every:
        scores, labels = ([numbers(values) for values in case[name]] for name in ("predictions", "actuals"))
        classes = np.repeat(np.arange(len(scores)), [len(values) for values in scores])
        positives = np.asarray([np.sum(np.asarray(values) > 0) for values in labels])
        positives = positives if case["num_positives"] is None else np.asarray(case["num_positives"])
        found = precision_per_class(classes, np.concatenate(scores), np.concatenate(labels), positives, n=case["top_n"])
        found = found[positives > 0] if case["filter_empty_classes"] else found
        assert found == pytest.approx(np.asarray(case["aps"], float), abs=1e-9)
        assert case["mean_ap"] is None or found.mean() == pytest.approx(case["mean_ap"])
    assert len(every) == 60


def test_batches_of_videos(shared: Path) -> None:
    every = cases(shared, "metrics/batch_metrics.json")
    untied = 0
    with np.load(shared / "golden" / "y8m" / "metrics" / "batch_metrics.npz", allow_pickle=False) as arrays:
        for case in every:
            ranking = VideoRanking(top=case["top_k"])
            untied += not case["has_ties"]
            for number, expected in enumerate(case["per_batch"]):
                name = f"c{case['case']}_b{number}"
                scores, labels = arrays[f"{name}_predictions"], arrays[f"{name}_labels"]
                if case["has_label_weights"]:
                    scores = scores * arrays[f"{name}_label_weights"]
                ranking.add(scores, labels)
                alone = VideoRanking(top=case["top_k"])
                alone.add(scores, labels)
                assert alone.scores().hit_at_one == pytest.approx(expected["hit_at_one"], abs=1e-6)
                if not case["has_ties"]:
                    assert alone.scores().perr == pytest.approx(expected["perr"], abs=1e-6)
                    assert alone.scores().gap == pytest.approx(expected["gap"], abs=1e-6)
            found, epoch = ranking.scores(), case["epoch"]
            assert found.hit_at_one == pytest.approx(epoch["avg_hit_at_one"], abs=1e-6)
            assert (found.positives > 0).sum() == epoch["num_classes_in_map"]
            if not case["has_ties"]:
                assert found.perr == pytest.approx(epoch["avg_perr"], abs=1e-6)
                assert found.gap == pytest.approx(epoch["gap"], abs=1e-6)
                assert found.average_precision[found.positives > 0] == pytest.approx(np.array(epoch["aps"]), abs=1e-6)
                mean = np.nan if epoch["map"] is None else epoch["map"]  # null: no class has a label
                assert found.map == pytest.approx(mean, abs=1e-6, nan_ok=True)
    assert (len(every), untied) == (50, 19)


def judged(folder: Path, case: dict[str, Any], convention: Convention) -> RankingScores:
    lists = read_ranked_lists(folder / case["submission_file"], convention=convention)
    return evaluate_ranking(
        RatedPairs.read(folder / case["labels_file"]), lists, top=case["top_n"], convention=convention
    )


def test_segments_as_the_official_script_counts_them(shared: Path) -> None:
    folder = shared / "golden" / "y8m" / "segment_eval"
    refused = 0
    every = cases(shared, "segment_eval/expected.json")
    for case in every:
        if case["error"]:
            with pytest.raises(InvalidData, match=case["error"]):
                judged(folder, case, "official-script")
            refused += 1
            continue
        found = judged(folder, case, "official-script")
        assert found.classes.tolist() == case["classes_sorted"]
        assert found.average_precision == pytest.approx(np.array(case["per_class_ap"]), abs=1e-12)
        assert found.map == pytest.approx(case["map"], abs=1e-12)
        assert found.positives.tolist() == [case["num_positives_per_class"][str(one)] for one in case["classes_sorted"]]
    assert (len(every), refused) == (165, 45)


INTENDED = {  # the variant that tells what each file means
    "as_written_by_inference_without_header": "clean",
    "kaggle_file_with_header": "clean",
    "duplicate_segment": "clean",
    "extra_class_without_labels": "clean",
    "last_id_is_the_only_positive": "last_id_is_the_only_positive_trailing_space",
    "single_class_only": "clean",
}


def test_segments_as_kaggle_means_them(shared: Path) -> None:
    folder = shared / "golden" / "y8m" / "segment_eval"
    every = cases(shared, "segment_eval/expected.json")
    by_name = {(case["case"], case["variant"], case["top_n"]): case for case in every}
    intended = 0
    for case in every:
        twin = by_name[case["case"], INTENDED.get(case["variant"], case["variant"]), case["top_n"]]
        intended += twin is not case
        precision = dict(zip(twin["classes_sorted"], twin["per_class_ap"], strict=True))
        shown = case["classes_sorted"] if case["variant"] == "single_class_only" else twin["classes_sorted"]
        found = judged(folder, case, "kaggle")
        assert found.classes.tolist() == shown, case["variant"]
        assert found.average_precision == pytest.approx(np.array([precision[one] for one in shown]), abs=1e-12)
        assert found.left_out == ((3,) if case["variant"] == "extra_class_without_labels" else ())
    assert (len(every), intended) == (165, 90)
