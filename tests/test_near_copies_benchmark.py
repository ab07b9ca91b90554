"""The benchmark of near copies: what each way of looking finds, and how thresholds are chosen, on made-up looks."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from near_copies import EDITS
from near_copies_clips import COSINES, alarms, chosen, measured, page, recall
from whenabouts.core.timing import FloatArray
from whenabouts.data.near_copies import HashedVideo, NearCopySettings
from whenabouts.media.perceptual import BITS

PATHS = [Path(f"{name}.mp4") for name in "abcdef"]


class Looks:
    """Six videos; frames are lost by the edit "logo", clips by "mirrored", where a video looks like the next one."""

    def of(self, paths: list[Path], edit: str) -> tuple[list[HashedVideo], dict[str, FloatArray]]:
        hashes, values = [], {}
        for number, path in enumerate(paths):
            lost = 100 if edit == "logo" else 0
            frames = np.random.default_rng(number + lost).integers(0, 256, (6, 3, BITS // 8), np.uint8)
            turned = (number + 1) % len(paths) if edit == "mirrored" else number
            name = f"mp4 {path.stem}"
            hashes.append(HashedVideo(name, frames, frames ^ 255, np.full(6, 10.0)))
            values[name] = np.eye(len(paths))[[turned] * 4] + 0.01
        return hashes, values


def test_each_way_has_its_own_recall_and_either_has_both() -> None:
    how = NearCopySettings(cosine=0.97)
    assert recall(PATHS, "logo", how, Looks()) == {"frames": 0.0, "clips": 1.0, "either": 1.0}
    assert recall(PATHS, "mirrored", how, Looks()) == {"frames": 1.0, "clips": 0.0, "either": 1.0}
    assert alarms(PATHS, how, Looks()) == {"frames": 0.0, "clips": 0.0, "either": 0.0}


def test_the_lowest_cosine_without_too_many_alarms_is_chosen() -> None:
    how, grid = chosen(PATHS, Looks())
    assert (how.cosine, how.share) == (min(COSINES), 0.3)
    assert [row["recall"] for row in grid] == pytest.approx([2 / 3] * len(grid))

    class Alike(Looks):
        def of(self, paths: list[Path], edit: str) -> tuple[list[HashedVideo], dict[str, FloatArray]]:
            hashes, values = super().of(paths, edit)
            first = values[f"mp4 {paths[0].stem}"]
            # Two videos at a cosine of about 0.9 are one pair of fifteen: more than one in twenty.
            values[f"mp4 {paths[1].stem}"] = 0.9 * first + 0.3 * values[f"mp4 {paths[1].stem}"]
            return hashes, values

    how, grid = chosen(PATHS, Alike())
    assert how.cosine == min(row["cosine"] for row in grid if row["alarms"] <= 0.05)
    assert how.cosine > min(COSINES)


def test_the_page_tells_what_clips_add() -> None:
    how, grid = chosen(PATHS, Looks())
    rows = [measured("made-up", PATHS, how, Looks())]
    told = {"rows": rows, "grid": grid, "cosine": how.cosine, "share": how.share, "backbone": "b", "cpu_seconds": 1.0,
            "load": 1.0, "chosen_on": {"videos": 6, "edits": ("re-encoded",)}}  # fmt: skip
    text = page(told)
    assert "What clips add to frames: made-up: logo." in text
    assert all(f"| {edit}" in text for edit in EDITS)
