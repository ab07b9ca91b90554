"""How much memory twelve hours of video take: pictures, single frames, sound, log-mel rows.

    python benchmarks/long_video.py             writes benchmarks/results/long_video.{json,md}
    python benchmarks/long_video.py --hours 1   shorter, on the screen only

The film repeats the packets of one minute (two pictures a second, sound at 16 kHz). Each task runs in a process of its
own; its peak is the resident memory that Linux reports. The bound is 1.5 GB.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from provenance import write_result
from whenabouts.media.audio import stream_audio
from whenabouts.media.frames import read_frames
from whenabouts.media.mel import stream_log_mel
from whenabouts.media.numbered import number_in, numbered_picture
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, Sound, write_video

RESULTS = Path(__file__).parent / "results"
BOUND_MIB, RATE, MINUTE = 1536, 2, 60


def make(path: Path, hours: float) -> None:
    """One minute, encoded once, muxed again and again with later times."""
    minute = path.with_name("minute.mkv")
    count = MINUTE * RATE
    tone = (0.3 * np.sin(np.arange(MINUTE * 16_000) / 5.8)).astype(np.float32)
    pictures = (numbered_picture(k, height=120, width=160) for k in range(count))
    how = Encoding(options={"preset": "veryfast", "bf": "0"}, keyframe_every=20)
    write_video(
        minute, pictures, [k / RATE for k in range(count)], rate=Fraction(RATE), encoding=how, sound=Sound(tone)
    )
    with av.open(str(minute)) as source, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for turn in range(round(hours * 60)):
            source.seek(0)
            for packet in source.demux():
                if packet.size and packet.pts is not None and 0 <= packet.pts * packet.time_base < MINUTE:
                    packet.pts += round(turn * MINUTE / packet.time_base)
                    packet.dts, packet.stream = packet.pts, copies[packet.stream.index]
                    target.mux(packet)


def pictures(path: Path, hours: float) -> str:
    reader = VideoReader(path, rate=1, size=(112, 112))
    count = sum(1 for _ in reader)
    return f"{count} pictures of 112 x 112, {reader.outcome.status} {reader.outcome.reason}".strip()


def single_frames(path: Path, hours: float) -> str:
    wanted = np.random.default_rng(0).uniform(0, hours * 3600, 40)
    times, pixels = read_frames(path, wanted)
    right = sum(number_in(p) == int(at * RATE) % (MINUTE * RATE) for at, p in zip(wanted, pixels, strict=True))
    return f"{right} of {len(times)} single frames right"


def sound(path: Path, hours: float) -> str:
    samples = sum(len(chunk) for chunk in stream_audio(path))
    return f"{samples / 16_000:.0f} s of sound"


def log_mel(path: Path, hours: float) -> str:
    return f"{sum(len(rows) for rows in stream_log_mel(stream_audio(path)))} rows"


def peak_mib() -> int:
    """Of this process alone: `ru_maxrss` would begin with that of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


TASKS: dict[str, Callable[[Path, float], str]] = {f.__name__: f for f in (pictures, single_frames, sound, log_mel)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        begun = time.process_time()
        told = TASKS[chosen.task](chosen.file, chosen.hours)
        print(json.dumps({"result": told, "peak_mib": peak_mib(), "cpu_s": round(time.process_time() - begun, 1)}))
        return
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("mp4", "mkv"):
            path = Path(folder) / f"long.{ending}"
            make(path, chosen.hours)
            size = path.stat().st_size >> 20
            for task in TASKS:
                command = [sys.executable, __file__, "--task", task, "--file", str(path), "--hours", str(chosen.hours)]
                rows[f"{ending}, {size} MiB: {task}"] = json.loads(subprocess.check_output(command))
    lines = [f"# {chosen.hours:g} hours of video", "", "Written by `python benchmarks/long_video.py`.", ""]
    lines += ["| file and task | result | peak MiB | CPU s |", "|---|---|---|---|"]
    lines += [f"| {name} | {row['result']} | {row['peak_mib']} | {row['cpu_s']} |" for name, row in rows.items()]
    worst = max(row["peak_mib"] for row in rows.values())
    lines += [
        "",
        f"Worst peak {worst} MiB, bound {BOUND_MIB} MiB. PyAV {av.__version__}, Python {platform.python_version()}.",
    ]
    print("\n".join(lines))
    if chosen.hours == 12:
        write_result(RESULTS, "long_video", {"rows": rows}, "\n".join(lines))


if __name__ == "__main__":
    main()
