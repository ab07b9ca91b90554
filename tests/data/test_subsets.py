"""Shares, repeat factors, nested subsets and budgets: the worked cases, and what must hold for any archive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.data.subsets import (
    Piece,
    equal_seconds,
    equal_videos,
    label_subset,
    one_label,
    place,
    random_subset,
    repeat_factors,
    repeated,
    tail_preserving,
)


def archive(*sizes: int) -> dict[str, int]:
    return {f"{index}-{number}": index for index, size in enumerate(sizes) for number in range(size)}


def sizes(classes: dict[str, int], kept: tuple[str, ...]) -> list[int]:
    return np.bincount([classes[video_id] for video_id in kept], minlength=max(classes.values()) + 1).tolist()


def test_repeat_factors_are_at_least_one_and_the_root_of_what_is_missing() -> None:
    factors = repeat_factors([90, 9, 1, 0], 0.09)
    np.testing.assert_allclose(factors, [1, 1, 3, 1])
    # With threshold 1 factors are proportional to frequency ** -0.5: square-root sampling.
    counts = np.asarray([10_000, 100, 1])
    drawn = repeat_factors(counts, 1.0) * counts
    np.testing.assert_allclose(drawn / drawn.sum(), np.sqrt(counts) / np.sqrt(counts).sum())


def test_fractions_of_factors_are_chances() -> None:
    random = np.random.default_rng(0)
    picked = repeated([1.0, 2.5], [[0], [1], [0, 1], []], random)
    counts = np.bincount(picked, minlength=4)
    assert counts[0] == 1
    assert counts[1] in (2, 3)
    assert counts[3] == 0
    many = np.bincount(repeated([1.0, 2.5], [[1]] * 4000, random))
    assert set(many.tolist()) == {2, 3}
    assert abs(many.mean() - 2.5) < 0.05


@pytest.mark.parametrize(("count", "left"), [(210, [100, 100, 10]), (120, [55, 55, 10]), (121, [56, 55, 10])])
def test_only_large_classes_are_cut(count: int, left: list[int]) -> None:
    classes = archive(1000, 100, 10)
    assert sizes(classes, tail_preserving(classes, count, seed=3)) == left


def test_what_is_left_goes_to_classes_above_the_cap() -> None:
    classes = archive(5, 10, 10)
    assert sizes(classes, tail_preserving(classes, 16, seed=0)) == [5, 6, 5]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_smaller_subsets_lie_in_larger_ones(numbers: list[int], data: st.DataObject) -> None:
    classes = archive(*numbers)
    large = data.draw(st.integers(0, len(classes)))
    small = data.draw(st.integers(0, large))
    for chosen in (
        lambda count: tail_preserving(classes, count, seed=1),
        lambda count: random_subset(tuple(classes), count, seed=1),
        lambda count: label_subset(tuple(classes), count, seed=1),
    ):
        few, many = chosen(small), chosen(large)
        assert (len(few), len(many)) == (small, large)
        assert set(few) <= set(many)


def test_neither_order_nor_neighbours_change_a_place() -> None:
    classes = archive(50, 5)
    turned = dict(reversed(classes.items()))
    assert set(tail_preserving(classes, 20, seed=2)) == set(tail_preserving(turned, 20, seed=2))
    assert set(tail_preserving(classes, 20, seed=2)) != set(tail_preserving(classes, 20, seed=3))
    assert place(1, "a") == place(1, "a") != place(2, "a")


def test_one_label_is_drawn_evenly_and_stays() -> None:
    drawn = [one_label(0, f"video {number}", [7, 2, 7, 5]) for number in range(3000)]
    counts = np.bincount(drawn, minlength=8)
    assert counts[[2, 5, 7]].sum() == 3000
    assert counts[[2, 5, 7]].min() > 900
    assert one_label(0, "video 1", [5, 7, 2]) == drawn[1]
    with pytest.raises(InvalidData, match="no label"):
        one_label(0, "bare", [])


def test_budgets_have_equal_counts_of_each_class() -> None:
    durations = {"a": 3.0, "b": 5.0, "c": 1.0, "d": 57.0, "e": 60.0, "f": 30.0, "g": 2.0, "h": 58.0, "i": 59.0}
    classes = {"a": 0, "b": 0, "c": 0, "d": 0, "e": 0, "f": 0, "g": 1, "h": 2, "i": 2}
    budgets = equal_videos(durations, classes, seed=0)
    assert [piece.label for piece in budgets.short] == [0, 0]
    assert {piece.video_id for piece in budgets.long} == {"d", "e"}
    assert {piece.video_id: (piece.start_seconds, piece.end_seconds) for piece in budgets.long_centre} == {
        "d": (26.5, 30.5),
        "e": (28.0, 32.0),
    }
    with pytest.raises(InvalidData, match="nothing to compare"):
        equal_videos(durations, classes, seed=0, long=(100.0, 200.0))


@pytest.mark.parametrize(
    ("seconds", "other", "counts"),
    [(1.0, 57.0, True), (5.0, 57.0, True), (0.9, 57.0, False), (5.1, 57.0, False),
     (55.0, 3.0, True), (60.0, 3.0, True), (54.9, 3.0, False), (60.1, 3.0, False)],
)  # fmt: skip
def test_bounds_of_budgets_are_inclusive(seconds: float, other: float, counts: bool) -> None:
    durations, classes = {"a": seconds, "b": other}, {"a": 0, "b": 0}
    if counts:
        assert len(equal_videos(durations, classes, seed=0).long) == 1
    else:
        with pytest.raises(InvalidData, match="nothing to compare"):
            equal_videos(durations, classes, seed=0)


def test_centres_are_no_longer_than_their_videos() -> None:
    budgets = equal_videos({"a": 1.0, "b": 3.0}, {"a": 0, "b": 0}, seed=0, short=(1, 1), long=(3, 3))
    assert budgets.long_centre == (Piece("b", 0.0, 3.0, 0),)
    assert Piece("b", 26.5, 30.5, 0).seconds == 4.0


def test_equal_seconds_keep_a_video_of_each_class_and_never_more_than_there_are() -> None:
    videos = [("a", 4.0, 0), ("b", 4.0, 1), ("c", 4.0, 1), ("d", 60.0, 0), ("e", 60.0, 1), ("f", 60.0, 1)]
    durations, classes = {name: long for name, long, _ in videos}, {name: index for name, _, index in videos}
    cut = equal_seconds(equal_videos(durations, classes, seed=0), seed=0)
    assert [piece.label for piece in cut.long] == [0, 1]
    turned = equal_videos(durations, classes, seed=0, short=(55.0, 60.0), long=(1.0, 5.0))
    assert equal_seconds(turned, seed=0) == turned


def test_equal_seconds_cut_the_long_set() -> None:
    durations = {f"s{n}": 4.0 for n in range(60)} | {f"l{n}": 60.0 for n in range(60)}
    classes = {name: int(name[1:]) % 2 for name in durations}
    budgets = equal_videos(durations, classes, seed=0)
    cut = equal_seconds(budgets, seed=0)
    assert sum(piece.seconds for piece in cut.short) == 240.0
    assert sum(piece.seconds for piece in cut.long) == 240.0
    assert sorted(piece.label for piece in cut.long) == [0, 0, 1, 1]
    assert {piece.video_id for piece in cut.long_centre} == {piece.video_id for piece in cut.long}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: repeat_factors([1, 2], 0.0),
        lambda: repeat_factors([1, 2], 1.1),
        lambda: repeat_factors([0, 0], 0.5),
        lambda: repeat_factors([-1, 2], 0.5),
        lambda: random_subset(["a"], 2, seed=0),
        lambda: tail_preserving({"a": 0}, 2, seed=0),
        lambda: label_subset(["a"], -1, seed=0),
    ],
)
def test_what_can_not_be_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidData):
        wrong()  # type: ignore[operator]
