"""Candidates: what a full sort gives, in any order and however they are dealt out; files; segments when asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from whenabouts.core.errors import InvalidData
from whenabouts.localizers.concepts import candidates
from whenabouts.localizers.concepts.candidate_files import StoredCandidates, merged_candidates, save_candidates
from whenabouts.localizers.concepts.candidates import (
    BestOfClasses,
    CandidateSettings,
    Ranked,
    best_videos,
    candidate_limits,
    ranked_segments,
)

Row = tuple[str, int, float]
QUICK = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def told(best: Ranked) -> list[list[Row]]:
    """Video, segment and score of everything kept, class by class, best first."""
    found = []
    for index in range(len(best.limits)):
        rows = best.of_class(index)
        columns = zip(rows.videos.tolist(), rows.segments.tolist(), rows.scores.tolist(), strict=True)
        found.append([(best.video_ids[video], segment, score) for video, segment, score in columns])
    return found


def sorted_fully(videos: Sequence[tuple[str, np.ndarray]], limits: Sequence[int]) -> list[list[Row]]:
    """The same by sorting everything."""
    return [
        sorted(
            (
                (name, segment, float(scores[segment, index]))
                for name, scores in videos
                for segment in range(len(scores))
            ),
            key=lambda row: (-row[2], row[0], row[1]),
        )[:limit]
        for index, limit in enumerate(limits)
    ]


def kept(videos: Sequence[tuple[str, np.ndarray]], limits: Sequence[int]) -> BestOfClasses:
    best = BestOfClasses(limits)
    for name, scores in videos:
        best.add(name, scores)
    return best


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[tuple[str, np.ndarray]], list[int]]:
    """Videos with few different scores, so that ties abound, in any order."""
    limits = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    names = draw(st.lists(st.sampled_from([f"v{number}" for number in range(12)]), unique=True, max_size=12))
    levels = np.asarray([-1.5, 0.0, 0.25, 3.0], np.float32)
    videos = []
    for name in names:
        shape = (draw(st.integers(0, 3)), len(limits))
        cells = draw(st.lists(st.integers(0, 3), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
        videos.append((name, levels[np.asarray(cells, np.int64)].reshape(shape)))
    return videos, limits


@given(world=worlds(), waiting=st.sampled_from([1, 5, 1 << 20]))
@QUICK
def test_the_best_are_those_of_a_full_sort(
    monkeypatch: pytest.MonkeyPatch, world: tuple[list[tuple[str, np.ndarray]], list[int]], waiting: int
) -> None:
    monkeypatch.setattr(candidates, "_WAITING", waiting)
    videos, limits = world
    assert told(kept(videos, limits)) == sorted_fully(videos, limits)


def test_long_streams_are_trimmed_on_the_way_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_WAITING", 600)
    rng = np.random.default_rng(7)
    # Rounded to few levels: each trimming cuts through a tie.
    videos = [
        (f"{name:04x}", np.round(rng.normal(size=(5, 2)), 1).astype(np.float32)) for name in rng.permutation(2000)
    ]
    best = kept(videos, [40, 700])
    assert max(len(one.scores) for one in best._kept) <= 700 + 700 // 8 + 1024  # of 10,000
    assert told(best) == sorted_fully(videos, [40, 700])


@given(world=worlds(), data=st.data())
@QUICK
def test_parts_merge_to_the_same_in_any_order_and_grouping(
    tmp_path: Path, world: tuple[list[tuple[str, np.ndarray]], list[int]], data: st.DataObject
) -> None:
    videos, limits = world
    owners = data.draw(st.lists(st.integers(0, 2), min_size=len(videos), max_size=len(videos)))
    parts = [[one for one, owner in zip(videos, owners, strict=True) if owner == number] for number in range(3)]
    wanted = sorted_fully(videos, limits)

    def part(number: int) -> BestOfClasses:
        return kept(parts[number], limits)

    def joined(first: BestOfClasses, second: Ranked) -> BestOfClasses:
        first.merge(second)
        return first

    assert told(joined(joined(part(0), part(1)), part(2))) == wanted
    assert told(joined(part(0), joined(part(1), part(2)))) == wanted
    assert told(joined(part(2), joined(part(1), part(0)))) == wanted
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(paths):
        save_candidates(path, part(number))
    order = data.draw(st.permutations(paths))
    save_candidates(tmp_path / "all.safetensors", merged_candidates(order))
    save_candidates(tmp_path / "once.safetensors", kept(videos, limits))
    assert told(StoredCandidates(tmp_path / "all.safetensors")) == wanted
    assert (tmp_path / "all.safetensors").read_bytes() == (tmp_path / "once.safetensors").read_bytes()


def test_a_video_that_two_parts_know_counts_once_with_its_best_score() -> None:
    first = kept([("v", np.asarray([[5.0]])), ("x", np.asarray([[4.0]])), ("w", np.asarray([[3.0]]))], [2])
    second = kept([("v", np.asarray([[6.0]])), ("y", np.asarray([[1.0]]))], [2])
    for one, other in ((first, second), (second, first)):
        one.merge(other)
        assert told(one) == [[("v", 0, 6.0), ("x", 0, 4.0)]]
    first.merge(first)
    assert told(first) == [[("v", 0, 6.0), ("x", 0, 4.0)]]


def test_adding_goes_on_after_merging() -> None:
    best = kept([("b", np.asarray([[1.0]])), ("c", np.asarray([[2.0]]))], [2])
    best.merge(kept([("a", np.asarray([[1.0]]))], [2]))
    assert told(best) == [[("c", 0, 2.0), ("a", 0, 1.0)]]
    best.add("0", [1.0])
    best.add("z", [1.0])
    assert told(best) == [[("c", 0, 2.0), ("0", 0, 1.0)]]


def test_the_file_is_one_that_safetensors_reads(tmp_path: Path) -> None:
    videos = [("b", np.asarray([[1.0, 2.0], [3.0, 4.0]])), ("a", np.asarray([[2.0, 9.0]])), ("c", np.zeros((1, 2)))]
    save_candidates(tmp_path / "c.safetensors", kept(videos, [2, 1]))
    tensors = load_file(tmp_path / "c.safetensors")
    assert bytes(tensors["video_ids"]) == b'["a", "b"]'
    assert tensors["lengths"].tolist() == [1, 2]
    assert tensors["0.videos"].tolist() == [1, 0]
    assert tensors["0.segments"].tolist() == [1, 0]
    assert tensors["1.scores"].tolist() == [9.0]
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_broken_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    with pytest.raises(InvalidData, match="no candidates"):
        StoredCandidates(path)
    save_candidates(path, kept([("a", np.asarray([[2.0, 9.0]])), ("b", np.asarray([[3.0, 1.0]]))], [2, 1]))
    whole = path.read_bytes()
    read = 0
    for cut in range(0, len(whole), 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(InvalidData, match="can't be read"):
            StoredCandidates(path)
        read += 1
    assert read > 50
    length = int.from_bytes(whole[:8], "little")
    for place in range(8 + length, len(whole)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            told(StoredCandidates(path))
        except InvalidData as error:
            assert str(path) in str(error)  # noqa: PT017 (what is not told may be another score)
    with pytest.raises(InvalidData, match="no parts"):
        merged_candidates([])


def test_scores_that_no_table_can_hold_do_not_stop_the_stream() -> None:
    stream: list[tuple[str, Any]] = [
        ("a", [[1.0], [2.0, 3.0]]),
        ("b", ["x", 1]),
        ("c", None),
        ("d", [1e300, 1]),
        ("e", [1, 2]),
    ]
    best, left_out = best_videos(stream, [2, 2])
    assert best.video_ids == ["e"]
    assert sorted(left_out) == ["a", "b", "c", "d"]
    assert all(left_out[name].startswith(f"{name}: its scores are no table of numbers") for name in "ab")
    assert "class 0 is inf" in left_out["d"]


def test_what_has_no_rank_is_left_out_and_told() -> None:
    stream = [("a", [1.0, 2.0]), ("b", [np.nan, 0.0]), ("c", [1.0]), ("a", [9.0, 9.0]), ("d", [0.5, np.inf])]
    best, left_out = best_videos(stream, [2, 2])
    assert told(best) == [[("a", 0, 1.0)], [("a", 0, 2.0)]]
    assert sorted(left_out) == ["a", "b", "c", "d"]
    assert "class 0 is nan" in left_out["b"]
    assert "2 classes need as many scores" in left_out["c"]
    assert "scored already" in left_out["a"]


def test_what_does_not_fit_is_refused() -> None:
    for limits in ([], [0], [[1]]):
        with pytest.raises(InvalidData, match="at least 1 item"):
            BestOfClasses(limits)
    best = kept([("a", np.zeros((2, 1)))], [3])
    with pytest.raises(InvalidData, match="same limits"):
        best.merge(BestOfClasses([2]))
    with pytest.raises(InvalidData, match="2 segments here, but 1 there"):
        best.merge(kept([("a", np.zeros((1, 1)))], [3]))
    assert told(best) == [[("a", 0, 0.0), ("a", 1, 0.0)]]


def test_limits_are_a_count_or_a_multiple_of_the_prior() -> None:
    def limits(**chosen: object) -> list[int]:
        given_settings = CandidateSettings(**chosen)  # type: ignore[arg-type]
        return candidate_limits(given_settings, [10, 1, 0, 100], labelled_videos=100, videos=50).tolist()

    assert limits() == [15, 2, 1, 50]
    assert limits(prior_multiple=1.0, least=3) == [5, 3, 3, 50]
    assert limits(videos=7) == [7, 7, 7, 7]
    assert limits(videos=70) == [50, 50, 50, 50]


def test_best_segments_as_a_list_to_submit() -> None:
    best = kept([("b", np.asarray([[1.0], [3.0]])), ("a", np.asarray([[3.0]]))], [3])
    assert ranked_segments(best, 0, 42).segments == ["a:0", "b:5", "b:0"]
    assert ranked_segments(best, 0, 42).class_id == 42
