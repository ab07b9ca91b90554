"""The tables of the winners-out paper on planted worlds, with controls, a supervised ceiling and trivial floors.

    python benchmarks/winners_out.py --out benchmarks/results      writes winners_out.json and winners_out.md there

Every cell (world, seed, training) is one JSON file in --work and is not done again; so a run can be stopped at any time
and goes on where it was. With --report only the tables are written, from the cells that there are.
"""

import argparse
import itertools
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from provenance import made_now
from whenabouts.core.files import read_json, write_json
from whenabouts.data.worlds.timelines import Kind
from winners_out_cells import Place, bounds_cell, completed, lacking, trained_cell, winners_cell
from winners_out_report import write_report
from winners_out_rivals import VALIDATION_SEED
from winners_out_rows import MAIN, REST, RIVAL_TRAININGS, SEGMENTS, Training

KINDS: tuple[Kind, ...] = ("thumos14", "activitynet")
Values = dict[str, Any]
Cell = tuple[str, Callable[[Values | None], Values]]


def main_cells(kind: Kind, seed: int, place: Place) -> Iterator[Cell]:
    """The cells of one world in the order of their making: bounds and winners use models that were trained before."""
    for training in MAIN[kind]:
        yield training.name, partial(trained, kind, seed, place, training)
    yield "bounds", lambda cell: cell or bounds_cell(kind, seed, place)
    yield "winners", lambda cell: cell or winners_cell(kind, seed, place)


def further_cells(kind: Kind, seed: int, place: Place) -> Iterator[Cell]:
    """The cells of the tables that come after the main ones."""
    for training in REST[kind]:
        if training.name != f"K = {SEGMENTS[kind]}":
            yield training.name, partial(trained, kind, seed, place, training)


def rival_cells(kind: Kind, seed: int, place: Place) -> Iterator[Cell]:
    """The cells of the rivals."""
    for training in RIVAL_TRAININGS:
        yield training.name, partial(trained, kind, seed, place, training)


def validation_cells(kind: Kind, seed: int, place: Place) -> Iterator[Cell]:
    """The cells in which methods are chosen: on a world of their own, winners-out beside its rivals."""
    usual = next(training for training in MAIN[kind] if training.name == "two rounds")
    for training in (usual, *RIVAL_TRAININGS):
        yield training.name, partial(trained, kind, seed, place, training)


def trained(kind: Kind, seed: int, place: Place, training: Training, cell: Values | None) -> Values:
    """A new cell, or the old one with the uses that it lacks."""
    if cell is None:
        return trained_cell(kind, seed, place, training)
    return completed(kind, seed, place, training, cell) if lacking(kind, training, cell) else cell


def path_of(kind: Kind, seed: int, place: Place, name: str) -> Path:
    return place.work / "cells" / f"{kind}-{seed}-{name}.json"


def run(kind: Kind, seed: int, place: Place, cells: Iterator[Cell]) -> None:
    """Make the cells of one world that are not there yet."""
    for name, make in cells:
        path = path_of(kind, seed, place, name)
        old = read_json(path) if path.exists() else None
        new = make(old)
        if new is not old:
            write_json(path, {**new, "made": made_now()}, indent=None)
            sys.stderr.write(f"{kind} {seed} {name}: load {os.getloadavg()[0]:.1f}\n")


TIERS = {"main": main_cells, "rivals": rival_cells, "further": further_cells}


def gathered(seeds: int, place: Place) -> dict[str, Any]:
    """Cells by world, name and seed, as far as they are made; those of validation under "validation"."""
    told: dict[str, Any] = {}
    for kind in KINDS:
        names = [name for cells in TIERS.values() for name, _ in cells(kind, 0, place)]
        told[kind] = {name: _made(kind, range(seeds), place, name) for name in names}
        tried = [name for name, _ in validation_cells(kind, VALIDATION_SEED, place)]
        told[kind]["validation"] = {name: _made(kind, [VALIDATION_SEED], place, name) for name in tried}
    return told


def _made(kind: Kind, seeds: Iterable[int], place: Place, name: str) -> dict[int, Values]:
    paths = {seed: path_of(kind, seed, place, name) for seed in seeds}
    return {seed: read_json(path) for seed, path in paths.items() if path.exists()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("winners-out-work"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--videos", type=int, default=100, help="in each half of a world")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--first", type=int, default=0, help="begin with this seed: for a second process beside one")
    parser.add_argument("--tiers", nargs="*", choices=list(TIERS), default=list(TIERS))
    parser.add_argument("--report", action="store_true", help="make no cell")
    options = parser.parse_args()
    place = Place(options.work, options.videos, options.videos)
    if not options.report:
        order = [(options.first + number) % options.seeds for number in range(options.seeds)]
        for kind in options.kinds:
            run(kind, VALIDATION_SEED, place, validation_cells(kind, VALIDATION_SEED, place))
        for cells in [TIERS[name] for name in options.tiers]:
            for kind, seed in itertools.product(options.kinds, order):
                run(kind, seed, place, cells(kind, seed, place))
    host = {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)}
    write_report(options.out, gathered(options.seeds, place), options.videos, host)


if __name__ == "__main__":
    main()
