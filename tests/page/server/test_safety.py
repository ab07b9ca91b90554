"""Hostile requests: nothing outside is served, nothing is changed by others, and errors are told."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from whenabouts.data.project import Project
from whenabouts.page.server import showing
from whenabouts.page.server.asking import Refused
from whenabouts.page.server.files import Span, span_of
from whenabouts.page.server.rooms import Rooms
from whenabouts.page.server.safety import Access

TARGETS = ("etc/passwd", "reviews.sqlite", "manifest.jsonl", "server/app.py", "__init__.py")
CLIMBS = ("../", "..\\", "....//", "%2e%2e/", "%252e%252e%252f", "..%2f", "..%5c", "%c0%ae%c0%ae/", "%uff0e%uff0e/",
          "./../", "../\0", "..;/", "//", "/", "C:/", "\\\\host\\share\\", "file:///", "static/../../")  # fmt: skip
PLACES = ("/static/{}", "/media/{}", "/proxy/{}", "/thumbnails/{}/1.jpg", "/api/videos/{}", "/{}")


def traversals() -> list[str]:
    """Paths as a server hands them on: given raw, and with escapes undone."""
    return [place.format(climb * depth + target)
            for place in PLACES for climb in CLIMBS for depth in (1, 3) for target in TARGETS]  # fmt: skip


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the page's files, with a secret beside it and a link that leads there."""
    folder = tmp_path / "page" / "static"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>the page")
    (folder / "sub" / "a.js").write_text("export const one = 1;")
    (folder / ".hidden.js").write_text("hidden")
    (folder / "odd.xyz").write_text("odd")
    (tmp_path / "page" / "__init__.py").write_text("secret")
    (tmp_path / "page" / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "page" / "secret.js")
    monkeypatch.setattr(showing, "STATIC", folder)
    return folder


def test_no_traversal_is_served(client: Any, page: Path) -> None:
    tried = traversals()
    assert len(tried) > 1000
    served = [path for path in tried if client.ask("GET", path).status not in (400, 404)]
    assert served == []


def test_the_page_and_its_files_are_served_with_their_types(client: Any, page: Path) -> None:
    index = client.get("/")
    assert (index.status, index.body) == (200, b"<!doctype html>the page")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    script = client.get("/static/sub/a.js")
    assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    again = client.get("/static/sub/a.js", {"if-none-match": script.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    for path in ("/static/link.js", "/static/.hidden.js", "/static/odd.xyz", "/static/sub", "/static/", "/static/x.js"):
        assert client.get(path).status == 404, path


def test_every_answer_carries_the_policy(client: Any) -> None:
    for told in (
        client.get("/"),
        client.get("/api/project"),
        client.get("/nowhere"),
        client.get("/api/moments", nope=1),
    ):
        policy = told.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert told.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8750", "127.0.0.1.evil.example", "", "localhost@evil",
                                  "10.0.0.1", "[::2]", "localhost.:8750x", "127.0.0.1 evil",
                                  "127.0.0.1:8750@evil.example", "127.0.0.1:", "[::1]evil"])  # fmt: skip
def test_a_foreign_host_gets_nothing(client: Any, host: str) -> None:
    for method, path in (("GET", "/api/project"), ("POST", "/api/reviews"), ("GET", "/")):
        told = client.ask(method, path, "", {"host": host, "content-type": "application/json"}, b"{}")
        assert told.status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8750", "localhost:1", "LOCALHOST", "[::1]:8750"])
def test_own_hosts_are_answered(client: Any, host: str) -> None:
    assert client.get("/api/project", {"host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:8750"}, {"origin": "http://127.0.0.1:8750.evil.example"},
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8750", "sec-fetch-site": "cross-site"},
    ],
)  # fmt: skip
def test_a_foreign_page_changes_nothing(client: Any, rooms: Rooms, headers: dict[str, str]) -> None:
    moment = client.get("/api/moments", limit=1).json["moments"][0]
    body = {"decision": "confirm", **{name: moment[name] for name in ("video", "concept", "start", "end")}}
    for path in ("/api/reviews", "/api/reviews/undo", "/api/concepts", "/api/learn", "/api/learn/stop", "/nowhere"):
        assert client.post(path, body, headers).status == 403
    assert rooms.desk.reviews.history() == []
    own = {"origin": "http://127.0.0.1:8750", "sec-fetch-site": "same-origin"}
    assert client.post("/api/reviews", body, own).status == 201


def test_others_need_the_token(rooms: Rooms, client_of: Any) -> None:
    token = "a-token-that-nobody-guesses"
    client = client_of(rooms, Access.of("0.0.0.0", token=token))
    assert client.get("/api/project").status == 401
    assert client.get("/").status == 401
    assert client.get("/api/project", token=token).status == 401  # Only the page's own address takes it from there.
    assert client.get("/", token="wrong").status == 401
    moved = client.get("/", token=token, concept="a b")
    assert (moved.status, moved.headers["location"]) == (303, "/?concept=a+b")
    cookie = moved.headers["set-cookie"]
    assert cookie.startswith("whenabouts_token_8750=")  # Browsers share cookies between the ports of a host.
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert client.get("/api/project", {"cookie": cookie.partition(";")[0]}).status == 200
    assert client.get("/api/project", {"authorization": f"Bearer {token}"}).status == 200
    for wrong in ({"authorization": "Bearer x"}, {"authorization": token}, {"cookie": "whenabouts_token_8750=x"},
                  {"cookie": "=;;\xff"}):  # fmt: skip
        assert client.get("/api/project", wrong).status == 401
    by_address = {"authorization": f"Bearer {token}", "host": "192.168.1.5:8750"}
    assert client.get("/api/project", by_address).status == 200
    assert client.get("/api/project", by_address | {"host": "evil.example"}).status == 421
    named = client_of(rooms, Access.of("0.0.0.0", token=token, more=["Videos.example"]))
    assert named.get("/api/project", by_address | {"host": "videos.example:8750"}).status == 200
    assert named.get("/api/project", {"host": "videos.example:8750"}).status == 401


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None), ("bytes=0-", Span(0, 99)), ("bytes=10-19", Span(10, 19)), ("bytes=90-1000", Span(90, 99)),
        ("bytes=-5", Span(95, 99)), ("bytes=-500", Span(0, 99)), ("BYTES=0-0", Span(0, 0)), ("bytes=5-4", None),
        ("bytes=-", None), ("bytes=a-b", None), ("bytes=0-1,3-4", None), ("bytes=" + "0-1," * 5000 + "2-3", None),
        ("bytes=１-２", None), ("lines=0-1", None), ("bytes 0-1", None), ("bytes=--1", None), ("", None),
        ("bytes=99999999999999999999-", None),
    ],
)  # fmt: skip
def test_one_range_is_read_and_nonsense_is_as_if_it_were_not_there(header: str | None, span: Span | None) -> None:
    assert span_of(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    with pytest.raises(Refused) as refused:
        span_of(header, 100)
    assert refused.value.status == 416
    assert refused.value.headers == {"Content-Range": "bytes */100"}


def test_media_comes_whole_or_in_part(client: Any, project: Project) -> None:
    content = (project.folder / "videos" / "00.mp4").read_bytes()
    key = client.get("/api/videos", text="title 00").json["videos"][0]["key"]
    whole = client.get(f"/media/{key}")
    assert (whole.status, whole.body) == (200, content)
    part = client.get(f"/media/{key}", {"range": "bytes=5-9"})
    assert (part.status, part.body) == (206, content[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(content)}"
    assert client.get(f"/media/{key}", {"range": f"bytes={len(content)}-"}).status == 416
    assert client.get(f"/media/{key}", {"range": "bytes=5-9", "if-range": '"another"'}).status == 200
    head = client.ask("HEAD", f"/media/{key}")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(content)))
    gone = client.get("/api/videos", text="title 05").json["videos"][0]["key"]
    assert client.get(f"/media/{gone}").status == 404


def test_a_folder_or_a_pipe_in_the_place_of_a_video_is_not_opened(client: Any, project: Project) -> None:
    import os

    path = project.folder / "videos" / "00.mp4"
    key = client.get("/api/videos", text="title 00").json["videos"][0]["key"]
    path.unlink()
    os.mkfifo(path)
    assert client.get(f"/media/{key}").status == 404
    path.unlink()
    path.mkdir()
    assert client.get(f"/media/{key}").status == 404


@pytest.mark.parametrize("query", ["text=" + "x" * 501, "limit=-1", "limit=501", "limit=1e3", "offset=99999999999",
                                   "min_score=nan", "min_score=inf", "min_score=1,5", "kind=all", "sort=random",
                                   "reviewed=maybe", "surprise=1", "text=a&text=b", "&".join(["concept=a"] * 101),
                                   "limit=１"])  # fmt: skip
def test_nonsense_in_a_query_is_told(client: Any, query: str) -> None:
    told = client.ask("GET", "/api/moments", quote(query, safe="=&"))
    assert told.status == 400
    assert json.loads(told.body)["error"]


def test_long_queries_of_many_words_are_answered(client: Any) -> None:
    assert client.get("/api/moments", text=" ".join(["ab"] * 160)).status == 200
    assert client.get("/api/moments", text="ﬀ" * 500).status == 200
