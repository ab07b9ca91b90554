"""How fast the relevance model is: similarities, boosting, scoring; seconds, CPU seconds and peak memory.

    python benchmarks/relevance_speed.py                  writes benchmarks/results/relevance_speed.{json,md}
    python benchmarks/relevance_speed.py --only scoring        measures one job again, and keeps the others as they were

Each job runs in a process of its own, so that its peak of memory is its own; the two ways to similarities take turns
within one process. Numbers are random: what they say has no influence on how long it takes, but the depth of trees.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from provenance import write_result
from whenabouts.core.labels import VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.boosting import Lesson, TreeSettings, train_trees
from whenabouts.localizers.concepts.described import Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.pair_features import Columns
from whenabouts.localizers.concepts.relevance import RelevanceModel, RelevanceSettings
from whenabouts.localizers.concepts.similarity import RatedSegments, unit_rows

SEGMENTS, WIDTH, CLASSES = 20_000, 1024, 100
ROWS, COLUMNS, ROUNDS = 237_000, 300, 100
CHALLENGE_CLASSES, SIZES = 1000, (500, 1000, 2000)
TREES = 150
MODELS, ENCODERS = ("logistic", "lstm"), {"frames": 1152, "lstm": 1024, "netvlad": 1024}
CHALLENGE_PAIRS = 100_000 * CHALLENGE_CLASSES


def clocks():
    return time.perf_counter(), time.process_time()


def since(began):
    now = clocks()
    return {"seconds": now[0] - began[0], "cpu_seconds": now[1] - began[1]}


def peak_mib():
    """The most memory that this process has held; not ru_maxrss, which begins with the peak of who started it."""
    told = Path("/proc/self/status").read_text()
    return round(int(told.split("VmHWM:")[1].split()[0]) / 1024)


def similarities(options):
    """SIMpos and SIMneg of 20,000 segments in 4,000 videos to 100 classes, each segment rated once."""
    rng = np.random.default_rng(0)
    encodings = rng.normal(size=(SEGMENTS, WIDTH)).astype(np.float32)
    videos, classes = np.arange(SEGMENTS) // 5, rng.integers(0, CLASSES, SEGMENTS)
    present = rng.random(SEGMENTS) < 0.557
    rows = {"closed form": [], "blocked N x N": []}
    for _ in range(options.repeats):
        began = clocks()
        closed = [
            RatedSegments(encodings[sign], videos[sign], classes[sign], count=CLASSES).similarity(encodings, videos)
            for sign in (present, ~present)
        ]
        rows["closed form"].append(since(began))
        began = clocks()
        blocked = by_blocks(encodings, videos, classes, present)
        rows["blocked N x N"].append(since(began))
    apart = max(float(np.nanmax(np.abs(one.sums - other))) for one, other in zip(closed, blocked, strict=True))
    return {"rows": rows, "largest_difference": apart}


def by_blocks(encodings, videos, classes, present, size=1000):
    """The same by all cosines, a block of segments at a time: one product for the cosines, one for the sums."""
    units = unit_rows(encodings)
    signs = np.zeros((len(units), 2 * CLASSES), np.float32)
    signs[np.arange(len(units)), classes + CLASSES * ~present] = 1
    sums = np.empty((len(units), 2 * CLASSES), np.float32)
    for first in range(0, len(units), size):
        block = slice(first, first + size)
        cosines = units[block] @ units.T
        cosines[videos[block, None] == videos[None]] = 0
        sums[block] = cosines @ signs
    return sums[:, :CLASSES], sums[:, CLASSES:]


def boosting(options):
    """237,000 rows of 300 columns, handed over in blocks that are made when they are asked for."""
    columns = Columns(tuple(f"scores.{number}" for number in range(COLUMNS)), ("q",) * COLUMNS)
    weights = np.random.default_rng(1).normal(size=COLUMNS).astype(np.float32)
    making = [0.0]

    def blocks():
        for number, first in enumerate(range(0, ROWS, 16_384)):
            began = time.process_time()
            rng = np.random.default_rng([2, number])
            rows = rng.standard_normal((min(16_384, ROWS - first), COLUMNS), np.float32)
            chance = 1 / (1 + np.exp(-(rows @ weights) / 4))
            lesson = Lesson(rows, (rng.random(len(rows)) < chance).astype(np.float32), np.ones(len(rows), np.float32))
            making[0] += time.process_time() - began
            yield lesson

    how = TreeSettings(rounds=ROUNDS, threads=options.threads)
    before, began = peak_mib(), clocks()
    trees, _ = train_trees(blocks, columns, how, seed=0)
    taken, after = since(began), peak_mib()
    rows = next(iter(blocks())).rows
    began = clocks()
    trees.predict(rows)
    return {"trees": trees.rounds, "taken": taken, "making_cpu": making[0], "before_mib": before,
            "scored": {"rows": len(rows), **since(began)}, "after_mib": after}  # fmt: skip


def challenge(rng, segments, first=0):
    """Segments as the paper's models would describe them, five to a video, for 1000 classes."""
    ids = np.array([f"video-{(first + number) // 5:07d}" for number in range(segments)])
    scores = {}
    for name in MODELS:
        scores[f"video.{name}"] = rng.random((segments, CHALLENGE_CLASSES), np.float32)
        scores[f"video.{name}.whole"] = rng.random((segments, CHALLENGE_CLASSES), np.float32)
    encodings = {name: rng.standard_normal((segments, width), np.float32) for name, width in ENCODERS.items()}
    return ids, scores, encodings


def trained(rng, options):
    """A relevance model of 1000 classes, from 6,000 segments with a rating each, with TREES trees.

    So many were grown on the streams of speech; on random numbers training would end sooner.
    """
    ids, scores, encodings = challenge(rng, 6000)
    fold = np.arange(6000) // 5 % 2
    labels = tuple(VideoLabels.of(rng.choice(CHALLENGE_CLASSES, 3, replace=False).tolist()) for _ in range(6000))
    parts = [
        Fold(Account(Described(ids, scores, encodings, frozenset(ids[fold != part].tolist())), labels),
             np.flatnonzero(fold == part))
        for part in (0, 1)
    ]  # fmt: skip
    whole = Account(Described(ids, scores, encodings, frozenset(ids.tolist())), labels)
    classes = rng.integers(0, CHALLENGE_CLASSES, 6000)
    present = rng.random(6000) < scores["video.lstm"][np.arange(6000), classes]
    vocabulary = Vocabulary(tuple(f"class {number}" for number in range(CHALLENGE_CLASSES)))
    trees = TreeSettings(threads=options.threads)
    ratings = Ratings(np.arange(6000), classes, present, labels)
    how = RelevanceSettings(model="trees", trees=trees)
    model = RelevanceModel.fit(OutOfFold(parts), whole, ratings, how, vocabulary=vocabulary)
    rows = model.features.matrix(whole.segments, ratings.rows, classes)
    lesson = Lesson(rows, present.astype(np.float32), np.ones(len(rows), np.float32))
    model.scorer, _ = train_trees(lambda: [lesson], model.features.columns, trees, seed=0, rounds=TREES)
    return model


def scoring(options):
    """All pairs of segments and 1000 classes; each size in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        model = trained(np.random.default_rng(0), options)
        model.save(Path(place) / "model")
        found = {"columns": len(model.features.columns), "trees": model.scorer.rounds}
        found["rows"] = [run_alone("scored", options, f"--model={place}/model", f"--size={size}") for size in SIZES]
    return found


def scored(options):
    """From scores and encodings of some segments to probabilities, in blocks, by a model that was saved."""
    model = RelevanceModel.load(Path(options.model))
    segments = Described(*challenge(np.random.default_rng(1), options.size, first=100_000))
    before, began = peak_mib(), clocks()
    model.scores(segments)
    return {"segments": options.size, "pairs": options.size * CHALLENGE_CLASSES, **since(began), "before_mib": before,
            "peak_mib": peak_mib()}  # fmt: skip


JOBS = {"similarities": similarities, "boosting": boosting, "scoring": scoring}


def run_alone(name, options, *more):
    """One job in a process of its own."""
    told = [f"--repeats={options.repeats}", f"--threads={options.threads}", *more]
    done = subprocess.run([sys.executable, __file__, "--one", name, *told], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"load": os.getloadavg()[0]}


def spread(rows, key):
    values = [row[key] for row in rows]
    return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})"


def table(values):
    same, boosted, scored = (values[name] for name in JOBS)
    ratios = [
        one["cpu_seconds"] / other["cpu_seconds"]
        for one, other in zip(same["rows"]["blocked N x N"], same["rows"]["closed form"], strict=True)
    ]
    lines = [
        "# Speed of the relevance model",
        "",
        f"Written by `{values['command']}`. Where other work shares the cores, trust CPU seconds.",
        "",
        f"## Similarities: {SEGMENTS:,} segments, {WIDTH:,} numbers each, {CLASSES} classes",
        "",
        "SIMpos and SIMneg, without the segment's own video, float32; both ways take turns in one process.",
        "",
        "| way | s, median (least - most) | CPU s |",
        "|---|---|---|",
        *(f"| {name} | {spread(rows, 'seconds')} | {spread(rows, 'cpu_seconds')} |"
          for name, rows in same["rows"].items()),
        "",
        f"The closed form takes 1/{statistics.median(ratios):.1f} of the CPU time (1/{min(ratios):.1f} to"
        f" 1/{max(ratios):.1f} turn by turn); asked for was at most 1/5. Largest difference of sums:"
        f" {same['largest_difference']:.1e}.",
        "",
        f"## Boosting: {ROWS:,} rows of {COLUMNS} columns, {boosted['trees']} trees of depth 4",
        "",
    ]  # fmt: skip
    taken, cpu = boosted["taken"], boosted["taken"]["cpu_seconds"] - boosted["making_cpu"]
    rows_a_second = ROWS * boosted["trees"] / cpu
    one = boosted["scored"]
    lines += [
        f"{taken['seconds']:.1f} s, {taken['cpu_seconds']:.1f} CPU s, of which {boosted['making_cpu']:.1f} made the"
        f" random rows (XGBoost goes through the blocks several times). Without these: {ROWS / cpu:,.0f} rows a CPU"
        f" second for all trees, {rows_a_second:,.0f} rows and trees. Peak memory {boosted['after_mib']} MiB, of which"
        f" {boosted['before_mib']} before; as float32 the rows would be {ROWS * COLUMNS * 4 / 2**20:,.0f} MiB."
        f" Scoring a block: {one['rows'] / one['cpu_seconds']:,.0f} rows a CPU second.",
        "",
        f"## Scoring: segments by {CHALLENGE_CLASSES} classes, {scored['columns']} columns, {scored['trees']} trees",
        "",
        f"From scores of {len(MODELS)} models and encodings by {len(ENCODERS)} encoders to probabilities, in blocks.",
        "",
        "| segments | pairs | s | CPU s | pairs a CPU s | MiB before | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in scored["rows"]:
        lines.append(
            f"| {row['segments']:,} | {row['pairs']:,} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | "
            f"{row['pairs'] / row['cpu_seconds']:,.0f} | {row['before_mib']} | {row['peak_mib']} |"
        )
    first, last = scored["rows"][0], scored["rows"][-1]
    growth = (last["cpu_seconds"] / first["cpu_seconds"]) / (last["pairs"] / first["pairs"])
    rate = last["pairs"] / last["cpu_seconds"]
    lines += [
        "",
        f"{last['pairs'] // first['pairs']} times the pairs take {growth:.2f} times {last['pairs'] // first['pairs']}"
        f" times the CPU time. At the last rate 100,000 candidates of each of 1,000 classes ({CHALLENGE_PAIRS:,} pairs)"
        f" would take {CHALLENGE_PAIRS / rate / 60:.0f} CPU minutes; that many were not scored here. What is in memory"
        " beside segments and results is a block, whatever the number of candidates.",
        "",
        f"Machine: {values['machine']}; load after each job:"
        f" {', '.join(format(values[name]['load'], '.1f') for name in JOBS)}.",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", choices=[*JOBS, "scored"], help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=JOBS, help="measure this job again; the others are taken from the results")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps({**JOBS, "scored": scored}[options.one](options)))
        return
    stored = Path(options.out) / "relevance_speed.json"
    before = json.loads(stored.read_text()) if options.only else {}
    values = {name: before[name] if name in before and name != options.only else run_alone(name, options)
              for name in JOBS}  # fmt: skip
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "as numpy chooses")
    values["machine"] = (
        f"{os.cpu_count()} cores, numpy {np.__version__} with BLAS threads: {threads}, XGBoost threads:"
        f" {options.threads}, Python {platform.python_version()}"
    )
    values["command"] = f"python benchmarks/relevance_speed.py --repeats {options.repeats} --threads {options.threads}"
    print(table(values))
    if options.out:
        write_result(Path(options.out), "relevance_speed", values, table(values))


if __name__ == "__main__":
    main()
