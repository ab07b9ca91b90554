"""How fast each video and segment model learns at the paper's size, how large it is, and how much memory it takes.

    python benchmarks/segment_models.py                      writes benchmarks/results/segment_models.{json,md}
    python benchmarks/segment_models.py --precision bfloat16       writes segment_models_bfloat16.{json,md}
    python benchmarks/segment_models.py --only lstm --out ""         one kind, on the screen only

Sizes are those of `NetSettings.paper`: 1152 numbers a frame; video models see 120 to 300 frames and 3862 classes, of
which 3 are labelled; segment models see 5 frames and 1000 classes, of which one is rated. Each model runs in a process
of its own: one step to warm up, then steps of AdamW that are timed one by one, drawing of batches left out. Two rows
stand beside one another for one question: an LSTM behind shut gates, as used on a CPU, and by packed sequences.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from provenance import write_result
from whenabouts.localizers.concepts.fitting import Batch, label_loss, rating_loss
from whenabouts.localizers.concepts.model import padded_frames
from whenabouts.localizers.concepts.networks import NetSettings, build_net
from whenabouts.localizers.protocol import Stream
from whenabouts.training.devices import choose_compute

STREAMS = (Stream("audio", 128, "vggish"), Stream("rgb", 1024, "inception"))
JOBS = [
    ("video", "logistic"),
    ("video", "lstm"),
    ("video", "lstm packed"),
    ("video", "netvlad"),
    ("video", "netfv"),
    ("segment", "convnet"),
    ("segment", "lstm"),
    ("segment", "transformer"),
    ("segment", "netvlad"),
    ("segment", "netfv"),
]
CLASSES = {"video": 3862, "segment": 1000}
RATES = {"logistic": 0.01}


def drawn(level, size, rng):
    """A batch of random frames of length 1 with the labels or ratings of its level."""
    classes = CLASSES[level]
    lengths = rng.integers(120, 301, size) if level == "video" else np.full(size, 5)
    pieces = [rng.normal(size=(length, 1152)).astype(np.float32) for length in lengths]
    values, mask = padded_frames([piece / np.linalg.norm(piece, axis=1, keepdims=True) for piece in pieces])
    targets, weights = np.zeros((size, classes), np.float32), np.ones((size, classes), np.float32)
    for row in range(size):
        if level == "video":
            targets[row, rng.choice(classes, 3, replace=False)] = 1
        else:
            rated = rng.integers(classes)
            weights[row] = 0
            weights[row, rated], targets[row, rated] = 1, rng.integers(2)
    return Batch(values, mask, torch.from_numpy(targets), torch.from_numpy(weights))


def one(level, kind, options):
    """Train one model for a few steps on one batch; what they took, as JSON on standard output."""
    compute = choose_compute(options.device, options.precision)
    kind, _, packed = kind.partition(" ")
    net = compute.place_net(build_net(NetSettings.paper(kind), STREAMS, CLASSES[level])).train()
    if packed:
        net.encode = net.packed
    size = options.video_batch if level == "video" else options.segment_batch
    batch = drawn(level, size, np.random.default_rng(0))
    batch = Batch(*map(compute.place, (batch.features, batch.mask, batch.targets, batch.weights)))
    loss_of = label_loss if level == "video" else rating_loss
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATES.get(kind, 2e-4), weight_decay=0.0)
    clock, cpu, losses = [], [], []
    for _ in range(options.steps + 1):
        began, used = time.perf_counter(), time.process_time()
        with compute.autocast():
            loss = loss_of(net(batch.features, batch.mask), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss))
        clock.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    print(json.dumps({
        "level": level, "kind": f"{kind} {packed}".strip(), "classes": CLASSES[level], "batch": size,
        "frames": int(batch.mask.sum()), "parameters": sum(each.numel() for each in net.parameters()),
        "seconds": clock[1:], "cpu_seconds": cpu[1:], "losses": losses,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "compute": str(compute),
    }))  # fmt: skip


def run_alone(level, kind, options):
    """`one` in a process of its own, so that its peak of memory is its own."""
    shared = ("steps", "device", "precision", "video_batch", "segment_batch")
    told = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in shared]
    command = [sys.executable, __file__, "--one", level, kind, *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"level": level, "kind": kind, "failed": f"{done.returncode}: {done.stderr.strip()[-200:]}"}
    row = json.loads(done.stdout.splitlines()[-1])
    return row | {"load": os.getloadavg()[0]}


def table(values):
    lines = [
        "# Training steps at the paper's size",
        "",
        f"{values['steps']} timed steps after one to warm up, each model in a process of its own; written by"
        f" `{values['command']}`. Batches are smaller than the paper's so that a laptop's memory and"
        " patience suffice; examples a second are what compares. Memory holds weights, gradients and both of AdamW's"
        " means.",
        "",
        "| | model | classes | batch | frames | parameters | s a step (least - most) | examples a s | CPU s a step |"
        " examples a CPU s |"
        " peak MiB | loss, first to last |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in values["rows"]:
        if "failed" in row:
            lines.append(f"| {row['level']} | {row['kind']} | failed: {row['failed']} |")
            continue
        middle, cpu = statistics.median(row["seconds"]), statistics.median(row["cpu_seconds"])
        spread = f"{min(row['seconds']):.2f} - {max(row['seconds']):.2f}"
        lines.append(
            f"| {row['level']} | {row['kind']} | {row['classes']} | {row['batch']} | {row['frames']} | "
            f"{row['parameters']:,} | {middle:.2f} ({spread}) | {row['batch'] / middle:.1f} | "
            f"{cpu:.2f} | {row['batch'] / cpu:.1f} | {row['peak_mib']} | "
            f"{row['losses'][0]:.3f} to {row['losses'][-1]:.3f} |"
        )
    loads = ", ".join(f"{row['load']:.1f}" for row in values["rows"] if "load" in row)
    lines += ["", f"Machine: {values['machine']}; load after each: {loads}. Where other work shares the cores,"
                  " trust CPU seconds."]  # fmt: skip
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, metavar=("LEVEL", "KIND"), help=argparse.SUPPRESS)
    parser.add_argument("--only", help="only this kind of net")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--video-batch", type=int, default=16)
    parser.add_argument("--segment-batch", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "auto"))
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    if options.one:
        one(*options.one, options)
        return
    jobs = [job for job in JOBS if not options.only or job[1].partition(" ")[0] == options.only]
    if options.precision != "float32":
        jobs = [job for job in jobs if "packed" not in job[1]]
    rows = [run_alone(level, kind, options) for level, kind in jobs]
    threads = torch.get_num_threads()
    machine = (
        f"{os.cpu_count()} cores, {threads} threads, Python {platform.python_version()}, torch {torch.__version__}"
    )
    computes = sorted({row["compute"] for row in rows if "compute" in row})
    command = f"python benchmarks/segment_models.py --steps {options.steps} --precision {options.precision}"
    values = {"command": command, "steps": options.steps, "rows": rows, "machine": f"{machine}, {', '.join(computes)}"}
    print(table(values))
    if options.out:
        name = "segment_models" if options.precision == "float32" else f"segment_models_{options.precision}"
        write_result(Path(options.out), name, values, table(values))


if __name__ == "__main__":
    main()
