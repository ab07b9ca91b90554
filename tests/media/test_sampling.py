"""Times and steps that are looked at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.media.sampling import clip_times, even_clips, random_clips, regular_clips, segment_snippets

seconds = st.floats(0.01, 50_000, allow_nan=False)
counts = st.integers(1, 50)


@given(duration=seconds, length=st.floats(0.1, 60), hop=st.floats(0.5, 60))
@settings(max_examples=60, deadline=None)
def test_regular_clips_fill_the_video_and_stay_inside(duration: float, length: float, hop: float) -> None:
    spans = regular_clips(duration, length_seconds=length, hop_seconds=hop)
    assert spans[0, 0] == 0
    assert np.allclose(np.diff(spans[:, 0]), hop)
    assert np.allclose(spans[:, 1] - spans[:, 0], length)
    assert len(spans) == 1 or spans[-1, 1] <= duration + 1e-6
    assert spans[-1, 0] + hop + length > duration - 1e-6


@given(duration=seconds, length=st.floats(0.1, 60), count=counts, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_even_and_random_clips_stay_inside(duration: float, length: float, count: int, seed: int) -> None:
    room = max(0.0, duration - length)
    even = even_clips(duration, length_seconds=length, count=count)
    drawn = random_clips(duration, length_seconds=length, count=count, generator=np.random.default_rng(seed))
    again = random_clips(duration, length_seconds=length, count=count, generator=np.random.default_rng(seed))
    assert (drawn == again).all()
    for spans in (even, drawn):
        assert spans.shape == (count, 2)
        assert (spans[:, 0] >= 0).all()
        assert (spans[:, 0] <= room).all()
    assert np.allclose(even[:, 0] + even[::-1, 0], room)
    assert count == 1 or (even[0, 0] == 0 and even[-1, 0] == pytest.approx(room))


def test_random_clips_cover_the_whole_video() -> None:
    spans = random_clips(100.0, length_seconds=10.0, count=4000, generator=np.random.default_rng(0))
    share, _ = np.histogram(spans[:, 0], bins=9, range=(0, 90))
    assert share.min() > 0.8 * share.max()


@given(start=st.floats(0, 1000), length=st.floats(0.1, 60), frames=counts)
@settings(max_examples=60, deadline=None)
def test_clip_times_are_middles_of_equal_parts(start: float, length: float, frames: int) -> None:
    times = clip_times(np.array([[start, start + length]]), frames)
    assert times.shape == (1, frames)
    assert times.mean() == pytest.approx(start + length / 2)
    assert times[0, 0] - start == pytest.approx(length / frames / 2, rel=1e-6, abs=1e-9)
    assert (np.diff(times[0]) > 0).all()


@given(steps=st.integers(1, 2000), segments=st.integers(1, 400), snippets=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_snippets_lie_in_their_own_segment(steps: int, segments: int, snippets: int, seed: int) -> None:
    for generator in (None, np.random.default_rng(seed)):
        chosen = segment_snippets(steps, segments=segments, snippets=snippets, generator=generator)
        assert chosen.shape == (segments, snippets)
        low = np.floor(np.arange(segments) * steps / segments - 1e-9)[:, None]
        high = np.ceil(np.arange(1, segments + 1) * steps / segments + 1e-9)[:, None]
        assert (chosen >= low).all()
        assert (chosen < np.maximum(high, low + 1)).all()
        assert (np.diff(chosen.reshape(-1)) >= 0).all()


def test_even_snippets_of_the_paper() -> None:
    assert segment_snippets(12, segments=2, snippets=3).tolist() == [[1, 3, 5], [7, 9, 11]]
    assert segment_snippets(2, segments=4, snippets=1).tolist() == [[0], [0], [1], [1]]


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
def test_impossible_lengths_are_refused(duration: float) -> None:
    with pytest.raises(InvalidData, match="Clips need"):
        even_clips(duration, length_seconds=1.0, count=3)
    with pytest.raises(InvalidData, match="Clips need"):
        regular_clips(duration, length_seconds=1.0, hop_seconds=1.0)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InvalidData, match="hop"):
        regular_clips(5.0, length_seconds=1.0, hop_seconds=0.0)
    with pytest.raises(InvalidData, match="frame"):
        clip_times(np.array([[0.0, 1.0]]), 0)
    with pytest.raises(InvalidData, match="at least 1"):
        segment_snippets(0, segments=1, snippets=1)
