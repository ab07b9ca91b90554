"""Pictures show what they are given: other data, other pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.page.pictures import (
    FOUND,
    TRUTH,
    Shown,
    WinnerRow,
    draw_attention,
    draw_moments,
    draw_winners,
    in_legend,
    plain,
)

GRID = TimeGrid.of_length(20.0, 1.0)
NAMES = Vocabulary(("run", "jump"))


def shown(**changes: object) -> Shown:
    scores = np.zeros((20, 2), np.float32)
    scores[4:8, 1] = 2.0
    attention = np.stack([np.eye(20)[5], np.eye(20)[6]]).astype(np.float32)
    sequence = ScoreSequence("v", scores, np.array([0.1, 0.9], np.float32), GRID, NAMES, attention)
    whole = Shown("a < b & $c^{$", "jump", sequence, np.array([[4.0, 8.0]]), np.array([[3.0, 7.0], [10.0, 12.0]]))
    return replace(whole, **changes)  # type: ignore[arg-type]


def row(**changes: object) -> WinnerRow:
    steps = np.full(20, -1)
    steps[5], steps[6:9] = 0, 1
    frame = np.zeros((12, 16, 3), np.uint8)
    whole = WinnerRow("video", "jump", GRID, steps, (frame, None), (5.5, 6.5), np.array([[4.0, 8.0]]))
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_curves_are_over_their_largest_and_attention_is_the_mean_of_all() -> None:
    assert shown().curve.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 12
    attention = shown().attention
    assert attention is not None
    assert np.flatnonzero(attention).tolist() == [5, 6]
    assert attention.max() == 1.0
    nothing = ScoreSequence("v", np.zeros((20, 2), np.float32), np.zeros(2, np.float32), GRID, NAMES)
    assert shown(scores=nothing).attention is None
    assert shown(scores=nothing).curve.max() == 0.0


def test_pictures_hold_a_box_for_every_true_and_every_found_moment(tmp_path: Path) -> None:
    def boxes(video: Shown) -> tuple[int, int]:
        draw_moments([video], tmp_path / "m.svg")
        text = (tmp_path / "m.svg").read_text()
        return text.count(f"fill: {TRUTH}"), text.count(f"fill: {FOUND}")

    few = boxes(shown())
    more = boxes(shown(truth=np.array([[0.0, 1.0], [4.0, 8.0], [9.0, 11.0]]), found=np.zeros((0, 2))))
    unknown = boxes(shown(truth=None))
    assert more[0] == few[0] + 2
    assert more[1] < few[1]
    assert unknown[0] == 0
    assert unknown[1] == few[1]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_each_picture_is_written_in_each_format_and_depends_on_its_data(tmp_path: Path, kind: str) -> None:
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    other = shown(scores=replace(shown().scores, attention=np.full((2, 20), 0.05, np.float32)))
    dark = row(frames=(np.full((12, 16, 3), 90, np.uint8), None))
    for draw, one, two in (
        (draw_attention, [shown()], [other]),
        (draw_moments, [shown(), shown()], [shown(), other]),
        (draw_winners, [row()], [dark]),
    ):
        written = []
        for data in (one, two):
            draw(data, tmp_path / f"p.{kind}")  # type: ignore[operator]
            written.append((tmp_path / f"p.{kind}").read_bytes())
        assert written[0].startswith(begins)
        assert len(written[0]) > 2000
        assert written[0] != written[1]


def test_winners_of_different_numbers_of_steps_stand_in_one_picture(tmp_path: Path) -> None:
    frame = np.full((12, 16, 3), 200, np.uint8)
    draw_winners([row(), row(frames=(frame,) * 4, seconds=(1.0, 2.0, 3.0, 4.0), truth=None)], tmp_path / "w.svg")
    text = (tmp_path / "w.svg").read_text()
    assert text.count("<image") == 5
    assert "no picture" in text


def test_names_are_short_and_turn_nothing() -> None:
    assert plain("a\u202e b\n c") == "a b c"
    assert plain("x" * 50) == "x" * 39 + "…"
    assert in_legend("_$x$") == r" _\$x\$"
