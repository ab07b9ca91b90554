"""What kills, full disks, missing rights and other processes do to a project: nothing that stays.

    nice -n 10 python benchmarks/crash_safety.py           writes benchmarks/results/crash_safety.{json,md}
    nice -n 10 python benchmarks/crash_safety.py --quick   few points, on the screen only

A project of twelve tiny videos; every run is the real `python -m whenabouts`, one thread, on the CPU. A full disk is a
small tmpfs, which needs root; without it that row is left out. Needs Linux.
"""

import argparse
import hashlib
import os
import platform
import re
import signal
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import killing
from crash_bench import VERBS, Bench, places, told, words
from crash_conditions import file_limits, full_disks, killed_children, pairs, read_only, workers
from killing import CREATE, DELETE, MOVED_FROM, MOVED_TO, OPEN, Watch
from provenance import write_result
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.project import Project
from whenabouts.training.checkpoints import read_place

RESULTS = Path(__file__).parent / "results"


@dataclass
class Trial:
    """One run that was ended, and what became of it.

    `repeated` counts videos whose result was on disk and that were read again, `lost` those that had been begun; `kept`
    says that a training went on at the very step of its last checkpoint.
    """

    verb: str
    how: str
    at: float
    ends: int
    code: int
    broken: list[str]
    parts: int
    parts_in_the_end: int
    same: bool
    repeated: int
    lost: int
    kept: bool


def place_of(verb: str, project: Path) -> tuple[int, frozenset[str]]:
    """How far a verb has come on disk: steps of checkpoints (of all rounds), and videos that need not be read again."""
    if verb == "extract":
        store = FeatureStore(project / "features")
        return 0, frozenset(store.video_ids("rgb"))
    folder = project / "cache" / ("pretrain" if verb == "pretrain" else "train/winners-out")
    steps = {path.stem: read_place(path).step for path in folder.glob("*.safetensors") if "round" not in path.name}
    cached = {path.stem for path in (project / "cache" / "frames").glob("*/*.safetensors")}
    names = {hashlib.sha256(name.encode()).hexdigest()[:32]: name for name in Project(project).manifest().ids}
    kept = {name for hashed, name in names.items() if hashed in cached}
    return steps.get("checkpoint", steps.get("steps-0", 0) + steps.get("steps-1", 0)), frozenset(kept)


def resumed_at(verb: str, said: str) -> int:
    """The step at which a run says that it goes on; over both rounds of `train`, whose first has 50 steps."""
    told = re.findall(r"resuming at step (\d+) from .*?(?:steps-(\d)|checkpoint)", said.replace("\n", ""))
    if told:
        step, number = told[0]
        return int(step) + 50 * int(number or 0)
    return 50 if verb == "train" and "Round 2 of 2" in said and "Round 1 of 2" not in said else 0


def disturbed(bench: Bench, verb: str, point: tuple[str, float], *, again: float | None, number: int) -> Trial | None:
    """End a run at a point (`again`: and the next one too), start it again, and compare; None where it was too late."""
    project = killing.copied(bench.base(verb), bench.folder / "trial")
    how, at = point
    opened = Watch([bench.archive / "train", bench.archive / "heldout"], OPEN)
    run = killing.start(words(verb, project), bench.logs)
    if how == "event":
        watch = Watch(places(project), CREATE | MOVED_TO | MOVED_FROM | DELETE,
                      lambda count: run.end(number) if count == int(at) else None)  # fmt: skip
        code = run.wait()
    else:
        watch = Watch(places(project), CREATE | MOVED_TO | MOVED_FROM | DELETE)
        killing.end_after(run, verb, at, number)
        code = run.wait()
    watch.close()
    opened.close()
    if code == 0:
        return None
    begun = {name.removesuffix(".mp4") for _, name, _ in opened.events if name.endswith(".mp4")}
    left, (steps, kept) = killing.scan(project), place_of(verb, project)
    broken, ends, lost = list(left.broken), 1, len(begun - kept)
    if again is not None:
        second = killing.start(words(verb, project), bench.logs)
        ends += killing.end_after(second, verb, again, signal.SIGKILL)
        broken += killing.scan(project).broken
        steps, kept = place_of(verb, project)
    opened = Watch([bench.archive / "train", bench.archive / "heldout"], OPEN)
    last = killing.finish(words(verb, project, "--json"), bench.logs)
    opened.close()
    anew = {name.removesuffix(".mp4") for _, name, _ in opened.events if name.endswith(".mp4")}
    end = killing.scan(project)
    return Trial(
        verb, how, round(at, 3), ends, code, broken + end.broken, left.parts, end.parts,
        same=killing.content(verb, project) == bench.wanted[verb],
        repeated=len(anew & kept),
        lost=lost,
        kept=verb == "extract" or resumed_at(verb, last.said) == steps,
    )  # fmt: skip


def points(bench: Bench, verb: str, count: int, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Half the points lie anywhere in the time of the work, half at the coming and going of a file."""
    for number in range(4 * count):
        if number % 2:
            yield "event", float(rng.integers(1, bench.events[verb] + 1))
        else:
            yield "time", float(rng.uniform(0, bench.seconds[verb]))


def kills(bench: Bench, verb: str, count: int, rng: np.random.Generator, number: int = signal.SIGKILL) -> list[Trial]:
    """`count` runs that were ended before they were done."""
    trials: list[Trial] = []
    for point in points(bench, verb, count, rng):
        twice = number == signal.SIGKILL and rng.random() < 1 / 3
        again = float(rng.uniform(0, bench.seconds[verb])) if twice else None
        trial = disturbed(bench, verb, point, again=again, number=number)
        trials += [trial] if trial else []
        if trial:
            told(f"{verb} {signal.Signals(number).name} {len(trials)} of {count}: {asdict(trial)}")
        if len(trials) == count:
            break
    return trials


def summary(trials: list[Trial]) -> dict:
    """Figures of the trials of one verb and signal."""
    return {
        "ended": len(trials),
        "at a time, at an event": [sum(t.how == how for t in trials) for how in ("time", "event")],
        "ended twice": sum(t.ends > 1 for t in trials),
        "same in the end": sum(t.same for t in trials),
        "broken files with a final name": sum(len(t.broken) for t in trials),
        "left a part": sum(t.parts > 0 for t in trials),
        "parts still there in the end": sum(t.parts_in_the_end for t in trials),
        "finished work done again": sum(t.repeated for t in trials),
        "went on from the last checkpoint": sum(t.kept for t in trials),
        "videos begun that must be read again, most": max((t.lost for t in trials), default=0),
        "exit codes": sorted({t.code for t in trials}),
    }


def measure(folder: Path, *, count: int, seed: int) -> dict:
    bench, rng, load = Bench(folder), np.random.default_rng(seed), os.getloadavg()[0]
    bench.prepare()
    told(f"prepared: {bench.seconds} s, {bench.events} events")
    few = max(2, count // 6)
    killed = {verb: kills(bench, verb, count, rng) for verb in VERBS}
    ended = {verb: kills(bench, verb, few, rng, signal.SIGTERM) for verb in VERBS}
    root = os.geteuid() == 0
    rooms = {"pretrain": [8, 40, 120], "extract": [4, 24, 72], "train": [4, 60, 200]}
    limits = {"pretrain": [3000, 20_000], "extract": [1000, 12_000], "train": [3000, 100_000]}
    return {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}",
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "seed": seed,
        "seconds of work": {verb: round(seconds, 2) for verb, seconds in bench.seconds.items()},
        "events": bench.events,
        "SIGKILL": {verb: summary(trials) for verb, trials in killed.items()},
        "SIGTERM": {verb: summary(trials) for verb, trials in ended.items()},
        "decoding children": [killed_children(bench, few, rng)],
        "full disk": [row for verb in VERBS for row in full_disks(bench, verb, rooms[verb])] if root else [],
        "file limit": [row for verb in VERBS for row in file_limits(bench, verb, limits[verb])],
        "read-only": [row for verb in VERBS for row in read_only(bench, verb)],
        "two processes": pairs(bench),
        "workers": workers(bench, (1, 2, 4)),
        "trials": [asdict(trial) for trials in (*killed.values(), *ended.values()) for trial in trials],
    }


def as_markdown(told: dict) -> str:
    lines = ["# Kills, full disks, missing rights, and two processes at once", ""]
    lines += [f"Twelve tiny videos; written by `python benchmarks/crash_safety.py`, seed {told['seed']}.", ""]
    for name in ("SIGKILL", "SIGTERM"):
        rows = told[name]
        lines += [f"## {name}", "", f"| | {' | '.join(rows)} |", f"|---|{'---|' * len(rows)}"]
        lines += [
            f"| {figure} | {' | '.join(_shown(rows[verb][figure]) for verb in rows)} |" for figure in rows["train"]
        ]
        lines.append("")
    for name in ("decoding children", "full disk", "file limit", "read-only", "two processes", "workers"):
        rows = told[name]
        if rows:
            keys = list(rows[0])
            lines += [f"## {name[0].upper()}{name[1:]}", "", f"| {' | '.join(keys)} |", "|" + "---|" * len(keys)]
            lines += [f"| {' | '.join(_shown(row[key]) for key in keys)} |" for row in rows]
            lines.append("")
    spread = statistics.mean(told["load"])
    lines.append(f"Machine: {told['machine']}; load {spread:.1f} on average, work of others among it.")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        told = measure(Path(folder), count=2 if given.quick else given.points, seed=given.seed)
    print(as_markdown(told))
    if not given.quick:
        write_result(RESULTS, "crash_safety", told, as_markdown(told))


if __name__ == "__main__":
    main()
