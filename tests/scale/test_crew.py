"""Workers that end on the way cost nothing but their work under way; what ends workers again and again is given up."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import FeatureMismatch, InvalidData, ProcessLost, ProjectError, SettingsError, WriteError
from whenabouts.core.progress import Silent
from whenabouts.scale.cluster import check_place, connected
from whenabouts.scale.crew import Crew, Lost

from .telling import Telling

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


def deadly(folder: Path) -> Callable[[tuple[str, ...]], list[str]]:
    """Doubles words; "poison" always ends the worker, "once" only the first time."""

    def work(job: tuple[str, ...]) -> list[str]:
        for word in job:
            mark = folder / "once"
            if word == "poison" or (word == "once" and not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if word == "wrong":
                raise InvalidData("a wrong word")
        return [2 * word for word in job]

    return work


def all_of(crew: Crew[str, list[str]], jobs: list[tuple[str, ...]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with crew:
        for job, result in crew.results(jobs):
            for number, word in enumerate(job):
                assert word not in found
                found[word] = result if isinstance(result, Lost) else result[number]
    return found


def without_room(folder: Path) -> Callable[[tuple[str, ...]], list[str]]:
    """As on a node whose disk is full, unless `folder` has a place for one worker that is still free."""
    try:
        (folder / "place").rmdir()
    except FileNotFoundError:
        raise OSError(28, "No space left on device", str(folder)) from None
    return lambda job: [2 * word for word in job]


def test_workers_that_can_not_start_leave_the_work_to_others(ray: Any, tmp_path: Path) -> None:
    """They are told with node and reason; without any other the work ends."""
    jobs = [(word,) for word in "abcdefgh"]
    (tmp_path / "place").mkdir()
    found = all_of(Crew(ray, without_room, tmp_path, Telling()), jobs)
    assert found == {word: 2 * word for word in "abcdefgh"}
    told = Telling()
    with pytest.raises(ProcessLost, match=r"Workers end as soon as they start: Worker \S+/\d+ can't start: .*No space"):
        all_of(Crew(ray, without_room, tmp_path, told, most=1), jobs)
    assert len(told.said) == 4


def test_killed_workers_cost_only_what_kills_them(ray: Any, tmp_path: Path) -> None:
    """Items that shared a job with a deadly one are done by others; it is given up after three workers."""
    told = Telling()
    crew: Crew[str, list[str]] = Crew(ray, deadly, tmp_path, told)
    assert crew.size == 2
    found = all_of(crew, [("a", "poison", "b"), ("once", "c"), ("d",), ("e",)])
    lost = found.pop("poison")
    assert found == {word: 2 * word for word in ("a", "b", "c", "d", "e", "once")}
    assert isinstance(lost, Lost)
    assert "3 workers have ended at it" in lost.reason
    assert [line.partition(" has ended at ")[2].split(":")[0] for line in told.said if "poison" in line] == [
        "a, poison, b", "poison", "poison",
    ]  # fmt: skip


def test_an_error_of_a_job_is_raised_as_it_is(ray: Any, tmp_path: Path) -> None:
    crew: Crew[str, list[str]] = Crew(ray, deadly, tmp_path, Silent())
    with pytest.raises(InvalidData, match="a wrong word"):
        all_of(crew, [("a",), ("wrong",)])


def refusing(_: None) -> Callable[[tuple[str, ...]], list[str]]:
    raise FeatureMismatch("features of something else")


def test_an_error_of_the_making_is_raised_as_it_is(ray: Any) -> None:
    crew: Crew[str, list[str]] = Crew(ray, refusing, None, Silent())
    with pytest.raises(FeatureMismatch, match="features of something else"):
        all_of(crew, [("a",)])


def full(_: None) -> Callable[[tuple[str, ...]], list[str]]:
    def work(job: tuple[str, ...]) -> list[str]:
        raise WriteError("/disk can't be written: no space left")

    return work


def test_full_disks_end_the_work_with_their_own_words_after_other_workers_tried(ray: Any) -> None:
    told = Telling()
    crew: Crew[str, list[str]] = Crew(ray, full, None, told)
    with pytest.raises(WriteError, match="no space left"):
        all_of(crew, [("a",)])
    assert len(told.said) == 3


def test_workers_wait_for_more_jobs(ray: Any, tmp_path: Path) -> None:
    crew: Crew[str, list[str]] = Crew(ray, deadly, tmp_path, Silent(), most=1)
    with crew:
        first = dict(crew.results([("a",), ("b",)]))
        (waiting,) = [name for _, name in crew._idle]
        second = dict(crew.results([("c",)]))
        assert [name for _, name in crew._idle] == [waiting]
    assert {**first, **second} == {("a",): ["aa"], ("b",): ["bb"], ("c",): ["cc"]}
    assert crew._idle == []


def test_no_jobs_need_no_workers(ray: Any, tmp_path: Path) -> None:
    assert all_of(Crew(ray, deadly, tmp_path, Silent()), []) == {}


def standing_still_on(given: tuple[str, Path]) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    """Squares; on one node it only says that it began, which is what the others wait for."""
    import ray

    doomed, begun = given
    here = ray.get_runtime_context().get_node_id()

    def work(job: tuple[int, ...]) -> tuple[int, ...]:
        if here == doomed:
            begun.touch()
            time.sleep(600)
        while not begun.exists():
            time.sleep(0.02)
        return tuple(number**2 for number in job)

    return work


def test_the_work_of_a_lost_node_is_done_by_others(ray: Any, cluster: Any, second_node: Any, tmp_path: Path) -> None:
    """The node goes while it is at a job, surely: only then is it stopped."""
    doomed = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    begun = tmp_path / "begun"

    def stop() -> None:
        while not begun.exists():
            time.sleep(0.02)
        second_node.end()

    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    told = Telling()
    crew: Crew[int, tuple[int, ...]] = Crew(ray, standing_still_on, (doomed.node_id, begun), told)
    with crew:
        found = dict(crew.results([(number,) for number in range(6)]))
    stopping.join(60)
    assert found == {(number,): (number**2,) for number in range(6)}
    assert len(told.said) == 1
    assert "has ended at" in told.said[0]


@pytest.mark.parametrize("text", ["", "Ray", "ray://", "ray://host", "ray://host:port", "ray://a:1/b", "10.0.0.1:6379"])
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="Write local, ray"):
        check_place(text)


def test_places() -> None:
    assert [check_place(text) for text in ("local", "ray", "ray://head.example:10001")] == [False, True, True]


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip install 'whenabouts\[cluster\]'"), connected("ray"):
        pass


class Busy:
    """Ray whose head can't start a server for a program elsewhere, so many times."""

    def __init__(self, failures: int, told: str = "Initialization failure from server:\nTraceback\nno process") -> None:
        self.failures, self.told, self.asked, self.closed = failures, told, 0, 0

    def is_initialized(self) -> bool:
        return False

    def init(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            raise ConnectionAbortedError(self.told)

    def shutdown(self) -> None:
        self.closed += 1


def test_a_busy_head_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy(2)
    monkeypatch.setitem(sys.modules, "ray", busy)
    with connected("ray://head:10001") as ray:
        assert ray is busy
    assert (busy.asked, busy.closed) == (3, 3)


def test_a_ray_of_its_own_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a node takes too long to start, Ray raises an Exception of no class of its own."""

    class Late(Busy):
        def init(self, *_: Any, **__: Any) -> None:
            raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.setitem(sys.modules, "ray", Late(0))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(ProjectError, match=r"did not start on this machine \(The current.*--on local"),
        connected("ray"),
    ):
        pass


@pytest.mark.parametrize(("busy", "asked"), [(Busy(9), 3), (Busy(9, "refused"), 1)])
def test_a_head_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, busy: Busy, asked: int) -> None:
    monkeypatch.setitem(sys.modules, "ray", busy)
    reason = busy.told.replace("\nTraceback\n", " ")
    with pytest.raises(ProjectError, match=re.escape(f"at ray://head:10001 ({reason})")), connected("ray://head:10001"):
        pass
    assert busy.asked == asked
