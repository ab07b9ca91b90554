"""How long 500,000 predictions take: ours against loops after the same official rules.

    python benchmarks/evaluate_moments.py            writes benchmarks/results/evaluate_moments.{json,md}
    python benchmarks/evaluate_moments.py --quick    a hundredth of it, on the screen only

Each contender runs in its own process, timed after parsing. The loops see every tenth video; their time counts ten
times. The data frames need pandas, which this project does not: name an interpreter that has it with --pandas-python.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from provenance import write_result

RESULTS = Path(__file__).parent / "results"
VIDEOS, INSTANCES, CLASSES, PER_VIDEO, PART = 5_000, 8_304, 200, 100, 10
TIOU = np.linspace(0.5, 0.95, 10)
GOAL_SECONDS, GOAL_MIB, GOAL_RATIO = 5.0, 1536.0, 50.0


def generate(folder, rng, videos, instances):
    """Write truth.json and predictions.json.

    Each video has one class. Four of five predictions bear it, the others any class; half lie near an instance, half
    anywhere; no two scores are equal.
    """
    owner = np.concatenate([np.arange(videos), rng.integers(0, videos, instances - videos)])
    durations = rng.uniform(30, 240, videos)
    label = rng.integers(0, CLASSES, videos)
    label[:CLASSES] = np.arange(min(CLASSES, videos))  # every class occurs
    spans = [[] for _ in range(videos)]
    for video in owner.tolist():
        spans[video].append(np.sort(rng.uniform(0, durations[video], 2)).tolist())
    scores = (rng.permutation(videos * PER_VIDEO) / (videos * PER_VIDEO)).reshape(videos, PER_VIDEO).tolist()
    database, results = {}, {}
    for video in range(videos):
        name = f"v_{video:06d}"
        rows = [{"segment": span, "label": f"class {label[video]}"} for span in spans[video]]
        database[name] = {"subset": "validation", "duration": durations[video], "annotations": rows}
        near = np.asarray(spans[video])[rng.integers(0, len(spans[video]), PER_VIDEO)]
        near = near + rng.normal(0, 0.15, near.shape) * (near[:, 1] - near[:, 0])[:, None]
        anywhere = rng.uniform(0, durations[video], (PER_VIDEO, 2))
        found = np.sort(np.where(rng.random((PER_VIDEO, 1)) < 0.5, near, anywhere), axis=1)
        classes = np.where(rng.random(PER_VIDEO) < 0.8, label[video], rng.choice(label, PER_VIDEO))
        columns = zip(classes.tolist(), scores[video], found.tolist(), strict=True)
        results[name] = [{"label": f"class {k}", "score": score, "segment": span} for k, score, span in columns]
    write(folder / "full", database, results)
    database = {name: database[name] for name in list(database)[::PART]}
    known = {row["label"] for entry in database.values() for row in entry["annotations"]}
    write(folder / "part", database, {n: [row for row in results[n] if row["label"] in known] for n in database})


def write(folder, database, results):
    folder.mkdir()
    truth = {"version": "made up", "taxonomy": [], "database": database}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    predictions = {"version": "made up", "external_data": {}, "results": results}
    (folder / "predictions.json").write_text(json.dumps(predictions), encoding="utf-8")


def timed(work):
    """Run `work`; give CPU and wall seconds, and what it gave."""
    cpu, wall = time.process_time(), time.perf_counter()
    given = work()
    return {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}, given


def peak_mib():
    """The most memory this process ever held (Linux; getrusage would also count the parent's, before exec)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def run_ours(folder):
    from whenabouts.evaluation.moments import evaluate_moments
    from whenabouts.evaluation.reading import read_predictions, read_truth

    def parse():
        truth = read_truth(folder / "truth.json")
        return truth, read_predictions(folder / "predictions.json", truth)

    parsing, (truth, predictions) = timed(parse)
    peak_parsing = peak_mib()
    after, scores = timed(lambda: evaluate_moments(truth, predictions, tiou=TIOU))
    return {
        **after,
        "average_map": scores.average_map,
        "predictions": len(predictions),
        "peak_mib": peak_mib(),
        "peak_mib_of_parsing": peak_parsing,
        "parsing_cpu_seconds": parsing["cpu_seconds"],
    }


def run_frames(folder):
    import pandas

    return {**run_loop(folder, frames), "pandas": pandas.__version__}


def run_loop(folder, loop):
    database = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["database"]
    results = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))["results"]
    after, table = timed(loop(database, results))
    average = float(np.mean([value for row in table.values() for value in row]))
    return {**after, "average_map": average, "predictions": sum(map(len, results.values()))}


def lists(database, results):
    import plain_rules

    return lambda: plain_rules.activitynet(database, results, "validation", TIOU.tolist())


def arrays(database, results):
    import plain_arrays

    return lambda: plain_arrays.activitynet(database, results, "validation", TIOU)


def frames(database, results):
    import pandas

    import plain_arrays

    truth, found = plain_arrays.rows_of(database, results, "validation")
    names = ["label", "video", "start", "end"]
    truth = pandas.DataFrame([(label, *row) for label, rows in truth.items() for row in rows], columns=names)
    rows = [(label, *row) for label, rows in found.items() for row in rows]
    found = pandas.DataFrame(rows, columns=[*names, "score"])
    return lambda: plain_arrays.activitynet_frames(truth, found, TIOU)


CONTENDERS = {
    "ours": ("full", run_ours),
    "ours, a tenth": ("part", run_ours),
    "a loop over Python lists": ("part", lambda folder: run_loop(folder, lists)),
    "a loop over numpy arrays": ("part", lambda folder: run_loop(folder, arrays)),
    "a loop over data frames, as in the official code": ("part", run_frames),
}


def measure(name, folder, python):
    """Run one contender in a process of its own; None where it can't run here."""
    load = os.getloadavg()[0]
    command = [python, __file__, "--contender", name, "--folder", str(folder / CONTENDERS[name][0])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(f"{name} did not run: {done.stderr.strip().splitlines()[-1]}\n")
        return None
    return {**json.loads(done.stdout), "load_before": load, "load_after": os.getloadavg()[0]}


def machine():
    """What it ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}


def table(runs):
    """Markdown rows, the loops' time counted for all ten tenths."""
    ours = runs["ours"]["cpu_seconds"]
    yield "| contender | CPU s | CPU s over ours | wall s | peak MiB | machine load before, after |"
    yield "|---|---|---|---|---|---|"
    for name, run in runs.items():
        if run is None:
            continue
        times = PART if name.startswith("a loop") else 1
        cpu, wall = run["cpu_seconds"] * times, run["wall_seconds"] * times
        peak = f"{run['peak_mib']:.0f}" if "peak_mib" in run else ""
        note = f" (a tenth x {times})" if times > 1 else ""
        load = f"{run['load_before']:.1f}, {run['load_after']:.1f}"
        yield f"| {name}{note} | {cpu:.2f} | {cpu / ours:.1f} | {wall:.2f} | {peak} | {load} |"


def told(runs, host):
    """The whole result as Markdown."""
    ours = runs["ours"]
    slowest = next((name for name, run in runs.items() if "frames" in name and run), None)

    def ratio(name):
        return runs[name]["cpu_seconds"] * PART / ours["cpu_seconds"]

    met = [
        f"{ours['wall_seconds']:.2f} s after parsing (goal {GOAL_SECONDS:.0f} s)",
        f"{ours['peak_mib']:.0f} MiB at the peak, parsing included (goal {GOAL_MIB:.0f} MiB)",
    ]
    if slowest:
        version = runs[slowest]["pandas"]
        met.append(
            f"1/{ratio(slowest):.0f} of the CPU time of the data frames of pandas {version} (goal 1/{GOAL_RATIO:.0f})"
        )
    return "\n".join(
        [
            "# Evaluating half a million moments",
            "",
            f"{ours['predictions']:,} predictions, {CLASSES} classes, {VIDEOS:,} videos, {INSTANCES:,} instances, "
            f"{len(TIOU)} thresholds; written by `python benchmarks/evaluate_moments.py`.",
            "",
            *table(runs),
            "",
            "Measured: " + "; ".join(met) + ".",
            f"Loops stripped to lists and arrays take only {ratio('a loop over Python lists'):.0f} and "
            f"{ratio('a loop over numpy arrays'):.0f} times our CPU time: most of the official code's time goes into "
            "data frames, not into the rules.",
            f"Reading the JSON takes us {ours['parsing_cpu_seconds']:.1f} s of CPU time more, before that.",
            "All contenders of a tenth agree on its average mAP: "
            + ", ".join(f"{run['average_map']:.12f}" for name, run in runs.items() if run and name != "ours")
            + ".",
            f"Machine: {host['cores']} cores ({host['processor']}), Python {host['python']}, numpy {host['numpy']}; "
            "other work ran beside (see the load), which lengthens wall time most.",
            "",
        ]
    )


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--pandas-python", default=sys.executable, help="an interpreter that has numpy and pandas")
    options.add_argument("--contender", choices=CONTENDERS)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    if given.contender:
        sys.stdout.write(json.dumps(CONTENDERS[given.contender][1](given.folder)))
        return
    scale = 100 if given.quick else 1
    with tempfile.TemporaryDirectory() as place:
        generate(Path(place), np.random.default_rng(0), VIDEOS // scale, INSTANCES // scale)
        python = {name: given.pandas_python if "frames" in name else sys.executable for name in CONTENDERS}
        runs = {name: measure(name, Path(place), python[name]) for name in CONTENDERS}
    text = told(runs, machine())
    sys.stdout.write(text)
    if not given.quick:
        RESULTS.mkdir(exist_ok=True)
        values = {"machine": machine(), "seed": 0, "part": PART, "runs": runs}
        write_result(RESULTS, "evaluate_moments", values, text)


if __name__ == "__main__":
    main()
