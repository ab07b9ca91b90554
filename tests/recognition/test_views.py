"""Views of a video in testing: the golden sampler, the paper's three sets, and the edges."""

import json
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.recognition.views import VIEW_SETS, Speed, clip_frames, clip_starts, crop_of, drawn_start, views_of


@pytest.mark.golden
def test_golden_views(shared: Path) -> None:
    cases = json.loads((shared / "golden" / "multilabel" / "views" / "pyslowfast_charades_test_views.json").read_text())
    assert len(cases) == 48
    for case in cases:
        speed = Speed(case["rate"], case["temporal_views"], case["spatial_crops"])
        views = views_of(case["video_frames"], [speed], frames=case["num_frames"])
        starts = clip_starts(case["video_frames"], speed, frames=case["num_frames"])
        assert starts == list(dict.fromkeys(case["starts"])) or starts == case["starts"]
        assert [view.crop for view in views] == case["crop_index"]
        assert views[0].frames.tolist() == case["first_view_frames"]
        assert views[-1].frames.tolist() == case["last_view_frames"]


@pytest.mark.parametrize(("name", "counts"), [("4", {4: 30}), ("2+4", {2: 15, 4: 15}), ("2+4+8", {2: 9, 4: 12, 8: 9})])
def test_every_set_has_thirty_views(name: str, counts: dict[int, int]) -> None:
    views = views_of(900, VIEW_SETS[name])
    assert len(views) == 30
    assert {rate: sum(view.rate == rate for view in views) for rate in counts} == counts
    assert all(view.frames.min() >= 0 and view.frames.max() < 900 for view in views)


def test_clips_reach_both_ends_by_hand() -> None:
    # Four frames at rate 2 span 7 of 12: five places of room, halves round to even.
    assert clip_starts(12, Speed(2, 3), frames=4) == [0, 2, 5]
    assert clip_starts(12, Speed(2, 1), frames=4) == [2]
    assert clip_starts(5, Speed(2, 3), frames=4) == [0, 0, 0]
    assert clip_frames(0, 2, 5, frames=4).tolist() == [0, 2, 4, 4]
    assert clip_frames(-3, 2, 5, frames=4).tolist() == [0, 0, 1, 3]


def test_drawn_starts_cover_all_places() -> None:
    random = np.random.default_rng(0)
    assert {drawn_start(12, 2, random, frames=4) for _ in range(200)} == set(range(6))
    assert {drawn_start(5, 2, random, frames=4) for _ in range(200)} == {-2, -1, 0}


def test_crops_and_what_can_not_be() -> None:
    assert [crop_of(number, 3) for number in range(3)] == [0, 1, 2]
    assert [crop_of(0, 1), crop_of(1, 2)] == [1, 2]
    for wrong in (lambda: Speed(0, 1), lambda: crop_of(0, 4), lambda: clip_starts(0, Speed(1, 1))):
        with pytest.raises(InvalidData):
            wrong()
