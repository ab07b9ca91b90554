"""How fast the best segments of each class are kept while scores stream by, and in how much memory.

    python benchmarks/candidates.py             writes benchmarks/results/candidates.{json,md}
    python benchmarks/candidates.py --videos 1000 --classes 50 --top 2000 --out ""     a small one, on the screen only

As in the YouTube-8M challenge of 2019: 2.2 million segments of 46,809 videos, 1,000 classes, 100,000 segments a class.
Scores are made up, video by video, by chance of the video's own; each class has a bias of its own in each video, and a
thousandth of all segments has scores of few values, so that ties occur. Two ways: "segments" keeps the best 100,000 of
all segments of each class; "videos", the paper's, keeps as many videos as hold 100,000 segments. Each is run as 1 part
and as 4, each part in a process of its own (its peak memory is read from /proc). The 4 are merged by another process,
all together, and for videos by twos as well, then these 2: the files that come out must be equal byte by byte. The time
of making scores up is measured apart, and told.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from provenance import write_result
from whenabouts.localizers.concepts.candidate_files import merged_candidates, save_candidates
from whenabouts.localizers.concepts.candidates import BestOfClasses, ranked_segments

SEGMENTS = 47  # of a video: 2.2 million in 46,809 videos
LIMIT_BYTES = 2_000_000_000


def scores_of(number, classes):
    """Scores (47, C) of one video."""
    rng = np.random.default_rng([3, number])
    values = rng.random((SEGMENTS, classes), np.float32) + rng.standard_normal(classes, np.float32)
    tied = rng.random(SEGMENTS, np.float32) < 0.001
    values[tied] = np.round(values[tied], 1)
    return values


def scores_of_video(number, classes):
    """Scores (C,) of one video."""
    values = np.random.default_rng([4, number]).standard_normal(classes, np.float32)
    return np.round(values, 1) if number % 1000 == 0 else values


def work(given):
    """One part: score every `parts`-th video, keep the best, save them; says seconds and peak memory."""
    began, making = time.perf_counter(), 0.0
    limit = given.top if given.way == "segments" else -(-given.top // SEGMENTS)
    best = BestOfClasses(np.full(given.classes, limit))
    for number in range(given.part, given.videos, given.parts):
        start = time.perf_counter()
        made = (scores_of if given.way == "segments" else scores_of_video)(number, given.classes)
        making += time.perf_counter() - start
        best.add(f"{number:06x}"[::-1], made)
    best.of_class(0)  # so that nothing waits any more
    kept = time.perf_counter()
    save_candidates(given.file, best)
    say(seconds=kept - began - making, making=making, saving=time.perf_counter() - kept)


def merge(given):
    """Merge parts, save the whole, and look through the lists of all classes."""
    began = time.perf_counter()
    best = merged_candidates(given.files)
    merged = time.perf_counter()
    save_candidates(given.file, best)
    saved = time.perf_counter()
    listed = sum(len(ranked_segments(best, index, index).segments) for index in range(given.classes))
    say(seconds=merged - began, saving=saved - merged, listing=time.perf_counter() - saved, listed=listed)


def say(**figures):
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    cpu = time.process_time()
    sys.stdout.write(json.dumps({**figures, "cpu_seconds": cpu, "peak_bytes": int(peak[1]) * 1024}) + "\n")


def process(given, *more):
    """Run a part or a merge in a process of its own."""
    options = ["--videos", given.videos, "--classes", given.classes, "--top", given.top]
    command = [sys.executable, __file__, *map(str, [*options, *more])]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def parted(given, way, parts, place):
    """Files and figures of all parts."""
    files = [place / f"{part}.safetensors" for part in range(parts)]
    runs = [process(given, "--way", way, "--part", part, "--parts", parts, "--file", file)
            for part, file in enumerate(files)]  # fmt: skip
    return files, runs


def row(way, parts, files, runs, merges):
    found = {"way": way, "parts": parts, "runs": runs, "merges": merges or [], "sha256": digest(files[0]),
             "file_bytes": files[0].stat().st_size, "load": os.getloadavg()[0]}  # fmt: skip
    sys.stderr.write(f"{found}\n")
    return found


def clear(place):
    for file in place.iterdir():
        file.unlink()


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measured(given):
    rows = []
    with tempfile.TemporaryDirectory(dir=given.scratch) as place:
        for way in ("videos", "segments"):
            whole = parted(given, way, 1, Path(place))
            rows.append(row(way, 1, *whole, None))
            clear(Path(place))
            files, runs = parted(given, way, 4, Path(place))
            end = Path(place) / "whole.safetensors"
            rows.append(row(way, 4, [end], runs, [process(given, "--file", end, "--files", *files)]))
            merges = []
            if way == "segments":  # five minutes of merging, which tell nothing that videos did not
                clear(Path(place))
                continue
            for first, second in (files[::2], files[1::2]):  # what 2 parts would keep
                merges.append(process(given, "--file", first, "--files", second, first))
            merges.append(process(given, "--file", end, "--files", files[0], files[1]))
            rows.append(row(way, 2, [end], [], merges))
            clear(Path(place))
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
               "numpy": np.__version__, "niceness": os.nice(0)}  # fmt: skip
    data = {"videos": given.videos, "segments": given.videos * SEGMENTS, "classes": given.classes, "top": given.top}
    return {"data": data, "machine": machine, "rows": rows}


def table(result):
    data, machine = result["data"], result["machine"]
    lines = [
        "# Keeping the best segments of each class", "",
        f"{data['segments']:,} segments of {data['videos']:,} videos, {data['classes']:,} classes, the best "
        f"{data['top']:,} segments a class (or the videos that hold so many). {machine['cores']} cores, shared with "
        f"others (niceness {machine['niceness']}, load "
        f"{min(row['load'] for row in result['rows']):.1f} to {max(row['load'] for row in result['rows']):.1f}), "
        f"numpy {machine['numpy']}. One run each; seconds are wall-clock on a busy machine, without those of making up "
        "the scores, which are told apart. Segments/s count the parts one after the other; for videos, "
        "they are the segments that those hold. Parts are processes, and so is the merge.", "",
        "| keeps | parts | seconds | making scores | segments/s | merging | saving | peak MB: parts | merges | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in result["rows"]:
        runs, merges = row["runs"], row["merges"]
        seconds, making = (sum(run[name] for run in runs) for name in ("seconds", "making"))
        cells = (
            [f"{seconds:.1f}", f"{making:.1f}", f"{data['segments'] / seconds:,.0f}"]
            if runs
            else ["(of the 4)", "", ""]
        )
        cells.append(f"{sum(one['seconds'] for one in merges):.1f}" if merges else "")
        cells.append(f"{sum(one['saving'] for one in (*runs, *merges)):.1f}")
        cells += [f"{max(one['peak_bytes'] for one in group) / 1e6:.0f}" if group else "" for group in (runs, merges)]
        lines.append(f"| {row['way']} | {row['parts']} | {' | '.join(cells)} | {row['file_bytes'] / 1e6:.0f} |")
    peaks = [one["peak_bytes"] for row in result["rows"] for one in (*row["runs"], *row["merges"])]
    same = all(
        len({row["sha256"] for row in result["rows"] if row["way"] == way}) == 1 for way in ("videos", "segments")
    )
    dense = data["segments"] * data["classes"] * 4 / 1e9
    limit = f"wanted: under {LIMIT_BYTES / 1e6:.0f} MB"
    lines += [
        "", f"Files of any number of parts are {'equal byte by byte' if same else '**NOT EQUAL**'}. Highest peak: "
        f"{max(peaks) / 1e6:.0f} MB ({limit}); the dense matrix would take {dense:.1f} GB. "
        "Made by `benchmarks/candidates.py`.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--videos", type=int, default=46_809)
    options.add_argument("--classes", type=int, default=1000)
    options.add_argument("--top", type=int, default=100_000)
    options.add_argument("--scratch", default=None, help="where parts are kept meanwhile (1.2 GB each)")
    options.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options.add_argument("--way", choices=("videos", "segments"), help=argparse.SUPPRESS)
    for name in ("--part", "--parts"):
        options.add_argument(name, type=int, help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--files", type=Path, nargs="+", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.way:
        work(given)
    elif given.files:
        merge(given)
    else:
        result = measured(given)
        sys.stdout.write(table(result))
        if given.out:
            write_result(Path(given.out), "candidates", result, table(result))


if __name__ == "__main__":
    main()
