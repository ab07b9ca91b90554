"""Which moments changed between two searches of the same videos."""

from typing import Any

import numpy as np

from whenabouts.core.moments import Moment, Moments
from whenabouts.core.timing import temporal_iou

SAME_TIOU, KEPT_TIOU = 0.5, 0.9
SHOWN = 100


def changes_between(before: Moments | None, after: Moments | None, *, shown: int | None = SHOWN) -> dict[str, Any]:
    """How many moments are kept, moved, new and gone, and the `shown` first of the others than kept, best score first.

    Per video and concept, best new score first, a new moment is the old one that it overlaps most and that is still
    free: "kept" at a tIoU of 0.9 or more, "moved" at 0.5 or more, else it is new; old ones without heir are gone.
    """
    old, new = _grouped(before), _grouped(after)
    counts = {"before": 0 if before is None else len(before), "after": 0 if after is None else len(after),
              "kept": 0, "moved": 0, "new": 0, "gone": 0}  # fmt: skip
    changed: list[tuple[float, dict[str, Any]]] = []
    for key in sorted(old.keys() | new.keys()):
        for kind, moment, was in _pairs(old.get(key, []), new.get(key, [])):
            counts[kind] += 1
            if kind != "kept":
                changed.append((-moment.score, {"change": kind, "moment": _told(moment), "was": was and _told(was)}))
    changed.sort(key=lambda item: item[0])
    return {"moments": counts, "changed": [told for _, told in changed[:shown]]}


def _grouped(moments: Moments | None) -> dict[tuple[str, str], list[Moment]]:
    groups: dict[tuple[str, str], list[Moment]] = {}
    for moment in [] if moments is None else moments:
        groups.setdefault((moment.video_id, moment.concept), []).append(moment)
    return groups


def _pairs(old: list[Moment], new: list[Moment]) -> list[tuple[str, Moment, Moment | None]]:
    free, found = list(old), list[tuple[str, Moment, Moment | None]]()
    for moment in sorted(new, key=lambda each: -each.score):
        spans = np.asarray([[each.start_seconds, each.end_seconds] for each in free])
        overlaps = temporal_iou([[moment.start_seconds, moment.end_seconds]], spans)[0] if free else np.zeros(0)
        best = int(overlaps.argmax()) if len(overlaps) else -1
        if best < 0 or overlaps[best] < SAME_TIOU:
            found.append(("new", moment, None))
            continue
        was = free.pop(best)
        found.append(("kept" if overlaps[best] >= KEPT_TIOU else "moved", moment, was))
    return found + [("gone", moment, None) for moment in free]


def _told(moment: Moment) -> dict[str, Any]:
    return {"video_id": moment.video_id, "concept": moment.concept, "start": moment.start_seconds,
            "end": moment.end_seconds, "score": moment.score}  # fmt: skip
