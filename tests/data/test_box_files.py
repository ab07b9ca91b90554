"""A project's boxes: what can't be used is told by its line, and costs no other box."""

from pathlib import Path

import numpy as np

from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.box_files import read_boxes


def test_boxes_that_can_not_be_used_are_told_by_line_and_the_others_clipped(tmp_path: Path) -> None:
    path = tmp_path / "test-people.csv"
    rows = (
        "a,1,0.1,0.1,0.5,0.5", "a,1,0.5,0.1,0.1,0.5", "a,1,1.5,0,2,1", "a,1,1e300,0,1e308,1", "a,1,0,0,0,0",
        "a,-1,0,0,1,1", ",1,0,0,1,1", "a,nan,0,0,1,1", "a,1,0,0", "b,2,-5,0.25,1e300,6",
    )  # fmt: skip
    path.write_text("video,seconds,x1,y1,x2,y2\n" + "\n".join(rows))
    boxes, problems = read_boxes(path, Vocabulary(("x",)))
    assert boxes.video_ids == ("a", "b")
    np.testing.assert_array_equal(boxes.xyxy, [[0.1, 0.1, 0.5, 0.5], [0, 0.25, 1, 1]])
    flat = "a box without area in the picture"
    wrong = (*[flat] * 4, "a box before its video begins", "a box of no video", "a number is not finite")
    told = [f"test-people.csv line {line}: {what}" for line, what in enumerate(wrong, start=3)]
    assert list(problems) == [*told, "test-people.csv line 10: not video, seconds and four corners"]
