"""What is green and what is red: found moments beside the truth, worked out by hand and by a plain loop."""

import numpy as np
import pytest

from whenabouts.core.timing import temporal_iou
from whenabouts.page.server.judging import matches
from whenabouts.page.server.table import Table


def table(truth: list[tuple[int, int, float, float]], found: list[tuple[int, int, float, float, float]]) -> Table:
    """Truth (video, concept, start, end), then found moments (video, concept, start, end, score)."""
    return Table.joined(
        [
            Table.of([(*row, 1.0, True) for row in truth], "truth"),
            Table.of([(*row, True) for row in found], "found"),
        ]
    )


def test_the_best_score_takes_what_it_overlaps_most_and_others_get_what_is_left() -> None:
    both = table(
        [(0, 0, 0.0, 10.0), (0, 0, 8.0, 18.0), (0, 1, 0.0, 10.0), (1, 2, 0.0, 4.0)],
        [(0, 0, 2.0, 11.0, 5.0), (0, 0, 0.0, 10.0, 4.0), (0, 0, 8.0, 17.0, 3.0), (0, 1, 20.0, 30.0, 9.0),
         (0, 2, 0.0, 4.0, 9.0), (0, 3, 0.0, 4.0, 9.0)],
    )  # fmt: skip
    # The first takes the first true one; the second, which fits it better, comes too late. Of concept 2 another video
    # has truth, so it is judged here too; of concept 3 none has.
    told = matches(both, both.of_video(0))
    assert told == {0: "hit", 1: "hit", 2: "missed", 4: "hit", 5: "false", 6: "hit", 7: "false", 8: "false"}
    assert matches(both, both.of_video(1)) == {3: "missed"}
    assert matches(both, both.of_video(2)) == {}


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spans = lambda count: (begin := rng.integers(0, 12, count), begin + rng.integers(1, 6, count))  # noqa: E731
    true = [(0, int(c), float(s), float(e)) for c, s, e in zip(rng.integers(0, 2, 9), *spans(9), strict=True)]
    rows = zip(rng.integers(0, 3, 30), *spans(30), rng.integers(0, 5, 30), strict=True)
    both = table(true, [(0, int(c), float(s), float(e), float(score)) for c, s, e, score in rows])
    expected, free = dict.fromkeys(range(9), "missed"), set(range(9))
    known = {row[1] for row in true}
    for row in sorted(range(9, 39), key=lambda each: (-both.scores[each], both.spans[each, 0], each)):
        if both.concepts[row] not in known:
            continue
        there = [each for each in sorted(free) if both.concepts[each] == both.concepts[row]]
        overlaps = [float(temporal_iou(both.spans[[row]], both.spans[[each]])[0, 0]) for each in there]
        expected[row] = "false"
        if there and max(overlaps) >= 0.5:
            best = there[overlaps.index(max(overlaps))]
            free.remove(best)
            expected[row] = expected[best] = "hit"
    assert matches(both, both.of_video(0)) == expected
