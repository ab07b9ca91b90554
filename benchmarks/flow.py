"""What motion costs: TV-L1 and DIS per pair of pictures, and a whole stream's fields per second of video.

    python benchmarks/flow.py [--pairs 5]

Pairs are of 340 x 256 grey pixels, the size of the two-stream nets' literature: smooth textures moved by 3 pixels to
the right and 2 up. The methods take turns on the same pairs, on one thread, so that a busy machine bears on both alike;
medians count, of wall time and of the processor's time, which other work bears on less. A stream is what extraction
computes of a video in memory at 25 pictures a second. Writes results/flow.json and flow.md.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from provenance import write_result
from whenabouts.media.flow import FlowForm, flow_between, flow_fields

RESULTS = Path(__file__).parent / "results"
HEIGHT, WIDTH, RATE = 256, 340, 25
MOVE = (3.0, -2.0)


def textured(seed, right, down):
    """A smooth random texture, moved."""
    coarse = np.random.default_rng(seed).integers(0, 256, (96, 112)).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    move = np.array([[1, 0, right - 20], [0, 1, down - 20]], np.float32)
    return np.clip(cv2.warpAffine(fine, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def pair_times(pairs):
    """Milliseconds (wall, processor) of each method on each pair, and its median error in pixels off the border."""
    methods = {name: flow_between(name) for name in ("dis", "tvl1")}
    times, errors = {name: [] for name in methods}, {name: [] for name in methods}
    for seed in range(pairs + 1):
        first, second = textured(seed, 0, 0), textured(seed, *MOVE)
        for name, between in methods.items():
            started = clocks()
            field = between(first, second)
            took = 1000 * (clocks() - started)
            if seed:  # The first pair warms up.
                times[name].append(took)
                errors[name].append(float(np.median(np.abs(field - MOVE)[48:-48, 64:-64])))
    return times, errors


def stream_times(form, seconds, runs):
    """Seconds of computing per second of video, for fields of 256 x 340 kept as uint8."""
    grey = [textured(1, 0.4 * k, 0) for k in range(RATE * seconds)]
    frames = [(k / RATE, np.repeat(picture[..., None], 3, axis=2)) for k, picture in enumerate(grey)]
    found = []
    for _ in range(runs):
        started = clocks()
        count = sum(1 for _ in flow_fields(frames, form, (HEIGHT, WIDTH)))
        found.append((clocks() - started) * RATE / count)
    return found


def clocks():
    """Wall and processor seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def summed(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": len(values)}


def both(rows):
    return {"wall": summed([float(row[0]) for row in rows]), "processor": summed([float(row[1]) for row in rows])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    cv2.setNumThreads(1)
    load = os.getloadavg()[0]
    times, errors = pair_times(pairs)
    ratios = [float(slow[1] / quick[1]) for slow, quick in zip(times["tvl1"], times["dis"], strict=True)]
    values = {
        "command": f"python benchmarks/flow.py --pairs {pairs}",
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load_before": load,
                    "load_after": os.getloadavg()[0], "opencv": cv2.__version__},
        "milliseconds_per_pair": {name: both(row) for name, row in times.items()},
        "median_error_pixels": {name: statistics.median(row) for name, row in errors.items()},
        "tvl1_over_dis": summed(ratios),
        "stream_seconds_per_video_second": {
            "dis": both(stream_times(FlowForm("dis", 256), 1, 5)),
            "tvl1": both(stream_times(FlowForm("tvl1", 256), 1, 1)),
        },
    }  # fmt: skip
    write_result(RESULTS, "flow", values, page(values))
    print(page(values))


def spread(told, digits):
    return f"{told['median']:.{digits}f} ({told['least']:.{digits}f} to {told['most']:.{digits}f})"


def page(values):
    machine, ratio = values["machine"], values["tvl1_over_dis"]
    rows = []
    for name, told in (("dis", "DIS (the default)"), ("tvl1", "TV-L1")):
        pair, stream = values["milliseconds_per_pair"][name], values["stream_seconds_per_video_second"][name]
        cells = [spread(row[clock], digits) for row, digits in ((pair, 0), (stream, 2)) for clock in pair]
        rows.append(f"| {told} | {' | '.join(cells)} | {values['median_error_pixels'][name]:.3f} |")
    table = "\n".join(rows)
    return f"""# What motion costs

`{values["command"]}` on {machine["cores"]} cores, one thread, OpenCV {machine["opencv"]}; load of the machine before
{machine["load_before"]:.1f}, after {machine["load_after"]:.1f}. Grey pairs of {WIDTH} x {HEIGHT} pixels that move
by {MOVE[0]:g} and {-MOVE[1]:g} pixels; streams of {RATE} pictures a second, without
decoding.

| method | ms per pair, wall | processor | seconds per second of video, wall | processor | median error, pixels |
|---|---|---|---|---|---|
{table}

Medians (least to most). TV-L1 takes {ratio["median"]:.0f} times as long as DIS on the same pairs
({ratio["least"]:.0f} to {ratio["most"]:.0f}, {ratio["runs"]} pairs in turn, processor's time). Other work on the
machine makes wall times longer.
"""


if __name__ == "__main__":
    main()
