"""The cache of pictures and copies: within its room, what was not used for longest goes first."""

import os
from pathlib import Path

from whenabouts.page.server.kept import Kept


def put(path: Path, size: int, used: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def test_the_longest_unused_go_until_there_is_room(tmp_path: Path) -> None:
    old, used, new = (put(tmp_path / name / "1.jpg", 40, second) for name, second in (("a", 1), ("b", 2), ("c", 3)))
    kept = Kept(tmp_path, 100)
    changed = old.stat().st_mtime_ns
    kept.use(old)
    assert old.stat().st_mtime_ns == changed
    kept.made(new)  # 120 bytes: one has to go, and that is "b".
    assert sorted(path.parent.name for path in tmp_path.rglob("*.jpg")) == ["a", "c"]
    assert not used.parent.exists()
    kept.made(put(tmp_path / "d.mp4", 20, 4))  # 100 bytes fit.
    assert old.is_file()
    kept.made(put(tmp_path / "e.mp4", 30, 5))  # 130: down to nine tenths of the room.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d.mp4", "e.mp4"]


def test_a_file_larger_than_the_room_is_kept_alone(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 40, 1)
    kept = Kept(tmp_path, 100)
    kept.made(put(tmp_path / "b.mp4", 500, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]
    kept.use(tmp_path / "gone.mp4")
