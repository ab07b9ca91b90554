"""Submissions: as Kaggle's sample, read back the same, and the same result as `Moments`."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import InvalidData, Moments, Vocabulary
from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.exporters.protocol import Exported, ExportSettings
from whenabouts.data.exporters.submission import (
    export_submission,
    lists_of_moments,
    moments_of_lists,
    write_submission,
)
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.evaluation.ranked_lists import RankedList, read_ranked_lists
from whenabouts.evaluation.rated_pairs import RatedPairs
from whenabouts.evaluation.segment_ranking import evaluate_ranking

LISTS = [RankedList(3, ("002G:35", "002G:40", "a-b_:0")), RankedList(7, ("002G:60",)), RankedList(11, ())]
NAMES = Vocabulary(("Game", "Vehicle", "Concert"))
NUMBERS = (7, 3, 11)  # the vocabulary's order is not that of the file


def same(first: list[RankedList], second: list[RankedList]) -> bool:
    return [(one.class_id, tuple(one.segments)) for one in first] == [
        (one.class_id, tuple(one.segments)) for one in second
    ]


def test_the_file_is_as_the_sample_says(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    assert write_submission(path, iter(LISTS)) == 4
    assert path.read_bytes() == b"Class,Segments\n3,002G:35 002G:40 a-b_:0\n7,002G:60\n11,\n"
    assert same(list(read_ranked_lists(path)), LISTS)


@pytest.mark.golden
def test_the_real_sample_is_read_and_written_byte_for_byte(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "y8m" / "sample_submission.csv"
    lists = list(read_ranked_lists(sample))
    assert len(lists) == 1000
    assert lists[0] == RankedList(3, ["002G:35", "002G:40", "002G:60"])
    ids = (shared / "data" / "y8m" / "segment_label_ids.csv").read_text().split()[1:]
    assert write_submission(tmp_path / "again.csv", lists, class_ids=[int(one) for one in ids]) == 3000
    assert (tmp_path / "again.csv").read_bytes() == sample.read_bytes()


def test_absent_classes_get_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, LISTS[1:2], class_ids=(11, 7, 3, 2))
    assert path.read_text() == "Class,Segments\n2,\n3,\n7,002G:60\n11,\n"


def test_each_list_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    long = RankedList(3, [f"v{number}:0" for number in range(100_001)])
    assert write_submission(path, [long]) == 100_000
    assert next(read_ranked_lists(path)).segments[-1] == "v99999:0"
    assert write_submission(path, LISTS, top=1) == 2
    assert [len(one.segments) for one in read_ranked_lists(path)] == [1, 1, 0]


def test_what_is_written_for_the_official_script_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    write_submission(path, LISTS[:2], convention="official-script")
    assert path.read_bytes() == b"3,002G:35 002G:40 a-b_:0 \n7,002G:60 \n"
    truth = RatedPairs({3: {"a-b_:0": True}, 7: {"002G:60": True}})
    found = evaluate_ranking(truth, read_ranked_lists(path, convention="official-script"), convention="official-script")
    assert found.map == 1


@pytest.mark.parametrize(
    ("lists", "class_ids", "said"),
    [
        ([LISTS[1], LISTS[0]], (), "3 follows 7"),
        ([LISTS[0], LISTS[0]], (), "3 follows 3"),
        (LISTS, (3, 7), "Class 11 is not among the 2"),
        ([RankedList(3, ("a:0", "b:0", "a:0"))], (), "a:0 more than once"),
        *(
            ([RankedList(3, ("a:0", odd))], (), "can't stand")
            for odd in ("", "a", "a:", ":5", "a:0.5", "a:-5", "a b:0", "a,b:0", '"a:0', "a:0\n", "a:٣")
        ),
    ],
)
def test_broken_lists_leave_the_old_file(
    tmp_path: Path, lists: list[RankedList], class_ids: tuple[int, ...], said: str
) -> None:
    path = tmp_path / "submission.csv"
    path.write_text("before")
    with pytest.raises(InvalidData, match=said):
        write_submission(path, lists, class_ids=class_ids)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["submission.csv"]


def test_moments_and_lists_tell_the_same() -> None:
    moments = moments_of_lists(LISTS, NAMES, NUMBERS)
    assert [(row.video_id, row.start_seconds, row.end_seconds, row.concept, row.kind) for row in moments] == [
        ("002G", 35, 40, "Vehicle", "found"),
        ("002G", 40, 45, "Vehicle", "found"),
        ("a-b_", 0, 5, "Vehicle", "found"),
        ("002G", 60, 65, "Game", "found"),
    ]
    assert moments.scores.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1])
    assert same(list(lists_of_moments(moments, NUMBERS)), LISTS[:2])  # an empty list has no moment


def test_lists_of_moments_rank_by_score_then_video_then_start() -> None:
    shuffled = Moments.build(
        ["b", "a", "a", "a", "c"], [[0, 5], [5, 10], [0, 5], [0, 5], [10, 15]], [1, 1, 1, 1, 0], NAMES,
        scores=[0.5, 0.5, 0.5, 0.1, 0.9],
    )  # fmt: skip
    # The second a:0 repeats a better one.
    assert same(
        list(lists_of_moments(shuffled, NUMBERS)), [RankedList(3, ("a:0", "a:5", "b:0")), RankedList(7, ("c:10",))]
    )
    assert next(lists_of_moments(shuffled, NUMBERS, top=2)).segments == ("a:0", "a:5")
    assert list(lists_of_moments(Moments.empty(NAMES), NUMBERS)) == []


def test_random_results_survive_the_road_there_and_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        lists = []
        for class_id in sorted(NUMBERS):
            pool = [f"{video}:{5 * step}" for video in "abc" for step in range(6)]
            lists.append(RankedList(class_id, tuple(generator.permutation(pool)[: generator.integers(1, 18)].tolist())))
        write_submission(tmp_path / "s.csv", lists_of_moments(moments_of_lists(lists, NAMES, NUMBERS), NUMBERS))
        assert same(list(read_ranked_lists(tmp_path / "s.csv")), lists)


@pytest.mark.parametrize("span", [[0.5, 5.5], [0, 4], [-5, 0]])
def test_other_spans_can_not_be_submitted(span: list[float]) -> None:
    with pytest.raises(InvalidData, match="segments of 5 s"):
        next(lists_of_moments(Moments.build(["a"], [span], [0], NAMES), NUMBERS))


def test_only_what_the_end_of_its_video_cuts_is_left_out(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    lengths = {"a": 12.5, "b": 10.0, "c": 0.0}  # of c the length is not known
    videos = [Entry(Video(name, tmp_path / name, duration_seconds=length)) for name, length in lengths.items()]
    project.write_manifest(Manifest(tuple(videos)))

    places = "Classes are numbered by their places in the vocabulary. For YouTube-8M's own numbers name its table: "
    places += "--set export.submission.class_table=vocabulary.csv."

    def exported(*rows: tuple[str, float, float]) -> Exported:
        moments = Moments.build([row[0] for row in rows], [row[1:] for row in rows], [0] * len(rows), NAMES)
        write_json(project.moments_folder / "moments.json", moments.to_json())
        return export_submission(project, tmp_path / "s.csv", ExportSettings(), progress=Silent())

    whole = [("a", 0, 5), ("a", 5, 10), ("b", 5, 10)]
    done = exported(*whole, ("a", 10, 12.5), ("b", 9, 10))
    assert done.figures == {"segments": 3, "cut_by_the_end": 2}
    assert done.notes == (
        places,
        "Left out: 2 moments that the ends of their videos cut shorter than 5 s.",
    )
    assert next(read_ranked_lists(tmp_path / "s.csv")).segments == ["a:0", "a:5", "b:5"]
    assert exported(*whole) == Exported({"segments": 3}, (places,))
    for other in (("a", 7, 9), ("b", 5, 9.5), ("c", 0, 3)):
        with pytest.raises(InvalidData, match=r"segments of 5 s.*--set train\.hop_seconds=5"):
            exported(*whole, other)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(("class 1001", "class 7"), ["7,b:0", "1001,a:0"]), (("class 1001", "Diving"), ["0,a:0", "1,b:0"])],
)
def test_classes_that_bear_numbers_for_names_keep_them(
    tmp_path: Path, names: tuple[str, ...], numbers: list[str]
) -> None:
    project = Project.create(tmp_path / "p")
    project.write_manifest(Manifest((Entry(Video("a", tmp_path / "a")), Entry(Video("b", tmp_path / "b")))))
    moments = Moments.build(["a", "b"], [[0, 5], [0, 5]], [0, 1], Vocabulary(names))
    write_json(project.moments_folder / "moments.json", moments.to_json())
    done = export_submission(project, tmp_path / "s.csv", ExportSettings(), progress=Silent())
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == numbers
    assert bool(done.notes) == ("Diving" in names)


def test_class_numbers_must_fit_the_vocabulary() -> None:
    with pytest.raises(InvalidData, match="3 concepts"):
        moments_of_lists(LISTS, NAMES, (3, 7))
    with pytest.raises(InvalidData, match="different"):
        moments_of_lists(LISTS, NAMES, (3, 7, 7))
    with pytest.raises(InvalidData, match="Class 11 has no name"):
        moments_of_lists(LISTS, NAMES, (3, 7, 12))
