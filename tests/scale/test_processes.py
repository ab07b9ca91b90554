"""Processes that work together begin together, are heard in one place, and begin again where one is lost."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import InvalidData, ProcessLost
from whenabouts.core.progress import Progress, Silent
from whenabouts.scale.processes import run_together, size_of

from .telling import Telling

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


def meeting(given: tuple[str, Path], progress: Progress) -> list[str]:
    """Says who it is; the second process ends, once or always, as it is told to."""
    how, mark = given
    rank = os.environ["RANK"]
    progress.say(f"I am {rank}")
    if how == "always" or (rank == "1" and how in ("once", "wrong") and not mark.exists()):
        mark.touch()
        if how == "wrong":
            raise InvalidData("a wrong video")
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "lost" or (rank == "0" and how == "wrong"):
        raise ProcessLost("the others are gone")
    assert list(progress.track([1, 2], total=2, title="Counting")) == [1, 2]
    return [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")]


def test_one_lost_and_all_begin_again(ray: Any, tmp_path: Path) -> None:
    telling = Telling()
    found = run_together(ray, meeting, ("once", tmp_path / "mark"), size=2, progress=telling)
    assert found[:3] == ["0", "2", "0"]
    (ended,) = [line for line in telling.said if "has ended" in line]
    assert "(process 1 of 2) has ended" in ended
    assert "All begin again" in ended
    last = telling.said[telling.said.index(ended) + 1 :]
    assert sorted(line.partition(": ")[2] for line in last) == [
        "Counting (2 steps)", "Counting (2 steps)", "I am 0", "I am 1",
    ]  # fmt: skip
    assert all("/" in line.partition(": ")[0] for line in last)


def test_what_was_wrong_is_told_and_not_that_others_were_lost(ray: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="a wrong video"):
        run_together(ray, meeting, ("wrong", tmp_path / "mark"), size=2, progress=Silent())


def test_what_ends_again_and_again_is_given_up(ray: Any, tmp_path: Path) -> None:
    telling = Telling()
    with pytest.raises(ProcessLost, match=r"3 times a worker has ended.*process 0 of 1.*the same command goes on"):
        run_together(ray, meeting, ("always", tmp_path / "mark"), size=1, progress=telling)
    assert len([line for line in telling.said if "has ended" in line]) == 3


def test_one_alone_that_has_lost_its_helpers_says_so_itself(ray: Any, tmp_path: Path) -> None:
    with pytest.raises(ProcessLost, match=r"^the others are gone$"):
        run_together(ray, meeting, ("lost", tmp_path / "mark"), size=1, progress=Silent())


def test_too_few_places_are_told(ray: Any, tmp_path: Path) -> None:
    with pytest.raises(ProcessLost, match=r"has room for \d of 3 processes now, and none more for 2 s. Start nodes"):
        run_together(ray, meeting, ("well", tmp_path), size=3, progress=Silent(), patience_seconds=2.0)


class FewNodes:
    """Ray of three nodes: one has no CPU for workers, one is gone."""

    def nodes(self) -> list[dict[str, Any]]:
        resources = ({"CPU": 4.0}, {}, {"CPU": 1.0}, {"CPU": 4.0})
        return [{"Alive": number < 3, "Resources": found} for number, found in enumerate(resources)]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 5.0, "GPU": 3.0}


def test_by_default_there_is_one_on_each_node_or_gpu() -> None:
    assert size_of(FewNodes(), None, gpu=False) == 2
    assert size_of(FewNodes(), None, gpu=True) == 3
    assert size_of(FewNodes(), 5, gpu=False) == 5
