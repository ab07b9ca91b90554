"""The parts of benchmarks/yoga.py that turn pictures into cuts and findings into figures, on made-up data."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth

WORDS = Vocabulary(("sit", "stand"))


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import yoga_rivals

    return yoga_rivals


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import yoga_figures

    return yoga_figures


def test_cuts_are_the_greatest_changes_apart(rivals: ModuleType) -> None:
    times = np.arange(1, 301) / 15
    amounts = np.full(300, 1.0)
    amounts[[74, 75, 80, 200]] = 9, 12, 11, 8  # one joint seen thrice, and another
    changes = rivals.Changes(times, amounts)
    assert changes.cuts(5.0) == pytest.approx([times[75], times[200]])
    assert changes.cuts(10.0) == pytest.approx([times[75]])
    joints = [[float(times[75]) - 0.2, float(times[200]), 19.0]]
    assert rivals.counted([changes], joints, 5.0) == rivals.CutCounts(found=2, joints=3, right=2)
    assert 1.0 <= rivals.tuned_threshold([changes], joints) < 8.0


def test_shots_share_out_the_steps_of_a_session(rivals: ModuleType) -> None:
    grid = TimeGrid.covering(20.0, hop_seconds=0.5, window_seconds=1.0)
    session = FeatureSequence("s", np.arange(grid.steps)[:, None].astype(np.float32), grid, "rgb", "net")
    shots = rivals.shots_of([4.0, 12.5], 20.0)
    assert shots.tolist() == [[0.0, 4.0], [4.0, 12.5], [12.5, 20.0]]
    parts = [rivals.part_of(session, shot) for shot in shots]
    assert np.concatenate([part.values for part in parts]).tolist() == session.values.tolist()
    assert [part.grid.duration_seconds for part in parts] == [4.0, 8.5, 7.5]
    assert rivals.part_of(session, np.array([4.01, 4.02])) is None
    whole = Moments.build(["s"] * 3, shots, [0, 1, 0], WORDS)
    np.testing.assert_allclose(rivals.middles(whole).spans, [[0.8, 3.2], [5.7, 10.8], [14.0, 18.5]])


def test_counting_a_session_twice_is_having_it_twice(figures: ModuleType) -> None:
    rng = np.random.default_rng(0)
    videos = np.repeat(["a", "b", "c"], 8).tolist()
    starts = rng.uniform(0, 40, 24)
    found = Moments.build(videos, np.stack([starts, starts + 6], axis=1), rng.integers(0, 2, 24), WORDS,
                          scores=rng.random(24))  # fmt: skip
    near = found[::3].spans + rng.normal(0, 1, (8, 2))
    true = Moments.build(videos[::3], near, found[::3].classes, WORDS, kind="truth")
    counts = np.array([2, 0, 3])

    def repeated(moments: Moments) -> Moments:
        parts = [
            Moments.build([f"{name}{copy}"] * int((moments.video_ids == name).sum()),
                          moments[moments.video_ids == name].spans, moments[moments.video_ids == name].classes, WORDS,
                          scores=moments[moments.video_ids == name].scores)
            for name, count in zip("abc", counts.tolist(), strict=True)
            for copy in range(count)
        ]  # fmt: skip
        return Moments.concatenate(parts, WORDS)

    matched = figures.Matched(Truth.of(true, video_ids=["a", "b", "c"]), found)
    truth = Truth.of(repeated(true))
    direct = evaluate_moments(truth, Predictions.of(repeated(found), truth), tiou=figures.TIOU).map
    assert direct.min() > 0.1
    np.testing.assert_allclose([matched.mean_precision(level, counts) for level in range(3)], direct)
    once = np.ones(3, np.int64)
    np.testing.assert_allclose([matched.mean_precision(level, once) for level in range(3)], matched.scores.map)


def test_border_errors_are_those_of_the_matched_moments(figures: ModuleType) -> None:
    spans = np.array([[0.0, 6.0], [10.0, 16.0], [20.0, 26.0], [0.0, 6.0]])
    true = Moments.build(["a", "a", "a", "b"], spans, [0, 1, 0, 0], WORDS, kind="truth")
    found = Moments.build(["a", "a", "b"], [[1.0, 6.5], [10.0, 14.0], [5.0, 9.0]], [0, 1, 0], WORDS)
    matched = figures.Matched(Truth.of(true, video_ids=["a", "b"]), found)
    once = np.ones(2, np.int64)
    assert [matched.matches(level) for level in range(3)] == [2, 2, 2]
    assert (matched.border_error(1, 0, once), matched.border_error(1, 1, once)) == (0.5, 1.25)
    assert np.isnan(matched.border_error(1, 0, np.array([0, 2])))


def test_intervals_hold_the_spread_of_seeds_and_sessions(figures: ModuleType) -> None:
    draws = figures.Draws(5, 16, np.random.default_rng(1))
    owner = np.repeat(np.arange(16), 6)
    same = figures.accuracy(np.ones((5, 96), bool), owner, draws)
    assert (same.mean, same.low, same.high) == (1.0, 1.0, 1.0)
    by_session = np.tile(owner % 2 == 0, (5, 1))  # right in half of the sessions, whatever the seed
    spread = figures.accuracy(by_session, owner, draws)
    assert spread.mean == 0.5
    assert spread.low == pytest.approx(0.5 - 1.96 * 0.5 / 4, abs=0.04)
    assert spread.high == pytest.approx(0.5 + 1.96 * 0.5 / 4, abs=0.04)
