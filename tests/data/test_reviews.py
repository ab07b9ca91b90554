"""Decisions on disk: undone, redone, replaced, and still there whatever kills the process."""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.data.decisions import Decided, standing, told_passed_over
from whenabouts.data.reviews import ReviewStore, rows_passed_over

WRITER = """
import sys
from pathlib import Path
from whenabouts.data.decisions import Decided
from whenabouts.data.reviews import ReviewStore
store = ReviewStore(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    number += 1
    store.add([Decided("confirmed", f"video-{number}", "dive", 0.0, 1.0, (0.0, 1.0), 0.5, "queue")])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def confirmed(video: str = "v", start: float = 1.0, end: float = 2.0) -> Decided:
    return Decided("confirmed", video, "dive", start, end, (start, end), 0.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    made = ReviewStore(tmp_path / "reviews.sqlite")
    yield made
    made.close()


def test_a_decision_comes_back_as_it_was_told(store: ReviewStore) -> None:
    told = [
        Decided("corrected", "a/../b", "dive", 0.1 + 0.2, 7.25, (0.25, 7.0), -3.5, "queue"),
        Decided("added", "name\udc80", "Sprung 🏊", 0.0, 1e-3, origin="example"),
        Decided("rejected", "v", "dive", 1.0, 2.0, (1.0, 2.0)),
    ]
    stored = store.add(told)
    assert [each.decided for each in store.history()] == told
    assert store.history() == stored
    assert [each.decided for each in store.history("name\udc80")] == [told[1]]
    assert not stored[0].undone


def test_the_last_word_about_a_moment_counts_and_undoing_it_brings_back_the_one_before(store: ReviewStore) -> None:
    first = store.add([confirmed()])[0]
    other = store.add([confirmed("w")])[0]
    moved = store.add([Decided("corrected", "v", "dive", 1.5, 2.5, (1.0, 2.0), 0.5)])[0]
    assert [each.id for each in store.standing()] == [other.id, moved.id]
    undone = store.undo()
    assert undone is not None
    assert (undone.id, undone.undone) == (moved.id, True)
    assert [each.id for each in store.standing()] == [first.id, other.id]
    assert len(store.history()) == 3


def test_a_moment_that_was_added_is_judged_again_by_its_own_span(store: ReviewStore) -> None:
    store.add([Decided("added", "v", "dive", 3.0, 4.0)])
    store.add([Decided("rejected", "v", "dive", 3.0, 4.0, (3.0, 4.0))])
    assert [each.decided.decision for each in store.standing()] == ["rejected"]


def test_undoing_goes_back_step_by_step_and_redoing_forward_until_something_new_is_said(store: ReviewStore) -> None:
    ids = [store.add([confirmed(f"v{number}")])[0].id for number in range(3)]
    assert [store.undo().id for _ in range(2)] == [ids[2], ids[1]]  # type: ignore[union-attr]
    assert store.redo().id == ids[1]  # type: ignore[union-attr]
    assert store.redo().id == ids[2]  # type: ignore[union-attr]
    assert store.redo() is None
    store.undo()
    store.add([confirmed("new")])
    assert store.redo() is None
    assert store.undo(ids[0]).id == ids[0]  # type: ignore[union-attr]
    assert store.undo(ids[0]) is None


def test_undo_of_an_empty_store_says_none(store: ReviewStore) -> None:
    assert store.undo() is None
    assert store.redo() is None
    with pytest.raises(InvalidData, match="no review 7"):
        store.by_id(7)


def test_another_process_sees_what_changed_by_the_step(store: ReviewStore, tmp_path: Path) -> None:
    begun = store.step()
    other = ReviewStore(tmp_path / "reviews.sqlite")
    review = other.add([confirmed("v")])[0]
    assert store.step() > begun
    assert store.touched_since(begun) == ("v",)
    now = store.step()
    other.undo(review.id)
    assert store.touched_since(now) == ("v",)
    now = store.step()
    other.redo()
    assert store.touched_since(now) == ("v",)
    assert store.touched_since(store.step()) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "maybe"},
        {"origin": "nowhere"},
        {"start_seconds": 2.0},
        {"start_seconds": -1.0},
        {"end_seconds": float("inf")},
        {"found": (2.0, 2.0)},
        {"found": None},
        {"found_score": float("nan")},
        {"concept": ""},
        {"concept": "x" * 1001},
        {"video_id": ""},
    ],
)
def test_nonsense_is_refused_before_it_is_stored(wrong: dict) -> None:
    usual = {"decision": "confirmed", "video_id": "v", "concept": "dive", "start_seconds": 1.0, "end_seconds": 2.0,
             "found": (1.0, 2.0)}  # fmt: skip
    Decided(**usual)
    with pytest.raises(InvalidData):
        Decided(**{**usual, **wrong})


def test_videos_are_held_out_once_and_only_before_the_first_decision(store: ReviewStore, tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(20)]
    assert not store.drawn
    held = store.draw_held_out(names, share=0.25, seed=1)
    assert len(held) == 5
    assert set(held) < set(names)
    store.add([confirmed()])
    assert store.draw_held_out([*names, "later"], share=0.5, seed=2) == held == store.held_out()
    late = ReviewStore(tmp_path / "late.sqlite")
    late.add([confirmed()])
    with pytest.raises(ProjectError, match="before the first"):
        late.draw_held_out(names, share=0.25, seed=1)
    assert late.held_out() == ()


def test_what_is_drawn_follows_the_seed_and_not_the_order(tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(30)]
    one = ReviewStore(tmp_path / "1").draw_held_out(names, share=0.2, seed=5)
    two = ReviewStore(tmp_path / "2").draw_held_out(names[::-1], share=0.2, seed=5)
    assert one == two
    assert ReviewStore(tmp_path / "3").draw_held_out(names, share=0.2, seed=6) != one


def test_clips_of_one_recording_are_held_out_together(tmp_path: Path) -> None:
    names = [f"{label}/abcdefgh{number:02d}w_{start:06d}_{start + 10:06d}"
             for number in range(20) for label, start in (("dive", 0), ("swim", 25))]  # fmt: skip
    held = ReviewStore(tmp_path / "1").draw_held_out(names, share=0.2, seed=5)
    assert len(held) == 8
    assert len({name.partition("/")[2][:11] for name in held}) == 4


# What hands may write into the table, as columns of a row that was a decision.
BAD = {
    "ends before its start": {"end_seconds": 0.5},
    "an unknown kind": {"decision": "liked"},
    "no number": {"start_seconds": "soon"},
    "a video that has no name": {"video": 7},
    "a video in no writing": {"video": b"\xff\xfe"},
    "half a moment": {"found_end": None},
    "no time": {"at": "yesterday"},
    "steps that are none": {"step": "x", "touched": "y"},
}


def spoil(path: Path, row: int, **columns: object) -> None:
    base = sqlite3.connect(path)
    names = ", ".join(f"{name} = ?" for name in columns)
    base.execute(f"UPDATE reviews SET {names} WHERE id = ?", (*columns.values(), row))
    base.commit()
    base.close()


@pytest.mark.parametrize("bad", BAD)
def test_a_row_that_is_no_decision_is_passed_over_and_told(store: ReviewStore, bad: str) -> None:
    first, second, third = (store.add([confirmed(name)])[0] for name in ("u", "v", "w"))
    spoil(store.path, third.id, **BAD[bad])
    read = store.read()
    if bad != "steps that are none":  # These are for this program alone; the decision can be read.
        assert [each.id for each in read.reviews] == [first.id, second.id]
        assert list(read.passed_over) == [third.id]
        assert rows_passed_over(store.path) == read.passed_over
        assert "are passed over (1)" in told_passed_over(read.passed_over)
        assert f"row {third.id}. {read.passed_over[third.id]}" in told_passed_over(read.passed_over)
        undone = store.undo()
        assert undone is not None
        assert undone.id == second.id
        again = store.redo()
        assert again is not None
        assert (again.id, again.undone) == (second.id, False)
    assert "u" in store.touched_since(0)
    step = store.step()
    assert [each.decided.video_id for each in store.add([confirmed("x")])] == ["x"]
    assert store.step() > step
    assert {"u", "v", "x"} <= {each.decided.video_id for each in store.standing()}


def test_without_a_bad_row_nothing_is_told(store: ReviewStore, tmp_path: Path) -> None:
    store.add([confirmed()])
    assert told_passed_over(store.read().passed_over) == ""
    assert rows_passed_over(tmp_path / "none.sqlite") == {}
    assert not (tmp_path / "none.sqlite").exists()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "reviews.sqlite"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(InvalidData, match="can't be used as a file of reviews"):
        ReviewStore(path)
    assert path.read_bytes().startswith(b"not a database")


def test_many_threads_lose_nothing(store: ReviewStore) -> None:
    def work(name: str) -> None:
        for number in range(25):
            store.add([confirmed(f"{name}-{number}")])

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.decided.video_id for each in store.history()}) == 100
    assert len(standing(store.history())) == 100


def test_every_decision_that_was_acknowledged_survives_kills(tmp_path: Path) -> None:
    """A writer is killed again and again, once it has acknowledged a few; what it said is there, and nothing torn."""
    path, acknowledged = tmp_path / "reviews.sqlite", list[int]()
    for _ in range(4):
        last = acknowledged[-1] if acknowledged else 0
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(last + 1000)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged += [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split(b"\n") if line]
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
    base = sqlite3.connect(path)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    base.close()
    stored = {each.decided.video_id for each in ReviewStore(path).history()}
    assert {f"video-{number}" for number in acknowledged} <= stored
    assert len(stored) - len(acknowledged) <= 4  # One each that was stored, but whose acknowledgement was cut off.


def test_what_was_stored_at_once_is_undone_and_redone_at_once_unless_one_is_meant(store: ReviewStore) -> None:
    store.add([confirmed("before")])
    pair = [each.id for each in store.add([confirmed("a"), confirmed("b")])]
    assert store.undo().id == pair[1]  # type: ignore[union-attr]
    assert [each.decided.video_id for each in store.standing()] == ["before"]
    assert store.redo().id == pair[1]  # type: ignore[union-attr]
    assert len(store.standing()) == 3
    store.undo(pair[0], alone=True)
    assert [each.decided.video_id for each in store.standing()] == ["before", "b"]


def test_a_file_that_was_moved_away_while_in_use_takes_no_decision(store: ReviewStore, tmp_path: Path) -> None:
    store.add([confirmed("kept")])
    moved = store.path.rename(tmp_path / "moved.sqlite")
    with pytest.raises(ProjectError, match="moved away or replaced"):
        store.add([confirmed("lost")])
    moved.rename(store.path)
    store.add([confirmed("again")])
    assert [each.decided.video_id for each in store.standing()] == ["kept", "again"]


def test_a_file_that_can_not_be_written_is_told_apart_from_one_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "reviews.sqlite"
    path.mkdir()
    with pytest.raises(ProjectError, match="can't be opened for writing"):
        ReviewStore(path)


def test_threads_that_have_ended_keep_no_file_open(tmp_path: Path) -> None:
    """A server begins new threads all day; a connection for each that ever was would use up all that may be open."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list open files")

    def open_files() -> int:
        return sum(each.resolve().is_relative_to(tmp_path.resolve()) for each in folder.iterdir())

    store = ReviewStore(tmp_path / "reviews.sqlite")
    store.step()
    before = open_files()
    for _ in range(20):
        thread = threading.Thread(target=store.step)
        thread.start()
        thread.join()
    assert open_files() < before + 20  # SQLite keeps a few for later; for twenty threads there were forty.
    store.close()
    assert open_files() == 0
