"""Pictures of what a head for activities looks at show what they are given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from whenabouts.page.activity_pictures import COLOURS, ClipPicture, draw_activity_maps, draw_correlation


def clip(**changes: object) -> ClipPicture:
    maps = np.zeros((2, 4, 4))
    maps[0, 1, 1], maps[1, 2:, 3] = 1.0, 1.0
    other = np.zeros((2, 4, 4))
    other[0, 0, 0] = other[0, 3, 3] = 2.0
    whole = ClipPicture("a < b & $c^{$", np.full((2, 8, 8, 3), 90, np.uint8), (0.5, 1.5),
                        {"red $ circling": maps, "blue swaying": other}, {"backbone": np.ones((2, 4, 4))},
                        {"blue swaying": "38 % inside"})  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


def drawn(tmp_path: Path, *clips: ClipPicture) -> str:
    draw_activity_maps(clips, tmp_path / "maps.svg")
    return (tmp_path / "maps.svg").read_text()


def test_a_box_stands_around_every_activated_region(tmp_path: Path) -> None:
    text = drawn(tmp_path, clip())
    assert text.count(f"stroke: {COLOURS[0]}") == 2  # one region in each frame
    assert text.count(f"stroke: {COLOURS[1]}") == 2  # two regions in the first, none in the second
    assert text.count("<image") == 2 + 2 * 3  # frames, and three maps of two times each
    quiet = drawn(tmp_path, clip(boxed={"red": np.zeros((2, 4, 4))}))
    assert f"stroke: {COLOURS[0]}" not in quiet


def test_clips_of_other_lengths_and_shapes_stand_below_each_other(tmp_path: Path) -> None:
    longer = clip(frames=np.zeros((3, 6, 12, 3), np.uint8), seconds=(), boxed={"x": np.ones((3, 2, 2))}, beside={},
                  notes={})  # fmt: skip
    assert drawn(tmp_path, clip(), longer).count("<image") == 8 + 6


@pytest.mark.parametrize("count", [3, 157, 400])
def test_a_heat_map_names_its_rows_while_they_can_be_read(tmp_path: Path, count: int) -> None:
    names = [f"activity ${number}" for number in range(count)]
    values = np.eye(count) + 0.25
    draw_correlation(values, names, tmp_path / "c.svg", title="co-occurrence", highest=1.25)
    text = (tmp_path / "c.svg").read_text()
    assert ("<!-- activity $2 -->" in text) == (count < 400)  # Charades' 157 can be read.
    assert text.count("<!-- 25 -->") == (6 if count == 3 else 0)


def test_the_same_clip_gives_the_same_file(tmp_path: Path) -> None:
    assert drawn(tmp_path, clip()) == drawn(tmp_path, clip())
