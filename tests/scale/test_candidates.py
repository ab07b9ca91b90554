"""Candidates that a cluster keeps are those of one process, byte by byte, whichever worker ends."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData, ProcessLost
from whenabouts.core.progress import Silent
from whenabouts.localizers.concepts.candidate_files import StoredCandidates, merged_candidates, save_candidates
from whenabouts.localizers.concepts.candidates import best_videos
from whenabouts.scale.candidates import candidates_on

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")
IDS = [f"video {number:03d}" for number in range(90)]
LIMITS = [1, 7, 40]


def scores_of(video_id: str) -> NDArray[np.float32]:
    """Scores (4, 3) of four segments; few values, so that many are tied."""
    rng = np.random.default_rng(int(video_id[-3:]))
    return rng.integers(0, 5, (4, 3)).astype(np.float32)


def scoring(mark: Path | None) -> Callable[[Sequence[str]], Iterable[tuple[str, Any]]]:
    """Scores videos; one has a score that is no number. With a mark, the worker ends once at one of them."""

    def score(video_ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for video_id in video_ids:
            if mark is not None and video_id == IDS[50] and (mark.name == "always" or not mark.exists()):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            values = scores_of(video_id)
            yield video_id, values * np.nan if video_id == IDS[5] else values

    return score


def alone(path: Path) -> bytes:
    best, left_out = best_videos(scoring(None)(IDS), LIMITS)
    assert list(left_out) == [IDS[5]]
    save_candidates(path, best)
    return path.read_bytes()


def test_a_cluster_keeps_what_one_process_keeps(ray: Any, tmp_path: Path) -> None:
    """Five parts, a worker that ends at one of them; done again, nothing is scored again."""
    wanted = alone(tmp_path / "alone.safetensors")
    mark, place = tmp_path / "once", tmp_path / "parts"
    path, left_out = candidates_on(ray, IDS[::-1], scoring, mark, LIMITS, place=place, each=20, progress=Silent())
    assert mark.exists()
    assert path.read_bytes() == wanted
    assert list(left_out) == [IDS[5]]
    parts = {part: part.stat().st_mtime_ns for part in place.glob("part*")}
    assert len(parts) == 5
    again, _ = candidates_on(ray, IDS, scoring, mark, LIMITS, place=place, each=20, progress=Silent())
    assert again.read_bytes() == wanted
    assert {part: part.stat().st_mtime_ns for part in place.glob("part*")} == parts
    save_candidates(tmp_path / "other", merged_candidates(sorted(parts, reverse=True)))
    assert (tmp_path / "other").read_bytes() == wanted


def test_a_part_that_cannot_be_done_is_told_and_the_others_are_kept(ray: Any, tmp_path: Path) -> None:
    place = tmp_path / "parts"
    with pytest.raises(ProcessLost, match="3 workers have ended at it"):
        candidates_on(ray, IDS[40:60], scoring, tmp_path / "always", LIMITS, place=place, each=10, progress=Silent())
    (part,) = place.glob("part*")
    assert part.name.startswith("part 000000000 of 20")
    best, _ = best_videos(scoring(None)(IDS[40:50]), LIMITS)
    for index in range(3):
        assert StoredCandidates(part).of_class(index).scores.tolist() == best.of_class(index).scores.tolist()


def test_no_videos_have_no_candidates(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="Candidates need videos"):
        candidates_on(None, [], scoring, None, LIMITS, place=tmp_path, progress=Silent())
