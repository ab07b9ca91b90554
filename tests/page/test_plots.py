"""Plots of measurements show what they are given: other numbers, other pictures; odd names are no formulas."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from whenabouts.evaluation.curves import RECALL, PrecisionRecall
from whenabouts.evaluation.error_kinds import KINDS, ErrorKinds
from whenabouts.evaluation.moments import MomentScores
from whenabouts.page.plots import draw_class_precision, draw_error_kinds, draw_precision_recall


def curves(labels: tuple[str, ...]) -> PrecisionRecall:
    points = (np.array([0.5, 1.0]),) * len(labels)
    return PrecisionRecall(0.5, labels, points, points, np.full((len(labels), len(RECALL)), 0.5))


def test_few_classes_are_named_and_many_are_grey(tmp_path: Path) -> None:
    for name, labels in (("few", ("$x^{", "_hidden")), ("many", tuple(f"class {n}" for n in range(30)))):
        draw_precision_recall(curves(labels), tmp_path / f"{name}.svg")
    few, many = ((tmp_path / f"{name}.svg").read_text() for name in ("few", "many"))
    assert "<!-- \\$x^{ -->" in few or "<!-- $x^{ -->" in few
    assert "_hidden" in few
    assert "class 3" not in many
    assert many.count("<path") > few.count("<path")


def test_each_class_has_a_bar_as_long_as_its_precision(tmp_path: Path) -> None:
    table = np.array([[0.9, 0.5], [0.1, 0.0], [0.4, 0.2]])
    scores = MomentScores("activitynet", "", np.array([0.5, 0.7]), ("run", "$jump$", "rest"), table, 9, 9)
    draw_class_precision(scores, tmp_path / "both.svg")
    draw_class_precision(scores, tmp_path / "second.svg", column=1)
    both, second = ((tmp_path / f"{name}.svg").read_text() for name in ("both", "second"))
    assert "mAP 0.467 at tIoU 0.5" in both
    assert "mAP 0.233 at tIoU 0.7" in second
    assert both.index("rest") < both.index("run")  # From the bottom up: the best stands at the top.


def test_error_kinds_are_drawn_to_a_png(tmp_path: Path) -> None:
    shares = np.full((10, len(KINDS)), 1 / len(KINDS))
    draw_error_kinds(ErrorKinds(shares, np.arange(6) / 100, 40), tmp_path / "one.png")
    draw_error_kinds(ErrorKinds(shares, np.arange(6)[::-1] / 100, 40), tmp_path / "two.png")
    one, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two"))
    assert one.startswith(b"\x89PNG")
    assert one != two
