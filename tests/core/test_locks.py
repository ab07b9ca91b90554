import subprocess
import sys
from pathlib import Path

import pytest

from whenabouts.core.errors import ProjectError
from whenabouts.core.locks import Claims, claimed, locked

HOLDS = """
import sys, time; from pathlib import Path; from whenabouts.core.locks import claimed, locked
with {how}: print('ready', flush=True); time.sleep({seconds})
print('left', flush=True)
"""


def other(folder: Path, how: str, seconds: float) -> "subprocess.Popen[str]":
    code = HOLDS.format(how=how.format(folder=f"Path({str(folder)!r})"), seconds=seconds)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_lock_waits_for_the_other_process(tmp_path: Path) -> None:
    child = other(tmp_path, "locked({folder})", 0.5)
    with locked(tmp_path):
        assert child.stdout is not None
        assert child.stdout.readline() == "left\n"
    child.communicate(timeout=30)


def test_shared_locks_do_not_wait_for_each_other(tmp_path: Path) -> None:
    child = other(tmp_path, "locked({folder}, shared=True)", 99)
    with locked(tmp_path, shared=True):
        assert child.poll() is None
    child.kill()
    child.communicate(timeout=30)


def test_a_claim_is_refused_while_another_process_lives_and_not_after_it_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "work"
    child = other(folder, "claimed({folder}, 'work')", 99)
    refused = pytest.raises(ProjectError, match="Another process is at a training in this project")
    with refused, claimed(folder, "a training"):
        pass
    child.kill()
    child.communicate(timeout=30)
    with claimed(folder, "a training"):
        pass
    assert list(folder.iterdir()) == []


def test_a_missing_folder_is_not_held(tmp_path: Path) -> None:
    with locked(tmp_path / "nowhere"):
        assert not (tmp_path / "nowhere").exists()


HOLDING = """
import sys
from pathlib import Path
from whenabouts.core.locks import Claims, Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take("mine"), flush=True)
sys.stdin.read()
"""


def test_a_claim_is_one_process_s_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "claims"
    words = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        claims = Claims(path)
        assert [claims.take("mine"), claims.take("yours")] == [False, True]
        claims.drop("yours")
        other.kill()
        other.wait()
    assert claims.take("mine")
    claims.close()
    assert path.stat().st_size == 0
