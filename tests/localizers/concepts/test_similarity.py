"""SIMpos and SIMneg: by hand, against the double loop of the definition, and against the golden cases."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core import InvalidData
from whenabouts.localizers.concepts.similarity import RatedSegments, Similarity


def by_the_loop(encodings, videos, rated, count):
    """The definition: for each segment and class the cosines to its rated segments in other videos."""
    sums, counts = np.zeros((len(encodings), count)), np.zeros((len(encodings), count), int)
    for row, (one, video) in enumerate(zip(encodings.astype(float), videos, strict=True)):
        for other, label in rated:
            if videos[other] != video:
                two = encodings[other].astype(float)
                lengths = np.linalg.norm(one) * np.linalg.norm(two)
                sums[row, label] += one @ two / lengths if lengths else 0.0
                counts[row, label] += 1
    return sums, counts


def held(found: Similarity, sums: np.ndarray, counts: np.ndarray, tolerance: float) -> None:
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(np.isnan(found.sums), counts == 0)
    np.testing.assert_allclose(found.sums[counts > 0], sums[counts > 0], rtol=0, atol=tolerance)


def test_by_hand() -> None:
    """Class 0 is rated in videos 0 and 1 (along x and y), class 1 in video 0 alone."""
    rated = RatedSegments([[2.0, 0.0], [0.0, 5.0], [1.0, 0.0]], [0, 1, 0], [0, 0, 1], count=3)
    found = rated.similarity([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]], [0, 2, 2])
    np.testing.assert_allclose(found.sums, [[0.8, np.nan, np.nan], [1.4, 0.6, np.nan], [0.0, 0.0, np.nan]])
    np.testing.assert_array_equal(found.counts, [[1, 0, 0], [2, 1, 0], [2, 1, 0]])
    np.testing.assert_allclose(found.means[1], [0.7, 0.6, np.nan])


@pytest.mark.golden
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 5e-6)])
def test_golden_cases(shared: Path, dtype: type, tolerance: float) -> None:
    paths = sorted((shared / "golden" / "y8m" / "similarity").glob("case*.npz"))
    assert len(paths) == 3
    for path in paths:
        case = np.load(path, allow_pickle=False)
        encodings, videos = case["encodings"].astype(dtype), case["video_index"]
        for sign, name in ((1, "pos"), (0, "neg")):
            rows = case["rated_label"] == sign
            segments, classes = case["rated_segment"][rows], case["rated_class"][rows]
            rated = RatedSegments(encodings[segments], videos[segments], classes, count=int(case["num_classes"]))
            found = rated.similarity(encodings, videos)
            assert found.sums.dtype == dtype
            held(found, case[f"sim_{name}_sum"], case[f"count_{name}"], tolerance)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 4), st.sampled_from([np.float32, np.float64]))
def test_as_the_double_loop(seed: int, segments: int, videos: int, dtype: type) -> None:
    """Also where a class is rated in one video alone: no term is left there, and no rounding error of one."""
    rng = np.random.default_rng(seed)
    encodings = rng.normal(size=(segments, 5)).astype(dtype)
    numbers = rng.integers(0, videos, segments) * 7
    pairs = [(row, label) for row in range(segments) for label in range(3) if rng.random() < 0.4]
    chosen = np.array([row for row, _ in pairs], int)
    rated = RatedSegments(encodings[chosen], numbers[chosen], [label for _, label in pairs], count=3)
    sums, counts = by_the_loop(encodings, numbers, pairs, 3)
    held(rated.similarity(encodings, numbers), sums, counts, 1e-12 if dtype is np.float64 else 1e-5)


def test_no_segments_have_no_similarity() -> None:
    rated = RatedSegments(np.zeros((0, 2)), [], [], count=3)
    assert rated.similarity(np.zeros((0, 2)), []).sums.shape == (0, 3)
    assert np.isnan(rated.similarity([[1.0, 0.0]], [0]).sums).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"0\.\.1"):
        RatedSegments([[1.0]], [0], [2], count=2)
    with pytest.raises(InvalidData, match="row 0"):
        RatedSegments([[np.nan]], [0], [0], count=1)
    with pytest.raises(InvalidData, match="one row each"):
        RatedSegments([[1.0]], [0, 1], [0], count=1)
    with pytest.raises(InvalidData, match="a video each"):
        RatedSegments([[1.0]], [0], [0], count=1).similarity([[1.0, 2.0]], [0])


def test_kept_and_read_it_is_the_same() -> None:
    rng = np.random.default_rng(0)
    rated = RatedSegments(rng.normal(size=(30, 4)), rng.integers(0, 6, 30), rng.integers(0, 3, 30), count=3)
    state = rated.state()
    again = RatedSegments.of_state({name: values.copy() for name, values in state.items()})
    new, videos = rng.normal(size=(8, 4)), np.arange(8)
    np.testing.assert_array_equal(again.similarity(new, videos).sums, rated.similarity(new, videos).sums)
    np.testing.assert_array_equal(again.similarity(new, videos).counts, rated.similarity(new, videos).counts)


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("counts", lambda values: values[:-1], "do not go together"),
        ("own", lambda values: values[:-1], "do not go together"),
        ("own", lambda values: values[:, :-1], "do not go together"),
        ("classes", lambda values: values + 1, "not in order"),
        ("classes", lambda values: values - 1, "not in order"),
        ("videos", lambda values: values[::-1], "not in order"),
        ("videos", lambda values: values.astype(np.float64), "do not go together"),
        ("counts", None, "lack 'counts'"),
    ],
)
def test_sums_that_do_not_go_together_are_refused(name: str, changed, told: str) -> None:
    rated = RatedSegments([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1, 2], [0, 1, 1], count=2)
    state = rated.state()
    broken = {key: values for key, values in state.items() if key != name}
    if changed is not None:
        broken[name] = changed(state[name])
    with pytest.raises(InvalidData, match=told):
        RatedSegments.of_state(broken)
