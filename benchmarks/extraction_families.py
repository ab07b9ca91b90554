"""How many pictures a second extraction takes through each family of nets, at its published depth and width.

    python benchmarks/extraction_families.py                  writes benchmarks/results/extraction_families.{json,md}
    python benchmarks/extraction_families.py --seconds 2 --rounds 1 --only r3d_18 --out ""     a small one

Nets have random weights: speed does not depend on them. Clips are of one small size for all, so that rows compare nets
and not the sizes that their publishers chose. Rounds go through all nets one after another; each row has the median
over rounds, by the clock and in CPU time, and its ratio to R(2+1)D-18 in the same round. Sound is of VGGish alone.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from extraction import make_video, timed
from provenance import write_result
from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.published_backbone import settings_of
from whenabouts.recognition.published_sound import PUBLISHED_SOUND, VGGISH
from whenabouts.training.devices import choose_compute

# Of each family, and each of its published depths, one.
NAMES = {
    "r2plus1d_18": "R(2+1)D-18",
    "r2plus1d_34_kinetics_32f": "R(2+1)D-34",
    "r2plus1d_152_kinetics": "R(2+1)D-152",
    "r2plus1d_50_pytorchvideo": "R(2+1)D-50, time first",
    "r3d_18": "R3D-18",
    "mc3_18": "MC3-18",
    "ir_csn_101_pytorchvideo": "ir-CSN-101",
    "ir_csn_152_kinetics": "ir-CSN-152",
    "ip_csn_152_kinetics": "ip-CSN-152",
    "i3d_nonlocal_50_8x8": "I3D-50, non-local",
    "slowfast_50_4x16": "SlowFast-50 4x16",
    "slowfast_50_8x8": "SlowFast-50 8x8",
    "slowfast_101_8x8_pytorchvideo": "SlowFast-101 8x8",
    "slowfast_101_8x8_nonlocal_kinetics600": "SlowFast-101 8x8, non-local",
    "resnet_18_imagenet": "ResNet-18 on pictures",
    "resnet_50_imagenet": "ResNet-50 on pictures",
    VGGISH: "VGGish",
}
REFERENCE = "r2plus1d_18"


def backbone_of(name, options):
    """A net at its published depth with random weights; its clips are of the common size."""
    if name == VGGISH:
        shape = PUBLISHED_SOUND[VGGISH][0]
        return Backbone(shape, shape.build().eval())
    shape = dataclasses.replace(
        settings_of(name), own_shape=False, height=options.side, width=options.side, crop=None, resize="area",
        frames=options.frames, rate=options.rate,
    )  # fmt: skip
    return Backbone(shape, tamed(shape.build().eval()))


def tamed(net):
    """Random weights let values grow from block to block; half as large ones behind each batch norm stay finite."""
    for name, weight in net.named_parameters():
        if weight.ndim == 1 and name.endswith("weight"):
            torch.nn.init.constant_(weight, 0.5)
    return net


def measured(entries, name, options, compute):
    """Steps, and clock and CPU seconds, of an extraction of all videos; the net is built before."""
    backbone, how = backbone_of(name, options), ExtractSettings(audio=False, batch=4)
    with tempfile.TemporaryDirectory() as folder:
        store, report = FeatureStore(Path(folder) / "f"), ExtractionReport(Path(folder) / "r.json")
        done = []
        clock, cpu = timed(
            lambda: done.append(
                extract(entries, backbone, how, store=store, report=report, compute=compute, progress=Silent())
            )
        )
    assert done[0].written == len(entries)
    return {"steps": done[0].steps, "clock": clock, "cpu": cpu}


def kept(cell, options, entries, name, compute):
    """One measurement, or what an earlier run with the same settings wrote of it in `--work`."""
    key = f"{cell} {options.seconds} {options.frames} {options.rate} {options.side} {compute}"
    path = Path(options.work) / "cells.json" if options.work else None
    cells = json.loads(path.read_text()) if path and path.exists() else {}
    if key not in cells:
        cells[key] = measured(entries, name, options, compute)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, cells)
    return cells[key]


def films(folder, options):
    """Two videos of drifting noise, with sound."""
    for number in range(2):
        plain = folder / f"plain {number}.mp4"
        make_video(plain, options.seconds, 120, 160, number)
        wave = np.random.default_rng(number).normal(0, 0.1, round(16000 * options.seconds)).astype(np.float32)
        pictures = (np.full((16, 16, 3), k % 256, np.uint8) for k in range(round(6 * options.seconds)))
        times = [k / 6 for k in range(round(6 * options.seconds))]
        write_video(
            folder / f"sound {number}.mp4", pictures, times, rate=Fraction(6), encoding=Encoding(), sound=Sound(wave)
        )
    return [[Entry(probe(path)) for path in sorted(folder.glob(f"{kind} *.mp4"))] for kind in ("plain", "sound")]


def summary(rounds, options):
    """One row a net: medians over rounds of rates, and of the ratio to the reference in the same round."""
    rows = {}
    for name in rounds[0]:
        taken = [round_[name] for round_ in rounds]
        steps = taken[0]["steps"]
        row = {"name": NAMES[name], "steps": steps}
        for kind in ("clock", "cpu"):
            row[f"windows_{kind}"] = statistics.median(steps / one[kind] for one in taken)
            spread = sorted(steps / one[kind] for one in taken)
            row[f"spread_{kind}"] = [spread[0], spread[-1]]
        if name != VGGISH:
            row["pictures_cpu"] = row["windows_cpu"] * options.frames
        if REFERENCE in rounds[0] and name != VGGISH:
            row["relative"] = statistics.median(r[REFERENCE]["cpu"] / r[name]["cpu"] for r in rounds)
        rows[name] = row
    return rows


def table(values):
    lines = [
        "# Extraction through each family",
        "",
        f"Windows of {values['frames']} pictures of {values['side']} x {values['side']}, {values['rate']:g} a second,"
        f" one each half second, out of two videos of {values['seconds']:g} s, 120 x 160, decoding included; nets at"
        f" their published depth and width with random weights on {values['compute']}; batches of 4; medians of"
        f" {values['rounds']} rounds (least to greatest); written by `python benchmarks/extraction_families.py`. VGGish"
        " takes windows of 0.96 s of sound. Rates in CPU time are those of one core that has nothing else to do.",
        "",
        "| net | windows a CPU second | pictures a CPU second | windows a second by the clock | beside R(2+1)D-18 |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in values["rows"].values():
        low, high = row["spread_cpu"]
        pictures = f"{row['pictures_cpu']:.0f}" if "pictures_cpu" in row else ""
        relative = f"{row['relative']:.2f}" if "relative" in row else ""
        lines.append(
            f"| {row['name']} | {row['windows_cpu']:.1f} ({low:.1f} to {high:.1f}) | {pictures} | "
            f"{row['windows_clock']:.1f} | {relative} |"
        )
    load = ", ".join(f"{number:.1f}" for number in values["load"])
    lines += ["", "On a GPU this was not run.", ""]
    return "\n".join([*lines, f"Machine: {values['machine']}; load before and after: {load}.", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rate", type=float, default=8.0)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--work", default="", help="a folder for measurements done: run again, it goes on with the rest"
    )
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    compute, load = choose_compute(options.device), [os.getloadavg()[0]]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        plain, sound = films(Path(name), options)
        rounds = [
            {
                net: kept(f"{turn} {net}", options, sound if net == VGGISH else plain, net, compute)
                for net in options.only
            }
            for turn in range(options.rounds)
        ]
    values = {name: getattr(options, name) for name in ("seconds", "frames", "rate", "side", "rounds")}
    values |= {"rows": summary(rounds, options), "compute": str(compute), "load": [*load, os.getloadavg()[0]]}
    values["machine"] = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    print(table(values))
    if options.out:
        write_result(Path(options.out), "extraction_families", values, table(values))


if __name__ == "__main__":
    main()
