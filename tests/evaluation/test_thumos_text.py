"""THUMOS14's text format of detections measures as the JSON of the same detections does."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth
from whenabouts.evaluation.thumos_text import read_detections


@pytest.mark.golden
def test_published_text_measures_as_its_json(shared: Path) -> None:
    """STPN's two files: the text has times and scores to six digits, which changes no rank but one in a thousand."""
    folder = shared / "data" / "tal" / "stpn_bellos1203"
    truth = read_truth(folder / "gt.json", subset="test")
    levels = np.arange(1, 10) / 10
    text, json = (
        evaluate_moments(truth, read_predictions(folder / name, truth), tiou=levels).map
        for name in ("results.txt", "results.json")
    )
    np.testing.assert_allclose(text, json, atol=2e-4)
    assert text[4] == pytest.approx(0.177, abs=5e-4)


def test_lines_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("v1 1.5 2.5 26 0.25\n\nv2\t0 1 100 3\nv1 3 4 7 1e-3\n")
    assert read_detections(path)["results"] == {
        "v1": [
            {"label": "Diving", "segment": [1.5, 2.5], "score": 0.25},
            {"label": "BaseballPitch", "segment": [3.0, 4.0], "score": 0.001},
        ],
        "v2": [{"label": "100", "segment": [0.0, 1.0], "score": 3.0}],
    }


@pytest.mark.parametrize("line", ["v1 1 2 26", "v1 1 2 Diving 0.5", "v1 1 x 26 0.5", "v1 1 2 26 0.5 6"])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "d.txt").write_text(f"v1 1 2 7 0.5\n{line}\n")
    with pytest.raises(InvalidData, match="line 2 is"):
        read_detections(tmp_path / "d.txt")
