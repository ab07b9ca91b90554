"""Ratings that are given twice, or that disagree."""

import numpy as np

from whenabouts.core import SegmentLabels


def rated(*rows: tuple[float, float, int, bool]) -> SegmentLabels:
    return SegmentLabels(
        ("v",) * len(rows), np.array([row[:2] for row in rows]).reshape(-1, 2), np.array([row[2] for row in rows], int),
        np.array([row[3] for row in rows], bool),
    )  # fmt: skip


def test_most_raters_decide_and_as_many_leave_it_out() -> None:
    """A segment that three rated (2 to 1), one that two did (1 to 1), the same seconds for another class, one twice."""
    given = rated((5, 6, 0, False), (1, 2, 0, True), (1, 2, 0, False), (1, 2, 0, True), (3, 4, 1, True),
                  (3, 4, 1, False), (1, 2, 1, False), (5, 6, 0, False))  # fmt: skip
    settled, left_out = given.settled()
    assert left_out == 1
    assert settled.spans.tolist() == [[1, 2], [1, 2], [5, 6]]
    assert settled.classes.tolist() == [0, 1, 0]
    assert settled.present.tolist() == [True, False, False]
    assert settled.video_ids == ("v", "v", "v")


def test_ratings_that_stand_once_stay_as_they_are() -> None:
    given = rated((5, 6, 0, False), (1, 2, 0, True))
    assert given.settled() == (given, 0)
    assert given.settled()[0] is given
    assert SegmentLabels.empty().settled()[1] == 0
