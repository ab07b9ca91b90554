"""How fast features of other programs come into a project, and in how much memory.

    python benchmarks/feature_import.py

Makes I3D pairs (1,024 wide, 16 frames at 25 fps) of 20 and of 80 videos of 160 s, THUMOS14's median length, in a
temporary folder, imports each set in a process of its own, and copies the same files by numpy.load and numpy.save in
another, in turn, three times. Writes benchmarks/results/feature_import.md and .json.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from provenance import write_result

RESULTS = Path(__file__).resolve().parent / "results"
SIZES, RUNS, SECONDS, WIDTH = (20, 80), 3, 160.0, 1024


def made(folder: Path, videos: int) -> int:
    """Files and annotations of so many videos; returns their bytes."""
    rng, database, size = np.random.default_rng(0), {}, 0
    for number in range(videos):
        name = f"video_validation_{number + 1:07d}"
        rows = [{"segment": [1.0, 2.0], "label": "Diving"}]
        database[name] = {"subset": "validation", "duration": SECONDS, "fps": 25.0, "annotations": rows}
        for modality in ("rgb", "flow"):
            path = folder / "features" / modality / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rng.random((250, WIDTH), np.float32))
            size += path.stat().st_size
    (folder / "gt.json").write_text(json.dumps({"version": "x", "database": database}))
    return size


def imported(folder: Path, target: Path) -> None:
    from whenabouts.core.progress import Silent
    from whenabouts.data.importers import ImportSettings
    from whenabouts.data.importers.protocol import FeatureSettings
    from whenabouts.data.importing import import_into
    from whenabouts.data.project import Project
    from whenabouts.data.vocabulary import VocabularySettings

    how = ImportSettings(features=FeatureSettings(annotations=str(folder / "gt.json")))
    project = Project.create(target)
    import_into(project, "features", folder / "features", how, VocabularySettings(), now_ns=1, progress=Silent())
    assert len(project.features().video_ids("flow")) == len(list((folder / "features" / "flow").iterdir()))


def copied(folder: Path, target: Path) -> None:
    for path in sorted((folder / "features").rglob("*.npy")):
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        np.save(copy, np.load(path))
        with copy.open("rb+") as file:
            os.fsync(file.fileno())  # as the store does


def child(kind: str, folder: Path, target: Path) -> None:
    """One run; prints CPU and wall seconds and peak memory, without what the imports themselves take."""
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    {"import": imported, "copy": copied}[kind](folder, target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "peak_mb": peak / 1024,
                      "before_mb": base / 1024}))  # fmt: skip


def measured(videos: int, work: Path) -> dict:
    folder = work / str(videos)
    size = made(folder, videos)
    runs: dict[str, list[dict]] = {"import": [], "copy": []}
    for number in range(RUNS):
        for kind, rows in runs.items():
            words = [sys.executable, __file__, "--child", kind, str(folder), str(folder / f"{kind}-{number}")]
            rows.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    medians = {
        kind: {name: statistics.median(row[name] for row in rows) for name in rows[0]} for kind, rows in runs.items()
    }
    return {"videos": videos, "megabytes": size / 1e6, "medians": medians, "runs": runs}


def page(rows: list[dict], load: list[float]) -> str:
    lines = [
        "# Features of other programs into a project",
        "",
        "I3D pairs, 1,024 wide, of videos of 160 s; `numpy.load` and `numpy.save` of the same files in the same run as",
        "the peer. Median of three runs, each in a process of its own, the program's own start in the import's time.",
        "Written by `python benchmarks/feature_import.py`.",
        "",
        "| videos | MB | | CPU s | wall s | MB a wall second | peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for kind, told in (("import", "`import features`"), ("copy", "load and save alone")):
            of = row["medians"][kind]
            lines.append(
                f"| {row['videos']} | {row['megabytes']:.0f} | {told} | {of['cpu']:.2f} | {of['wall']:.2f} | "
                f"{row['megabytes'] / of['wall']:.0f} | {of['peak_mb']:.0f} |"
            )
    small, large = (row["medians"]["import"]["peak_mb"] for row in rows)
    lines += [
        "",
        f"Four times the videos take {large - small:+.0f} MB of memory: one video is read at a time, and at most 32 MB "
        "wait to be written.",
        "",
        f"Machine: {os.cpu_count()} cores, load average before and after: {load}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], *map(Path, options.child[1:]))
        return
    load = [round(os.getloadavg()[0], 2)]
    with tempfile.TemporaryDirectory() as work:
        rows = [measured(videos, Path(work)) for videos in SIZES]
    load.append(round(os.getloadavg()[0], 2))
    write_result(RESULTS, "feature_import", {"load": load, "rows": rows}, page(rows, load))
    print(page(rows, load))


if __name__ == "__main__":
    main()
