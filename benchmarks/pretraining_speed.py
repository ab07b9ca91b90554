"""How near pre-training comes to what its clips and its net allow, and what a second process brings.

    python benchmarks/pretraining_speed.py            writes benchmarks/results/pretraining_speed.{json,md}
    python benchmarks/pretraining_speed.py --device cuda --out ""

For two nets, in turn within each round: clips alone (drawn ahead as in training, nothing computed), steps alone (the
same batches from memory), and both, once with clips of small frames that are kept and once with clips decoded from the
videos' files. Where clips and steps share all cores, none can be faster than 1 / (1 / clips + 1 / steps): the share of
that which is reached is the figure of merit, by the clock and in CPU time, which bears less on a machine with other
work. Of kept frames the share of the clock that training waits for clips counts. Then torchrun starts one and two
processes of one thread each. Medians, least to most. Nothing here was chosen by what it prints.
"""

import argparse
import contextlib
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from extraction import RATE, children, make_video
from provenance import write_result
from whenabouts.core.files import read_json, write_json
from whenabouts.core.labels import VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone import ClipClassifier
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.clip_draws import ClipDraws
from whenabouts.recognition.clip_source import ClipFiles, clip_sources
from whenabouts.recognition.frame_cache import FrameCache
from whenabouts.recognition.label_losses import measure_on
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.training.devices import Compute, choose_device, compute_dtype
from whenabouts.training.loading import drawn_ahead
from whenabouts.training.loop import Trainee, fit
from whenabouts.training.processes import joined

CLASSES = 8
PAPER = {"widths": (64, 128, 256, 512), "blocks": (2, 2, 2, 2), "stem": 45, "input": "rgb", "rate": 30.0,
         "height": 128, "width": 171, "crop": 112}  # fmt: skip
# Shape, clips in a batch, batches in a round, and multiply-accumulates of a clip in 10^9, where they were counted.
NETS = {
    "the default net, 8 x 48 x 64": (BackboneSettings(height=48, width=64), 32, 20, None),
    "R(2+1)D-18, 8 x 112 x 112": (BackboneSettings(**PAPER), 4, 6, 20.75),
}
SOURCES = {"kept frames": math.inf, "files": 0.0}


class Notes:
    """Keeps what a training reports of its pace."""

    def __init__(self):
        self.rows = []

    def begin(self, step):
        """Nothing to open."""

    def note(self, step, values):
        """Keep one report."""
        self.rows.append(dict(values))


class Setting:
    """One net with one source of clips."""

    def __init__(self, folder, shape, batch, room_bytes, compute, workers):
        self.compute, self.workers, self.shape = compute, workers, shape
        videos = [probe(path) for path in sorted(folder.glob("*.mp4"))]
        plan = PretrainSettings(batch=batch, warmup=0)
        cache = FrameCache(folder / f"cache {room_bytes}", shape.frame_format(plan.longest_seconds))
        sources = clip_sources(videos, cache, room_bytes, workers=workers, progress=Silent())
        self.files = ClipFiles(cache.form, shape.pictures, workers)
        labels = [VideoLabels.of([number % CLASSES]) for number in range(len(videos))]
        self.draws = ClipDraws(sources, labels, shape, plan, 0, take=self.files.take)
        torch.manual_seed(0)
        self.model = ClipClassifier(shape.build(), CLASSES)

    def draw(self, count):
        """Clips alone."""
        with drawn_ahead(self.draws.batch, range(count), self.workers) as batches:
            return list(batches)

    def train(self, draw, steps, world=None, notes=None):
        """Steps on what `draw` gives."""
        told = PretrainSettings(steps=steps, batch=self.draws.plan.batch, warmup=0, report_every=max(1, steps // 4))
        measure = measure_on(self.compute, "softmax")
        trainee = Trainee(self.model, draw, measure, examples=self.draws.plan.batch)
        more = {} if world is None else {"world": world}
        fit(trainee, told.plan(0), self.compute, loaders=self.workers, journal=notes, **more)


def cpu_seconds():
    """CPU seconds of this process and of its children, also of those that still live."""
    ticks, total = os.sysconf("SC_CLK_TCK"), 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    for pid in set(children()):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def timed(work):
    clock, cpu = time.perf_counter(), cpu_seconds()
    kept = work()
    return [time.perf_counter() - clock, cpu_seconds() - cpu], kept


def measured(setting, count):
    """One round: clock and CPU seconds of clips, of steps and of both, and the share of the clock spent waiting."""
    clips, batches = timed(lambda: setting.draw(count))
    steps, _ = timed(lambda: setting.train(batches.__getitem__, count))
    notes = Notes()
    both, _ = timed(lambda: setting.train(setting.draws.batch, count, notes=notes))
    waiting = statistics.mean(row["waiting_share"] for row in notes.rows)
    return {"clips": clips, "steps": steps, "both": both, "waiting": waiting}


def matrix_rate(compute):
    """Multiply-accumulates a second, in 10^9, of the best product of two large matrices in the net's number format."""
    side = 8192 if compute.device.type == "cuda" else 1024
    one = torch.randn(side, side, device=compute.device, dtype=compute.dtype)
    best = math.inf
    for _ in range(10):
        started = time.perf_counter()
        float((one @ one)[0, 0])
        best = min(best, time.perf_counter() - started)
    return side**3 / best / 1e9


def processes(folder, number, device, share):
    """What a training of so many processes of one thread each tells, started by torchrun."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(number), __file__,
             "--as-process", str(folder), "--device", device, "--share", str(share)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    made = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return json.loads(made.stdout.strip().splitlines()[-1])


def as_process(folder, device, share):
    """One of the processes: rates of four quarters of a training, and CPU seconds a clip."""
    chosen = choose_device(device)
    shape, batch, whole, _ = NETS["the default net, 8 x 48 x 64"]
    count = max(4, round(share * whole))
    with joined(chosen) as world:
        compute, notes = Compute(chosen, compute_dtype(chosen)), Notes()
        setting = Setting(folder, shape, batch, math.inf, compute, 1)
        (_, cpu), _ = timed(lambda: setting.train(setting.draws.batch, 2 * count, world, notes))
        setting.files.close()
        everyone = world.gather(cpu)
        if world.first:
            rates = [row["examples_per_second"] for row in notes.rows]
            clips = 2 * count * batch * world.size
            print(json.dumps({"rates": rates, "cpu_seconds_per_clip": sum(everyone) / clips}))


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summary(rows, clips):
    """Rates by the clock and in CPU time, the share reached of what is possible, and the share spent waiting."""
    result = {"waiting": spread([row["waiting"] for row in rows])}
    for index, kind in enumerate(("clock", "cpu")):
        kinds = {name: spread([clips / row[name][index] for row in rows]) for name in ("clips", "steps", "both")}
        reached = [(row["clips"][index] + row["steps"][index]) / row["both"][index] for row in rows]
        result[kind] = {**kinds, "reached": spread(reached)}
    return result


def told(values, form="{:.1f}"):
    return f"{form.format(values['median'])} ({form.format(values['least'])} to {form.format(values['most'])})"


def table(values):
    lines = [
        "# Pre-training beside its parts",
        "",
        f"{values['videos']} videos of {values['seconds']:g} s, 240 x 320, {RATE} pictures a second, a key frame every "
        f"2 s; {values['share']:g} of the batches; "
        f"{values['compute']}; {values['threads']} thread(s) of torch, {values['workers']} workers; medians of "
        f"{values['rounds']} rounds (least to most); written by `python benchmarks/pretraining_speed.py "
        f"--rounds {values['rounds']} --videos {values['videos']} --seconds {values['seconds']:g} "
        f"--share {values['share']:g} --nets {values['nets']}`; with `--work FOLDER` it goes on where it was ended.",
        "",
        "| net | clips from | | clips alone | steps alone | training | reached of 1 / (1 / clips + 1 / steps) "
        "| waiting |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, sources in values["measured"].items():
        for source, row in sources.items():
            for kind, unit in (("clock", "clips a second"), ("cpu", "clips a CPU second")):
                cells = " | ".join(told(row[kind][part]) for part in ("clips", "steps", "both"))
                few = round(values["share"] * NETS[name][2]) <= 4 * values["workers"]  # All are drawn ahead at once.
                waiting = (
                    "too few batches to tell"
                    if few
                    else told({key: 100 * share for key, share in row["waiting"].items()}, "{:.1f} %")
                )
                reached = told(row[kind]["reached"], "{:.2f}")
                lines.append(
                    f"| {name} | {source} | {unit} | {cells} | {reached} | {waiting if kind == 'clock' else ''} |"
                )
    lines += ["", "Goals: of kept frames at most 5 % waiting; from files at least 0.90 reached.", ""]
    one, two = (values["processes"][number] for number in ("1", "2"))
    ratio = two["rates"]["median"] / one["rates"]["median"]
    lines += [
        f"The default net from kept frames, batches of 32 in each process, one thread each: one process "
        f"{told(one['rates'])} clips a second and {1000 * one['cpu_seconds_per_clip']:.2f} ms of CPU a clip; two "
        f"{told(two['rates'])} and {1000 * two['cpu_seconds_per_clip']:.2f} ms: {ratio:.2f} times as many by the "
        f"clock, at {two['cpu_seconds_per_clip'] / one['cpu_seconds_per_clip']:.2f} times the CPU a clip.",
    ]
    for name, share in values["matrix_shares"].items():
        lines.append(
            f"Training {name} from memory does {100 * share:.0f} % of the multiply-accumulates of one product of large "
            f"matrices ({values['matrix_rates'][name]:.0f} x 10^9 a second beside it), three passes a step counted."
        )
    missing = [name for name in NETS if name not in values["measured"]]
    if missing:
        lines += ["", f"Not run: {', '.join(missing)}."]
    load = ", ".join(f"{number:.1f}" for number in values["load"])
    return "\n".join([*lines, "", f"Machine: {values['machine']}; load before and after each part: {load}.", ""])


class Kept:
    """Parts that were measured before, in --work: each takes minutes."""

    def __init__(self, options):
        self.folder = Path(options.work) if options.work else None
        told = (options.videos, options.seconds, options.workers, options.rounds, options.share, options.device)
        self.name = "-".join(map(str, told))

    def part(self, name, measure):
        """The figures and loads of a part, from --work or measured now."""
        plain = "".join(sign if sign.isalnum() else "-" for sign in f"{name} {self.name}")
        path = None if self.folder is None else self.folder / f"{plain}.json"
        if path is not None and path.exists():
            return read_json(path)
        load = os.getloadavg()[0]
        made = {**measure(), "load": [load, os.getloadavg()[0]]}
        print(name, json.dumps(made), flush=True)
        if path is not None:
            write_json(path, made)
        return made


def measured_net(folder, net, compute, options):
    """Rounds of one net with both sources of clips, in turn."""
    shape, batch, whole, _ = NETS[net]
    count = max(2, round(options.share * whole))
    settings = {
        source: Setting(folder, shape, batch, room, compute, options.workers) for source, room in SOURCES.items()
    }
    for setting in settings.values():
        setting.train(setting.draw(1).__getitem__, 1)
    rows, rates = {source: [] for source in settings}, []
    for _ in range(options.rounds):
        rates.append(matrix_rate(compute))
        for source, setting in settings.items():
            rows[source].append(measured(setting, count))
    for setting in settings.values():
        setting.files.close()
    figures = {source: summary(kept, batch * count) for source, kept in rows.items()}
    return {"figures": figures, "matrix_rate": statistics.median(rates)}


def measured_processes(folder, options):
    """One process and two, twice in turn."""
    runs = {str(number): [] for number in (1, 2)}
    for _ in range(2):
        for number, kept in runs.items():
            kept.append(processes(folder, number, options.device, options.share))
    figures = {
        number: {
            "rates": spread([rate for run in kept for rate in run["rates"]]),
            "cpu_seconds_per_clip": float(np.median([run["cpu_seconds_per_clip"] for run in kept])),
        }
        for number, kept in runs.items()
    }
    return {"figures": figures}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the batches in a round")
    parser.add_argument("--nets", type=int, default=len(NETS), help="only the first so many nets")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--work", default="", help="keep each part here, and go on from there")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    parser.add_argument("--as-process", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_process:
        as_process(Path(options.as_process), options.device, options.share)
        return
    chosen = choose_device(options.device)
    compute = Compute(chosen, compute_dtype(chosen))
    nets = list(NETS)[: options.nets]
    with tempfile.TemporaryDirectory() as name:
        folder, kept = Path(name), Kept(options)
        for number in range(options.videos):
            make_video(folder / f"{number:02d}.mp4", options.seconds, 240, 320, number)
        parts = {net: kept.part(net, lambda net=net: measured_net(folder, net, compute, options)) for net in nets}
        several = kept.part("processes", lambda: measured_processes(folder, options))
    found = {net: parts[net]["figures"] for net in nets}
    shares = {
        net: 3 * macs * found[net]["kept frames"]["clock"]["steps"]["median"] / parts[net]["matrix_rate"]
        for net, (*_, macs) in NETS.items()
        if macs is not None and net in found
    }
    values = {name: getattr(options, name) for name in ("videos", "seconds", "workers", "rounds", "share", "nets")}
    values |= {
        "compute": str(compute),
        "threads": torch.get_num_threads(),
        "measured": found,
        "processes": several["figures"],
    }
    values |= {"matrix_rates": {net: parts[net]["matrix_rate"] for net in nets}, "matrix_shares": shares}
    values["load"] = [load for part in (*parts.values(), several) for load in part["load"]]
    values["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    print(table(values))
    if options.out:
        write_result(Path(options.out), "pretraining_speed", values, table(values))


if __name__ == "__main__":
    main()
