"""Which times and steps of a video are looked at: pure functions of its length."""

import math

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray


def regular_clips(duration_seconds: float, *, length_seconds: float, hop_seconds: float) -> FloatArray:
    """Spans (N, 2) of clips that begin every hop and end with the video; a short video gives one clip from 0 on.

    N is the number of whole clips, at least 1. The only clip of a video shorter than a clip reaches beyond its end.
    """
    _check(duration_seconds, length_seconds)
    if not hop_seconds > 0:
        raise InvalidData(f"Clips follow each other by more than 0 s, but got a hop of {hop_seconds} s.")
    room = max(0.0, duration_seconds - length_seconds)
    starts: FloatArray = np.arange(math.floor(room / hop_seconds + 1e-9) + 1, dtype=np.float64) * hop_seconds
    return _spans(starts, length_seconds)


def even_clips(duration_seconds: float, *, length_seconds: float, count: int) -> FloatArray:
    """Spans (count, 2) of clips evenly placed, the first at the start, the last at the end; one alone is central.

    The ten clips of a test (Tran et al. 2018, arXiv 1711.11248, sec. 4). They overlap where the video is short.
    """
    _check(duration_seconds, length_seconds, count)
    room = max(0.0, duration_seconds - length_seconds)
    starts = np.linspace(0.0, room, count) if count > 1 else np.array([room / 2])
    return _spans(starts, length_seconds)


def random_clips(
    duration_seconds: float, *, length_seconds: float, count: int, generator: np.random.Generator
) -> FloatArray:
    """Spans (count, 2) of clips that begin anywhere with the same chance; inside the video if it is long enough."""
    _check(duration_seconds, length_seconds, count)
    room = max(0.0, duration_seconds - length_seconds)
    return _spans(generator.random(count) * room, length_seconds)


def clip_times(spans: FloatArray, frames: int) -> FloatArray:
    """Times (N, frames) of the frames of clips (N, 2): the middles of `frames` equal parts of each.

    Middles are as far as can be from the borders between frames, so that rounding never picks a neighbour.
    """
    if frames < 1:
        raise InvalidData(f"A clip holds at least one frame, but got {frames}.")
    starts, ends = spans[:, :1], spans[:, 1:]
    times: FloatArray = starts + (np.arange(frames) + 0.5) / frames * (ends - starts)
    return times


def segment_snippets(
    steps: int, *, segments: int, snippets: int, generator: np.random.Generator | None = None
) -> IntArray:
    """Steps (K, L): `snippets` of each of `segments` equal parts of a video of `steps` steps.

    With a generator they are drawn at random in order of time, without one they are evenly placed (notes A18 of
    winners-out: L = 3). Where a video has fewer steps than segments, the nearest is repeated.
    """
    if steps < 1 or segments < 1 or snippets < 1:
        raise InvalidData(f"Needs at least 1 step, segment and snippet, but got {steps}, {segments}, {snippets}.")
    if generator is None:
        inside = np.tile((np.arange(snippets) + 0.5) / snippets, (segments, 1))
    else:
        inside = np.sort(generator.random((segments, snippets)), axis=1)
    places = (np.arange(segments)[:, None] + inside) * (steps / segments)
    return np.clip(np.floor(places), 0, steps - 1).astype(np.int64)


def _check(duration_seconds: float, length_seconds: float, count: int = 1) -> None:
    if not (math.isfinite(duration_seconds) and duration_seconds >= 0 and length_seconds > 0 and count >= 1):
        raise InvalidData(
            f"Clips need a video of at least 0 s, a length above 0 s and a count of at least 1, "
            f"but got {duration_seconds} s, {length_seconds} s, {count}."
        )


def _spans(starts: FloatArray, length_seconds: float) -> FloatArray:
    return np.stack([starts, starts + length_seconds], axis=1)
