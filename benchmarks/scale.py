"""What 1 million videos of 4 minutes would take: real parts of the work are done, and the rest follows from rates.

    python benchmarks/scale.py         writes benchmarks/results/scale.json, and the figures within docs/scale.md
    python benchmarks/scale.py --minutes 9 --scratch DIR     a part of it; the same again goes on
    python benchmarks/scale.py --share 20000 --videos 200 --wide 300 --out ""     a small one, on the screen only

48 million segments of 5 s, 1,000 concepts. The manifest of all videos is written and read as one file, and dealt
out to workers. A share of the segments gets scores for all concepts, by a matrix product over features made up by
chance, in 20 parts; each part keeps each concept's best segments, and the parts are merged, all together and by
twos; for 50 concepts the outcome is compared with a full sort. Merging is done once more as wide as it would be:
10,000 videos of each of 1,000 concepts. Folders of many files are listed as workers do. A share of a fifth of the
manifest is taken in two ways, and so are features to find moments in, on Ray (scale_workers.py). Each piece is a
process of its own, whose CPU seconds and peak memory are noted. Decoding, extraction and pairwise scoring are taken
from other results beside this one. What was finished is not done again (--scratch), so --minutes may end it between
two pieces.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from provenance import made_now, write_result
from scale_page import figures
from scale_workers import CLASSES, WIDTH, entry, find_on_ray, peak, share_of_fifth, write_fifth
from whenabouts.core.files import write_json, write_text
from whenabouts.data.manifest import Manifest
from whenabouts.localizers.concepts.candidate_files import merged_candidates, save_candidates
from whenabouts.localizers.concepts.candidates import BestOfClasses
from whenabouts.recognition.shares import Share

SEGMENTS, PARTS, KEPT = 48, 20, 500
LISTED = (10_000, 100_000)
CHECKED, CHECKS = range(0, CLASSES, 20), 2
RESULTS = Path(__file__).parent / "results"


def write_manifest(given, place):
    Manifest(tuple(entry(number) for number in range(given.share))).save(place / "manifest.jsonl")
    return {"entries": given.share, "bytes": (place / "manifest.jsonl").stat().st_size}


def read_manifest(given, place):
    """As verbs do that need all of it; dealing out as an array of jobs does."""
    began = time.process_time()
    manifest = Manifest.load(place / "manifest.jsonl")
    read = time.process_time()
    taken = len(Share(1, 100).of(manifest.entries))
    return {"entries": len(manifest), "taken": taken, "reading": read - began, "dealing": time.process_time() - read}


def list_folder(given, place):
    """What a look at a store costs, beside reading what is new: the names of its files."""
    folder, seconds = place / "listed", {}
    folder.mkdir(exist_ok=True)
    made = 0
    for count in LISTED:
        for number in range(made, count):
            (folder / f"{number:020d}-{number:012x}.safetensors").touch()
        made, took = count, []
        for _ in range(5):
            began = time.process_time()
            assert len(set(folder.glob("*.safetensors"))) == count
            took.append(time.process_time() - began)
        seconds[str(count)] = float(np.median(took))
    shutil.rmtree(folder)
    return {"seconds": seconds}


def net():
    return np.random.default_rng(0).standard_normal((WIDTH, CLASSES), np.float32) / np.float32(WIDTH**0.5)


def features(number):
    """Features (48, 512) as a store keeps them."""
    rng = np.random.default_rng([1, number])
    return (rng.standard_normal((SEGMENTS, WIDTH), np.float32) + rng.standard_normal(WIDTH, np.float32)).astype(
        np.float16
    )


def scored(number, weights):
    """Probabilities (48, 1000); rounded, so that there are ties."""
    logits = features(number).astype(np.float32) @ weights
    return np.round(1 / (1 + np.exp(-logits)), 4)  # float32 throughout


def score_part(given, place, part):
    weights, best, spent = net(), BestOfClasses(np.full(CLASSES, KEPT)), {"making": 0.0, "scoring": 0.0, "keeping": 0.0}
    each = given.videos // PARTS
    for number in range(part * each, (part + 1) * each):
        times = [time.process_time()]
        features(number)
        times.append(time.process_time())
        values = scored(number, weights)
        times.append(time.process_time())
        best.add(f"{number:07x}", values)
        times.append(time.process_time())
        making, scoring, keeping = np.diff(times)
        spent["making"] += making
        spent["scoring"] += scoring - making
        spent["keeping"] += keeping
    began = time.process_time()
    save_candidates(place / f"part {part}.safetensors", best)
    size = (place / f"part {part}.safetensors").stat().st_size
    return {**spent, "saving": time.process_time() - began, "videos": each, "bytes": size}


def merge_parts(given, place):
    """All together, and by twos as a tree; then what a full sort says of some concepts."""
    paths = [place / f"part {part}.safetensors" for part in range(PARTS)]
    began = time.process_time()
    best = merged_candidates(paths)
    merged = time.process_time() - began
    save_candidates(place / "flat.safetensors", best)
    level, depth = paths, 0
    while len(level) > 1:
        pairs, depth = [level[k : k + 2] for k in range(0, len(level), 2)], depth + 1
        level = []
        for number, pair in enumerate(pairs):
            level.append(place / f"tree {depth} {number}.safetensors")
            save_candidates(level[-1], merged_candidates(pair))
    same = digest(level[0]) == digest(place / "flat.safetensors")
    return {"merging": merged, "same": same, "levels": depth}


def check(given, place, part):
    """How many of some concepts have another list than a full sort gives."""
    best, checked = merged_candidates([place / "flat.safetensors"]), CHECKED[part::CHECKS]
    weights, count = net(), given.videos // PARTS * PARTS
    table = np.empty((count * SEGMENTS, len(checked)), np.float32)
    for number in range(count):
        table[number * SEGMENTS : (number + 1) * SEGMENTS] = scored(number, weights)[:, checked]
    wrong = 0
    for column, index in enumerate(checked):
        order = np.lexsort((np.arange(len(table)), -table[:, column]))[:KEPT]
        found = best.of_class(index)
        places = [int(best.video_ids[video], 16) * SEGMENTS + place
                  for video, place in zip(found.videos, found.segments, strict=True)]  # fmt: skip
        wrong += places != order.tolist() or not np.array_equal(found.scores, table[order, column])
    return {"wrong": wrong, "checked": len(checked)}


def wide_part(given, place, part):
    """Scores of videos made up; each concept keeps as many as it would of a million: here all of them."""
    best, rng = BestOfClasses(np.full(CLASSES, given.wide)), np.random.default_rng([2, part])
    for number in range(given.wide):
        best.add(f"{part:02d}{number:06x}", rng.standard_normal(CLASSES, np.float32))
    began = time.process_time()
    save_candidates(place / f"wide {part}.safetensors", best)
    return {"saving": time.process_time() - began, "bytes": (place / f"wide {part}.safetensors").stat().st_size}


def wide_merge(given, place, count):
    began = time.process_time()
    best = merged_candidates([place / f"wide {part}.safetensors" for part in range(count)])
    merging = time.process_time() - began
    save_candidates(place / f"wide of {count}.safetensors", best)
    return {"parts": count, "merging": merging}


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


PIECES = {
    **{f"score {part}": (score_part, (part,)) for part in range(PARTS)},
    "merge": (merge_parts, ()),
    **{f"check {part}": (check, (part,)) for part in range(CHECKS)},
    **{f"wide part {part}": (wide_part, (part,)) for part in range(4)},
    **{f"wide merge {count}": (wide_merge, (count,)) for count in (2, 4)},
    "write manifest": (write_manifest, ()),
    "read manifest": (read_manifest, ()),
    "list a folder": (list_folder, ()),
    "write a fifth": (write_fifth, ()),
    "share by entries": (share_of_fifth, ("entries",)),
    "share by lines": (share_of_fifth, ("lines",)),
    "find, sent": (find_on_ray, ("sent",)),
    "find, named": (find_on_ray, ("named",)),
}


def done(given, name):
    """One piece, in a process of its own unless it was finished before."""
    note = given.scratch / f"{name}.json"
    if not note.is_file():
        words = [
            word
            for option in ("share", "videos", "wide", "scratch")
            for word in (f"--{option}", str(getattr(given, option)))
        ]
        command = [sys.executable, __file__, *words, "--piece", name]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    return json.loads(note.read_text())


def piece(given):
    function, arguments = PIECES[given.piece]
    began = time.perf_counter()
    found = function(given, given.scratch, *arguments)
    found |= {"clock": time.perf_counter() - began, "cpu": time.process_time(), "peak_bytes": peak()}
    write_json(given.scratch / f"{given.piece}.json", {**found, "load": os.getloadavg()[0], "made": made_now()})


def same_size(note, size):
    """Pieces of another size are not mixed with these."""
    if note.is_file() and json.loads(note.read_text()) != size:
        sys.exit(f"{note.parent} holds pieces of another size. Give another --scratch, or remove it.")
    write_json(note, size)


def taken():
    """Rates that other benchmarks beside this one measured, with the name of their file."""
    read = lambda name: json.loads((RESULTS / f"{name}.json").read_text())  # noqa: E731
    extraction, shards, pairs = (
        read("extraction"),
        read("extraction_shards"),
        read("relevance_speed")["scoring"]["rows"][-1],
    )
    seconds = extraction["videos"] * extraction["seconds"]
    cpu = extraction["measured"]["cpu"]
    return {
        "decode": seconds / cpu["decode"],
        "extract": seconds / cpu["both"],
        "backbone": extraction["backbone"],
        "two_workers": shards["rows"]["2"]["work"]["median"],
        "two_workers_with_start": shards["rows"]["2"]["whole"]["median"],
        "pairs": pairs["pairs"] / np.median(pairs["cpu_seconds"]),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--share", type=int, default=1_000_000, help="entries of the manifest")
    options.add_argument("--videos", type=int, default=25_000, help="videos whose segments are scored")
    options.add_argument("--wide", type=int, default=10_000, help="videos a concept keeps where merging is wide")
    options.add_argument("--scratch", type=Path, default=Path("scale-scratch"), help="where pieces lie (2 GB)")
    options.add_argument("--minutes", type=float, default=float("inf"), help="begin no piece after so many")
    options.add_argument("--out", default=str(RESULTS))
    options.add_argument("--piece", help=argparse.SUPPRESS)
    given = options.parse_args()
    given.scratch.mkdir(parents=True, exist_ok=True)
    size = {"share": given.share, "videos": given.videos, "wide": given.wide, "kept": KEPT, "width": WIDTH}
    same_size(given.scratch / "size.json", size)
    if given.piece:
        piece(given)
        return
    pieces, began = {}, time.monotonic()
    for name in PIECES:
        if time.monotonic() - began > given.minutes * 60:
            sys.exit(f"{len(pieces)} of {len(PIECES)} pieces are done: the same command goes on.")
        pieces[name] = done(given, name)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
    values = {"size": size, "machine": machine, "taken": taken(), "pieces": pieces}
    text = figures(values)
    sys.stdout.write(text)
    if given.out:
        told = write_result(Path(given.out), "scale", values, cells=pieces.values())
        page = Path(__file__).parents[1] / "docs" / "scale.md"
        before, mark, rest = page.read_text(encoding="utf-8").partition("<!-- figures -->\n")
        after = rest.partition("<!-- end of figures -->")[2]
        write_text(page, f"{before}{mark}{text}\n{told}\n<!-- end of figures -->{after}")


if __name__ == "__main__":
    main()
