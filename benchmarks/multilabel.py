"""The tables of the multi-label paper on rendered videos and real sound, with the plain rivals in every table.

    python benchmarks/multilabel.py --out benchmarks/results      writes multilabel.json and multilabel.md there

Every cell (world, model, seed) is one JSON file in --work and is not done again unless its rates or dropout are no
longer those that did best in tuning; so a run can be stopped at any time and goes on where it was. With --report only
the tables are written, from the cells that there are.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import torch

from multilabel_cells import MODELS, Model, cell, chosen, chosen_jointly, told_trial, trials, tuning_trial
from multilabel_costs import costs
from multilabel_report import write_report
from multilabel_rows import ROWS, TABLES, cells_of
from multilabel_worlds import Place
from provenance import made_now
from whenabouts.core.files import read_json, write_json

SHARED = Path(os.environ.get("WHENABOUTS_SHARED", Path(__file__).parents[2] / "shared"))


def cell_path(place: Place, world: str, model: str, seed: int) -> Path:
    """Where a cell lies."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in f"{world}-{model}")
    return place.work / "cells" / f"{plain}-{seed}.json"


def tune(place: Place, stop: float) -> bool:
    """Make the trials of every rival on the tuning seeds; False where time ran out before the last."""
    path = place.work / "tuning.json"
    tried = read_json(path) if path.exists() else {}
    for model, trial, seed in trials():
        mine = tried.setdefault(model.name, [])
        if any((told_trial(each), each["seed"]) == (trial, seed) for each in mine):
            continue
        if time.monotonic() > stop:
            return False
        mine.append(tuning_trial(model, trial, seed, place))
        write_json(path, tried, indent=None)
        sys.stderr.write(f"tuning {model.name} {trial[0]:g} {trial[1]:g} {seed}: {mine[-1]['map']:.4f}\n")
    return True


def made_already(path: Path, model: Model, place: Place) -> bool:
    """Whether a cell is there, and was made with the settings that the trials speak for now."""
    if not path.exists():
        return False
    cell = read_json(path)
    wanted = (*chosen(model, place), chosen_jointly(model, place))
    return (cell["rate"], cell["dropout"], cell.get("joint", [])) == wanted


def make(place: Place, tables: list[str], seeds: list[int], stop: float) -> None:
    """Make the cells of these tables that are not there yet, seed by seed, until time runs out."""
    wanted = cells_of(tuple(row for row in ROWS if row.table in tables))
    for seed in seeds:
        for world, name in wanted:
            path = cell_path(place, world, name, seed)
            if made_already(path, MODELS[name], place) or time.monotonic() > stop:
                continue
            new = cell(world, MODELS[name], seed, place)
            write_json(path, {**new, "made": made_now()}, indent=None)
            best = new["read"][next(iter(new["read"]))]["map"]
            sys.stderr.write(f"{world} {name} {seed}: {best:.4f}, {new['cpu_seconds']} s, load {new['load']}\n")


def gathered(place: Place, seeds: list[int]) -> dict[tuple[str, str], dict[int, dict[str, object]]]:
    """Cells by world and model, then by seed, as far as they are made."""
    found = {}
    for world, name in cells_of(ROWS):
        paths = {seed: cell_path(place, world, name, seed) for seed in seeds}
        found[world, name] = {
            seed: read_json(path) for seed, path in paths.items() if made_already(path, MODELS[name], place)
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("multilabel-work"))
    parser.add_argument("--recordings", type=Path, default=SHARED / "data" / "fsdd")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--tables", nargs="*", default=list(TABLES), help="tables that begin so")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no cell after so many")
    parser.add_argument("--report", action="store_true", help="make no cell")
    options = parser.parse_args()
    torch.set_num_threads(1)
    place, stop = Place(options.work, options.recordings), time.monotonic() + 60 * options.minutes
    tables = [table for table in TABLES if any(table.startswith(each) for each in options.tables)]
    if not options.report and tune(place, stop):
        make(place, tables, options.seeds, stop)
        sys.stderr.write("time is up\n" if time.monotonic() > stop else "nothing left\n")
    write_report(options.out, place.work, gathered(place, options.seeds), costs(place.work))


if __name__ == "__main__":
    main()
