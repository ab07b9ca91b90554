"""AVA: frame-mAP, the mean average precision of boxes with actions at keyframes, at an overlap of 0.5.

The reference is ActivityNet's official script of 2021; the two common ports give other figures for the same files.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.ava_files import BoxRows
from whenabouts.evaluation.average_precision import interpolated
from whenabouts.evaluation.label_ranking import LabelConvention, LabelScores

LEAST_OVERLAP = 0.5
MOST_PER_FRAME = 50
Key = tuple[str, str]
_RULES = {
    "official": "ActivityNet's script of 2021: the 50 best detections of a keyframe; keyframes without truth ignored",
    "pyslowfast": "PySlowFast's port: detections in the order of the file; those at keyframes without truth are false",
    "mmaction2": "mmaction2's port: boxes at excluded keyframes are to be found, classes without detections left out",
}


@dataclass(frozen=True)
class _Frame:
    """What stands at one keyframe: boxes (N, 4), classes (N,), scores (N,)."""

    boxes: FloatArray
    classes: IntArray
    scores: FloatArray

    def of(self, label: int) -> "_Frame":
        kept = self.classes == label
        return _Frame(self.boxes[kept], self.classes[kept], self.scores[kept])

    def __len__(self) -> int:
        return len(self.boxes)


_NOBODY = _Frame(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


@dataclass
class _Counts:
    """Scores and hits of a class's detections, frame by frame, and how many boxes are to be found."""

    scores: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)
    boxes: int = 0


@dataclass(frozen=True)
class FrameScores:
    """Average precision per class id, NaN for one without a box to find, and the number of boxes."""

    ap: Mapping[int, float]
    boxes: Mapping[int, int]
    convention: LabelConvention
    counts: Mapping[str, int]
    problems: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean over classes with boxes to find; for mmaction2 over those that have a detection too."""
        return self.labelled({}).mean

    def labelled(self, names: Mapping[int, str], problems: Sequence[str] = ()) -> LabelScores:
        """The same by ids as text, with further problems, and settings that give the names of ids, where known."""
        known = {str(number): name for number, name in names.items() if name}
        return LabelScores(
            tuple(str(number) for number in self.ap),
            np.asarray(list(self.ap.values()), np.float64),
            np.asarray(list(self.boxes.values()), np.float64),
            self.convention,
            "AVA, actions in boxes at keyframes, overlap 0.5",
            _RULES[self.convention],
            problems=(*self.problems, *problems),
            settings={**self.counts, **({"names": known} if known else {})},
        )


def evaluate_ava(
    truth: BoxRows,
    detections: BoxRows,
    classes: Sequence[int],
    *,
    excluded: Iterable[tuple[str, float]] = (),
    convention: LabelConvention = "official",
    ignore_empty_frames: bool = True,
) -> FrameScores:
    """Frame-mAP over the ids in `classes`; rows of others are left out, and keyframes in `excluded` do not count.

    official: of each keyframe the 50 best detections of all classes, keyframes without truth are ignored. pyslowfast:
    detections of a keyframe in the order of the file, all of them; at keyframes without truth they are false.
    mmaction2: boxes at excluded keyframes stay among those to be found, a class without a detection is left out of the
    mean, and boxes without extent raise InvalidData; without `ignore_empty_frames` detections at keyframes without
    truth are false.
    """
    wanted, out = set(classes), {_key(at, convention) for at in excluded}
    real = _frames(truth, wanted, convention, most=0)
    found = _frames(detections, wanted, convention, most=MOST_PER_FRAME if convention == "official" else 0)
    real |= {_key(at, convention): _NOBODY for at in truth.empty if _key(at, convention) not in real}
    if convention == "mmaction2":
        _refuse_flat(truth, detections, wanted)
    alone = found.keys() - real.keys() - out
    ignored = convention == "official" or (convention == "mmaction2" and ignore_empty_frames)
    totals = {label: _Counts() for label in classes}
    for key in [*(key for key in real if key not in out), *(() if ignored else sorted(alone))]:
        _count(totals, real.get(key, _NOBODY), found.get(key, _NOBODY), convention)
    if convention == "mmaction2":
        for key in real.keys() & out:
            for label in real[key].classes.tolist():
                totals[label].boxes += 1
    ap = {label: _average(counts, convention) for label, counts in totals.items()}
    seen = {
        "keyframes": len(real.keys() - out), "excluded_keyframes": len(real.keys() & out),
        "keyframes_without_truth": len(alone), "boxes": sum(counts.boxes for counts in totals.values()),
        "detections": sum(len(counts.hits) for counts in totals.values()),
    }  # fmt: skip
    problems = [*truth.problems, *detections.problems]
    if alone:
        what = "ignored" if ignored else "counted as false"
        problems.append(f"detections at {len(alone)} keyframes that the truth does not have were {what}")
    boxes = {label: counts.boxes for label, counts in totals.items()}
    return FrameScores(ap, boxes, convention, seen, tuple(problems))


def overlaps(one: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4), x1 y1 x2 y2."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    ratios: FloatArray = shared / (areas[0][:, None] + areas[1][None, :] - shared)
    return ratios


def _key(keyframe: tuple[str, float], convention: LabelConvention) -> Key:
    """As each code writes a keyframe: the ports know whole seconds only."""
    video, seconds = keyframe
    return (video, f"{seconds:.6f}") if convention == "official" else (video, f"{int(seconds):04d}")


def _frames(rows: BoxRows, wanted: set[int], convention: LabelConvention, *, most: int) -> dict[Key, _Frame]:
    """Rows of wanted classes by keyframe, in the order in which each code looks at them."""
    places: dict[Key, list[int]] = {}
    for place, keyframe in enumerate(rows.keyframes):
        if rows.classes[place] in wanted:
            places.setdefault(_key(keyframe, convention), []).append(place)
    frames = {}
    for key, numbers in places.items():
        order = numbers if convention != "official" else _best_first(rows, numbers, most)
        frames[key] = _Frame(rows.boxes[order], rows.classes[order], rows.scores[order])
    return frames


def _best_first(rows: BoxRows, places: Sequence[int], most: int) -> list[int]:
    """The official script's order, which shows where scores are tied: a heap of the best, sorted by score alone."""
    heap: list[tuple[float, int, float, float, float, float, int]] = []
    for place in places:
        x1, y1, x2, y2 = rows.boxes[place].tolist()
        item = (float(rows.scores[place]), int(rows.classes[place]), y1, x1, y2, x2, place)
        if most < 1 or len(heap) < most:
            heapq.heappush(heap, item)
        elif item[0] > heap[0][0]:
            heapq.heapreplace(heap, item)
    return [item[-1] for item in sorted(heap, key=lambda item: -item[0])]


def _refuse_flat(truth: BoxRows, detections: BoxRows, wanted: set[int]) -> None:
    for name, rows in (("truth", truth), ("predictions", detections)):
        flat = (rows.boxes[:, 2:] <= rows.boxes[:, :2]).any(axis=1) & np.isin(rows.classes, list(wanted))
        if flat.any():
            place = int(np.flatnonzero(flat)[0])
            raise InvalidData(
                f"mmaction2's rules know no box without extent, but the {name} hold {int(flat.sum())}, the first "
                f"{rows.boxes[place].tolist()} in {rows.keyframes[place][0]}. Remove them, or measure officially."
            )


def _count(totals: Mapping[int, _Counts], real: _Frame, found: _Frame, convention: LabelConvention) -> None:
    """Take one keyframe; boxes without extent are left out."""
    real, found = _with_extent(real), _with_extent(found)
    for label in {*real.classes.tolist(), *found.classes.tolist()}:
        boxes, guesses = real.of(label), found.of(label)
        if convention != "pyslowfast":
            order = np.argsort(guesses.scores)[::-1]
            guesses = _Frame(guesses.boxes[order], guesses.classes[order], guesses.scores[order])
        totals[label].boxes += len(boxes)
        totals[label].scores += guesses.scores.tolist()
        totals[label].hits += _hits(guesses.boxes, boxes.boxes).tolist()


def _with_extent(frame: _Frame) -> _Frame:
    kept = (frame.boxes[:, 2:] > frame.boxes[:, :2]).all(axis=1)
    return frame if kept.all() else _Frame(frame.boxes[kept], frame.classes[kept], frame.scores[kept])


def _hits(guesses: FloatArray, boxes: FloatArray) -> BoolArray:
    """Which guesses, in their order, are right: the box that each overlaps most is shared enough, and still free."""
    hits = np.zeros(len(guesses), bool)
    if not len(boxes) or not len(guesses):
        return hits
    shared = overlaps(guesses, boxes)
    best = shared.argmax(axis=1)
    free = np.ones(len(boxes), bool)
    for place in np.flatnonzero(shared[np.arange(len(guesses)), best] >= LEAST_OVERLAP):
        hits[place] = free[best[place]]
        free[best[place]] = False
    return hits


def _average(counts: _Counts, convention: LabelConvention) -> float:
    if not counts.boxes or (convention == "mmaction2" and not counts.hits):
        return float("nan")
    order = np.argsort(np.asarray(counts.scores))[::-1]
    return interpolated(np.flatnonzero(np.asarray(counts.hits, bool)[order]), counts.boxes)
