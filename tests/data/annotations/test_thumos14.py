"""THUMOS14 in its forms: the official folder, JSON variants, the CSV table, and ground truths by name."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.nouns import Instance
from whenabouts.data.annotations.thumos14 import read_thumos14

FORMS = ("thumos14_txt", "thumos14.json", "thumos14_gtad_gt.json", "thumos14_test_groundtruth.csv")


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    return shared / "data" / "annotations"


@pytest.mark.parametrize(
    ("form", "train", "test", "ambiguous", "name"),
    [
        (FORMS[0], (200, 3007), (213, 3358), 188, "THUMOS14-213: 213 videos, 3,358 instances"),
        (FORMS[1], (200, 3007), (213, 3358), 188, "THUMOS14-213: 213 videos, 3,358 instances"),
        (FORMS[2], (200, 3007), (210, 3311), 0, "THUMOS14-210: 210 videos, 3,311 instances"),
        (FORMS[3], (0, 0), (213, 3358), 99, "THUMOS14-213: 213 videos, 3,358 instances"),
    ],
)
def test_the_real_files(
    real: Path, form: str, train: tuple[int, int], test: tuple[int, int], ambiguous: int, name: str
) -> None:
    found = read_thumos14(real / form)
    counts = found.counts()
    assert (counts.get("videos_train", 0), counts.get("instances_train", 0)) == train
    assert (counts["videos_test"], counts["instances_test"]) == test
    assert (counts["ambiguous_spans"], found.ground_truth) == (ambiguous, name)
    assert len(found.labels) == 20
    assert not found.faults


def test_all_forms_say_the_same_of_the_test_set(real: Path) -> None:
    forms = [{video.id: video for video in read_thumos14(real / form, "210").of_split("test")} for form in FORMS]
    assert all(form.keys() == forms[0].keys() for form in forms)
    for video_id, video in forms[0].items():
        said = [sorted(form[video_id].instances, key=str) for form in forms]
        assert all(rows == said[0] for rows in said), video_id
        assert sorted(forms[1][video_id].ambiguous) == sorted(video.ambiguous)


@pytest.mark.parametrize(
    ("variant", "instances", "without"),
    [("213", 3358, ()), ("212", 3358, ("1292",)), ("211", 3311, ("0270", "1496")),
     ("210", 3311, ("0270", "1292", "1496"))],
)  # fmt: skip
def test_ground_truths_by_their_names(real: Path, variant: str, instances: int, without: tuple[str, ...]) -> None:
    found = read_thumos14(real / "thumos14.json", variant)  # type: ignore[arg-type]
    assert found.ground_truth == f"THUMOS14-{variant}: {variant} videos, {instances:,} instances"
    assert tuple(video.id[-4:] for video in found.of_split("left-out")) == without
    assert len(found.truth()["database"]) == int(variant)


def test_a_selection_that_is_none_of_these_is_not_called_so(shared: Path) -> None:
    """AutoLoc's dump has 210 videos too, but 77 instances fewer."""
    found = read_thumos14(shared / "data" / "tal" / "autoloc" / "thumos14_gt.json")
    assert found.ground_truth == "THUMOS14, own selection: 210 videos, 3,234 instances"


def test_a_ground_truth_that_is_not_all_there_is_refused(real: Path) -> None:
    with pytest.raises(InvalidData, match="holds 210 of the 213 test videos"):
        read_thumos14(real / "thumos14_gtad_gt.json", "213")


def test_instances_past_the_end_are_counted_and_told(real: Path) -> None:
    found = read_thumos14(real / "thumos14.json")
    assert found.counts()["past_the_end"] == 30
    where = [fault.where.split()[0] for fault in found.instance_faults()]
    assert {name: where.count(name) for name in set(where)} == {
        "video_test_0000270": 22, "video_test_0000814": 3, "video_validation_0000364": 2,
        "video_validation_0000856": 2, "video_test_0001081": 1,
    }  # fmt: skip


def test_text_by_hand(tmp_path: Path) -> None:
    (tmp_path / "Diving_val.txt").write_text("video_validation_0000001  1.5 2.5\n\nvideo_validation_0000001 3 x\n")
    (tmp_path / "CliffDiving_test.txt").write_text("video_test_0000002  7.0 4.0\n")
    (tmp_path / "Ambiguous_test.txt").write_text("video_test_0000003  0.0 1.0\n")
    (tmp_path / "detclasslist.txt").write_text("7 BaseballPitch\n")
    found = read_thumos14(tmp_path)
    by_id = {video.id: video for video in found.videos}
    assert by_id["video_validation_0000001"].instances == (Instance("Diving", 1.5, 2.5),)
    assert by_id["video_test_0000003"].ambiguous == ((0.0, 1.0),)
    assert [(fault.where, fault.seen) for fault in found.faults] == [
        ("Diving_val.txt line 3", "video_validation_0000001 3 x")
    ]
    assert found.counts()["inverted"] == 1
    assert found.truth() == {
        "version": "THUMOS14",
        "ground_truth": "THUMOS14, own selection: 2 videos, 1 instances",
        "taxonomy": [],
        "database": {
            "video_test_0000002": {
                "subset": "test", "annotations": [{"label": "CliffDiving", "segment": [7.0, 4.0]}], "ambiguous": [],
            },
            "video_test_0000003": {"subset": "test", "annotations": [], "ambiguous": [{"segment": [0.0, 1.0]}]},
        },
    }  # fmt: skip


def test_the_table_by_hand(tmp_path: Path) -> None:
    head = "video-name,t-init,t-end,f-init,f-end,video-duration,frame-rate,video-frames,label-idx\n"
    rows = "video_test_0000001,1.0,2.0,30,60,9.5,29.97002997002997,285,7\nvideo_test_0000001,1,2,3,4,9.5,30,285,20\n"
    (tmp_path / "gt.csv").write_text(head + rows)
    found = read_thumos14(tmp_path / "gt.csv")
    (video,) = found.videos
    assert video.labels == ("Diving",)
    assert (video.duration_seconds, video.fps) == (9.5, Fraction(30000, 1001))
    assert len(found.faults) == 1


def test_names_decide_what_is_tested_whatever_subsets_are_called(tmp_path: Path) -> None:
    """OpenTAD's file calls the validation videos "training" and the test videos "validation"."""
    rows = [{"segment": [1, 2], "label": "Diving"}]
    database = {"video_validation_0000001": {"subset": "training", "annotations": rows},
                "video_test_0000002": {"subset": "validation", "annotations": rows}}  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps({"database": database}))
    assert [video.split for video in read_thumos14(tmp_path / "x.json").videos] == ["train", "test"]


def test_what_is_no_annotation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="holds no file like BaseballPitch_val"):
        read_thumos14(tmp_path)
    for content in ("{", "[]", json.dumps({"database": []}), json.dumps({"database": {}})):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(InvalidData):
            read_thumos14(tmp_path / "x.json")
