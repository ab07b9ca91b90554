"""Segment rankings from files: worked by hand, and against plain loops over the rules of both conventions."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import InvalidData, SegmentLabels
from whenabouts.evaluation.ranked_lists import read_ranked_lists
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.evaluation.segment_ranking import ClassSet, Convention, RankingScores, evaluate_ranking

LABELS = """\
aaaa:0,3,1.0
aaaa:5,3,0.0
bbbb:0,3,1.0
bbbb:5,3,1.0
aaaa:0,7,1.0
bbbb:5,7,0.0
cccc:0,11,1.0
aaaa:5,12,0.0
"""
# Class 3: hit, unrated, miss, hit; bbbb:5 is never listed. Class 7: miss, hit. Class 12 has no positive. 11 is absent.
SUBMISSION = """\
Class,Segments
3,aaaa:0 cccc:0 aaaa:5 bbbb:0
7,bbbb:5 aaaa:0
12,aaaa:5
"""


def measured(
    folder: Path,
    submission: str,
    *,
    labels: str = LABELS,
    top: int = 0,
    classes: ClassSet = "present",
    convention: Convention = "kaggle",
) -> RankingScores:
    (folder / "labels.csv").write_text(labels, encoding="utf-8")
    (folder / "submission.csv").write_text(submission, encoding="utf-8", newline="")
    lists = read_ranked_lists(folder / "submission.csv", convention=convention)
    return evaluate_ranking(
        RatedPairs.read(folder / "labels.csv"), lists, top=top, classes=classes, convention=convention
    )


def test_kaggle_by_hand(tmp_path: Path) -> None:
    found = measured(tmp_path, SUBMISSION)
    # Class 3, unrated left out: hit, miss, hit: (1/1 + 2/3) / 3 positives = 5/9; 2 of 3 found.
    # Class 7: miss, hit: (1/2) / 1 = 1/2. Class 12 has nothing to find: left out. Mean (5/9 + 1/2) / 2 = 19/36.
    assert found.to_json() == {
        "map": pytest.approx(19 / 36),
        "classes": [3, 7],
        "per_class_ap": pytest.approx([5 / 9, 1 / 2]),
        "num_positives": [3, 1],
        "convention": "kaggle",
        "top": 0,
        "mean_recall": pytest.approx((2 / 3 + 1) / 2),
        "per_class_recall": pytest.approx([2 / 3, 1]),
        "left_out_classes": [12],
    }
    assert "nothing is rated relevant: 1 classes (12)." in found.report().to_table()


def test_of_many_classes_left_out_some_are_named_and_all_are_counted(tmp_path: Path) -> None:
    others = "".join(f"aaaa:5,{label},0.0\n" for label in range(20, 40))
    listed = "".join(f"{label},aaaa:5\n" for label in range(20, 40))
    table = measured(tmp_path, SUBMISSION + listed, labels=LABELS + others).report().to_table()
    assert "21 classes (12, 20, 21, 22, 23, 24, 25, 26, 27, 28, ...)." in table


def test_all_classes_count_absent_ones_as_nothing(tmp_path: Path) -> None:
    # Class 11 has a positive, but no list: 0. Mean (5/9 + 1/2 + 0) / 3 = 19/54.
    found = measured(tmp_path, SUBMISSION, classes="all")
    assert found.classes.tolist() == [3, 7, 11]
    assert found.map == pytest.approx(19 / 54)


def test_the_cut_comes_before_the_unrated_are_dropped(tmp_path: Path) -> None:
    # Cut to 3: hit, unrated, miss. Only (1/1) / 3 = 1/3 is left of class 3: the unrated segment ate a place.
    found = measured(tmp_path, SUBMISSION, top=3)
    assert found.average_precision.tolist() == pytest.approx([1 / 3, 1 / 2])


def test_the_official_script_loses_the_last_segment_of_a_line(tmp_path: Path) -> None:
    # Class 3 keeps hit, miss: 1/3. Class 7 keeps its miss only: 0. A file that ends without a line end keeps the last.
    text = "3,aaaa:0 cccc:0 aaaa:5 bbbb:0\n7,bbbb:5 aaaa:0"
    assert measured(tmp_path, text + "\n", convention="official-script").average_precision.tolist() == [1 / 3, 0]
    assert measured(tmp_path, text, convention="official-script").average_precision.tolist() == [1 / 3, 1 / 2]
    kept = measured(tmp_path, text.replace("\n", " \n"), convention="official-script")
    assert kept.average_precision.tolist() == pytest.approx([5 / 9, 1 / 2])


def test_repeats_count_once_for_kaggle_and_again_for_the_script(tmp_path: Path) -> None:
    text = "3,aaaa:0 aaaa:0 aaaa:0 bbbb:0 \n7,aaaa:0 \n"
    # Once: hit, hit: (1 + 1) / 3 = 2/3. Again: four hits in a row: 4 / 3, more than is possible.
    assert measured(tmp_path, text).average_precision.tolist() == pytest.approx([2 / 3, 1])
    # A repeat takes no place of the cut: the best two are aaaa:0 and bbbb:0.
    assert measured(tmp_path, text, top=2).average_precision.tolist() == pytest.approx([2 / 3, 1])
    again = measured(tmp_path, text, convention="official-script")
    assert again.average_precision.tolist() == pytest.approx([4 / 3, 1])
    assert again.recall.tolist() == pytest.approx([2 / 3, 1])


def test_the_script_takes_the_last_line_of_a_class(tmp_path: Path) -> None:
    text = "3,aaaa:0 \n7,aaaa:0 \n3,aaaa:5 \n"
    assert measured(tmp_path, text, convention="official-script").average_precision.tolist() == [0, 1]
    with pytest.raises(InvalidData, match="line 1 and again in line 3"):
        measured(tmp_path, text)


def test_line_ends_marks_and_blanks_do_not_matter_to_kaggle(tmp_path: Path) -> None:
    plain = measured(tmp_path, SUBMISSION)
    for odd in (
        SUBMISSION.replace("\n", "\r\n"),
        "\ufeff" + SUBMISSION,
        SUBMISSION.replace("\n", " \n"),
        SUBMISSION.replace(" ", "  ") + "\n\n",
        SUBMISSION.partition("\n")[2],
        SUBMISSION.rstrip("\n"),
        SUBMISSION.replace("3,aaaa:0 cccc:0 aaaa:5 bbbb:0", '"3","aaaa:0 cccc:0 aaaa:5 bbbb:0"'),
    ):
        assert measured(tmp_path, odd).to_json() == plain.to_json()
    with_header = measured(tmp_path, SUBMISSION, labels="segment,class,score\n" + LABELS)
    assert with_header.to_json() == plain.to_json()


def test_an_empty_list_counts_zero(tmp_path: Path) -> None:
    for empty in ("7,\n", "7, \n"):
        found = measured(tmp_path, "3,aaaa:0\n" + empty)
        assert found.average_precision.tolist() == pytest.approx([1 / 3, 0])


@pytest.mark.parametrize(
    ("submission", "said"),
    [
        ("x,aaaa:0\n", "line 1 is 'x,aaaa:0'"),
        ("3,aaaa:0\nClass,Segments\n", "line 2"),
        ("3;aaaa:0\n", "one comma"),
        ("3,aaaa:0,aaaa:5\n", "blanks between"),
        ("3,aaaa:0 aaaa\n", "'aaaa', which is no segment"),
        ("3,aaaa:0.5\n", "no segment"),
        ("-3,aaaa:0\n", "class number"),
        ("99,aaaa:0\n", "none has a rated positive"),
        (f"{10**18},aaaa:0\n", "class number"),
        ("9" * 5000 + ",aaaa:0\n", "class number"),
        ("", "Nothing can be judged"),
    ],
)
def test_broken_submissions_are_named(tmp_path: Path, submission: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        measured(tmp_path, submission)


@pytest.mark.parametrize(
    ("submission", "said"),
    [
        (SUBMISSION, "ValueError at .*submission.csv line 1.*can't read a header"),
        ("3,aaaa:0 \n7,aaaa:0 \n\n", "line 3"),
        ("3,aaaa:0 \n7,aaaa:0 \n12,aaaa:0 \n", "KeyError"),
        ("3,aaaa:0 \n", "at least 2 classes"),
    ],
)
def test_where_the_script_stops_we_say_why(tmp_path: Path, submission: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        measured(tmp_path, submission, convention="official-script")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("aaaa:0,3,1.0\naaaa:0,3,0.0\n", "line 2: aaaa:0 is rated both"),
        ("aaaa:0,3\n", "line 1"),
        ("aaaa:0,3,1.0\naaaa:0,x,1.0\n", "line 2"),
        ("aaaa:0,3,nan\n", "line 1"),
        ("aaaa:0,3,1.0\naaaa,3,1.0\n", "line 2 is 'aaaa,3,1.0'"),
        ("aaaa:0.0,3,1.0\n", "line 1 is 'aaaa:0.0,3,1.0'"),
        (":0,3,1.0\n", "line 1"),
        (f"aaaa:0,{10**18},1.0\n", "line 1"),
        ("\n", "no rated segment"),
    ],
)
def test_broken_labels_are_named(tmp_path: Path, labels: str, said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        measured(tmp_path, SUBMISSION, labels=labels)


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="There is no file"):
        RatedPairs.read(tmp_path / "absent.csv")
    with pytest.raises(InvalidData, match="There is no file"):
        list(read_ranked_lists(tmp_path / "absent.csv"))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidData, match="as text"):
        list(read_ranked_lists(tmp_path / "binary.csv"))
    with pytest.raises(InvalidData, match="as text"):
        RatedPairs.read(tmp_path / "binary.csv")
    with pytest.raises(InvalidData, match="The cut"):
        evaluate_ranking(RatedPairs({}), [], top=-1)


def test_truth_from_segment_labels() -> None:
    labels = SegmentLabels(
        ("aaaa", "aaaa", "b:b"), np.array([[0.0, 5], [5, 10], [0, 5]]), np.array([0, 0, 1]), np.array([1, 0, 1])
    )
    truth = RatedPairs.of(labels, class_ids=(3, 7))
    assert truth.ratings == {3: {"aaaa:0": True, "aaaa:5": False}, 7: {"b:b:0": True}}
    assert truth.positives == {3: 1, 7: 1}
    assert RatedPairs.of(labels).ratings.keys() == {0, 1}
    with pytest.raises(InvalidData, match="whole seconds"):
        RatedPairs.of(SegmentLabels(("a",), np.array([[0.5, 5.5]]), np.array([0]), np.array([True])))


def looped(
    rated: dict[tuple[str, int], int], lists: dict[int, list[str]], top: int, convention: str, every: bool
) -> dict[int, float]:
    """The written rules, segment by segment."""
    precision = {}
    for class_id in {one for _, one in rated} | set(lists) if every else set(lists):
        positives = sum(score for (_, one), score in rated.items() if one == class_id)
        if not positives:
            continue
        places, done = [], set()
        for segment in lists.get(class_id, []):
            if convention == "official-script" or segment not in done:
                places.append(segment)
                done.add(segment)
        hits, judged, summed = 0, 0, 0.0
        for segment in places[:top] if top else places:
            if (segment, class_id) in rated:
                judged += 1
                if rated[segment, class_id]:
                    hits += 1
                    summed += hits / judged
        precision[class_id] = summed / positives
    return precision


def test_thousand_random_files_agree_with_loops(tmp_path: Path) -> None:
    generator = np.random.default_rng(9)
    seen = {"repeats": 0, "absent": 0, "left out": 0, "cut": 0}
    for number in range(1000):
        pool = [f"{video}:{5 * start}" for video in "abcd" for start in range(int(generator.integers(1, 5)))]
        class_ids = generator.choice(40, int(generator.integers(2, 6)), replace=False).tolist()
        rated = {(segment, one): int(generator.integers(0, 2))
                 for one in class_ids for segment in pool if generator.random() < 0.6}  # fmt: skip
        rated[pool[0], class_ids[0]] = 1
        listed = {one: generator.choice(pool, int(generator.integers(0, 25))).tolist()
                  for one in class_ids if one == class_ids[0] or generator.random() < 0.8}  # fmt: skip
        top = [0, 1, 5, 100_000][number % 4]
        convention: Convention = "kaggle" if number % 2 else "official-script"
        positives = {one: sum(rated.get((segment, one), 0) for segment in pool) for one in class_ids}
        if convention == "official-script":
            listed = {one: segments for one, segments in listed.items() if positives[one]}
            if len(listed) < 2:
                convention = "kaggle"
        every = bool(generator.integers(0, 2))
        blank = " " if convention == "official-script" else ""
        found = measured(
            tmp_path,
            "".join(f"{one},{' '.join(segments)}{blank}\n" for one, segments in listed.items()),
            labels="".join(f"{segment},{one},{float(score)}\n" for (segment, one), score in rated.items()),
            top=top,
            classes="all" if every else "present",
            convention=convention,
        )
        expected = looped(rated, listed, top, convention, every)
        assert found.classes.tolist() == sorted(expected)
        assert found.average_precision.tolist() == pytest.approx([expected[one] for one in sorted(expected)])
        assert found.positives.tolist() == [positives[one] for one in sorted(expected)]
        seen["repeats"] += any(len(set(segments)) < len(segments) for segments in listed.values())
        seen["absent"] += len(listed) < len(class_ids)
        seen["left out"] += bool(found.left_out)
        seen["cut"] += any(0 < top < len(segments) for segments in listed.values())
    assert min(seen.values()) > 30, seen
