"""Checked segments of held-out videos, and what they say of the moments that a localizer finds there.

For each concept the checked segments are ranked by the best moment that overlaps them, and average precision says how
many of those that show the concept stand before those that do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.timing import FloatArray, IntArray, temporal_iou
from whenabouts.evaluation.average_precision import not_interpolated
from whenabouts.localizers.calibration import Calibration, Ratings, right_moments


@dataclass(frozen=True)
class Checked:
    """Checked segments of held-out videos: video_ids (S,), spans (S, 2), and shown (S, C): 1 yes, 0 no, -1 unknown.

    As a chapter does, a segment that shows one concept is taken not to show another that is shown elsewhere in its
    video, unless both overlap.
    """

    video_ids: tuple[str, ...]
    spans: FloatArray
    shown: IntArray

    @classmethod
    def of(cls, parts: Sequence[SegmentLabels], classes: int) -> "Checked":
        """Join the ratings of several videos."""
        ids, spans, rows = list[str](), [np.zeros((0, 2))], [np.zeros((0, classes), np.int64)]
        for each in parts:
            part, _ = each.settled()
            own, place = np.unique(part.spans, axis=0, return_inverse=True)
            shown = np.full((len(own), classes), -1, np.int64)
            shows = np.zeros(len(own), bool)
            shows[place.ravel()[part.present]] = True
            for index in np.unique(part.classes[part.present]).tolist():
                there = part.spans[part.present & (part.classes == index)]
                shown[shows & ~(temporal_iou(own, there) > 0).any(axis=1), index] = 0
            shown[place.ravel(), part.classes] = part.present
            ids += list(part.video_ids[:1]) * len(own)
            spans.append(own)
            rows.append(shown)
        return cls(tuple(ids), np.concatenate(spans), np.concatenate(rows))

    def with_labels(self, labels: Mapping[str, VideoLabels]) -> "Checked":
        """The same, where segments also lack what their whole video is known to lack."""
        shown = self.shown.copy()
        for row, video_id in enumerate(self.video_ids):
            own = labels[video_id]
            absent = own.known(shown.shape[1])
            absent[own.classes] = False
            shown[row, absent & (shown[row] < 0)] = 0
        return Checked(self.video_ids, self.spans, shown)

    @property
    def judged(self) -> IntArray:
        """Classes (K,) that are shown by one segment at least, and not by another."""
        found: IntArray = np.flatnonzero((self.shown == 1).any(axis=0) & (self.shown == 0).any(axis=0))
        return found


def precision_of(found: Moments, checked: Checked) -> float:
    """Mean average precision over the judged concepts."""
    return float(np.mean([_precision(found, checked, index) for index in checked.judged.tolist()]))


def _precision(found: Moments, checked: Checked, index: int) -> float:
    mine = found[found.classes == index]
    strength = np.argsort(np.argsort(mine.scores, kind="stable"), kind="stable") + 1.0  # ranks: any score is above 0
    rows = np.flatnonzero(checked.shown[:, index] >= 0)
    scores = np.zeros(len(rows))
    for place, row in enumerate(rows.tolist()):
        own = mine.video_ids == checked.video_ids[row]
        overlap = temporal_iou(checked.spans[row], mine.spans[own])[0]
        scores[place] = (overlap * strength[own]).max(initial=0.0)
    hits = checked.shown[rows, index] == 1
    order = np.lexsort((hits, -scores))  # of equal scores the wrong ones count first, so that silence gains nothing
    return not_interpolated(np.flatnonzero(hits[order]), int(hits.sum()))


def calibration_of(found: Moments, checked: Checked, count: int) -> Calibration | None:
    """What the scores of moments mean by the checked segments that these overlap; None where that says too little."""
    places, classes = np.nonzero(checked.shown >= 0)
    names = np.asarray(checked.video_ids, np.str_)[places]
    rated = Ratings(names, checked.spans[places], classes, checked.shown[places, classes] == 1)
    rows, right = right_moments(found.video_ids, found.spans, found.classes, rated)
    if not (right.any() and not right.all()):
        return None
    return Calibration.fit(found.scores[rows], found.classes[rows], right, count=count)
