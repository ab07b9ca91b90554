"""The cell of segment models whose rates the trials changed after the main cells had been made.

Rows that join all five segment models still hear these at their former rates; the page says so.
"""

import time
from dataclasses import replace
from typing import Any

from relevance_cells import taught_of, tuned
from relevance_ground import (
    RETUNED,
    TUNED,
    Place,
    judge_of,
    kept_model,
    labelled,
    net_of,
    on_few_frames,
    on_test,
    settings_hash,
    world_of,
)

MAIN = 20


def retuned_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Those models again, with ratings; at the main number also before any, and with ratings alone."""
    began = time.process_time()
    world, judge = world_of(place, seed, ratings), judge_of(place, seed, ratings)
    lessons = taught_of(place, seed, ratings)
    rows: dict[str, Any] = {}
    part = labelled(place, seed)
    for kind, (before, after) in RETUNED.items():
        hashed = settings_hash(place.train, place.test, place.pool)
        folder = place.work / "ground" / f"{hashed}-{seed}-{kind}-{before:g}"
        start = kept_model(folder, lessons.videos, part, lambda kind=kind, rate=before: on_few_frames(
            lessons.videos, net_of(kind), lessons.run, world, part, rate=rate))  # fmt: skip
        rows[kind] = judge.figures(on_test(tuned(lessons.videos, start, TUNED, lessons.run, None, rate=after), world))
        if ratings == MAIN:
            rows[f"{kind}, no ratings"] = judge.figures(on_test(start, world))
            alone = tuned(lessons.videos, start, replace(TUNED, weak_negatives=0), lessons.run, None, rate=after)
            rows[f"{kind}, ratings alone"] = judge.figures(on_test(alone, world))
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}
