import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from whenabouts.commands.evaluate import app
from whenabouts.core.errors import InvalidData, SettingsError

RUN = {"label": "run", "segment": [10.0, 20.0]}
DATABASE = {
    "v": {"subset": "validation", "duration": 100, "annotations": [RUN, {"label": "run", "segment": [40.0, 60.0]}]},
    "w": {"subset": "training", "duration": 100, "annotations": [{"label": "jump", "segment": [0.0, 25.0]}]},
}
RESULTS = {
    "v": [
        {**RUN, "score": 0.9},
        {"label": "run", "segment": [11.0, 21.0], "score": 0.8},
        {"label": "run", "segment": [42.0, 60.0], "score": 0.7},
    ]
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    truth, predictions = tmp_path / "truth.json", tmp_path / "predictions.json"
    truth.write_text(json.dumps({"version": "", "taxonomy": [], "database": DATABASE}), encoding="utf-8")
    predictions.write_text(json.dumps({"version": "", "external_data": {}, "results": RESULTS}), encoding="utf-8")
    return ["--truth", str(truth), "--predictions", str(predictions)]


def rewritten(files: list[str], rows: list[dict[str, Any]]) -> list[str]:
    Path(files[3]).write_text(json.dumps({"results": {"v": [*RESULTS["v"], *rows]}}), encoding="utf-8")
    return files


def values(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_moments_prints_one_json_object(files: list[str]) -> None:
    scores = values("moments", *files, "--tiou", "0.5,0.95")
    # At 0.5: hit, duplicate, hit: AP 1/2 + 1/2 * 2/3; at 0.95 only the first hits.
    assert scores["map"] == [pytest.approx(5 / 6), 0.5]
    assert scores["average_map"] == pytest.approx(2 / 3)
    assert scores["per_class"] == {"run": scores["map"]}
    assert (scores["protocol"], scores["policy"], scores["tiou"]) == ("activitynet", "official", [0.5, 0.95])
    assert (scores["subset"], scores["instances"], scores["predictions"]) == ("validation", 2, 3)
    assert scores["left_out"] == {"count": 0, "by_reason": {}, "rows": []}


def test_moments_defaults_are_the_protocols_own(files: list[str]) -> None:
    assert len(values("moments", *files)["tiou"]) == 10
    assert values("moments", *files, "--protocol", "thumos14")["tiou"][2] == 0.30000000000000004
    assert values("moments", *files, "--protocol", "thumos15")["map"][0] == pytest.approx((1 + 2 / 3) / 2)


def test_moments_shows_a_table_to_people(files: list[str]) -> None:
    result = CliRunner().invoke(app, ["moments", *files, "--tiou", "0.5"], catch_exceptions=False)
    lines = result.stdout.splitlines()
    assert lines[0] == "Moments: 3 predictions against 2 instances"
    assert "run    0.8333" in lines
    assert "average mAP  0.8333" in lines
    assert lines[-1] == "policy: official, subset: validation"


def test_moments_policies(files: list[str]) -> None:
    rewritten(files, [{"label": "swim", "segment": [0, 1], "score": 1}])
    for policy in ("official", "strict"):
        with pytest.raises(InvalidData, match=r"1 unknown label.*v row 3.*swim"):
            CliRunner().invoke(app, ["moments", *files, "--policy", policy], catch_exceptions=False)
    scores = values("moments", *files, "--policy", "clean", "--tiou", "0.5")
    assert scores["map"] == [pytest.approx(5 / 6)]
    assert scores["left_out"]["by_reason"] == {"unknown label": 1}
    assert [(row["video"], row["row"], row["source"]) for row in scores["left_out"]["rows"]] == [
        ("v", 3, "predictions")
    ]
    text = CliRunner().invoke(app, ["moments", *files, "--policy", "clean"], catch_exceptions=False).stdout
    assert "rows left out: 1 (1 unknown label)" in text


def test_empty_spans_stop_the_strict_policy_only(files: list[str]) -> None:
    rewritten(files, [{"label": "run", "segment": [5, 5], "score": 0.1}])
    assert values("moments", *files, "--tiou", "0.5")["predictions"] == 4
    assert values("moments", *files, "--policy", "clean", "--tiou", "0.5")["predictions"] == 3
    with pytest.raises(InvalidData, match="zero-length"):
        CliRunner().invoke(app, ["moments", *files, "--policy", "strict"], catch_exceptions=False)


def test_other_subsets_and_wrong_ones(files: list[str]) -> None:
    Path(files[3]).write_text(json.dumps({"results": {}}), encoding="utf-8")
    assert values("moments", *files, "--subset", "training")["per_class"].keys() == {"jump"}
    with pytest.raises(InvalidData, match=r"validation \(1 videos\), training \(1 videos\)"):
        CliRunner().invoke(app, ["moments", *files, "--subset", "test"], catch_exceptions=False)
    with pytest.raises(SettingsError, match="no tIoU thresholds"):
        CliRunner().invoke(app, ["moments", *files, "--subset", "training", "--tiou", "half"], catch_exceptions=False)


def test_proposals(files: list[str]) -> None:
    scores = values("proposals", *files, "--tiou", "0.5", "--max-per-video", "3")
    assert scores["recall"][0][-1] == 1.0
    assert scores["max_avg_nr_proposals"] == 3
    assert scores["proposals_per_video"][-1] == pytest.approx(3)
    assert {"average_recall", "area_under_curve", "area_under_curve_percent", "left_out"} <= set(scores)
    text = CliRunner().invoke(app, ["proposals", *files], catch_exceptions=False).stdout
    assert "area under curve (%)" in text


def test_classification(files: list[str]) -> None:
    scores = values("classification", *files, "--top-k", "1")
    assert (scores["map"], scores["hit_at_k"], scores["avg_hit_at_k"], scores["top_k"]) == (1.0, 1.0, 1.0, 1)
    assert scores["per_class"] == {"run": 1.0}
    text = CliRunner().invoke(app, ["classification", *files], catch_exceptions=False).stdout
    assert "hit@3" in text


def test_diagnosis(files: list[str]) -> None:
    result = values("diagnosis", *files, "--tiou", "0.5", "--buckets", "activitynet")
    assert result["errors"]["profile"][9]["duplicate"] == pytest.approx(1 / 3)
    assert {bucket["trait"] for bucket in result["sensitivity"]} == {"length (s)", "coverage", "instances"}
    assert result["border_errors"]["matched"] == 2
    assert result["border_errors"]["start_seconds"]["mean_size"] == 1.0
    text = CliRunner().invoke(app, ["diagnosis", *files], catch_exceptions=False).stdout
    for word in ("bad boundaries", "coverage", "nine of ten"):
        assert word in text


def test_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, whenabouts.commands.evaluate\n"
        "print(sorted({'torch', 'av', 'scipy', 'numpy', 'whenabouts.evaluation'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not set(done.stdout.strip()[1:-1].split(", ")) & {"'torch'", "'av'", "'scipy'", "'whenabouts.evaluation'"}


def test_plots_are_drawn_where_they_are_asked_for(files: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "plots"
    told = values("moments", *files, "--tiou", "0.5", "--plots", str(folder))["plots"]
    assert [Path(name).name for name in told] == ["precision-recall.png", "classes.png", "errors.png"]
    assert all(Path(name).read_bytes().startswith(b"\x89PNG") for name in told)
    assert "plots" not in values("moments", *files, "--tiou", "0.5")
    assert values("diagnosis", *files, "--plots", str(tmp_path / "why"))["plots"] == [str(tmp_path / "why/errors.png")]
