"""What share of a device's matrix rate each family of nets reaches, and what extraction takes from end to end.

    python benchmarks/device_rates.py                       on a GPU where there is one: results/device_rates.{json,md}
    python benchmarks/device_rates.py --device cpu --batch 1 --frames 8 --side 64 --only r3d_18 mc3_18     a small one

Arithmetic (multiplications and additions) of a forward pass and of a training step is counted by torch on tensors that
hold no numbers; the seconds are those of the net placed as every verb places it. The matrix rate is measured in the
same run: the best of several products of large square matrices in the same number format. Extraction is that of the
package, decoding included, from two videos of drifting noise. `benchmarks/backbone_speed.py` runs this too.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from extraction import make_video, timed
from extraction_families import NAMES, VGGISH, backbone_of
from provenance import write_result
from whenabouts.core.progress import Silent
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone import ClipClassifier
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.training.devices import choose_compute

RESULTS = Path(__file__).parent / "results"
CLASSES = 400
HOP = 0.5


def waited(device):
    """A GPU takes orders and goes on computing: wait until it is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work, device, rounds):
    """Median seconds of so many runs of `work`, after two that do not count (the first may compile)."""
    found = []
    for number in range(rounds + 2):
        waited(device)
        started = time.perf_counter()
        work()
        waited(device)
        if number >= 2:
            found.append(time.perf_counter() - started)
    return statistics.median(found)


def matrix_rate(compute, side):
    """Arithmetic a second of a product of two square matrices in the device's number format, the best of ten."""
    left, right = (torch.randn(side, side, device=compute.device, dtype=compute.dtype) for _ in range(2))
    torch.mm(left, right)
    best = min(seconds_of(lambda: torch.mm(left, right), compute.device, 1) for _ in range(10))
    return 2 * side**3 / best


def arithmetic(net, shape):
    """Multiplications and additions of a forward pass over clips of this shape, and of a step of training."""
    found = {}
    with torch.device("meta"):
        clips = torch.empty(shape)
    net = net.to("meta")
    for kind in ("inference", "training"):
        with FlopCounterMode(display=False) as counter:
            scores = net(clips)
            if kind == "training":
                scores.sum().backward()
        found[kind] = counter.get_total_flops()
    return found


def family(name, options, compute):
    """Seconds, arithmetic and clips a second of one net, for inference and for training."""
    torch.manual_seed(0)
    backbone = backbone_of(name, options)
    shape = (options.batch, 1, 96, 64) if name == VGGISH else (options.batch, 3, options.frames, *[options.side] * 2)
    counted = arithmetic(ClipClassifier(backbone_of(name, options).net, CLASSES), shape)
    net = compute.place_net(ClipClassifier(backbone.net, CLASSES))
    quick, optimizer = compute.quick(net), torch.optim.SGD(net.parameters(), lr=1e-4)
    clips = compute.place(torch.randn(shape))
    labels = compute.place(torch.randint(CLASSES, (options.batch,)))

    def infer():
        with torch.inference_mode(), compute.autocast():
            quick(clips)

    def train():
        optimizer.zero_grad(set_to_none=True)
        with compute.autocast():
            loss = nn.functional.cross_entropy(quick(clips).float(), labels)
        loss.backward()
        optimizer.step()

    rows = {}
    for kind, work in (("inference", infer), ("training", train)):
        net.train(kind == "training")
        rows[kind] = {"seconds": seconds_of(work, compute.device, options.rounds), "arithmetic": counted[kind]}
    return rows


def extraction(options, compute):
    """Seconds of video, and of the clock, of an extraction with the first of the nets."""
    backbone = backbone_of(options.only[0], options)
    how = ExtractSettings(audio=False, batch=options.batch, hop_seconds=HOP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(2):
            make_video(folder / f"{number}.mp4", options.seconds, 240, 320, number)
        entries = [Entry(probe(path)) for path in sorted(folder.glob("*.mp4"))]
        store, report = FeatureStore(folder / "f"), ExtractionReport(folder / "r.json")
        clock, cpu = timed(
            lambda: extract(
                entries, backbone, how, store=store, report=report, compute=compute, workers=options.workers,
                progress=Silent(),
            )
        )  # fmt: skip
    return {"net": NAMES[options.only[0]], "video": 2 * options.seconds, "clock": clock, "cpu": cpu}


def measured(options, compute):
    """All that the page tells."""
    before = os.getloadavg()[0]
    rate = matrix_rate(compute, options.matrix)
    rows = {}
    for name in options.only:
        rows[name] = family(name, options, compute)
        told = ", ".join(f"{kind} {share(row, rate):.0%}" for kind, row in rows[name].items())
        print(f"{NAMES[name]}: {told} of the matrix rate", flush=True)
    values = {name: getattr(options, name) for name in ("batch", "frames", "side", "rounds", "matrix", "seconds")}
    return values | {
        "device": device_name(compute),
        "machine": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}",
        "matrix_rate": rate,
        "rows": rows,
        "extraction": extraction(options, compute),
        "load": [before, os.getloadavg()[0]],
    }


def device_name(compute):
    """The card's name, or that of the kind of processor, and how it computes."""
    card = torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else platform.machine()
    return f"{card} ({compute})"


def share(row, rate):
    """Arithmetic a second over the matrix rate."""
    return row["arithmetic"] / row["seconds"] / rate


def page(values):
    """The results as Markdown."""
    rate = values["matrix_rate"]
    lines = [
        "# What each family reaches of a device's matrix rate",
        "",
        f"{values['device']}; {values['machine']}; load before and after: "
        f"{', '.join(f'{load:.1f}' for load in values['load'])}. Made by",
        f"`{command(values)}`.",
        f"Products of matrices of {values['matrix']} x {values['matrix']}: {rate / 1e12:.2f} TFLOP/s. Batches of"
        f" {values['batch']} clips of {values['frames']} pictures of {values['side']} x {values['side']}, random"
        f" weights at published depth and width; medians of {values['rounds']} rounds.",
        "",
        "| net | GFLOP a clip | inference: clips a second | TFLOP/s | of the matrix rate |"
        " training: clips a second | TFLOP/s | of the matrix rate |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in values["rows"].items():
        cells = [NAMES[name], f"{row['inference']['arithmetic'] / values['batch'] / 1e9:.1f}"]
        for kind in ("inference", "training"):
            one = row[kind]
            cells += [f"{values['batch'] / one['seconds']:.1f}", f"{one['arithmetic'] / one['seconds'] / 1e12:.3f}"]
            cells += [f"{share(one, rate):.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    done = values["extraction"]
    return "\n".join([
        *lines, "",
        f"Extraction end to end with {done['net']}, a window each {HOP:g} s, decoding of 240 x 320 included:"
        f" {done['video'] / done['clock']:.1f} hours of video an hour by the clock"
        f" ({done['video']:.0f} s in {done['clock']:.1f} s), {done['video'] / done['cpu']:.1f} an hour of the"
        " processor.",
        "",
    ])  # fmt: skip


def command(values):
    """What made such a page."""
    sizes = " ".join(
        f"--{name} {values[name]:g}" for name in ("batch", "frames", "side", "rounds", "matrix", "seconds")
    )
    some = "" if len(values["rows"]) == len(NAMES) else f" --only {' '.join(values['rows'])}"
    return f"python benchmarks/device_rates.py {sizes}{some}"


def add_options(parser):
    """What a measurement takes; defaults for a GPU are larger than those for a CPU."""
    gpu = torch.cuda.is_available()
    parser.add_argument("--batch", type=int, default=16 if gpu else 1)
    parser.add_argument("--frames", type=int, default=16 if gpu else 8)
    parser.add_argument("--side", type=int, default=224 if gpu else 64)
    parser.add_argument("--rate", type=float, default=15.0 if gpu else 8.0)
    parser.add_argument("--matrix", type=int, default=8192 if gpu else 1024)
    parser.add_argument("--seconds", type=float, default=120.0 if gpu else 4.0, help="length of the videos to extract")
    parser.add_argument("--only", nargs="*", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--workers", type=int, default=8 if gpu else 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--compile", choices=["auto", "always", "never"], default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default=str(RESULTS))
    add_options(parser)
    options = parser.parse_args()
    values = measured(options, choose_compute(options.device, options.precision, options.compile))
    print(page(values))
    if options.out:
        write_result(Path(options.out), "device_rates", values, page(values))


if __name__ == "__main__":
    main()
