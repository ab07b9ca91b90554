"""How fast `whenabouts serve` opens a large project and answers, over HTTP, with the memory that it takes.

    python benchmarks/page_speed.py WORK        writes benchmarks/results/page_speed.{json,md}
    python benchmarks/page_speed.py WORK --videos 1000 --moments 10000 --runs 1 --out ""
    python benchmarks/page_speed.py WORK --example     measures searches by example alone, in the place of earlier ones

WORK keeps the project: videos with titles of words that are as frequent as words are (Zipf), 50 concepts, moments, and
features of one step a second, 512 wide, in half precision (3.4 GB); no media and no model, which opening does not read.
Each run starts a server anew: "open" is from starting the process to the first answer that tells of the project,
imports of Python included. Then 1,000 different queries, each asked once and none before, one after the other on one
connection. At the end of each run moments are searched by example: the first time reads the features of all videos (the
system may still have the files in its memory, the server has not), later times do not. Aim: open in 2 s, 95 % of
answers in 100 ms, the first search by example in a few seconds, and never more than 500 MiB of memory.
"""

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from provenance import write_result
from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import read_json, write_json
from whenabouts.core.moments import Moments
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, FileStamp, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.page.server.library import key_of

CONCEPTS, WORDS, QUERIES = 50, 4000, 1000
WIDTH, SHARD = 512, 250
RESULTS = Path(__file__).parent / "results"


def words(rng: np.random.Generator) -> list[str]:
    """Made-up words."""
    syllables = [a + b for a in "bdfghklmnprstvz" for b in "aeiou"]
    return sorted({"".join(rng.choice(syllables, rng.integers(2, 5))) for _ in range(2 * WORDS)})[:WORDS]


def made(folder: Path, videos: int, moments: int) -> Project:
    """The project, kept from one run to the next."""
    home = Project.create(folder)
    if (home.moments_folder / "moments.json").is_file():
        return home
    rng = np.random.default_rng(0)
    known = words(rng)
    share = 1 / np.arange(1, len(known) + 1)
    drawn = rng.choice(len(known), (videos, 8), p=share / share.sum())
    concepts = Vocabulary(tuple(f"{known[-n - 1]} {known[n]}" for n in range(CONCEPTS)))
    entries = []
    for number in range(videos):
        said = rng.choice(CONCEPTS, rng.integers(1, 4), replace=False)
        labels = tuple(WeakLabel(concepts.names[index], source="csv") for index in said.tolist())
        name = f"folder-{number % 97}/{known[drawn[number, 0]]}-{number:05d}"
        video = Video(name, folder / f"{name}.mp4", duration_seconds=float(rng.uniform(60, 600)), height=360, width=640)
        title = " ".join(known[index] for index in drawn[number])
        stamp = FileStamp(10**6 + number, (1_700_000_000 + number) * 10**9)
        entries.append(
            Entry(video, labels, (), "train" if number % 5 else "test", title, f"channel {number % 300}", stamp)
        )
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(concepts)
    owner = rng.integers(videos, size=moments)
    starts = rng.uniform(0, 50, moments)
    spans = np.stack([starts, starts + rng.uniform(1, 10, moments)], axis=1).round(3)
    classes, scores = rng.integers(CONCEPTS, size=moments), rng.gamma(2.0, 1.0, moments)
    found = Moments.build([entries[n].id for n in owner.tolist()], spans, classes, concepts, scores=scores)
    write_json(home.moments_folder / "moments.json", found.to_json())
    return home


def with_features(home: Project) -> None:
    """Give each video features that it does not have yet: some of a block of random numbers, at a place of its own."""
    store, rng = home.features(), np.random.default_rng(2)
    block = rng.normal(0.5, 1.0, (4096, WIDTH)).astype(np.float16)
    lacking = [entry for entry in home.manifest() if not store.has(entry.id, "rgb")]
    for first in range(0, len(lacking), SHARD):
        sequences = []
        for entry in lacking[first : first + SHARD]:
            grid = TimeGrid.of_length(entry.video.duration_seconds, 1.0)
            start = int(rng.integers(len(block) - grid.steps))
            values = block[start : start + grid.steps] + rng.normal(0, 1, WIDTH).astype(np.float16)
            sequences.append(FeatureSequence(entry.id, values, grid, "rgb", "made"))
        store.append(sequences)


def queries(home: Project) -> list[str]:
    """1,000 different questions, as a page asks them: while people type, filter, page, sort and open videos."""
    rng = np.random.default_rng(1)
    entries, concepts = list(home.manifest()), home.vocabulary().names
    told = dict[str, None]()
    while len(told) < QUERIES:
        title = str(rng.choice(entries[rng.integers(len(entries))].title.split()))
        start = title[: int(rng.integers(1, len(title) + 1))]
        text = start if rng.random() < 0.5 else f"{start} {rng.choice(concepts).split()[0][:4]}"
        kind = int(rng.integers(6))
        query: dict[str, object] = {}
        if kind == 0:
            told[f"/api/videos/{key_of(entries[rng.integers(len(entries))].id)}"] = None
            continue
        if kind == 1:
            path, query = "/api/videos", {"text": text, "sort": str(rng.choice(["title", "date", "moments", "score"]))}
        else:
            path = "/api/moments"
            query = {"sort": str(rng.choice(["score", "usefulness", "date"])), "offset": int(rng.integers(0, 5)) * 50}
            query |= {"text": text} if kind in (2, 3, 5) else {}
            query |= {"concept": str(rng.choice(concepts))} if kind in (3, 4) else {}
            query |= {"min_score": round(float(rng.gamma(2.0, 1.0)), 3)} if kind in (4, 5) else {}
        told[f"{path}?{urlencode(query)}"] = None
    return list(told)


@contextmanager
def served(home: Project) -> Iterator[tuple[subprocess.Popen, http.client.HTTPConnection]]:
    """A server that is started anew, and a connection to it."""
    home.reviews_path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "whenabouts", "serve", "--project", str(home.folder), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    connection = http.client.HTTPConnection("127.0.0.1", json.loads(process.stdout.readline())["port"])
    yield process, connection
    connection.close()
    process.terminate()
    process.wait()
    process.stdout.close()


def measured(home: Project, asked: list[str]) -> dict:
    """One server: how it opens, how it answers, and its memory."""
    begun = time.perf_counter()
    with served(home) as (process, connection):
        first = seconds_of(connection, "/api/project")
        opened = time.perf_counter() - begun
        cpu_open = processor_time(process.pid)
        times = [seconds_of(connection, path) for path in asked]
        cpu_query = (processor_time(process.pid) - cpu_open) / len(asked)
        review = json.dumps({"decision": "confirm", "video": key_of(next(iter(home.manifest())).id), "concept": "x y",
                             "start": 1, "end": 2})  # fmt: skip
        decided = [seconds_of(connection, "/api/reviews", review) for _ in range(50)]
        queue = [seconds_of(connection, f"/api/queue?limit={n}") for n in range(10, 30)]
        return {
            "open": opened, "open_cpu": cpu_open, "query_cpu": cpu_query, "first_answer": first,
            **spread(times, "query"), **spread(decided, "decision"), **spread(queue, "queue"),
            "memory_mib": memory(process.pid, "VmRSS"), "peak_mib": memory(process.pid, "VmHWM"),
            "load": os.getloadavg()[0], **by_example(connection, process.pid, list(home.manifest())),
            "cpu": processor_time(process.pid),
        }  # fmt: skip


def searched(home: Project) -> dict:
    """One server that is asked for searches by example alone."""
    with served(home) as (process, connection):
        seconds_of(connection, "/api/project")
        return by_example(connection, process.pid, list(home.manifest()))


def memory(process: int, name: str) -> int:
    """A process's memory now (VmRSS) or at its most (VmHWM), in MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


def by_example(connection: http.client.HTTPConnection, process: int, entries: list[Entry]) -> dict:
    """The first search by example, 20 later ones, and the most memory after them."""
    paths = [f"/api/similar?video={key_of(entry.id)}&start=1&end=4" for entry in entries[:21]]
    before = processor_time(process)
    first = seconds_of(connection, paths[0])
    cpu = processor_time(process) - before
    later = [seconds_of(connection, path) for path in paths[1:]]
    return {"alike_first": first, "alike_first_cpu": cpu, **spread(later, "alike"),
            "alike_peak_mib": memory(process, "VmHWM"), "alike_load": os.getloadavg()[0]}  # fmt: skip


def processor_time(process: int) -> float:
    """Seconds that a process has used so far."""
    status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of(connection: http.client.HTTPConnection, path: str, body: str | None = None) -> float:
    begun = time.perf_counter()
    connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status in (200, 201), (path, answer.status, content[:200])
    return time.perf_counter() - begun


def spread(times: list[float], name: str) -> dict[str, float]:
    ordered = sorted(times)
    return {f"{name}_median": statistics.median(ordered), f"{name}_p95": ordered[int(0.95 * len(ordered))],
            f"{name}_worst": ordered[-1]}  # fmt: skip


def page(rows: list[dict], options: argparse.Namespace) -> str:
    def told(name: str, unit: float = 1.0, digits: int = 2) -> str:
        values = [row[name] * unit for row in rows]
        return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} - {max(values):.{digits}f})"

    return f"""# A large project on the page

{options.videos:,} videos, {options.moments:,} moments, {CONCEPTS} concepts; written by
`python benchmarks/page_speed.py WORK`. Median of {len(rows)} starts of the server (least - most).
Aim: open in 2 s, 95 % of queries in 100 ms, the first search by example in a few seconds, 500 MiB at most.

| | |
|---|---|
| from starting the process to the first answer, s | {told("open")} |
| the processor's time for that, s | {told("open_cpu")} |
| of {QUERIES} different queries over HTTP, each asked once: median, ms | {told("query_median", 1000, 1)} |
| 95 % are answered in, ms | {told("query_p95", 1000, 1)} |
| the server's processor time for a query, mean, ms | {told("query_cpu", 1000, 1)} |
| the slowest, ms | {told("query_worst", 1000, 1)} |
| a decision, stored on disk, then told: median, ms | {told("decision_median", 1000, 1)} |
| the queue, after decisions: median, ms | {told("queue_median", 1000, 1)} |
| the server's memory after all that, MiB | {told("memory_mib", 1, 0)} |
| its most memory until then, MiB | {told("peak_mib", 1, 0)} |
| the first search by example, which reads {options.videos:,} videos' features, s | {told("alike_first")} |
| the processor's time for that, s | {told("alike_first_cpu")} |
| later searches by example: median, ms | {told("alike_median", 1000, 1)} |
| its most memory after these, MiB | {told("alike_peak_mib", 1, 0)} |

The model is loaded at the first curve, which is not in here. Features: a step a second, {WIDTH} wide, half precision.
Machine: {os.cpu_count()} cores, Python {platform.python_version()}; load at the end of each run: \
{", ".join(f"{row['load']:.1f}" for row in rows)}; after searches by example: \
{", ".join(f"{row['alike_load']:.1f}" for row in rows)}. Where other work shares the cores, trust the processor's time.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for the project")
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--moments", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", default=str(RESULTS / "page_speed"))
    parser.add_argument("--example", action="store_true", help="searches by example alone; other rows stay as they are")
    options = parser.parse_args()
    home = made(options.work / f"{options.videos}-{options.moments}", options.videos, options.moments)
    with_features(home)
    rest = ""
    if options.example:
        known = read_json(Path(f"{options.out}.json"))
        rows, earlier = [row | searched(home) for row in known["runs"]], known["provenance"]
        rest = known.get("rest") or earlier.get("written_in") or earlier["commit"]
    else:
        asked = queries(home)
        rows = [measured(home, asked) for _ in range(options.runs)]
    text = page(rows, options)
    if rest:
        text += (
            f"Searches by example were measured anew, later than the other rows, which were written in commit {rest}.\n"
        )
    print(text)
    if options.out:
        out, values = Path(options.out), {"videos": options.videos, "moments": options.moments, "runs": rows}
        values |= {"rest": rest} if rest else {}
        write_result(out.parent, out.name, values, text, table="page_speed")


if __name__ == "__main__":
    main()
