"""What a container's own bytes say against it; and knowing a file again."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whenabouts.media.fingerprints import file_fingerprint
from whenabouts.media.structure import structural_damage

NAMES = {"mp4": "mov,mp4", "mov": "mov,mp4", "mkv": "matroska,webm", "ts": "mpegts"}
TIMES = [k / 25 for k in range(60)]


@pytest.mark.parametrize("ending", sorted(NAMES))
def test_whole_files_have_no_damage(encode: Callable[..., Path], tmp_path: Path, ending: str) -> None:
    assert structural_damage(encode(tmp_path / f"a.{ending}", TIMES), NAMES[ending]) == []


def test_all_shared_clips_have_no_damage(shared: Path) -> None:
    clips = [path for path in (shared / "data" / "clips").rglob("*.*") if path.suffix != ".md"]
    names = {**NAMES, "webm": "matroska,webm", "avi": "avi"}
    assert [structural_damage(path, names[path.suffix[1:]]) for path in clips] == [[]] * 24


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_cut_anywhere_is_seen(encode: Callable[..., Path], tmp_path: Path, ending: str) -> None:
    path = encode(tmp_path / f"a.{ending}", TIMES)
    data, rng = path.read_bytes(), np.random.default_rng(2)
    cuts = rng.integers(600, len(data), 50)
    seen = 0
    for cut in cuts:
        path.write_bytes(data[:cut])
        seen += bool(structural_damage(path, NAMES[ending]))
    assert seen == sum(int(cut) % 188 != 0 for cut in cuts) if ending == "ts" else seen == 50


def test_every_flipped_bit_in_a_checksummed_matroska_is_seen(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", TIMES)
    data, rng = path.read_bytes(), np.random.default_rng(4)
    first_cluster = data.index(b"\x1f\x43\xb6\x75")
    places = rng.integers(first_cluster + 20, len(data) - 400, 100)
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(damaged)
        assert structural_damage(path, "matroska,webm")


def test_lost_sync_bytes_are_counted(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", TIMES)
    data = bytearray(path.read_bytes())
    data[188 * 30], data[188 * 40] = 0, 0
    path.write_bytes(data)
    assert structural_damage(path, "mpegts") == ["2 transport packets have lost their sync byte"]
    blu_ray = b"".join(b"time" + bytes(data[at : at + 188]) for at in range(0, len(data), 188))
    path.write_bytes(blu_ray)
    assert structural_damage(path, "mpegts") == ["2 transport packets have lost their sync byte"]
    path.write_bytes(bytes(5000))
    assert structural_damage(path, "mpegts") == ["the transport packets have no regular length"]


def test_what_can_not_be_checked_is_not_blamed(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(b"anything")
    assert structural_damage(path, "avi") == []
    assert structural_damage(tmp_path / "gone.mkv", "matroska") == [
        "the file can't be read (No such file or directory)"
    ]
    rng = np.random.default_rng(0)
    for size in (0, 1, 7, 8, 9, 100, 5000):
        path.write_bytes(rng.bytes(size))
        for name in ("matroska", "mov", "mpegts"):
            structural_damage(path, name)  # never raises, whatever the bytes


def test_a_fingerprint_changes_with_any_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    data = bytearray(np.random.default_rng(0).bytes(20_000))
    path.write_bytes(data)
    first = file_fingerprint(path)
    assert re.fullmatch(r"20000-[0-9a-f]{32}", first)
    assert file_fingerprint(path) == first
    data[12_345] ^= 1
    path.write_bytes(data)
    assert file_fingerprint(path) != first
    path.write_bytes(b"")
    assert file_fingerprint(path).startswith("0-")
