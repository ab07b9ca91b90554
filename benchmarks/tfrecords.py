"""How fast frame-level YouTube-8M records are read: ours against the `tfrecord` package and TensorFlow's tf.data.

    pip install -e '.[bench]' tensorflow-cpu        (a peer that is absent is printed as not run)
    python benchmarks/tfrecords.py                  writes benchmarks/results/tfrecords.{json,md}
    python benchmarks/tfrecords.py --videos 40 --rounds 2 --out ""     a small one, on the screen only

Every reader gives, for each video, its id, its labels and two contiguous uint8 arrays (T, 1024) and (T, 128) in the
memory of the process; "views" gives them without the copy, "float32" dequantised. All read the same files from the
page cache, turn by turn, each in a process of its own (the `tfrecord` package and TensorFlow can't share one); the
answers are compared first. Each CRC is checked, except where noted.
"""

import argparse
import hashlib
import importlib.metadata
import itertools
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
from whenabouts.data.youtube8m.frames import dequantised
from whenabouts.data.youtube8m.reader import FrameRecord
from whenabouts.data.youtube8m.shards import read_shards, shards_below, write_shards
from whenabouts.data.youtube8m.tfrecord import read_records

SHARDS = 8
WIDTHS = {"rgb": 1024, "audio": 128}


def generate(folder, rng, videos):
    """Write shards of made-up videos, 120 to 300 seconds each; the bytes are of no matter here."""

    def made():
        for number in range(videos):
            seconds = int(rng.integers(120, 301))
            rgb, audio = (rng.integers(0, 256, (seconds, width), np.uint8) for width in WIDTHS.values())
            labels = np.sort(rng.choice(3862, int(rng.integers(1, 6)), replace=False))
            yield FrameRecord(f"{number:04d}", labels, rgb, audio)

    write_shards(folder, "train", made(), videos_per_shard=-(-videos // SHARDS))
    return shards_below(folder)


def ours(paths):
    for video in read_shards(paths):
        yield video.id, video.labels, np.ascontiguousarray(video.rgb), np.ascontiguousarray(video.audio)


def ours_views(paths):
    for video in read_shards(paths):
        yield video.id, video.labels, video.rgb, video.audio


def ours_float32(paths):
    for video in read_shards(paths):
        yield video.id, video.labels, dequantised(video.rgb), dequantised(video.audio)


def ours_framing(paths):
    for path in paths:
        yield from read_records(path)


def tfrecord_package(paths):
    from tfrecord.reader import sequence_loader

    context, sequence = {"id": "byte", "labels": "int"}, {"rgb": "byte", "audio": "byte"}
    for path in paths:
        for given, lists in sequence_loader(str(path), None, context, sequence):
            arrays = (
                np.frombuffer(b"".join(lists[name]), np.uint8).reshape(-1, width) for name, width in WIDTHS.items()
            )
            yield bytes(given["id"]).decode(), given["labels"], *arrays


def tf_data(paths, parallel):
    import tensorflow as tf

    context = {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
    sequence = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in WIDTHS}

    def parse(record):
        given, lists = tf.io.parse_single_sequence_example(record, context, sequence)
        arrays = [tf.io.decode_raw(lists[name], tf.uint8) for name in WIDTHS]
        return given["id"], tf.sparse.to_dense(given["labels"]), *arrays

    wide = tf.data.AUTOTUNE if parallel else None
    data = tf.data.TFRecordDataset([str(path) for path in paths], num_parallel_reads=wide)
    data = data.map(parse, num_parallel_calls=wide, deterministic=True)
    for video, labels, rgb, audio in (data.prefetch(wide) if parallel else data).as_numpy_iterator():
        yield video.decode(), labels, rgb, audio


def tf_data_serial(paths):
    return tf_data(paths, parallel=False)


def tf_data_parallel(paths):
    return tf_data(paths, parallel=True)


READERS = {
    "whenabouts": ours,
    "whenabouts, views": ours_views,
    "whenabouts, float32": ours_float32,
    "whenabouts, framing and CRC only": ours_framing,
    "tfrecord package (checks no CRC)": tfrecord_package,
    "tf.data, serial": tf_data_serial,
    "tf.data, parallel": tf_data_parallel,
}
PEERS = {"tfrecord package (checks no CRC)": 8, "tf.data, serial": 3, "tf.data, parallel": 3}
COMPARED = ("whenabouts", "whenabouts, views", *PEERS)


def digest(videos):
    """One hash over ids, labels and bytes of all videos, whatever their order."""
    parts = []
    for name, labels, rgb, audio in videos:
        hashed = hashlib.sha256(f"{name} {sorted(np.asarray(labels).tolist())} {rgb.shape} {audio.shape}".encode())
        hashed.update(np.ascontiguousarray(rgb))
        hashed.update(np.ascontiguousarray(audio))
        parts.append(hashed.hexdigest())
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()


def work(name, paths):
    """One reader's process: says its answer, then reads all once for each line it is sent and says the seconds."""
    reader = READERS[name]
    try:
        sys.stdout.write(json.dumps({"answer": digest(reader(paths[:1])) if name in COMPARED else None}) + "\n")
    except ImportError as error:
        sys.stdout.write(json.dumps({"absent": str(error)}) + "\n")
        return
    sys.stdout.flush()
    for _ in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in reader(paths):
            pass
        taken = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        sys.stdout.write(json.dumps(taken) + "\n")
        sys.stdout.flush()


class Worker:
    """A reader in a process of its own."""

    def __init__(self, name, folder):
        command = [sys.executable, __file__, "--reader", name, "--folder", str(folder)]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=quiet)
        self.first = self._answer()

    def read(self):
        """Read all files once: wall and CPU seconds."""
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self):
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()

    def _answer(self):
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"absent": f"it ended with {self._process.wait()}"}


def started(folder):
    """Workers of the readers that run here, and why the others don't; raises SystemExit where answers differ."""
    workers = {name: Worker(name, folder) for name in READERS}
    absent = {name: worker.first["absent"] for name, worker in workers.items() if "absent" in worker.first}
    running = {name: worker for name, worker in workers.items() if name not in absent}
    answers = {name: worker.first["answer"] for name, worker in running.items() if name in COMPARED}
    if len(set(answers.values())) != 1:
        raise SystemExit(f"The readers disagree: {answers}")
    return running, absent


def versions():
    found = {}
    for package in ("numpy", "google-crc32c", "tfrecord", "protobuf", "tensorflow-cpu", "tensorflow"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def ratio(peer, mine, kind):
    """How many times longer the peer takes: the median of the rounds' ratios, as load on the machine moves both."""
    return statistics.median(one[kind] / other[kind] for one, other in zip(peer, mine, strict=True))


def measured(videos, rounds):
    with tempfile.TemporaryDirectory() as place:
        paths = generate(Path(place), np.random.default_rng(0), videos)
        frames = sum(len(video) for video in read_shards(paths))
        size = sum(path.stat().st_size for path in paths)
        workers, absent = started(place)
        load = os.getloadavg()[0]
        times = {name: [] for name in workers}
        for _, (name, worker) in itertools.product(range(rounds), workers.items()):
            times[name].append(worker.read())
        for worker in workers.values():
            worker.stop()
    rows = {}
    for name, rounds_of in times.items():
        wall, cpu = ([taken[kind] for taken in rounds_of] for kind in ("seconds", "cpu_seconds"))
        seconds = statistics.median(wall)
        rates = {"mb_per_second": size / seconds / 1e6, "videos_per_second": videos / seconds}
        spans = {"least": min(wall), "most": max(wall), "cpu_seconds": statistics.median(cpu)}
        rows[name] = {"seconds": seconds, **spans, **rates}
    for name in PEERS.keys() & rows.keys():
        rows[name] |= {"wanted": PEERS[name], **{
            f"{mine}_{kind}": ratio(times[name], times[mine], kind)
            for mine in ("whenabouts", "whenabouts, views") for kind in ("seconds", "cpu_seconds")
        }}  # fmt: skip
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(),
               "niceness": os.nice(0), "load_before": load, "load_after": os.getloadavg()[0]}  # fmt: skip
    data = {"videos": videos, "frames": frames, "bytes": size, "shards": len(paths), "rounds": rounds}
    return {"data": data, "machine": machine, "versions": versions(), "readers": rows, "not_run": absent}


def table(result):
    data, machine = result["data"], result["machine"]
    lines = [
        "# Reading frame-level YouTube-8M records", "",
        f"{data['videos']} videos, {data['frames']} frames, {data['bytes'] / 1e6:.0f} MB in {data['shards']} shards, "
        f"from the page cache, one process a reader; median (least to most) of {data['rounds']} rounds in which the "
        f"readers take turns. {machine['cores']} cores, shared with others (niceness {machine['niceness']}, load "
        f"{machine['load_before']:.1f} before, {machine['load_after']:.1f} after): trust the ratios, which are medians "
        "over the rounds; those of CPU time "
        "hold on a busy machine too. "
        + ", ".join(f"{name} {version}" for name, version in result["versions"].items()) + ".", "",
        "| reader | seconds | CPU seconds | MB/s | videos/s |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in result["readers"].items():
        span = f"{row['seconds']:.3f} ({row['least']:.3f} to {row['most']:.3f}) | {row['cpu_seconds']:.3f}"
        lines.append(f"| {name} | {span} | {row['mb_per_second']:.0f} | {row['videos_per_second']:.0f} |")
    lines += [f"| {name} | not run: {reason} | | | |" for name, reason in result["not_run"].items()]
    lines += [
        "",
        "| whenabouts is faster than | copied: wall (CPU) | views: wall (CPU) | wanted |",
        "|---|---|---|---|",
    ]
    for name, wanted in PEERS.items():
        row = result["readers"].get(name)
        if row is None:
            lines.append(f"| {name} | not run | not run | {wanted}x |")
            continue
        cells = (
            f"{row[f'{mine}_seconds']:.1f}x ({row[f'{mine}_cpu_seconds']:.1f}x)"
            for mine in ("whenabouts", "whenabouts, views")
        )
        lines.append(f"| {name} | {' | '.join(cells)} | {wanted}x |")
    note = "Answers (ids, labels, every byte) of all readers that ran are equal. Made by `benchmarks/tfrecords.py`."
    return "\n".join([*lines, "", note, ""])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--videos", type=int, default=800)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.reader:
        work(given.reader, shards_below(given.folder))
        return
    result = measured(given.videos, given.rounds)
    sys.stdout.write(table(result))
    if given.out:
        write_result(Path(given.out), "tfrecords", result, table(result))


if __name__ == "__main__":
    main()
