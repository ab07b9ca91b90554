"""Which videos of a long-tailed archive to learn from: shares, replication, nested subsets, budgets.

After Ghadiyaram et al. (2019), sections 3.1, 4.1 and 4.3. Every choice is a pure function of a seed and a video's id:
neither the order of the videos nor what else is in the archive changes a video's place, so smaller subsets lie in
larger ones.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray, IntArray


def place(seed: int, name: str) -> float:
    """Where a video or a label stands in the archive's random order: in [0, 1), the same for ever."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def one_label(seed: int, video_id: str, classes: Sequence[int]) -> int:
    """The one label that a video of several learns, drawn once and evenly among its distinct ones (section 3.2)."""
    distinct = sorted(set(classes))
    if not distinct:
        raise InvalidData(f"{video_id} has no label to draw from. Leave such videos out first.")
    return distinct[int(place(seed, f"label\0{video_id}") * len(distinct))]


def repeat_factors(counts: ArrayLike, threshold: float) -> FloatArray:
    """How often a video of each class (L,) is repeated in an epoch: max(1, sqrt(threshold / frequency)) (Mahajan 2018).

    A class's frequency is its share of all labels. Classes without a video have factor 1.
    """
    if not 0 < threshold <= 1:
        raise InvalidData(f"The threshold is a frequency in (0, 1], but got {threshold}.")
    numbers = _counts(counts)
    frequencies = numbers / numbers.sum()
    factors: FloatArray = np.maximum(1.0, np.sqrt(threshold / np.where(numbers > 0, frequencies, threshold)))
    return factors


def repeated(factors: ArrayLike, labels: Sequence[Sequence[int]], random: np.random.Generator) -> IntArray:
    """Numbers of the videos in one epoch, each as often as the greatest factor of its labels says.

    The fraction of a factor is the chance of one time more.
    """
    rates = np.asarray(factors, np.float64)
    times = np.asarray([max((rates[index] for index in row), default=0.0) for row in labels], np.float64)
    whole = np.floor(times)
    extra = random.random(len(times)) < times - whole
    return np.repeat(np.arange(len(times)), (whole + extra).astype(np.int64))


def random_subset(video_ids: Sequence[str], count: int, *, seed: int) -> tuple[str, ...]:
    """`count` videos, evenly drawn, in the order given; more than there are raise InvalidData."""
    _enough(count, len(video_ids), "videos")
    kept = set(_ordered(video_ids, seed)[:count])
    return tuple(video_id for video_id in video_ids if video_id in kept)


def tail_preserving(classes: Mapping[str, int], count: int, *, seed: int) -> tuple[str, ...]:
    """`count` of the videos (id -> its one class): all of small classes, of large ones as many as fit under one cap.

    The cap m is the greatest with sum of min(n_c, m) <= count ("retain all videos from tail classes and only sub-sample
    head classes", section 4.1.1); what is left goes one each to classes above it, by their number.
    """
    _enough(count, len(classes), "videos")
    groups: dict[int, list[str]] = {}
    for video_id, index in classes.items():
        groups.setdefault(index, []).append(video_id)
    sizes = {index: len(group) for index, group in groups.items()}
    cap = _cap(list(sizes.values()), count)
    left = count - sum(min(size, cap) for size in sizes.values())
    kept: set[str] = set()
    for index in sorted(groups):
        more = sizes[index] > cap and left > 0
        left -= more
        kept |= set(_ordered(groups[index], seed)[: cap + more])
    return tuple(video_id for video_id in classes if video_id in kept)


def label_subset(names: Sequence[str], count: int, *, seed: int) -> tuple[str, ...]:
    """`count` labels, evenly drawn, in the order given; a smaller subset lies in a larger one (section 4.2.2)."""
    _enough(count, len(names), "labels")
    kept = set(_ordered(names, seed, "name\0")[:count])
    return tuple(name for name in names if name in kept)


@dataclass(frozen=True)
class Piece:
    """A part [start, end) seconds of a video, with its one class."""

    video_id: str
    start_seconds: float
    end_seconds: float
    label: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Budgets:
    """Sets of short videos, long ones, and centres of the long ones, with equally many videos of each class."""

    short: tuple[Piece, ...]
    long: tuple[Piece, ...]
    long_centre: tuple[Piece, ...]


def equal_videos(
    durations: Mapping[str, float],
    classes: Mapping[str, int],
    *,
    seed: int,
    short: tuple[float, float] = (1.0, 5.0),
    long: tuple[float, float] = (55.0, 60.0),
    centre_seconds: float = 4.0,
) -> Budgets:
    """Budget F1 (section 4.3.1): short, long and long-centre sets of as many videos, class by class.

    Of each class min(short, long) videos are taken. Bounds in seconds are inclusive. Raises InvalidData where no class
    has videos of both kinds.
    """
    near, far = (_groups(durations, classes, seed, bounds) for bounds in (short, long))
    counts = {index: min(len(near[index]), len(far[index])) for index in near.keys() & far.keys()}
    if not counts:
        raise InvalidData(
            f"No class has both videos of {short[0]:g}-{short[1]:g} s and of {long[0]:g}-{long[1]:g} s: "
            "there is nothing to compare. Choose other bounds."
        )
    long_pieces = _pieces(far, counts, durations)
    return Budgets(
        _pieces(near, counts, durations), long_pieces, tuple(_centre(piece, centre_seconds) for piece in long_pieces)
    )


def equal_seconds(budgets: Budgets, *, seed: int) -> Budgets:
    """Budget F2: the long set cut to so many videos that it lasts as long in all as the short one does.

    Each class keeps its share of the videos, rounded down, at least one; centres are those of the long videos kept.
    """
    wanted = sum(piece.seconds for piece in budgets.short)
    whole = sum(piece.seconds for piece in budgets.long)
    share = wanted / whole
    groups: dict[int, list[Piece]] = {}
    for piece in budgets.long:
        groups.setdefault(piece.label, []).append(piece)
    kept = set()
    for group in groups.values():
        ordered = sorted(group, key=lambda piece: place(seed, piece.video_id))
        kept |= {piece.video_id for piece in ordered[: max(1, int(share * len(ordered)))]}
    long_kept = tuple(piece for piece in budgets.long if piece.video_id in kept)
    centres = tuple(piece for piece in budgets.long_centre if piece.video_id in kept)
    return Budgets(budgets.short, long_kept, centres)


def _counts(counts: ArrayLike) -> IntArray:
    numbers = np.asarray(counts, np.int64)
    if not len(numbers) or numbers.min() < 0 or not numbers.any():
        raise InvalidData(f"Counts of videos per class are at least 0 and not all 0, but got {numbers.tolist()[:10]}.")
    return numbers


def _enough(wanted: int, there: int, what: str) -> None:
    if not 0 <= wanted <= there:
        raise InvalidData(f"{wanted} {what} were asked for, but there are {there}. Ask for 0 to {there}.")


def _ordered(names: Sequence[str], seed: int, kind: str = "") -> list[str]:
    return sorted(names, key=lambda name: (place(seed, kind + name), name))


def _cap(sizes: Sequence[int], count: int) -> int:
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes) <= count else (low, middle - 1)
    return low


def _groups(
    durations: Mapping[str, float], classes: Mapping[str, int], seed: int, bounds: tuple[float, float]
) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for video_id, index in classes.items():
        if bounds[0] <= durations[video_id] <= bounds[1]:
            groups.setdefault(index, []).append(video_id)
    return {index: _ordered(group, seed) for index, group in groups.items()}


def _pieces(
    groups: Mapping[int, Sequence[str]], counts: Mapping[int, int], durations: Mapping[str, float]
) -> tuple[Piece, ...]:
    return tuple(
        Piece(video_id, 0.0, durations[video_id], index)
        for index in sorted(counts)
        for video_id in groups[index][: counts[index]]
    )


def _centre(piece: Piece, seconds: float) -> Piece:
    middle = (piece.start_seconds + piece.end_seconds) / 2
    half = min(seconds, piece.seconds) / 2
    return Piece(piece.video_id, middle - half, middle + half, piece.label)
