"""`whenabouts serve` as a process: it tells its address, loses nothing when killed, and ends when it is asked to."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import ProjectError, SettingsError
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.data.reviews import ReviewStore
from whenabouts.page.server.library import key_of
from whenabouts.page.server.running import listening, own_names, reached_at


@pytest.fixture
def home(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    entries = [Entry(Video(f"v{number}", tmp_path / f"v{number}.mp4", duration_seconds=60.0)) for number in range(10)]
    project.write_manifest(Manifest(tuple(entries)))
    project.write_vocabulary(Vocabulary(("dive",)))
    return project


@pytest.fixture
def serving(home: Project) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "whenabouts", "serve", "--project", str(home.folder), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield process, json.loads(process.stdout.readline())["port"]
    process.kill()
    process.wait()
    process.stdout.close()


def asked(port: int, method: str, path: str, values: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body = None if values is None else json.dumps(values)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    told = connection.getresponse()
    answer = told.status, json.loads(told.read())
    connection.close()
    return answer


def test_what_was_acknowledged_survives_a_kill(serving: tuple[subprocess.Popen[str], int], home: Project) -> None:
    process, port = serving
    acknowledged = []
    for number in range(20):
        body = {
            "decision": "confirm",
            "video": key_of(f"v{number % 10}"),
            "concept": "dive",
            "start": number,
            "end": number + 1,
        }
        status, told = asked(port, "POST", "/api/reviews", body)
        assert status == 201
        acknowledged.append(told["reviews"][0]["id"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = ReviewStore(home.reviews_path)
    assert {each.id for each in store.history()} >= set(acknowledged)
    assert len(store.held_out()) == 2
    store.close()


def test_it_ends_when_it_is_asked_to_though_a_client_hangs_on(serving: tuple[subprocess.Popen[str], int]) -> None:
    process, port = serving
    assert asked(port, "GET", "/api/project")[1]["videos"] == 10
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /api/project HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_clients_that_never_end_their_request_keep_nobody_waiting(serving: tuple[subprocess.Popen[str], int]) -> None:
    _, port = serving
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for each in slow[:50]:
        each.sendall(b"GET /api/project HTTP/1.1\r\nHost: 127")
    for each in slow[50:]:
        each.sendall(b"POST /api/reviews HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 1000\r\n\r\n{")  # fmt: skip
    assert asked(port, "GET", "/api/project")[0] == 200
    for each in slow:
        each.close()


def test_a_port_that_is_taken_and_a_token_that_is_too_short_are_told(home: Project) -> None:
    from whenabouts.commands.serve import serve

    with listening("127.0.0.1", 0) as taken:
        assert taken.proto == socket.IPPROTO_TCP  # Else asyncio leaves small answers to wait for one another.
        port = taken.getsockname()[1]
        with pytest.raises(ProjectError, match=f"port {port}"):
            listening("127.0.0.1", port)
    with pytest.raises(SettingsError, match="16 characters"):
        serve(project=home.folder, token="short")
    with pytest.raises(SettingsError, match="--host"):
        serve(project=home.folder, name=["videos.example"])


def test_it_tells_an_address_that_others_reach() -> None:
    assert reached_at("192.168.1.5") == "192.168.1.5"
    assert reached_at("0.0.0.0") not in ("0.0.0.0", "")
    assert all(name == name.lower() and name[0] != "." for name in own_names())
