"""ActivityNet's layout: the real 1.3, a made-up 1.2, and what can be wrong in it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.activitynet import read_activitynet
from whenabouts.data.annotations.nouns import rate_of


def written(folder: Path, database: dict[str, Any], version: str = "VERSION 1.2") -> Path:
    path = folder / "activity_net.v1-2.min.json"
    path.write_text(json.dumps({"version": version, "taxonomy": [], "database": database}))
    return path


def test_the_real_file(shared: Path) -> None:
    found = read_activitynet(shared / "data" / "annotations" / "activitynet13.json")
    counts = found.counts()
    assert len(found.videos) == 19228
    assert len(found.labels) == 200
    assert [counts[f"videos_{split}"] for split in ("train", "validation", "test")] == [9649, 4728, 4851]
    assert [counts[f"instances_{split}"] for split in ("train", "validation", "test")] == [14859, 7293, 0]
    assert counts["zero_length"] + counts["inverted"] == 12
    assert counts["past_the_end"] == 215
    assert len(found.instance_faults()) == 227
    assert not found.faults
    assert found.ground_truth == ("ActivityNet 1.3 (19228 of 19994 videos), validation: 4,728 videos, 7,293 instances")
    first = found.videos[0]
    assert (first.id, first.fps, first.duration_seconds) == ("QOlSCBRmfWY", Fraction(25), 82.73)
    assert first.covered_seconds == pytest.approx(82.73 * 2064 / 2067)


def test_version_1_2_in_the_same_layout(tmp_path: Path) -> None:
    path = written(tmp_path, {
        "a": {"subset": "training", "duration": 20.0, "annotations": [{"segment": [1, 5], "label": "Archery"}]},
        "b": {"subset": "validation", "duration": 10.0,
              "annotations": [{"segment": [3, 3], "label": "Archery"}, {"segment": [2, 11], "label": "Ballet"}]},
        "c": {"subset": "testing", "duration": 9.0, "annotations": []},
    })  # fmt: skip
    found = read_activitynet(path)
    assert found.ground_truth == "ActivityNet 1.2, validation: 1 videos, 2 instances"
    assert [video.split for video in found.videos] == ["train", "validation", "test"]
    counts = found.counts()
    assert (counts["zero_length"], counts["inverted"], counts["past_the_end"]) == (1, 0, 1)
    assert list(found.truth()["database"]) == ["b"]


def test_measured_is_test_where_validation_has_no_instance(tmp_path: Path) -> None:
    row = {"segment": [1, 5], "label": "x"}
    path = written(tmp_path, {"a": {"subset": "Test", "annotations": [row]}, "b": {"subset": "val"}})
    assert read_activitynet(path).measured == "test"
    with pytest.raises(InvalidData, match="'validation' has no instance"):
        read_activitynet(path, "validation")


def test_what_can_not_be_read_is_named(tmp_path: Path) -> None:
    rows = [{"segment": [1], "label": "x"}, {"segment": ["1.5", "2"], "label": "x"}, {"segment": [1, None]}, 7,
            {"segment": [float("nan"), 1], "label": "x"}]  # fmt: skip
    found = read_activitynet(written(tmp_path, {"a": {"subset": "train", "annotations": rows}, "b": 3, "c": {}}))
    assert len(found.videos) == 1
    assert found.videos[0].instances[0].start_seconds == 1.5
    assert [fault.where for fault in found.faults] == [
        "a instance 0", "a instance 2", "a instance 3", "a instance 4", "b", "c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "rate"),
    [(25.0, Fraction(25)), (29.97002997002997, Fraction(30000, 1001)), ("30", Fraction(30)),
     (23.976, Fraction(24000, 1001)), (0, None), (None, None), ("x", None), (float("inf"), None),
     (0.4, Fraction(2, 5))],
)  # fmt: skip
def test_rates(said: object, rate: Fraction | None) -> None:
    assert rate_of(said) == rate
