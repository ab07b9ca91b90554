"""What happens to a saved relevance model whose trees someone or something has changed: 300 changes of four kinds.

    python benchmarks/tree_safety.py                      writes benchmarks/results/tree_safety.{json,md}

Each changed file is loaded twice in a process of its own: as it lies there, so that its hash gives it away, and with
the hash of the changed file put into the card, as someone would who means it. Both times segments are scored and
reasons are asked for. What counts: does the process die, is the file refused, are the scores others than before?
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from provenance import write_result
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import sha256_of, write_json
from whenabouts.core.labels import VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.described import Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.relevance import RelevanceModel, RelevanceSettings

KINDS = ("one byte", "cut short", "a run of bytes", "a number of a tree")
CLASSES, VIDEOS = 12, 80


def trained(folder):
    """A relevance model over a made table of segments, saved; and segments to score."""
    rng = np.random.default_rng(0)
    ids = np.repeat([f"video-{number:03d}" for number in range(VIDEOS)], 4)
    truth = rng.random((len(ids), CLASSES)) < 0.3
    looks = rng.normal(size=(CLASSES, 8))
    encodings = (truth @ looks + rng.normal(size=(len(ids), 8))).astype(np.float32)
    scores = (1 / (1 + np.exp(1 - 2 * truth - rng.normal(size=truth.shape)))).astype(np.float32)
    rows = np.repeat(np.arange(len(ids)), 3)
    classes = np.concatenate([rng.choice(CLASSES, 3, replace=False) for _ in ids])
    labels = tuple(VideoLabels.of(np.flatnonzero(row).tolist()) for row in truth)
    half = np.array([int(name[-3:]) % 2 for name in ids])
    folds = []
    for number in (0, 1):
        said = Described(ids, {"m": scores}, {"e": encodings}, frozenset(ids[half != number].tolist()))
        folds.append(Fold(Account(said, labels), np.flatnonzero(half == number)))
    whole = Account(Described(ids, {"m": scores}, {"e": encodings}, frozenset(ids.tolist())), labels)
    vocabulary = Vocabulary(tuple(f"concept {number}" for number in range(CLASSES)))
    how = RelevanceSettings(model="trees", trees=TreeSettings(rounds=60, patience=20, learning_rate=0.1))
    model = RelevanceModel.fit(OutOfFold(folds), whole, Ratings(rows, classes, truth[rows, classes], labels), how,
                               vocabulary=vocabulary)  # fmt: skip
    model.save(folder)
    return whole.segments


def changed(content, kind, rng):
    """The same bytes with one change."""
    data = bytearray(content)
    if kind == "cut short":
        return bytes(data[: rng.integers(len(data))])
    if kind == "one byte":
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        return bytes(data)
    if kind == "a run of bytes":
        at = int(rng.integers(len(data) - 8))
        data[at : at + 8] = rng.bytes(8)
        return bytes(data)
    name = [b"left_children", b"right_children", b"split_indices", b"split_conditions", b"parents", b"categories_nodes",
            b"categories_sizes", b"num_nodes", b"num_feature"][rng.integers(9)]  # fmt: skip
    places = [at for at in range(len(data)) if data.startswith(name, at)]
    at = places[rng.integers(len(places))] + len(name) + int(rng.integers(0, 40))
    data[at : at + 4] = int(rng.integers(-(2**31), 2**31)).to_bytes(4, "big", signed=True)
    return bytes(data)


def made(folder, answer):
    """Train and save a model, and put segments and their scores into the pipe `answer`."""
    segments = trained(folder)
    answer.send((segments, RelevanceModel.load(folder).scores(segments)))


def judged(folder, segments, expected, answer):
    """Load and use a model; what came of it, put into the pipe `answer`."""
    try:
        model = RelevanceModel.load(folder)
        scores = model.scores(segments)
        why = model.why(segments, 0, 0)
    except InvalidData as error:
        answer.send(("refused", str(error).replace(f"{folder.parent}/", "")[:200]))
        return
    finite = bool(np.isfinite(scores).all() and np.isfinite(why.score))
    same = np.array_equal(scores, expected)
    answer.send(("as before" if same else "finite, but another model" if finite else "not finite", ""))


def alone(work, *given):
    """What `work` answers in a process of its own, or that it died or hung.

    This process itself never computes with XGBoost: its threads do not outlive a fork.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*given, sender))
    process.start()
    sender.close()
    try:
        found = receiver.recv() if receiver.poll(60) else None
    except EOFError:
        found = ("died", "")
    if found is None:
        process.kill()
    process.join()
    if found is None:
        return ("hung", "")
    return found if process.exitcode == 0 else ("died", f"exit {process.exitcode}")


def measured(count, seed):
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        segments, expected = alone(made, folder)
        card, trees = folder / "card.json", folder / "trees.ubj"
        whole, content, rng = json.loads(card.read_text()), trees.read_bytes(), np.random.default_rng(seed)
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            trees.write_bytes(changed(content, kind, rng))
            write_json(card, whole)
            as_found = alone(judged, folder, segments, expected)
            write_json(card, {**whole, "beside": {"trees.ubj": sha256_of(trees)}})
            signed = alone(judged, folder, segments, expected)
            rows.append({"kind": kind, "same_bytes": trees.read_bytes() == content, "as_found": as_found,
                         "with_its_hash": signed})  # fmt: skip
    return rows, len(content)


def table(values):
    lines = [
        "# Saved trees that were changed",
        "",
        f"{len(values['rows'])} changed files of {values['bytes']:,} bytes, each loaded and used in a process of its"
        f" own; written by `{values['command']}`.",
        "",
        "| change | files | hash as it was: refused | died or hung | hash put right: refused | as before |"
        " finite, but another model | not finite | died or hung |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in [*KINDS, "all"]:
        rows = [row for row in values["rows"] if kind in (row["kind"], "all")]
        found = Counter(row["as_found"][0] for row in rows)
        signed = Counter(row["with_its_hash"][0] for row in rows)
        lines.append(
            f"| {kind} | {len(rows)} | {found['refused']} | {found['died'] + found['hung']} | {signed['refused']} | "
            f"{signed['as before']} | {signed['finite, but another model']} | {signed['not finite']} | "
            f"{signed['died'] + signed['hung']} |"
        )
    unchanged = sum(row["same_bytes"] for row in values["rows"])
    lines += [
        "",
        f"{unchanged} of the changes left the bytes as they were. A file with another threshold or leaf and a hash to"
        " go with it is another model, and no check can tell that it is the wrong one; its numbers are finite.",
        "",
        f"Machine: {values['machine']}; load {values['load']:.1f}.",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args()
    rows, size = measured(options.files, options.seed)
    command = f"python benchmarks/tree_safety.py --files {options.files} --seed {options.seed}"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    values = {"command": command, "bytes": size, "rows": rows, "machine": machine, "load": os.getloadavg()[0]}
    print(table(values))
    if options.out:
        write_result(Path(options.out), "tree_safety", values, table(values))


if __name__ == "__main__":
    main()
