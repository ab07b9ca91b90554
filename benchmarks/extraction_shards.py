"""How extraction gets faster with workers on one project, each with its `--shard`: one process a core.

    python benchmarks/extraction_shards.py                  writes benchmarks/results/extraction_shards.{json,md}
    python benchmarks/extraction_shards.py --videos 2 --seconds 4 --rounds 1 --out ""     a small one

Each worker is `whenabouts extract --shard i/N --workers 1` in a process of its own, bound to a core of its own with its
decoding child, so that one worker is one core's work, and on a core of its own its clock is its CPU time: so the CPU
seconds of the slowest worker tell of N free cores, whatever else the machine does. Before each run the features are
removed. The start of a worker (Python, torch, the net) is measured by workers that find everything done. Rounds go
through all N in turn; what N workers make is compared with what one makes, to the bit.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from extraction import make_video
from provenance import write_result
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone import Backbone, BackboneSettings


def made(folder, options):
    """A project of videos of drifting noise, with a small backbone of random weights."""
    home = Project.create(folder)
    (folder / "media").mkdir()
    for number in range(options.videos):
        make_video(folder / "media" / f"{number}.mp4", options.seconds, 240, 320, number)
    home.write_manifest(Manifest(tuple(Entry(probe(path)) for path in sorted((folder / "media").glob("*.mp4")))))
    torch.manual_seed(0)
    shape = BackboneSettings().boxed(4 / 3)
    Backbone(shape, shape.build().eval()).save(home.backbone_folder)
    return home


def cores():
    """The cores that this process may use, sorted; [None] where the system can't say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]


def started(home, number, count, core):
    """One worker, bound to a core; what it says goes to a file."""
    words = ["extract", "--project", str(home.folder), "--shard", f"{number}/{count}", "--workers", "1"]
    bound = None if core is None else partial(os.sched_setaffinity, 0, {core})
    with (home.folder / f"worker {number}.json").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "whenabouts", *words, "--device", "cpu", "--json"],
            stdout=said, stderr=subprocess.DEVNULL, preexec_fn=bound, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def run(home, count):
    """What `count` workers at once take: seconds by the clock, CPU seconds of each with its children; videos done."""
    begun, there = time.perf_counter(), cores()
    workers = [started(home, number + 1, count, there[number % len(there)]) for number in range(count)]
    written, cpu = 0, []
    for number, worker in enumerate(workers, start=1):
        _, status, used = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
        if worker.returncode:
            raise SystemExit(f"A worker failed: {worker.args}")
        cpu.append(used.ru_utime + used.ru_stime)
        written += json.loads((home.folder / f"worker {number}.json").read_text())["written"]
    return {"clock": time.perf_counter() - begun, "cpu": cpu, "written": written}


def content(home):
    """A hash of all features, whichever files hold them."""
    store, digest = FeatureStore(home.features_folder), hashlib.sha256()
    for modality in store.modalities():
        for video_id in store.video_ids(modality):
            found = store.read(video_id, modality)
            digest.update(repr((modality, video_id, found.source, found.grid)).encode() + found.values.tobytes())
    return digest.hexdigest()


def one_round(home, counts):
    """For each number of workers an extraction from nothing, then one that finds all done: the workers' start."""
    rows, seen = {}, set()
    for count in counts:
        shutil.rmtree(home.features_folder, ignore_errors=True)
        row = run(home, count)
        seen.add(content(home))
        start = run(home, count)
        assert (row["written"], start["written"]) == (len(tuple(home.manifest())), 0)
        rows[str(count)] = {**row, "start": statistics.mean(start["cpu"])}
        print(f"{count} workers: {row['clock']:.1f} s by the clock, CPU seconds {row['cpu']}", flush=True)
    assert len(seen) == 1, "workers make other features than one worker"
    return rows


def summary(rounds):
    """Medians; how many times as fast as one worker in the same round, with the workers' start and without."""
    result = {}
    for count in rounds[0]:
        taken = [(row["1"], row[count]) for row in rounds]
        ratios = {
            "whole": [one["cpu"][0] / max(many["cpu"]) for one, many in taken],
            "work": [(one["cpu"][0] - one["start"]) / (max(many["cpu"]) - many["start"]) for one, many in taken],
            "clock": [one["clock"] / many["clock"] for one, many in taken],
        }
        result[count] = {
            name: {"median": statistics.median(found), "least": min(found), "most": max(found)}
            for name, found in ratios.items()
        }
        result[count]["slowest"] = statistics.median(max(many["cpu"]) for _, many in taken)
        result[count]["all"] = statistics.median(sum(many["cpu"]) for _, many in taken)
        result[count]["start"] = statistics.median(many["start"] for _, many in taken)
    return result


def table(values):
    lines = [
        "# Extraction by several workers on one project",
        "",
        f"{values['videos']} videos of {values['seconds']:g} s, 240 x 320; R(2+1)D (16, 32, 64) on the CPU; each worker"
        f" a process bound to one core; medians of {values['rounds']} rounds (least to most), in turn; all make the"
        " same features to the bit. Written by `python benchmarks/extraction_shards.py --videos"
        f" {values['videos']} --seconds {values['seconds']:g}`.",
        "",
        "| workers | CPU seconds of the slowest | of them to start | of all | times as fast as one |"
        " without the start | by the clock |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count, row in values["rows"].items():
        seconds = [f"{row[name]:.1f}" for name in ("slowest", "start", "all")]
        ratios = [row[name] for name in ("whole", "work", "clock")]
        cells = [f"{one['median']:.2f} ({one['least']:.2f} to {one['most']:.2f})" for one in ratios]
        lines.append(f"| {count} | {' | '.join([*seconds, *cells])} |")
    load = ", ".join(f"{number:.1f}" for number in values["load"])
    return "\n".join([
        *lines, "",
        f"Machine: {values['machine']}; load before and after: {load}. How many times as fast is told in CPU seconds of"
        " the slowest worker, which are those of the clock on free cores; the clock itself tells of other work here.",
        "",
    ])  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="numbers of workers; 1 comes first")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name:
        home = made(Path(name) / "project", options)
        rounds = [one_round(home, sorted({1, *options.workers})) for _ in range(options.rounds)]
    values = {name: getattr(options, name) for name in ("videos", "seconds", "rounds")}
    values |= {"rows": summary(rounds), "each": rounds, "load": [*load, os.getloadavg()[0]]}
    values["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    print(table(values))
    if options.out:
        write_result(Path(options.out), "extraction_shards", values, table(values))


if __name__ == "__main__":
    main()
