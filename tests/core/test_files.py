import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from whenabouts.core.errors import InvalidData, WriteError
from whenabouts.core.files import (
    read_json,
    reading_folder,
    remove_folder,
    replacing,
    replacing_folder,
    sweep,
    write_json,
    write_text,
)


def run(code: str, folder: Path, *, lines: int = 1) -> "subprocess.Popen[str]":
    """Another process with `folder`; it has printed `lines` lines when this returns."""
    start = f"import os, signal, sys, time; from pathlib import Path; folder = Path({str(folder)!r})\n"
    start += "from whenabouts.core.files import *\n"
    child = subprocess.Popen([sys.executable, "-c", start + code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert [child.stdout.readline().strip() for _ in range(lines)] == ["ready"] * lines
    return child


def ended(child: "subprocess.Popen[str]") -> int:
    child.kill()
    child.communicate(timeout=30)
    return child.returncode


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_json_is_read_back_and_faults_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}
    path.write_bytes("\ufeff{}".encode())
    assert read_json(path) == {}
    for content, told in ((b"{", "is not JSON"), (b"[1]", "is not a JSON object"), (b"\xff", "is not JSON")):
        path.write_bytes(content)
        with pytest.raises(InvalidData, match=f"a.json {told}"):
            read_json(path)
    path.write_text("[" * 200_000)
    with pytest.raises(InvalidData, match="is not JSON"):
        read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not any(tmp_path.iterdir())


def test_a_folder_is_replaced_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for text in ("old", "new"):
        with replacing_folder(folder) as part:
            (part / text).write_text(text)
    assert [file.name for file in folder.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), replacing_folder(folder) as part:
        raise RuntimeError
    assert [file.name for file in folder.iterdir()] == ["new"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_many_files_is_replaced_too(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "many") as part:
        for number in range(150):
            (part / str(number)).write_text(str(number))
    assert {file.name: file.read_text() for file in (tmp_path / "many").iterdir()} == {
        str(n): str(n) for n in range(150)
    }


def test_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    """safetensors puts a file of its own, which only its owner may read, in the place that it is given."""
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a.safetensors") as part:
            save_file({"a": np.zeros(3)}, part)
        with replacing_folder(tmp_path / "b") as part:
            save_file({"a": np.zeros(3)}, part / "a.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b" / "a.safetensors").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_long_and_odd_names(tmp_path: Path) -> None:
    for name in ("n" * 255, "日" * 85, "a\nb", ".hidden", "part.part"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
    assert len(list(tmp_path.iterdir())) == 5


def test_what_a_killed_process_left_goes_at_the_next_write_but_nothing_of_a_living_one(tmp_path: Path) -> None:
    write = (
        "with replacing(folder / 'a') as part:\n part.write_text('half'); print('ready', flush=True); time.sleep(99)"
    )
    killed, living = run(write, tmp_path), run(write, tmp_path)
    other = tmp_path / ".tmp123abc"
    other.write_text("not ours")
    assert ended(killed) == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.part"))) == 2
    write_text(tmp_path / "b", "next")
    assert len(list(tmp_path.glob("*.part"))) == 1
    assert sweep(tmp_path) == 0
    ended(living)
    assert sweep(tmp_path) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == [".tmp123abc", "b"]


# Kills itself at the Nth of the renames that replace a folder.
KILLED_AT = """
count = 0
def rename(self, target, original=Path.replace):
    global count
    count += 1
    if count == {number}:
        print('ready', flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, target)
Path.replace = rename
with replacing_folder(folder / 'model') as part:
    (part / 'weights').write_text('new')
print('ready', flush=True)
"""


@pytest.mark.parametrize(("number", "wanted"), [(1, "old"), (2, "old"), (3, "new")])
def test_killed_at_each_rename_a_folder_is_there_to_read_and_to_write(tmp_path: Path, number: int, wanted: str) -> None:
    folder = tmp_path / "model"
    with replacing_folder(folder) as part:
        (part / "weights").write_text("old")
    child = run(KILLED_AT.format(number=number), tmp_path)
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGKILL
    assert folder.exists() == (number != 2)
    with reading_folder(folder) as there:
        assert (there / "weights").read_text() == wanted
    with pytest.raises(RuntimeError), replacing_folder(folder) as part:
        raise RuntimeError
    with reading_folder(folder) as there:
        assert (there / "weights").read_text() == wanted
    with replacing_folder(folder) as part:
        (part / "weights").write_text("newest")
    assert (folder / "weights").read_text() == "newest"
    sweep(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_removed_keeps_no_part_under_its_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_text(tmp_path / "checkpoints" / name, name)
    halfway = (
        "import shutil\n"
        "def removed(folder, **rest):\n"
        " (Path(folder) / 'a').unlink(); print('ready', flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
        "shutil.rmtree = removed\n"
        "remove_folder(folder / 'checkpoints')"
    )
    child = run(halfway, tmp_path)
    child.communicate(timeout=30)
    assert not (tmp_path / "checkpoints").exists()
    assert sweep(tmp_path) == 1
    remove_folder(tmp_path / "checkpoints")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_two_versions_of_a_folder_nor_none(tmp_path: Path) -> None:
    folder, seen, stop = tmp_path / "model", list[tuple[str, str]](), threading.Event()

    def write() -> None:
        for number in range(60):
            with replacing_folder(folder) as part:
                for name in ("one", "two"):
                    (part / name).write_text(str(number))
        stop.set()

    with replacing_folder(folder) as part:
        for name in ("one", "two"):
            (part / name).write_text("first")
    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        with reading_folder(folder) as there:
            one = (there / "one").read_text()
            time.sleep(0.001)
            seen.append((one, (there / "two").read_text()))
    writer.join()
    assert len(seen) > 5
    assert all(one == two for one, two in seen)


def test_a_missing_folder_reads_as_missing(tmp_path: Path) -> None:
    with reading_folder(tmp_path / "nowhere" / "model") as there:
        assert there == tmp_path / "nowhere" / "model"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "Make room"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (OSError(errno.EROFS, "Read-only file system"), "Choose another place"),
    ],
)
def test_what_the_system_refuses_is_told_with_a_remedy(tmp_path: Path, error: OSError, remedy: str) -> None:
    with pytest.raises(WriteError, match=f"a.json can't be written: .*{remedy}"), replacing(tmp_path / "a.json"):
        raise error
    assert not any(tmp_path.iterdir())


def test_errors_about_other_files_stay_as_they_are(tmp_path: Path) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied", "/videos/a.mp4")
    with pytest.raises(PermissionError), replacing(tmp_path / "a.json"):
        raise denied
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.json"):
        raise FileNotFoundError


def test_a_limit_that_only_safetensors_hears_of_is_told(tmp_path: Path) -> None:
    code = (
        "import resource, numpy as np; from safetensors.numpy import save_file\n"
        "from whenabouts.core.errors import InvalidData, WriteError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n"
        " with replacing(folder / 'a') as part: save_file({'a': np.zeros(10_000)}, part)\n"
        "except WriteError as error: print('ready' if 'File too large' in str(error) else error, flush=True)"
    )
    run(code, tmp_path).communicate(timeout=30)
    assert not any(tmp_path.iterdir())
