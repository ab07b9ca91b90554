"""The tables of the pre-training paper on a planted archive of rendered clips with noisy hashtags.

    python benchmarks/pretraining.py --work WORK --out benchmarks/results    writes pretraining.json, .md and .png

Every cell (table, row, seed) is one JSON file in --work and is not done again: a run can be stopped at any time and
goes on where it was, and --minutes ends it between two cells. With --report only the tables are written, from the cells
that there are. With --size full the same tables are made of clips of 32 pictures of 112 pixels: for GPUs.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import torch

from pretraining_cells import Bench, cell, cells_of
from pretraining_rows import ROWS, SEEDS, Learning, Row
from pretraining_world import Plan
from provenance import made_now
from whenabouts.core.files import read_json, write_json
from whenabouts.training.devices import choose_compute

SIZES = {
    "small": (Plan(), Learning()),
    "full": (
        Plan(side=112, frames=32, posts=64000, stills=64000, near_train=200, near_test=50, kitchen_train=200),
        Learning(views=2_000_000, batch=256, target_views=400_000),
    ),
}


def run(bench: Bench, rows: tuple[Row, ...], seeds: tuple[int, ...], minutes: float) -> int:
    """Make the cells that are not there yet, until the time is up; returns how many are still missing."""
    until = time.monotonic() + 60 * minutes
    missing = [(row, seed) for row, seed in cells_of(rows, seeds) if not path_of(bench, row, seed).exists()]
    for number, (row, seed) in enumerate(missing):
        if time.monotonic() > until:
            return len(missing) - number
        found = cell(bench, row, seed)
        write_json(path_of(bench, row, seed), {**found, "load": os.getloadavg()[0], "made": made_now()}, indent=None)
        told = {target: {how: own and round(own["top1"], 3) for how, own in by.items()}
                for target, by in found["figures"].items()}  # fmt: skip
        sys.stdout.write(f"{row.table} | {row.name} | {seed}: {told} {found['cpu_seconds']:.0f} s\n")
        sys.stdout.flush()
    return 0


def path_of(bench: Bench, row: Row, seed: int) -> Path:
    return bench.work / "cells" / f"{row.key}_{seed}.json"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--tables", nargs="+", default=None, help="only tables whose name begins so")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args(words)
    plan, learning = SIZES[asked.size]
    bench = Bench(asked.work, plan, learning, choose_compute(asked.device))
    rows = tuple(row for row in ROWS if asked.tables is None or row.table.startswith(tuple(asked.tables)))
    if not asked.report:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        left = run(bench, rows, tuple(asked.seeds), asked.minutes)
        sys.stdout.write(f"{left} cells are missing.\n")
    if asked.out is not None:
        from pretraining_figures import draw
        from pretraining_report import write_report

        paths = sorted(path_of(bench, row, seed) for row, seed in cells_of(ROWS, tuple(asked.seeds)))
        cells = [read_json(path) for path in paths if path.exists()]
        write_report(asked.out, cells, ROWS, bench)
        draw(cells, asked.out / "pretraining.png")


if __name__ == "__main__":
    main()
