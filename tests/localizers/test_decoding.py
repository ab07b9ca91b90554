"""Scores over time become moments."""

from typing import Any

import numpy as np
import pytest

from whenabouts.core import ScoreSequence, TimeGrid, Vocabulary
from whenabouts.localizers.concepts.looks import LookSettings, moments_of
from whenabouts.localizers.decoding import (
    Decoder,
    Track,
    contrast_moments,
    even_shares,
    levels_between,
    likely_classes,
    moments_of_runs,
    uniform_windows,
    whole_video,
)

WORDS = Vocabulary(("dive", "swim", "run"))


def scored(columns: object, video_scores: object = (0.7, 0.2, 0.1), *, duration: float | None = None) -> ScoreSequence:
    scores = np.asarray(columns, np.float32).reshape(3, -1).T
    seconds = len(scores) * 0.5 if duration is None else duration
    grid = TimeGrid.of_length(seconds, 0.5)
    return ScoreSequence("v", scores, np.asarray(video_scores, np.float32), grid, WORDS)


def test_likely_classes_pass_the_threshold_or_are_among_the_best() -> None:
    scores = [0.1, 0.5, 0.05, 0.35]
    assert likely_classes(scores, threshold=0.1).tolist() == [1, 3]
    assert likely_classes(scores, threshold=0.6, top=1).tolist() == [1]
    assert likely_classes(scores, threshold=1.0, top=3).tolist() == [0, 1, 3]
    assert likely_classes(scores, threshold=1.0).tolist() == []
    assert likely_classes([0.5, 0.5], threshold=1.0, top=1).tolist() == [0]


def test_runs_become_moments_scored_by_their_mean() -> None:
    selected = np.array([[True, True, False, True], [False] * 4])
    values = np.array([[1.0, 3.0, 9.0, 5.0], [1.0] * 4])
    grid = TimeGrid.of_length(1.8, 0.5)
    found = moments_of_runs("v", selected, values, classes=[2, 0], grid=grid, vocabulary=WORDS)
    assert found.spans.tolist() == [[0.0, 1.0], [1.5, 1.8]]
    assert found.scores.tolist() == [2.0, 5.0]
    assert found.classes.tolist() == [2, 2]
    surer = moments_of_runs("v", selected, values, classes=[2, 0], grid=grid, vocabulary=WORDS, length_credit=0.5)
    assert surer.scores.tolist() == [pytest.approx(2 * 2**0.5), 5.0]


def test_contrast_finds_the_plateau_first() -> None:
    row = np.array([0.1] * 8 + [1.0] * 6 + [0.1] * 6 + [0.5] * 4 + [0.1] * 4)
    found = contrast_moments(scored([row, np.zeros(28), np.zeros(28)]), classes=[0]).ranked()
    assert found.spans[:2].tolist() == [[4.0, 7.0], [10.0, 12.0]]
    assert found.scores[:2].tolist() == [pytest.approx(0.9), pytest.approx(0.4)]
    more = contrast_moments(scored([row, np.zeros(28), np.zeros(28)]), classes=[0], video_weight=0.5).ranked()
    assert more.scores[0] == pytest.approx(0.9 + 0.5 * 0.7)


def test_contrast_of_flat_scores_is_the_whole_video() -> None:
    found = contrast_moments(scored([np.ones(6), np.zeros(6), np.zeros(6)]), classes=[0, 1])
    assert found.spans.tolist() == [[0.0, 3.0], [0.0, 3.0]]
    assert sorted(found.scores.tolist()) == [0.0, 1.0]


def test_contrast_looks_beside_a_run_on_both_sides() -> None:
    row = [0.0, 0.0, 4.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    found = contrast_moments(scored([row, [0] * 8, [0] * 8]), classes=[0], thresholds=[0.9])
    assert found.scores.tolist() == [pytest.approx(4 - (0 + 2) / 2)]
    with_ten_per_side = contrast_moments(scored([row, [0] * 8, [0] * 8]), classes=[0], thresholds=[0.9], margin=10)
    assert with_ten_per_side.scores.tolist() == [pytest.approx(4 - 1.0)]


def test_rivals_take_time_from_the_grid_and_scores_from_the_video() -> None:
    scores = scored(np.zeros((3, 5)), duration=2.3)
    whole = whole_video(scores, classes=[0, 2])
    assert whole.spans.tolist() == [[0.0, 2.3], [0.0, 2.3]]
    assert whole.scores.tolist() == pytest.approx([0.7, 0.1])
    windows = uniform_windows(scores, window_seconds=1.0, classes=[1])
    assert windows.spans.tolist() == [[0.0, 1.0], [1.0, 2.0], [2.0, 2.3]]
    assert windows.scores.tolist() == pytest.approx([0.2] * 3)


def test_nothing_comes_of_an_empty_video() -> None:
    empty = scored(np.zeros((3, 0)), duration=0.0)
    for found in (
        contrast_moments(empty, classes=[0, 1]),
        whole_video(empty, classes=[0]),
        uniform_windows(empty, window_seconds=1.0, classes=[0]),
    ):
        assert len(found) == 0
        assert found.vocabulary is WORDS


def plain_proposals(values: list[float], shares: list[float], margin: float) -> dict[tuple[int, int], float]:
    """Contrast of every run at every threshold, one after the other."""
    low, high = min(values), max(values)
    found = {}
    for share in shares:
        above = [value >= low + share * (high - low) for value in values]
        first = None
        for step, flag in enumerate([*above, False]):
            if flag and first is None:
                first = step
            if not flag and first is not None:
                reach = max(1, round(margin * (step - first)))
                beside = values[max(0, first - reach) : first] + values[step : step + reach]
                inside = values[first:step]
                outer = sum(beside) / len(beside) if beside else 0.0
                found[first, step] = sum(inside) / len(inside) - outer
                first = None
    return found


@pytest.mark.parametrize("seed", range(5))
def test_contrast_is_the_plain_loop(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=40).round(1)
    track = Track("v", np.array([1]), values[None], np.array([0.2]), TimeGrid.of_length(40.0, 1.0), WORDS)
    decoder = Decoder(tiou=1.0, video_weight=2.0)
    found = decoder.decode(track, levels_between(track.values, even_shares(9)))
    plain = plain_proposals(values.tolist(), even_shares(9).tolist(), 0.25)
    assert {tuple(span) for span in found.spans.tolist()} == set(plain)
    for span, score in zip(found.spans.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(plain[span[0], span[1]] + 0.4)


def test_a_run_of_the_first_segment_alone_is_a_moment() -> None:
    """`if runs.any()` in place of `if len(runs)` loses it: its only index is 0."""
    found = contrast_moments(scored([[5, 0, 0, 0], [0] * 4, [0] * 4]), classes=[0])
    assert found.spans.tolist() == [[0.0, 0.5]]
    assert found.scores.tolist() == [5.0]


def test_one_decoder_reads_the_same_levels_in_three_ways() -> None:
    values = np.array([[0.0, 2.0, 4.0, 4.0, 2.0, 0.0]])
    track = Track("v", np.array([0]), values, np.zeros(1), TimeGrid.of_length(6.0, 1.0), WORDS)
    levels = levels_between(values, [0.5, 0.9])

    def found(**choices: Any) -> list[list[float]]:
        moments = Decoder(**choices).decode(track, levels)
        return [[*span, score] for span, score in zip(moments.spans.tolist(), moments.scores.tolist(), strict=True)]

    assert found(proposals="union") == [[1, 5, 3]]
    assert found(proposals="union", length_credit=0.5) == [[1, 5, 6]]
    assert found(proposals="nested", tiou=0.6) == [[2, 4, 4], [1, 5, 3]]
    assert found(proposals="nested", tiou=0.45) == [[2, 4, 4]]
    assert found(proposals="contrast", tiou=0.6) == [[1, 5, 3], [2, 4, 2]]
    soft = found(proposals="contrast", suppression="soft", sigma=0.5)
    assert soft == [[1, 5, 3], [2, 4, pytest.approx(2 * np.exp(-0.5))]]


def test_doubt_takes_more_from_short_moments() -> None:
    values = np.array([[0.0, 3.0, 0.0, 0.0, 2.0, 2.0, 2.0, 0.0]])
    vocabulary = Vocabulary(("a",))
    track = Track("v", np.array([0]), values, np.zeros(1), TimeGrid.of_length(8.0, 1.0), vocabulary)
    found = Decoder(margin=0.25, doubt=1.0).decode(track, levels_between(values, [0.5]))
    assert found.spans.tolist() == [[1.0, 2.0], [4.0, 7.0]]
    assert found.scores.tolist() == [1.5, 1.5]  # 3 x 1 / (1 + 1), 2 x 3 / (3 + 1).


def test_of_a_thousand_unsure_classes_the_best_moments_stay_and_the_others_are_counted() -> None:
    rng = np.random.default_rng(5)
    values, vocabulary = rng.normal(size=(1000, 60)), Vocabulary(tuple(f"class {n}" for n in range(1000)))
    grid = TimeGrid.of_length(60.0, 1.0)
    track = Track("v", np.arange(1000), values, rng.uniform(0, 0.01, 1000), grid, vocabulary)
    levels = levels_between(values, even_shares(5))
    choices: list[dict[str, Any]] = [{"suppression": "soft"}, {"suppression": "hard"}, {"proposals": "nested"}]
    for choice in choices:
        every = Decoder(**choice).decode(track, levels)
        assert (len(every) > 10_000, every.cut) == (True, 0)
        some = Decoder(**choice, most=700).decode(track, levels)
        assert (len(some), some.cut) == (700, len(every) - 700)
        best = every.ranked(700)
        assert some.spans.tolist() == best.spans.tolist()
        assert some.classes.tolist() == best.classes.tolist()
        assert some.scores.tolist() == best.scores.tolist()


def test_a_bound_that_is_not_passed_changes_nothing() -> None:
    selected = np.array([[True, False, True, False], [False, True, False, True], [True, True, False, False]])
    values = np.array([[1.0, 0.0, 3.0, 0.0], [0.0, 5.0, 0.0, 2.0], [4.0, 4.0, 0.0, 0.0]])
    grid = TimeGrid.of_length(4.0, 1.0)

    def found(most: int | None) -> tuple[list[float], int]:
        moments = moments_of_runs("v", selected, values, classes=[0, 1, 2], grid=grid, vocabulary=WORDS, most=most)
        return moments.scores.tolist(), moments.cut

    assert found(None) == found(5) == ([1.0, 3.0, 5.0, 2.0, 4.0], 0)
    assert found(3) == ([5.0, 4.0, 3.0], 2)
    assert found(1) == ([5.0], 4)


@pytest.mark.parametrize("moments", ["runs", "segments"])
def test_looks_are_bounded_too(moments: Any) -> None:
    scores = scored([[0.0, 3.0, 0.0, 2.0], [1.0, 0.0, 4.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
    found = moments_of(scores, np.arange(3), LookSettings(moments=moments, most_moments=2))
    every = moments_of(scores, np.arange(3), LookSettings(moments=moments))
    assert sorted(found.scores.tolist()) == [4.0, 5.0]
    assert (found.cut, every.cut) == (len(every) - 2, 0)
