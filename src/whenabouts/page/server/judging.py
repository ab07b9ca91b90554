"""Found moments beside the truth of the same video, for showing: green where they agree, red where they do not."""

import numpy as np

from whenabouts.core.moments import KINDS
from whenabouts.core.timing import IntArray, temporal_iou
from whenabouts.page.server.table import Table

HIT_TIOU = 0.5
FOUND, TRUTH = KINDS.index("found"), KINDS.index("truth")


def matches(table: Table, rows: IntArray) -> dict[int, str]:
    """ "hit" or "false" for found rows of one video, "hit" or "missed" for true ones.

    Rows of concepts without truth are absent, and so are all of a video of which no truth is known.
    Best score first, each found moment takes the free true one that it overlaps most, at a tIoU of 0.5 or more, as
    ActivityNet's evaluator does.
    """
    truth = np.sort(rows[table.kinds[rows] == TRUTH])
    if not len(truth):
        return {}
    found = rows[table.kinds[rows] == FOUND]
    found = found[np.isin(table.concepts[found], np.unique(table.concepts[table.kinds == TRUTH]))]
    found = found[np.argsort(-table.scores[found], kind="stable")]
    told = dict.fromkeys(truth.tolist(), "missed") | dict.fromkeys(found.tolist(), "false")
    for concept in np.unique(table.concepts[truth]).tolist():
        true, guessed = (each[table.concepts[each] == concept] for each in (truth, found))
        overlaps = temporal_iou(table.spans[guessed], table.spans[true])
        free = np.ones(len(true), bool)
        for place in np.flatnonzero(overlaps.max(axis=1) >= HIT_TIOU).tolist():  # All others meet nothing.
            best = int(np.where(free, overlaps[place], -1.0).argmax())
            if free[best] and overlaps[place, best] >= HIT_TIOU:
                free[best] = False
                told[int(guessed[place])] = told[int(true[best])] = "hit"
    return told
