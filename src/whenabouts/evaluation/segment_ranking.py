"""MAP@K and Recall@K of ranked segments, after the YouTube-8M segment challenge (Kaggle, 2019)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.evaluation.ranked_lists import Convention, RankedList
from whenabouts.evaluation.ranking import precision_of_ranked
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.evaluation.report import Report

ClassSet = Literal["present", "all"]
TOP_SEGMENTS = 100_000
SHOWN = 10
CONVENTIONS = {
    "kaggle": "Kaggle 2019: the best segments of a class, later repeats ignored, unrated ones then left out; "
    "sum of precision at hits / rated positives",
    "official-script": "google/youtube-8m segment_eval_inference.py to the letter: the last segment of a line is lost "
    "with its line end, repeats count again, absent classes are not averaged",
}


@dataclass(frozen=True)
class RankingScores:
    """Average precision (C,), recall (C,) and number of rated positives (C,) of classes (C,), ascending.

    `top` is the cut (0: none). left_out are classes of the predictions without any rated positive: nothing can be
    said of them.
    """

    convention: Convention
    top: int
    classes: IntArray
    average_precision: FloatArray
    recall: FloatArray
    positives: IntArray
    left_out: tuple[int, ...] = ()

    @property
    def map(self) -> float:
        """Mean average precision over `classes`."""
        return float(self.average_precision.mean())

    @property
    def mean_recall(self) -> float:
        """Mean over `classes` of the share of rated positives that the lists hold (Recall@K)."""
        return float(self.recall.mean())

    def to_json(self) -> dict[str, Any]:
        """The stable JSON of `whenabouts evaluate ranking`."""
        return {
            "map": self.map,
            "classes": self.classes.tolist(),
            "per_class_ap": self.average_precision.tolist(),
            "num_positives": self.positives.tolist(),
            "convention": self.convention,
            "top": self.top,
            "mean_recall": self.mean_recall,
            "per_class_recall": self.recall.tolist(),
            "left_out_classes": list(self.left_out),
        }

    def report(self) -> Report:
        """The same as a `Report`."""
        depth = f"@{self.top}" if self.top else ""
        some = ", ".join(map(str, self.left_out[:SHOWN])) + (", ..." if len(self.left_out) > SHOWN else "")
        remark = f"Left out, as nothing is rated relevant: {len(self.left_out)} classes ({some})."
        return Report(
            title=f"Ranked segments: {len(self.classes)} classes, {self.positives.sum()} rated positives",
            convention=CONVENTIONS[self.convention],
            metrics={f"MAP{depth}": self.map, f"Recall{depth}": self.mean_recall},
            classes=tuple(map(str, self.classes.tolist())),
            columns=("AP", "recall"),
            per_class=np.stack([self.average_precision, self.recall], axis=1),
            remarks=(remark,) if self.left_out else (),
        )


def evaluate_ranking(
    truth: RatedPairs,
    lists: Iterable[RankedList],
    *,
    top: int = TOP_SEGMENTS,
    classes: ClassSet = "present",
    convention: Convention = "kaggle",
) -> RankingScores:
    """Average precision and recall of each class, list by list, so that a file of any length streams through.

    Each list is cut to its best `top` segments (0: no cut), then unrated segments are dropped; the precision at each
    rated positive is summed and divided by the number of rated positives of the class, with no min with `top`. The
    mean runs over the classes "present" in `lists`, empty ones included (0), or over "all" that have a rated positive
    in `truth` (absent ones 0), which is the paper's 1/C (Ma et al., 2019, eq. 4). Read the file under the same
    convention. Raises InvalidData where nothing can be judged, and under "official-script" where the script stops: a
    class without rated positive, and fewer than two classes.
    """
    if top < 0:
        raise InvalidData(f"The cut is a number of segments, or 0 for none, but got {top}.")
    judge: _Judge = _by_script if convention == "official-script" else _by_kaggle
    rows: dict[int, tuple[float, float]] = {}
    left_out = set()
    for ranked in lists:
        positives = truth.positives.get(ranked.class_id, 0)
        if not positives:
            left_out.add(ranked.class_id)
            continue
        rated = truth.ratings[ranked.class_id]
        relevant = judge(rated, ranked.segments, top)
        rows[ranked.class_id] = precision_of_ranked(relevant.hits, positives), relevant.found / positives
    if convention == "official-script":
        _check_script_runs(len(rows), sorted(left_out))
    if classes == "all":
        rows = {class_id: (0.0, 0.0) for class_id, count in truth.positives.items() if count} | rows
    return _gathered(truth, rows, convention, top, tuple(sorted(left_out)))


@dataclass(frozen=True)
class _Judged:
    hits: BoolArray  # of the rated segments, best first
    found: int  # different rated positives


_Judge = Callable[[Mapping[str, bool], Sequence[str], int], _Judged]


def _by_kaggle(rated: Mapping[str, bool], segments: Sequence[str], top: int) -> _Judged:
    """The first place of a segment counts; later ones are as if never written."""
    if top and len(segments) > top:
        segments = list(dict.fromkeys(segments))[:top]
    hits = [rated[segment] for segment in dict.fromkeys(filter(rated.__contains__, segments))]
    return _Judged(np.asarray(hits, bool), sum(hits))


def _by_script(rated: Mapping[str, bool], segments: Sequence[str], top: int) -> _Judged:
    kept = list(filter(rated.__contains__, segments[:top] if top else segments))
    hits = np.asarray([rated[segment] for segment in kept], bool)
    return _Judged(hits, sum(rated[segment] for segment in set(kept)))


def _check_script_runs(classes: int, without_positives: list[int]) -> None:
    if without_positives:
        raise InvalidData(
            f"The official script stops with a KeyError: classes {without_positives[:5]} have no rated positive. "
            "Leave their lines away, or use --convention kaggle, which leaves them out."
        )
    if classes < 2:
        raise InvalidData(
            f"The official script stops with a ValueError: it needs at least 2 classes, but got {classes}. "
            "Use --convention kaggle."
        )


def _gathered(
    truth: RatedPairs,
    rows: dict[int, tuple[float, float]],
    convention: Convention,
    top: int,
    left_out: tuple[int, ...],
) -> RankingScores:
    if not rows:
        raise InvalidData(
            f"Nothing can be judged: of {len(left_out)} classes in the predictions none has a rated positive. "
            f"The truth rates classes {sorted(truth.ratings)[:5]}."
        )
    order = sorted(rows)
    table = np.asarray([rows[class_id] for class_id in order], np.float64)
    positives = np.asarray([truth.positives[class_id] for class_id in order], np.int64)
    return RankingScores(convention, top, np.asarray(order, np.int64), table[:, 0], table[:, 1], positives, left_out)
