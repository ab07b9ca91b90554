"""Which moments changed: worked by hand."""

from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.changes import changes_between

WORDS = Vocabulary(("dive", "swim"))


def moments(*rows: tuple[str, float, float, int, float]) -> Moments:
    return Moments.build([row[0] for row in rows], [row[1:3] for row in rows], [row[3] for row in rows], WORDS,
                         scores=[row[4] for row in rows])  # fmt: skip


def test_kept_moved_new_and_gone_are_told_apart() -> None:
    before = moments(("a", 0, 10, 0, 0.9), ("a", 20, 30, 0, 0.8), ("a", 40, 50, 1, 0.7), ("b", 0, 10, 0, 0.6))
    after = moments(("a", 0, 10, 0, 0.5), ("a", 22, 30, 0, 0.4), ("a", 40, 50, 0, 0.3), ("c", 0, 5, 1, 0.2))
    told = changes_between(before, after)
    assert told["moments"] == {"before": 4, "after": 4, "kept": 1, "moved": 1, "new": 2, "gone": 2}
    assert [(each["change"], each["moment"]["video_id"]) for each in told["changed"]] == [
        ("gone", "a"), ("gone", "b"), ("moved", "a"), ("new", "a"), ("new", "c"),
    ]  # fmt: skip
    moved = told["changed"][2]
    assert (moved["was"]["start"], moved["moment"]["start"]) == (20, 22)


def test_an_old_moment_has_one_heir_the_better_one() -> None:
    before = moments(("a", 0, 10, 0, 0.9))
    after = moments(("a", 0, 8, 0, 0.5), ("a", 1, 10, 0, 0.7))
    told = changes_between(before, after)["moments"]
    assert (told["kept"], told["moved"], told["new"], told["gone"]) == (1, 0, 1, 0)


def test_without_moments_before_all_are_new() -> None:
    assert changes_between(None, moments(("a", 0, 1, 0, 1.0)))["moments"]["new"] == 1
    assert changes_between(moments(("a", 0, 1, 0, 1.0)), None)["moments"]["gone"] == 1
