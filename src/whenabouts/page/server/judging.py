"""Found moments beside the truth of the same video, for showing: green where they agree, red where they do not."""

import numpy as np

from whenabouts.core.moments import KINDS
from whenabouts.core.timing import IntArray, temporal_iou
from whenabouts.page.server.table import Table

HIT_TIOU = 0.5


def matches(table: Table, rows: IntArray) -> dict[int, str]:
    """ "hit" or "false" for found rows of one video, "hit" or "missed" for true ones.

    Rows of concepts without truth are absent, and so are all of a video of which no truth is known.
    Best score first, each found moment takes the free true one that it overlaps most, at a tIoU of 0.5 or more, as
    ActivityNet's evaluator does.
    """
    told: dict[int, str] = {}
    truth = rows[table.kinds[rows] == KINDS.index("truth")]
    known = set(np.unique(table.concepts[table.kinds == KINDS.index("truth")]).tolist())
    found = rows[table.kinds[rows] == KINDS.index("found")]
    if not len(truth):
        return told
    told |= {int(row): "missed" for row in truth}
    free = set(truth.tolist())
    for row in found[np.argsort(-table.scores[found], kind="stable")].tolist():
        if table.concepts[row] not in known:
            continue
        there = [each for each in sorted(free) if table.concepts[each] == table.concepts[row]]
        overlaps = temporal_iou(table.spans[[row]], table.spans[there])[0] if there else np.zeros(0)
        told[row] = "false"
        if len(there) and overlaps.max() >= HIT_TIOU:
            best = there[int(overlaps.argmax())]
            free.discard(best)
            told[row] = told[best] = "hit"
    return told
