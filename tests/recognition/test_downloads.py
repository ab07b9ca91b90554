"""Downloads against a server on this machine that breaks off, changes its file, or knows no ranges."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json
from whenabouts.recognition.downloads import Download, cache_folder, fetched

CONTENT = bytes(range(256)) * 12_000
HASH = hashlib.sha256(CONTENT).hexdigest()


class Publisher:
    """What the server does: its file, where it breaks off, and the ranges that were asked for."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.break_at: int | None = None
        self.ranges = True
        self.tag: str | None = '"v1"'
        self.wrong_range = False
        self.asked: list[str | None] = []
        self.address = ""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    about = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Range")
            about.asked.append(given)
            if self.path.startswith("/missing"):
                self.send_error(404)
                return
            start = 0
            whole = not (about.ranges and given and self.headers.get("If-Range") == about.tag)
            if not whole and given:
                start = int(given.removeprefix("bytes=").rstrip("-"))
            body = about.content[start:]
            self.send_response(200 if whole else 206)
            if not whole:
                first = start + about.wrong_range
                self.send_header("Content-Range", f"bytes {first}-{len(about.content) - 1}/{len(about.content)}")
            if about.tag:
                self.send_header("ETag", about.tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            end = None if about.break_at is None else max(about.break_at - start, 0)
            self.wfile.write(body[:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    about.address = f"http://127.0.0.1:{server.server_port}/net-{HASH[:8]}.pth"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield about
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_is_downloaded_once_and_its_hash_recorded(tmp_path: Path, publisher: Publisher) -> None:
    said: list[str] = []
    path = fetched(Download(publisher.address), tmp_path, say=said.append)
    assert path.read_bytes() == CONTENT
    card = read_json(path.with_name(f"{path.name}.json"))
    assert card == {"address": publisher.address, "sha256": HASH, "compared_with": "first download"}
    assert "states no checksum" in said[0]
    assert fetched(Download(publisher.address), tmp_path, say=said.append) == path
    assert publisher.asked == [None]
    assert len(said) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, f"{path.name}.json"]


def test_a_stated_checksum_is_compared(tmp_path: Path, publisher: Publisher) -> None:
    path = fetched(Download(publisher.address, HASH[:8]), tmp_path)
    assert read_json(path.with_name(f"{path.name}.json"))["compared_with"] == "publisher"
    with pytest.raises(InvalidData, match="its publisher states 00000000"):
        fetched(Download(publisher.address, "00000000"), tmp_path / "other")
    assert not [file for file in (tmp_path / "other").iterdir() if not file.name.endswith(".json")]


def test_what_broke_off_is_continued(tmp_path: Path, publisher: Publisher) -> None:
    publisher.break_at = 2_000_000
    with pytest.raises(ProjectError, match=r"2\.0 MB are kept: run it again"):
        fetched(Download(publisher.address), tmp_path)
    name = publisher.address.rpartition("/")[2]
    assert not (tmp_path / name).exists()
    publisher.break_at = 2_500_000
    with pytest.raises(ProjectError, match=r"2\.5 MB are kept"):
        fetched(Download(publisher.address), tmp_path)
    publisher.break_at = None
    said: list[str] = []
    assert fetched(Download(publisher.address, HASH[:8]), tmp_path, say=said.append).read_bytes() == CONTENT
    assert publisher.asked == [None, "bytes=2000000-", "bytes=2500000-"]
    assert said == [f"{name}: continued at 2.5 of 3.1 MB"]


def test_a_file_that_changed_meanwhile_is_taken_from_its_start(tmp_path: Path, publisher: Publisher) -> None:
    publisher.break_at = 2_000_000
    with pytest.raises(ProjectError, match="are kept"):
        fetched(Download(publisher.address), tmp_path)
    publisher.break_at, publisher.content, publisher.tag = None, CONTENT[::-1], '"v2"'
    assert fetched(Download(publisher.address), tmp_path).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_a_server_without_marks_or_ranges_is_asked_for_the_whole(
    tmp_path: Path, publisher: Publisher, tag: str | None
) -> None:
    publisher.tag, publisher.ranges, publisher.break_at = tag, False, 100
    with pytest.raises(ProjectError):
        fetched(Download(publisher.address), tmp_path)
    publisher.break_at = None
    assert fetched(Download(publisher.address), tmp_path).read_bytes() == CONTENT
    assert publisher.asked == [None, None]


def test_a_range_that_was_not_asked_for_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    publisher.break_at = 2_000_000
    with pytest.raises(ProjectError):
        fetched(Download(publisher.address), tmp_path)
    publisher.break_at, publisher.wrong_range = None, True
    with pytest.raises(ProjectError, match="where the rest from byte 2000000 was asked for"):
        fetched(Download(publisher.address), tmp_path)


def test_without_a_network_it_says_what_to_put_where(tmp_path: Path, publisher: Publisher) -> None:
    gone = publisher.address.replace("/net", "/missing")
    with pytest.raises(ProjectError) as told:
        fetched(Download(gone), tmp_path)
    name = gone.rpartition("/")[2]
    assert f"download {name} elsewhere and put it at {tmp_path / name}, or give its path" in str(told.value)
    nobody = "http://127.0.0.1:9/net.pth"
    with pytest.raises(ProjectError, match="can't be downloaded"):
        fetched(Download(nobody), tmp_path)
    (tmp_path / "net.pth").write_bytes(CONTENT)  # Put there by hand, as told.
    assert fetched(Download(nobody, HASH[:8]), tmp_path).read_bytes() == CONTENT


def test_a_file_that_was_changed_later_is_told(tmp_path: Path, publisher: Publisher) -> None:
    path = fetched(Download(publisher.address), tmp_path)
    path.write_bytes(b"other")
    with pytest.raises(InvalidData, match="It has been changed since"):
        fetched(Download(publisher.address), tmp_path)


def test_only_safe_addresses_are_asked(tmp_path: Path) -> None:
    for address in ("http://example.org/net.pth", "file:///etc/passwd", "ftp://example.org/net.pth"):
        with pytest.raises(InvalidData, match="is not an https address"):
            fetched(Download(address), tmp_path)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("WHENABOUTS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "b" / "whenabouts"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "whenabouts"
    assert Download("https://x.org/s/a%20b.pkl?dl=1").file_name == "a b.pkl"
