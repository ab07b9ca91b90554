"""Several labels at once, by hand: average precision, ties, Charades' and AVA's files and what is wrong in them."""

import json
from pathlib import Path

import numpy as np
import pytest

from whenabouts import cli
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.evaluation.ava import evaluate_ava, overlaps
from whenabouts.evaluation.ava_files import read_actions, read_boxes
from whenabouts.evaluation.charades import evaluate_charades_classify, evaluate_charades_localize
from whenabouts.evaluation.charades_files import CLASSES, read_submission, read_truth
from whenabouts.evaluation.label_ranking import label_aps


def column(*values: float) -> np.ndarray:
    return np.asarray(values, np.float64)[:, None]


def test_precision_at_each_positive() -> None:
    present = column(1, 0, 1, 0) > 0
    # Ranks 0 and 2: (1/1 + 2/3) / 2.
    assert label_aps(column(4, 3, 2, 1), present, ties="in order")[0] == pytest.approx((1 + 2 / 3) / 2)
    assert label_aps(column(1, 2, 3, 4), present, ties="in order")[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert np.isnan(label_aps(column(1, 2), column(0, 0) > 0, ties="in order")[0])
    assert np.isnan(label_aps(np.zeros((0, 1)), np.zeros((0, 1), bool), ties="together")[0])


def test_ties_in_order_or_together() -> None:
    present = column(0, 1, 0, 1) > 0
    tied = column(5, 5, 5, 1)
    assert label_aps(tied, present, ties="in order")[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    # The first step has 3 of which 1 is right, the second 4 of which 2: (1/3 + 2/4) / 2.
    assert label_aps(tied, present, ties="together")[0] == pytest.approx((1 / 3 + 2 / 4) / 2)
    everything = np.full((10, 1), 0.5)
    assert label_aps(everything, column(*[1] * 3, *[0] * 7) > 0, ties="together")[0] == pytest.approx(0.3)


def test_scores_without_a_rank_are_refused() -> None:
    with pytest.raises(InvalidData, match="NaN"):
        label_aps(column(1, np.nan), column(1, 0) > 0, ties="in order")
    with pytest.raises(InvalidData, match="one shape"):
        label_aps(column(1, 2), column(1) > 0, ties="in order")
    assert label_aps(column(-np.inf, 0), column(1, 0) > 0, ties="in order")[0] == 0.5


TRUTH = """id,subject,actions,length
A,S1,c000 1.00 3.00;c001 0.00 10.00,10.00
B,S1,,10.00
C,S2,c000 0.00 0.40;c999 0.00 1.00;c001 x 2,10.00
A,S1,c002 0.00 1.00,10.00
,S1,,5
D,S3,c001 2.00 4.00,
"""


def charades(folder: Path) -> Path:
    path = folder / "truth.csv"
    path.write_text(TRUTH)
    (folder / "classes.txt").write_text("c000 Holding\nc001 Sitting\nc002 Running\n")
    return path


def test_charades_classify_by_hand(tmp_path: Path) -> None:
    truth = read_truth(charades(tmp_path), tmp_path / "classes.txt")
    assert [video.video_id for video in truth.videos] == ["A", "B", "C", "D"]
    assert [problem.split(":")[0] for problem in truth.problems] == [
        "truth.csv line 4", "truth.csv line 4", "truth.csv line 5", "truth.csv line 6",
    ]  # fmt: skip
    path = tmp_path / "given.txt"
    path.write_text("B 9 9 9\nA 1 2 3\nC 2 1 1 7\nX 1 1 1\nbad\nA 1 nan 3\nC 1 1\n")
    given = read_submission(path, 3, frames=False)
    scores = evaluate_charades_classify(truth, given)
    # B has no action: it ranks last. c000: C (2), A (1) are right. c001: A lost its number, D is missing.
    assert scores.ap[0] == 1.0
    assert scores.ap[1] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert np.isnan(scores.ap[2])
    assert np.isnan(scores.mean)
    assert scores.mean_of_occurring == pytest.approx(0.75)
    told = " ".join(scores.problems)
    for what in ("not in the submission", "not in the truth", "again", "no number", "2 scores"):
        assert what in told
    ports = evaluate_charades_classify(truth, given, convention="pyslowfast")
    assert ports.ap[0] == pytest.approx((1 / 2 + 2 / 3) / 2)  # B's 9 stands first.
    assert ports.mean == ports.mean_of_occurring


def test_charades_localize_by_hand(tmp_path: Path) -> None:
    truth = read_truth(charades(tmp_path), tmp_path / "classes.txt")
    path = tmp_path / "frames.txt"
    # Frames are at 0, 0.4, 0.8 ... 9.6 s; c000 is there in A at 1.2 ... 2.8, in C at 0 and at 0.4, its very end.
    path.write_text(
        "".join(f"A {frame} {1.0 if 3 <= frame <= 7 else 0.0} 0.5 0\n" for frame in range(25)) + "A 2.5 9 9 9\n"
    )
    given = read_submission(path, 3, frames=True)
    assert given.problems == ("frames.txt line 26: not id, frame and numbers: 'A 2.5 9 9 9'",)
    assert min(frame for _, frame in given.scores) == 1  # The file counted from 0.
    scores = evaluate_charades_localize(truth, given)
    assert scores.positives.tolist() == [7, 25, 0]
    # Five hits on top, then 20 frames of A and 25 of B without any, then the first two of C.
    assert scores.ap[0] == pytest.approx((5 + 6 / 51 + 7 / 52) / 7)
    assert any("without a length" in problem for problem in scores.problems)
    with pytest.raises(SettingsError, match="official"):
        evaluate_charades_localize(truth, given, convention="mmaction2")


def test_unusable_files_say_so(tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("a,b\n1,2\n")
    for read, told in (
        (lambda: read_truth(bare), "needs columns"),
        (lambda: read_truth(tmp_path / "none.csv"), "can't be read"),
        (lambda: read_submission(tmp_path / "none.txt", CLASSES, frames=False), "can't be read"),
        (lambda: read_truth(charades(tmp_path), bare), "in order"),
        (lambda: read_actions(bare), "lists no action"),
        (lambda: read_boxes(tmp_path / "none.csv", scores=True), "can't be read"),
    ):
        with pytest.raises(InvalidData, match=told):
            read()  # type: ignore[no-untyped-call]
    bare.write_text("id,actions,length\n")
    with pytest.raises(InvalidData, match="holds no video"):
        read_truth(bare)


def test_overlap_of_boxes() -> None:
    boxes = np.asarray([[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0.6, 0.6, 0.9, 0.9]])
    np.testing.assert_allclose(overlaps(boxes[:1], boxes), [[1, 1 / 3, 0]])


BOXES = """v,0902,0,0,.5,.5,12,1
v,0902,.5,.5,1,1,12,2
v,0903
v,0904,0,0,.5,.5,17,3_
v,0904,0,0,.5,.5,80,1
v,0905,x,0,.5,.5,80,1
v,0905,0,0,.5,.5,99999999999999999999,1
"""


def test_ava_by_hand(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(BOXES)
    (tmp_path / "found.csv").write_text(
        "v,902,0,0,.5,.5,12,.9\n"  # right
        "v,902,0,0,.5,.45,12,.8\n"  # the same box again: false
        "v,902,.5,.5,1,.99,12,.7\n"  # right
        "v,903,0,0,1,1,12,.95\n"  # nobody is there: false
        "v,999,0,0,1,1,12,.99\n"  # no such keyframe
        "v,904,.5,.5,.4,1,17,.9\n"  # no box
        "v,904,0,0,.5,.5,2,.9\n"  # not measured
    )
    truth, found = read_boxes(tmp_path / "truth.csv", scores=False), read_boxes(tmp_path / "found.csv", scores=True)
    assert truth.empty == (("v", 903.0),)
    assert [problem.split(":")[0] for problem in truth.problems] == ["truth.csv line 6", "truth.csv line 7"]
    scores = evaluate_ava(truth, found, [12, 17, 80, 9])
    # Class 12 by score: false, right, false, right: envelope 1/2 and 1/2 over two boxes.
    assert scores.ap[12] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert (scores.ap[17], scores.ap[80]) == (0, 0)
    assert np.isnan(scores.ap[9])
    assert scores.mean == pytest.approx(0.5 / 3)
    assert scores.counts["keyframes_without_truth"] == 1
    strict = evaluate_ava(truth, found, [12], convention="pyslowfast")
    assert strict.ap[12] == pytest.approx((2 / 5 + 2 / 5) / 2)  # .99 at a keyframe without truth, .95: both false.
    without = evaluate_ava(truth, found, [12], excluded=[("v", 902.0)])
    assert np.isnan(without.mean)


def test_only_the_fifty_best_of_a_keyframe_count(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("v,1,0,0,.5,.5,12,1\n")
    rows = [f"v,1,.6,.6,.9,.9,80,{1 - k / 100}" for k in range(50)] + ["v,1,0,0,.5,.5,12,.1"]
    (tmp_path / "found.csv").write_text("\n".join(rows))
    truth, found = read_boxes(tmp_path / "truth.csv", scores=False), read_boxes(tmp_path / "found.csv", scores=True)
    assert evaluate_ava(truth, found, [12, 80]).ap[12] == 0
    assert evaluate_ava(truth, found, [12, 80], convention="mmaction2").ap[12] == 1
    assert evaluate_ava(truth, found, [12]).ap[12] == 1  # Others are not measured, and take no place.


@pytest.mark.parametrize("name", ["charades-classify", "charades-localize", "ava"])
def test_the_commands_print_one_object(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, found, classes = charades(tmp_path), tmp_path / "found.txt", tmp_path / "classes.txt"
    found.write_text("A 1 2 3\nB 0 0 0\n" if name == "charades-classify" else "A 1 1 2 3\n")
    if name == "ava":
        truth, classes = tmp_path / "boxes.csv", tmp_path / "actions.pbtxt"
        truth.write_text(BOXES)
        found.write_text("v,902,0,0,.5,.5,12,.9\n")
        classes.write_text('item {\n  name: "stand"\n  id: 12\n}\nitem {\n  name: "watch"\n  id: 80\n}\n')
    words = ["evaluate", name, "--truth", truth, "--predictions", found, "--classes", classes, "--json"]
    monkeypatch.setattr("sys.argv", ["whenabouts", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    assert (left.value.code or 0) == 0, err
    values = json.loads(out)
    assert {"map", "per_class_ap", "convention"} <= values.keys()
    assert values["convention"] == "official"
    if name == "ava":
        assert values["per_class_ap"] == {"12": 0.5, "80": 0.0}
        assert values["map"] == 0.25
        assert values["settings"]["names"] == {"12": "stand", "80": "watch"}
    else:
        assert values["map"] is None
        assert list(values["per_class_ap"]) == ["c000", "c001", "c002"]
        assert values["settings"]["names"]["c001"] == "Sitting"
