"""How near feature extraction comes to what decoding and the net allow, and how much memory a long video takes.

    python benchmarks/extraction.py                                   writes benchmarks/results/extraction.{json,md}
    python benchmarks/extraction.py --videos 4 --hours 0 --out ""     a small one, on the screen only

Three rates in seconds of video a second: decoding alone (child processes, windows cut, nothing computed), the net
alone (the same batches from memory), and `extract` as users run it. Where decoding and net share all cores, none can
be faster than 1 / (1 / decode + 1 / net); the share of that which is reached is the figure of merit, by the clock and,
for machines with other work on them, in CPU time. Sound is left out: it is a third load beside these two.
"""

import argparse
import os
import platform
import resource
import statistics
import tempfile
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import torch

from provenance import write_result
from whenabouts.core.progress import Silent
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, write_video
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.extraction import (
    ExtractSettings,
    computing_threads,
    extract,
)
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.overlap import SharedIterator, overlapped
from whenabouts.recognition.window_source import Windows, WindowSource
from whenabouts.training.devices import choose_compute

RATE = 24


def pictures(count, height, width, seed):
    """Soft noise that drifts: work for the decoder as in real footage, made cheaply."""
    random = np.random.default_rng(seed)
    ground = random.integers(0, 255, (height // 8 + 2, width // 8 + 2, 3)).astype(np.uint8)
    ground = np.kron(ground, np.ones((8, 8, 1), np.uint8))
    for number in range(count):
        dy, dx = (number // 3) % 8, (number // 2) % 8
        yield np.ascontiguousarray(ground[dy : dy + height, dx : dx + width])


def make_video(path, seconds, height, width, seed):
    count = round(seconds * RATE)
    options = {"preset": "veryfast", "bf": "2", "threads": "2"}
    encoding = Encoding(options=options, keyframe_every=2 * RATE)
    times = [k / RATE for k in range(count)]
    write_video(path, pictures(count, height, width, seed), times, rate=Fraction(RATE), encoding=encoding)


def timed(work):
    """Seconds by the clock and of CPU, children included, that `work` takes."""
    clock, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - clock, cpu_seconds() - cpu


def cpu_seconds():
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def rates(entries, backbone, compute, how, workers):
    """Clock and CPU seconds of decoding alone, of the net alone, and of both as users run them."""
    source = WindowSource(backbone.form, how.hop_seconds, how.batch, sound=False)
    batches = []

    def decode():
        shared = SharedIterator(enumerate(entry.video for entry in entries))
        with overlapped([partial(source.read, shared)] * workers, depth=2 + 2 * workers) as pieces:
            batches.extend(piece.clips for piece in pieces if isinstance(piece, Windows))

    def compute_all():
        with computing_threads(compute) as pool:
            list(pool.map(backbone.vectors_on(compute), batches))

    def both():
        with tempfile.TemporaryDirectory() as folder:
            store, report = FeatureStore(Path(folder) / "f"), ExtractionReport(Path(folder) / "r.json")
            done = extract(
                entries,
                backbone,
                how,
                store=store,
                report=report,
                compute=compute,
                workers=workers,
                progress=Silent(),
            )
            assert done.written == len(entries)

    backbone.vectors_on(compute)(np.zeros((how.batch, backbone.settings.frames, *backbone.settings.box, 3), np.uint8))
    return {"decode": timed(decode), "net": timed(compute_all), "both": timed(both)}


def peak_memory(work):
    """Greatest resident memory in MiB of this process and its children while `work` runs, sampled."""
    peak, over = [0.0], threading.Event()

    def watch():
        while not over.wait(0.2):
            peak[0] = max(peak[0], sum(resident(pid) for pid in [os.getpid(), *children()]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    over.set()
    watcher.join()
    return peak[0] / 1024


def children():
    for task in Path("/proc/self/task").iterdir():
        try:
            yield from (task / "children").read_text().split()
        except OSError:
            continue


def resident(pid):
    """KiB of memory of a process, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def long_video(folder, hours, backbone, compute, how):
    """Memory and time for one video of many hours."""
    path = folder / "long.mp4"
    make_video(path, hours * 3600, 120, 160, 99)
    store, report = FeatureStore(folder / "long"), ExtractionReport(folder / "long.json")
    started = time.perf_counter()
    run = partial(
        extract,
        [Entry(probe(path))],
        backbone,
        how,
        store=store,
        report=report,
        compute=compute,
        workers=2,
        progress=Silent(),
    )
    peak = peak_memory(run)
    steps = len(store.read("long", "rgb"))
    return {"hours": hours, "peak_mib": round(peak), "seconds": round(time.perf_counter() - started), "steps": steps}


def summary(rows):
    """Medians over rounds; what is reached of the ideal, by the clock and in CPU time."""
    result = {}
    for index, kind in enumerate(("clock", "cpu")):
        middle = {name: statistics.median(row[name][index] for row in rows) for name in ("decode", "net", "both")}
        result[kind] = {**middle, "reached": (middle["decode"] + middle["net"]) / middle["both"]}
    return result


def table(values):
    lines = [
        "# Extraction beside its parts",
        "",
        f"{values['videos']} videos of {values['seconds']} s, {values['height']} x {values['width']}, {RATE} pictures"
        f" a second; {values['backbone']}; {values['workers']} workers; medians of {values['rounds']} rounds; written"
        " by `python benchmarks/extraction.py`.",
        "",
        "| | decoding alone | net alone | extraction | reached of 1 / (1 / decode + 1 / net) |",
        "|---|---|---|---|---|",
    ]
    length = values["videos"] * values["seconds"]
    for kind, told in (("clock", "seconds of video a second"), ("cpu", "seconds of video a CPU second")):
        row = values["measured"][kind]
        cells = " | ".join(f"{length / row[name]:.0f}" for name in ("decode", "net", "both"))
        lines.append(f"| {told} | {cells} | {row['reached']:.2f} |")
    if "long" in values:
        long = values["long"]
        lines += ["", f"One video of {long['hours']:g} hours (120 x 160): {long['steps']} steps, {long['seconds']} s, "
                      f"{long['peak_mib']} MiB at the peak, child processes included."]  # fmt: skip
    load = ", ".join(f"{number:.1f}" for number in values["load"])
    return "\n".join([*lines, "", f"Machine: {values['machine']}; load before and after: {load}.", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long video; 0 leaves it out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    torch.manual_seed(0)
    shape = BackboneSettings().boxed(4 / 3)
    backbone, how = Backbone(shape, shape.build().eval()), ExtractSettings(audio=False)
    compute, load = choose_compute(options.device), [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.videos):
            make_video(folder / f"{number}.mp4", options.seconds, options.height, options.width, number)
        entries = [Entry(probe(path)) for path in sorted(folder.glob("*.mp4"))]
        rows = [rates(entries, backbone, compute, how, options.workers) for _ in range(options.rounds)]
        values = {
            name: getattr(options, name) for name in ("videos", "seconds", "height", "width", "workers", "rounds")
        }
        values |= {"measured": summary(rows), "backbone": f"R(2+1)D {shape.widths} on {compute}"}
        if options.hours:
            values["long"] = long_video(folder, options.hours, backbone, compute, how)
    values["load"] = [*load, os.getloadavg()[0]]
    values["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    print(table(values))
    if options.out:
        write_result(Path(options.out), "extraction", values, table(values))


if __name__ == "__main__":
    main()
