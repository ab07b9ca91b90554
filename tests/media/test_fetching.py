"""Videos in stores are fetched to a folder of limited size, and held there while they are read."""

import os
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.addresses import Address, below, place_of, store_of
from whenabouts.core.errors import SettingsError
from whenabouts.media.fetching import BYTES, FOLDER, Unfetched, fetched, folder_and_limit, parts_of
from whenabouts.media.fingerprints import file_fingerprint, size_and_time
from whenabouts.media.probing import probed

pytest.importorskip("fsspec", reason="needs fsspec: pip install 'whenabouts[cluster]'")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "fetched"))
    monkeypatch.setenv(BYTES, "250")
    return tmp_path / "fetched"


def put(tmp_path: Path, name: str, size: int = 100) -> Path:
    (tmp_path / name).write_bytes(name.encode()[:1] * size)
    return place_of((tmp_path / name).as_uri())


def test_addresses_are_paths_that_keep_both_slashes() -> None:
    for given in ("s3://bucket/a b/c.mp4", Path("s3://bucket/a b/c.mp4")):
        found = place_of(given)
        assert isinstance(found, Address)
        assert str(found) == os.fspath(found) == found.as_posix() == "s3://bucket/a b/c.mp4"
        assert (found.name, found.suffix, str(found.parent)) == ("c.mp4", ".mp4", "s3://bucket/a b")
        assert found == place_of(str(found))
        assert found.absolute() == found.resolve() == found
        assert str(found.relative_to(place_of("s3://bucket"))) == "a b/c.mp4"
        assert found.is_absolute()
    assert str(place_of("file:///tmp/a")) == "file:///tmp/a"
    assert below(Path("/here"), "s3://b/c") == place_of("s3://b/c")
    assert below(Path("/here"), "a/b") == Path("/here/a/b")


@pytest.mark.parametrize("text", ["/a/b.mp4", "a:b/c", "C:/films/a.mp4", "films/s3://a", "", "a"])
def test_other_names_are_folders(text: str) -> None:
    assert not isinstance(place_of(text), Address)
    assert place_of(text) == Path(text)


def test_a_folder_that_looks_like_an_address_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    assert not isinstance(place_of(Path("s3:/bucket")), Address)


def test_what_is_fetched_stays_until_others_need_its_room(tmp_path: Path, folder: Path) -> None:
    """The one that was read longest ago goes first; a changed object is fetched anew."""
    one, two, three = (put(tmp_path, name) for name in ("1.mp4", "2.mp4", "3.mp4"))
    copies = []
    for number, address in enumerate((one, two)):
        with fetched(address) as copy:
            assert copy.read_bytes() == address.read_bytes()
            copies.append(copy)
        os.utime(copies[-1], (number, number))
    with fetched(one) as again:
        assert again == copies[0]
    with fetched(three):
        assert sorted(folder.iterdir()) != sorted(copies)
        assert copies[0].exists()
        assert not copies[1].exists()
    put(tmp_path, "1.mp4", 90)
    with fetched(one) as changed:
        assert changed.stat().st_size == 90


def test_what_is_read_is_never_removed(tmp_path: Path, folder: Path) -> None:
    """The limit is passed by as much as is read at the same time, no more."""
    addresses = [put(tmp_path, f"{number}.mp4") for number in range(4)]
    with fetched(addresses[0]) as first, fetched(addresses[1]) as second, fetched(addresses[2]) as third:
        assert all(copy.exists() for copy in (first, second, third))
    with fetched(addresses[3]):
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 250


def test_what_can_not_be_fetched_is_told_and_leaves_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = put(tmp_path, "1.mp4")
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"), fetched(place_of((tmp_path / "none.mp4").as_uri())):
        pass
    monkeypatch.setattr(Address, "open", lambda *_: (tmp_path / "short").open("rb"))
    (tmp_path / "short").write_bytes(b"123")
    with pytest.raises(OSError, match="3 of 100 bytes came"), fetched(address):
        pass
    assert list(folder.iterdir()) == []


def test_a_full_disk_here_says_nothing_of_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do a folder that can't be made, and a limit that is no number: such videos are tried again the next time."""
    resource = pytest.importorskip("resource", reason="needs limits on the size of files")
    address = put(tmp_path, "1.mp4")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(Unfetched, match="can't be written"):
            list(parts_of(dict, {"path": address}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setenv(FOLDER, str(tmp_path / "1.mp4" / "folder"))
    with pytest.raises(
        Unfetched, match=r"1\.mp4/folder, where copies of videos go, .* name another in WHENABOUTS_FETCHED"
    ):
        list(parts_of(dict, {"path": address}))
    monkeypatch.setenv(BYTES, "much")
    with pytest.raises(Unfetched, match="WHENABOUTS_FETCHED_BYTES is 'much'"):
        list(parts_of(dict, {"path": address}))


def test_a_name_with_two_colons_in_a_row_is_one_name(tmp_path: Path) -> None:
    """fsspec's own reading takes such names for chains of addresses."""
    (tmp_path / "file::").mkdir()
    for name in ("a::b.mp4", "file::/c.mp4"):
        put(tmp_path, name)
        with fetched(place_of(f"file://{tmp_path / name}")) as copy:
            assert copy.read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("text", ["sftp://me:secret@host/videos", "ftp://:secret@host", "s3://KEY:secret@bucket/a"])
def test_an_address_with_a_password_is_refused_and_not_repeated(text: str) -> None:
    for refused in (place_of, store_of, lambda given: place_of(Path(given))):
        with pytest.raises(SettingsError, match="holds a password") as told:
            refused(text)
        assert "secret" not in str(told.value)
    assert isinstance(place_of("sftp://me@host/a:b@c"), Address)


def test_a_limit_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BYTES, "4e9")
    assert folder_and_limit()[1] == 4_000_000_000
    monkeypatch.setenv(BYTES, "much")
    with pytest.raises(SettingsError, match="WHENABOUTS_FETCHED_BYTES is 'much'"):
        folder_and_limit()


def test_stamps_and_headers_are_those_of_the_file(tmp_path: Path) -> None:
    """What is no video is unreadable under its address; what is not there may pass."""
    address = put(tmp_path, "text.mp4")
    assert file_fingerprint(address) == file_fingerprint(tmp_path / "text.mp4")
    assert size_and_time(address)[0] == 100
    assert size_and_time(place_of((tmp_path / "none").as_uri())) == [0, 0]
    gone: Any = place_of((tmp_path / "gone.mp4").as_uri())
    found = list(probed([(address, "a"), (gone, "b")], workers=1))
    assert [(video.id, video.path, video.status) for video in found] == [
        ("a", address, "unreadable"), ("b", gone, "unreadable"),
    ]  # fmt: skip
    assert [video.passing for video in found] == [False, True]
    assert "can't be fetched" in found[1].reason
