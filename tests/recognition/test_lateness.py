"""Steps say what is seen and heard at their time: neither early nor late."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.localizers.segments import mean_features, segment_grid
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.window_source import End, WindowSource

SWITCHES = (3.0, 3.12, 3.36, 3.52, 3.76, 3.88, 4.24, 4.48)


def write_switch(path: Path, at: float, *, seconds: float = 8.0, rate: int = 25) -> None:
    """Dark and silent, then bright and loud from `at` on."""
    times = np.arange(round(seconds * rate)) / rate
    wave = (np.random.default_rng(0).normal(size=round(seconds * 16000)) * 0.2).astype(np.float32)
    wave[: round(at * 16000)] = 0.0
    pictures = (np.full((16, 24, 3), 220 if time >= at - 1e-6 else 20, np.uint8) for time in times)
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
    write_video(path, pictures, times.tolist(), rate=Fraction(rate), encoding=encoding, sound=Sound(wave))


def seen_and_heard(path: Path, source: WindowSource) -> tuple[TimeGrid, np.ndarray, np.ndarray]:
    """The grid, and brightness and loudness of each step."""
    bright: list[float] = []
    for piece in source.read([(0, probe(path))]):
        if isinstance(piece, End):
            finished = piece.finished
        else:
            bright += piece.clips.mean(axis=(1, 2, 3, 4)).tolist()
    assert finished.grid is not None
    assert finished.sound is not None
    return finished.grid, np.array(bright), finished.sound[:, :64].mean(axis=1)


def switch_of(grid: TimeGrid, values: np.ndarray) -> float:
    """The time at which values cross the middle between their first and last."""
    share = (values - values[1]) / (values[-2] - values[1])
    return float(np.interp(0.5, share[1:-1], grid.centre(np.arange(grid.steps))[1:-1]))


@pytest.mark.parametrize(("frames", "hop"), [(8, 0.5), (7, 0.5)])
def test_a_switch_is_found_neither_early_nor_late(tmp_path: Path, frames: int, hop: float) -> None:
    shape = BackboneSettings(frames=frames, rate=6.0, height=16, width=24)
    source, errors = WindowSource(shape.form, hop, 8), []
    for at in SWITCHES:
        write_switch(tmp_path / "switch.mp4", at)
        grid, bright, loud = seen_and_heard(tmp_path / "switch.mp4", source)
        assert len(bright) == len(loud) == grid.steps
        errors.append([switch_of(grid, values) - at for values in (bright, loud)])
    late = np.array(errors)
    assert np.abs(late).max() < 0.1
    assert np.abs(late.mean(axis=0)) == pytest.approx([0.0, 0.0], abs=0.03)


def test_each_half_second_has_a_step_of_its_own(tmp_path: Path) -> None:
    write_switch(tmp_path / "a.mp4", 3.0)
    shape = BackboneSettings(frames=8, rate=6.0, height=16, width=24)
    grid, bright, _ = seen_and_heard(tmp_path / "a.mp4", WindowSource(shape.form, 0.5, 8))
    steps = FeatureSequence("a", np.arange(len(bright), dtype=np.float32)[:, None], grid, "rgb", "number")
    segments = segment_grid([steps], seconds=0.5)
    assert segments.steps == grid.steps == 16
    assert mean_features(steps, segments)[:, 0].tolist() == list(range(16))
