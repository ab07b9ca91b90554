"""The tables of cross-class relevance learning (Ma et al., 2019) on streams of really spoken digits.

    python benchmarks/relevance.py FSDD --out benchmarks/results      writes relevance.json and relevance.md there

FSDD is a folder with fsdd_int16_8k.npz and labels.csv (docs/worlds.md). Every cell (seed, ratings a class) is a
JSON file in --work and is not made again; a run can be stopped and goes on where it was. With --report no cell is made.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from provenance import made_now
from relevance_bounds import bounds_cell, hidden_cell, normed_cell
from relevance_cells import cell, further_cell, variants_cell
from relevance_distilled import distilled_cell
from relevance_ground import POOL, TEST, TRAIN, Place, settings_hash
from relevance_report import write_report
from whenabouts.core.files import read_json, write_json

MAIN = 20


MAKERS = {"core": cell, "variants": variants_cell, "bounds": bounds_cell, "further": further_cell,
          "hidden": hidden_cell, "distilled": distilled_cell, "normed": normed_cell}  # fmt: skip
EVERYWHERE = ("core", "normed")  # at each number of ratings
FIRST_SEED = 1  # 0 was seen before settings were chosen


def cells_of(seeds: int, numbers: list[int]) -> list[tuple[int, int, str]]:
    """All seeds' main number of ratings first, then other numbers, the largest last, then what is asked of it alone."""
    every = range(FIRST_SEED, FIRST_SEED + seeds)
    cells = [(seed, number, part) for seed in every for number in numbers for part in EVERYWHERE]
    cells += [(seed, MAIN, part) for seed in every for part in MAKERS if part not in EVERYWHERE and MAIN in numbers]
    parts = list(MAKERS)
    return sorted(cells, key=lambda each: (each[1:] != (MAIN, "core"), each[1] == max(numbers), parts.index(each[2]),
                                           each[1], each[0]))  # fmt: skip


def gathered(paths: Mapping[tuple[int, int, str], Path]) -> dict[tuple[int, int], dict[str, Any]]:
    """All that is made, by seed and ratings."""
    made: dict[tuple[int, int], dict[str, Any]] = {}
    for (seed, number, _), path in paths.items():
        if not path.exists():
            continue
        told = read_json(path)
        whole = made.setdefault((seed, number), {"rows": {}, "recall": {}, "cpu_seconds": 0.0})
        made[seed, number] = {**whole, **told, "rows": {**whole["rows"], **told["rows"]},
                              "recall": {**whole["recall"], **told.get("recall", {})},
                              "cpu_seconds": whole["cpu_seconds"] + told["cpu_seconds"]}  # fmt: skip
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("relevance-work"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ratings", type=int, nargs="+", default=[5, MAIN, 80, 240])
    parser.add_argument("--parts", nargs="+", choices=MAKERS, default=list(MAKERS), help="make these cells alone")
    parser.add_argument("--train", type=int, default=TRAIN, help="streams to learn from")
    parser.add_argument("--test", type=int, default=TEST, help="streams of the test")
    parser.add_argument("--pool", type=float, default=POOL, help="the share of training streams that raters see")
    parser.add_argument("--report", action="store_true", help="make no cell")
    given = parser.parse_args()
    place = Place(given.recordings, given.work, given.train, given.test, given.pool)
    settings, every = settings_hash(given.train, given.test, given.pool), cells_of(given.seeds, given.ratings)
    paths = {cell: given.work / "cells" / "{}-{}-{}-{}.json".format(settings, *cell) for cell in every}
    for (seed, number, part), path in paths.items():
        if not path.exists() and not given.report and part in given.parts:
            write_json(path, {**MAKERS[part](place, seed, number), "made": made_now()})
            sys.stderr.write(f"seed {seed}, {number} ratings, {part}: load {os.getloadavg()[0]:.1f}\n")
    made = gathered(paths)
    host = {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)}
    write_report(given.out, made, {"train": given.train, "test": given.test, "pool": given.pool}, host)


if __name__ == "__main__":
    main()
