"""How long `whenabouts --help` takes to answer, beside a bare start of Python.

    python benchmarks/start_up.py [--runs 10]

Each run is a process of its own, the two in turn, so that a busy machine bears on both alike; medians count. One run of
each comes before, so that files are in the page cache and byte code is written: cold means a new process, not a cold
disk. Writes results/start_up.json and start_up.md.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from provenance import write_result

GOAL = "well under a second"
RESULTS = Path(__file__).parent / "results"
COMMANDS = {
    "whenabouts --help": [sys.executable, "-m", "whenabouts", "--help"],
    "python -c pass": [sys.executable, "-c", "pass"],
}


def seconds_of(command):
    """Wall time of one process from its start to its end."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    for command in COMMANDS.values():
        seconds_of(command)
    load = os.getloadavg()[0]
    times = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(seconds_of(command))
    rows = {
        name: {"median": statistics.median(found), "least": min(found), "most": max(found), "seconds": found}
        for name, found in times.items()
    }
    where = {"python": platform.python_version(), "cores": os.cpu_count(), "load_before": load}
    values = {"runs": runs, "goal": GOAL, **where, "times": rows}
    lines = [
        "# Start of the command line",
        "",
        f"{runs} processes of each, in turn; Python {where['python']}, {where['cores']} cores, load {load:.1f} when it",
        f"began. Goal: {GOAL}. Made by `python benchmarks/start_up.py`.",
        "",
        "| command | median s | least s | most s |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| `{name}` | {row['median']:.3f} | {row['least']:.3f} | {row['most']:.3f} |" for name, row in rows.items()
    ]
    text = "\n".join(lines) + "\n"
    write_result(RESULTS, "start_up", values, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
