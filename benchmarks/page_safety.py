"""What hostile requests get from `whenabouts serve`, over real sockets.

    python benchmarks/page_safety.py WORK             writes benchmarks/results/page_safety.{json,md}

WORK takes a small project with files that must not be served beside it. Path traversals are sent byte by byte as they
are written here, since clients would tidy them up; one counts as served where the answer holds the content of any file
but the page's own. Foreign hosts and origins try to change something; malformed ranges, huge queries and bodies must
get an answer below 500; and while 300 clients begin requests and never end them, or read nothing of what they asked
for, others are answered. What hostile titles and tags do in a browser tells `benchmarks/page_names.py`.
"""

import argparse
import itertools
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from provenance import write_result
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.data.reviews import ReviewStore
from whenabouts.page.server.library import key_of

RESULTS = Path(__file__).parent / "results"
SECRET = b"a-secret-that-nobody-may-see"
CLIMBS = (
    "../",
    "..\\",
    "....//",
    "....\\\\",
    "%2e%2e/",
    "%2E%2E%2F",
    "%2e%2e%5c",
    "%252e%252e%252f",
    "%25252e%25252e/",
    "..%2f",
    "..%5c",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "%e0%80%ae%e0%80%ae/",
    "%uff0e%uff0e/",
    "．．/",
    "./../",
    "..%00/",
    "..%0d%0a/",
    "..;/",
    "/../",
    "//../",
    "\\..\\",
)
TARGETS = (
    "secret.txt",
    "reviews.sqlite",
    "manifest.jsonl",
    "server/app.py",
    "etc/passwd",
    "windows/win.ini",
    "link/secret.txt",
)
PLACES = ("/static/", "/media/", "/proxy/", "/thumbnails/", "/api/videos/", "/")
ABSOLUTE = (
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:\\windows\\win.ini",
    "\\\\host\\share",
    "%2fetc%2fpasswd",
    "%00/etc/passwd",
    "~root/.ssh/id_rsa",
    "/proc/self/environ",
    "http://127.0.0.1/",
    "CON",
    "a" * 5000,
)
RANGES = (
    "bytes=",
    "bytes=-",
    "bytes=--1",
    "bytes=5-1",
    "bytes=0-0,2-2",
    "bytes=" + "0-1," * 2000 + "0-1",
    "bytes=0-99999999999999999999",
    "bytes=-99999999999999999999",
    "bytes=1e3-",
    "bytes=0x0-",
    "bytes=\xa0-1",
    "lines=1-2",
    "0-1",
    "bytes=0-1;q=1",
    "bytes 0-1",
    "bytes=" + "9" * 5000 + "-",
    "bytes=0-1\t",
    "BYTES=0-1",
    "bytes=,",
    "bytes=0-,0-",
)


def traversals() -> list[str]:
    """At least 2,000 targets of requests."""
    climbed = [
        place + climb * depth + target
        for place, climb, target, depth in itertools.product(PLACES, CLIMBS, TARGETS, (1, 2, 5))
    ]
    return climbed + [place + target for place, target in itertools.product(PLACES, ABSOLUTE)]


def asked(
    port: int, target: str, *headers: str, method: str = "GET", body: bytes = b"", host: str = ""
) -> tuple[int, bytes]:
    """One request, sent as it is; status 0 where the connection ended without an answer."""
    told = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close", *headers]
    told += [f"Content-Length: {len(body)}"] if body else []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall("\r\n".join(told).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
        answer = b""
        try:
            while part := line.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    head, _, content = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head.startswith(b"HTTP/") else 0), content


def made(work: Path) -> Project:
    """A project with two videos, one of which is a file, and secrets around it."""
    home = Project.create(work / "project")
    for left in home.folder.glob("reviews.sqlite*"):
        left.unlink()
    video = home.folder / "videos" / "a.mp4"
    video.parent.mkdir(exist_ok=True)
    video.write_bytes(b"\0" * 50_000_000)
    entries = [Entry(Video("../secret.txt", video, duration_seconds=60.0)), Entry(Video("b", home.folder / "b.mp4"))]
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(Vocabulary(("dive",)))
    for folder in (work, home.folder, home.cache_folder):
        folder.mkdir(exist_ok=True)
        (folder / "secret.txt").write_bytes(SECRET)
    return home


def leaked(content: bytes) -> bool:
    """Whether an answer holds a file that is none of the page's."""
    return any(
        mark in content for mark in (SECRET, b"root:x:0", b"SQLite format", b'"video": {', b"def make_app", b"PATH=")
    )


def climbing(port: int) -> dict:
    """How many traversals there were, how many were served, and what they got."""
    statuses: dict[int, int] = {}
    served = []
    for target in traversals():
        status, content = asked(port, target.replace(" ", "%20"))
        statuses[status] = statuses.get(status, 0) + 1
        served += [target] if leaked(content) else []
    return {"tried": sum(statuses.values()), "served": served, "statuses": statuses}


def intruding(port: int, home: Project) -> dict:
    """How many foreign hosts and origins tried to change something, and how many reviews there are after that."""
    body = json.dumps({"decision": "confirm", "video": key_of("b"), "concept": "dive", "start": 1, "end": 2}).encode()
    kind = "Content-Type: application/json"
    hosts = [
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.1.2.3",
        "[::2]",
        f"127.0.0.1:{port}@evil.example",
        "0x7f000001",
        "2130706433",
        "127.1",
    ]
    origins = [
        "http://evil.example",
        "null",
        "https://127.0.0.1.evil.example",
        "http://127.0.0.1:1",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port}.evil.example",
        "file://",
        "http://[::1]",
        "",
    ]
    paths = ("/api/reviews", "/api/reviews/undo", "/api/reviews/redo", "/api/concepts", "/api/learn", "/api/learn/stop")
    statuses = [asked(port, path, kind, method="POST", body=body, host=host)[0] for path in paths for host in hosts]
    statuses += [
        asked(port, path, kind, f"Origin: {origin}", method="POST", body=body)[0]
        for path in paths
        for origin in origins
    ]
    statuses += [
        asked(port, "/api/reviews", kind, f"Sec-Fetch-Site: {site}", method="POST", body=body)[0]
        for site in ("cross-site", "same-site")
    ]
    statuses += [
        asked(port, "/api/reviews", f"Content-Type: {told}", method="POST", body=body)[0]
        for told in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
    ]
    store = ReviewStore(home.reviews_path)
    changed = len(store.history())
    store.close()
    return {"tried": len(statuses), "accepted": sum(status < 400 for status in statuses), "changed": changed}


def malformed(port: int) -> dict:
    """Ranges, queries, bodies and methods that make no sense: how many got an answer of 500 or above, or none."""
    key = key_of("../secret.txt")
    statuses = [asked(port, f"/media/{key}", f"Range: {told}", method="HEAD")[0] for told in RANGES]
    queries = [
        "text=" + "x" * 100_000,
        "text=" + "%F0%9F%8F%8A" * 5000,
        "&".join(["concept=a"] * 20_000),
        "limit=" + "9" * 5000,
        "min_score=" + "1" * 400,
        "offset=-1",
        "text=%00%ff%fe",
        "=&=&;;",
        "kind=%27%20OR%201=1--",
        "sort=__class__",
    ]
    statuses += [asked(port, f"/api/moments?{query}")[0] for query in queries]
    bodies = [
        b"[" * 900_000,
        b"{" + b'"a":{' * 100_000,
        b"\xff\xfe",
        b"1" * 999_999,
        b'{"start": 1e999}',
        b"null",
        b'"' + b"x" * 2_000_000,
    ]
    statuses += [
        asked(port, "/api/reviews", "Content-Type: application/json", method="POST", body=body)[0] for body in bodies
    ]
    statuses += [
        asked(port, "/api/project", method=method)[0]
        for method in ("PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "X" * 500)
    ]
    statuses += [
        asked(port, "/api/project", "X: " + "y" * 200_000)[0],
        asked(port, "/api/project", *["A: b"] * 3000)[0],
    ]
    return {
        "tried": len(statuses),
        "failed": sum(status >= 500 or status == 0 for status in statuses),
        "statuses": statuses,
    }


def besieged(port: int) -> dict:
    """How long others wait while 300 clients hold the line: requests that never end, and answers that nobody reads."""
    key, host = key_of("../secret.txt"), f"Host: 127.0.0.1:{port}\r\n"
    openings = (
        f"GET /api/project HTTP/1.1\r\n{host}X-Slow: ",
        f"GET /media/{key} HTTP/1.1\r\n{host}\r\n",
        f"POST /api/reviews HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{{",
    )
    calm = waits(port)
    held = []
    for number in range(300):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=30))
        held[-1].sendall(openings[number % 3].encode())
    time.sleep(1)
    siege = waits(port)
    for line in held:
        line.close()
    return {
        "clients": len(held),
        "calm_median": statistics.median(calm),
        "calm_worst": max(calm),
        "siege_median": statistics.median(siege),
        "siege_worst": max(siege),
    }


def waits(port: int) -> list[float]:
    found = []
    for _ in range(100):
        begun = time.perf_counter()
        assert asked(port, "/api/moments")[0] == 200
        found.append(time.perf_counter() - begun)
    return found


def page(values: dict) -> str:
    climb, intrude, odd, siege = (values[name] for name in ("climbing", "intruding", "malformed", "besieged"))
    meanwhile = f"{1000 * siege['siege_median']:.0f} ms, {1000 * siege['siege_worst']:.0f} ms"
    calm = f"{1000 * siege['calm_median']:.0f} ms, {1000 * siege['calm_worst']:.0f} ms"
    statuses = ", ".join(f"{count} of status {status}" for status, count in sorted(climb["statuses"].items()))
    return f"""# Hostile requests

Over real sockets against `whenabouts serve`; written by `python benchmarks/page_safety.py WORK`.
Hostile titles and tags in a browser: [page_names.md](page_names.md).

| | |
|---|---|
| path traversals sent | {climb["tried"]:,} ({statuses}) |
| of them served | **{len(climb["served"])}** |
| requests from foreign hosts and origins that would change something | {intrude["tried"]} |
| of them accepted; decisions stored after all of them | **{intrude["accepted"]}**; **{intrude["changed"]}** |
| malformed ranges, huge queries, bodies, heads and methods | {odd["tried"]} |
| of them answered with 500 or above, or not at all | **{odd["failed"]}** |
| clients that never end their request, or read nothing | {siege["clients"]} |
| an answer for others meanwhile: median, worst | {meanwhile} |
| the same without them | {calm} |

Machine: {os.cpu_count()} cores, Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for the project")
    parser.add_argument("--out", default=str(RESULTS / "page_safety"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    home = made(options.work)
    command = [sys.executable, "-m", "whenabouts", "serve", "--project", str(home.folder), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = json.loads(process.stdout.readline())["port"]
        values = {
            "climbing": climbing(port),
            "intruding": intruding(port, home),
            "malformed": malformed(port),
            "besieged": besieged(port),
        }
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    text = page(values)
    print(text)
    if options.out:
        out = Path(options.out)
        write_result(out.parent, out.name, values, text, table="page_safety")


if __name__ == "__main__":
    main()
