"""What else than a kill can come between: full disks, limits, missing rights, other processes; see crash_safety.py."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

import killing
from crash_bench import VERBS, Bench, told, words
from whenabouts.data.feature_store import FeatureStore


def killed_children(bench: Bench, count: int, rng: np.random.Generator) -> dict:
    """Extractions whose decoding child somebody kills: they go on by themselves, to the same features."""
    hit, codes, same = 0, set(), 0
    for _ in range(4 * count):
        project = killing.copied(bench.base("extract"), bench.folder / "trial")
        run = killing.start(words("extract", project), bench.logs)
        after = rng.uniform(0, bench.seconds["extract"])
        while run.alive and killing.BEGUN["extract"] not in run.said:
            time.sleep(0.002)
        time.sleep(after)
        children = run.children()
        for child in children:
            os.kill(child, signal.SIGKILL)
        code = run.wait()
        if children:
            hit, codes, same = (
                hit + 1,
                codes | {code},
                same + (killing.content("extract", project) == bench.wanted["extract"]),
            )
            told(f"decoding child killed {hit} of {count} after {after:.2f} s: exit code {code}, same: {same}")
        if hit == count:
            break
    return {"killed": hit, "exit codes": sorted(codes), "same in the end": same}


def full_disks(bench: Bench, verb: str, rooms: list[int]) -> list[dict]:
    """A disk that is full after so many KiB; then there is room, and the run is started again."""
    rows = []
    for room in rooms:
        disk = bench.folder / "disk"
        disk.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
        try:
            project = Path(shutil.copytree(bench.base(verb), disk / "project"))
            size = shutil.disk_usage(disk).used // 1024 + room
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            run = killing.start(words(verb, project), bench.logs)
            code, left = run.wait(), killing.scan(project)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            killing.finish(words(verb, project), bench.logs)
            rows.append({"what": f"full disk, {room} KiB left", **refused(bench, verb, project, code, run, left)})
        finally:
            subprocess.run(["umount", str(disk)], check=True)
        told(str(rows[-1]))
    return rows


def file_limits(bench: Bench, verb: str, limits: list[int]) -> list[dict]:
    """No file may grow beyond so many bytes; then it may, and the run is started again."""
    rows = []
    for limit in limits:
        project = killing.copied(bench.base(verb), bench.folder / "trial")
        run = killing.start(words(verb, project), bench.logs, launcher=killing.with_file_limit(limit))
        code, left = run.wait(), killing.scan(project)
        killing.finish(words(verb, project), bench.logs)
        rows.append({"what": f"files to {limit} bytes", **refused(bench, verb, project, code, run, left)})
        told(str(rows[-1]))
    return rows


def read_only(bench: Bench, verb: str) -> list[dict]:
    """Folders that may not be written to, for root neither; nothing changes, and with rights the run succeeds."""
    project = killing.copied(bench.base(verb), bench.folder / "trial")
    folders = [project, *(path for path in project.rglob("*") if path.is_dir())]
    before = killing.snapshot(project)
    for folder in folders:
        folder.chmod(0o555)
    run = killing.start(words(verb, project), bench.logs, launcher=killing.without_rights())
    code, left, after = run.wait(), killing.scan(project), killing.snapshot(project)
    for folder in folders:
        folder.chmod(0o755)
    killing.finish(words(verb, project), bench.logs)
    row = {"what": "read-only folder", **refused(bench, verb, project, code, run, left), "unchanged": before == after}
    told(str(row))
    return [row]


def refused(bench: Bench, verb: str, project: Path, code: int, run: killing.Run, left: killing.Left) -> dict:
    """What a run that could not write came to, and the one after it."""
    lines = [line for line in run.said.splitlines() if line.startswith("whenabouts:")]
    return {
        "verb": verb,
        "exit code": code,
        "message": re.sub(r"/\S*/(trial|project)/", "", lines[-1]) if lines else "",
        "traceback": "Traceback" in run.said,
        "broken": left.broken,
        "parts": left.parts,
        "same afterwards": killing.content(verb, project) == bench.wanted[verb],
    }


def pairs(bench: Bench) -> list[dict]:
    """Two processes on one project, begun together."""
    rows = []
    for name, one, other in (
        ("two extractions", "extract", "extract"),
        ("extraction and training", "extract", "train"),
        ("extraction and pre-training", "extract", "pretrain"),
        ("two trainings", "train", "train"),
        ("two pre-trainings", "pretrain", "pretrain"),
    ):
        base = "train" if "train" in (one, other) else one
        project = killing.copied(bench.base(base), bench.folder / "trial")
        if name == "extraction and training":
            without_held_out(project)
        runs = [killing.start(words(verb, project), bench.logs) for verb in (one, other)]
        codes = sorted(run.wait() for run in runs)
        told_by = [line for run in runs for line in run.said.splitlines() if line.startswith("whenabouts:")]
        row = {"what": name, "exit codes": codes, "messages": [re.sub(r"\(it holds.*?\)", "(...)", x) for x in told_by]}
        same = [killing.content(verb, project) == bench.wanted[verb] for verb in {one, other}]
        rows.append({**row, "broken": killing.scan(project).broken, "same": all(same)})
        told(str(rows[-1]))
    return [*rows, two_imports(bench)]


def without_held_out(project: Path) -> None:
    """Take the features of held-out videos away, so that an extraction has work while a training reads the others."""
    store = FeatureStore(project / "features")
    kept = [store.read(name, modality) for modality in store.modalities() for name in store.video_ids(modality)
            if not name.startswith("test")]  # fmt: skip
    shutil.rmtree(project / "features")
    FeatureStore(project / "features").append(kept)


def two_imports(bench: Bench) -> dict:
    """Both parts of the archive into one project at once: the manifest is that of one after the other."""
    codes, wanted = [], killing.snapshot(bench.base("pretrain"))["manifest.jsonl"]
    same = True
    for _ in range(5):
        project = bench.folder / "trial"
        shutil.rmtree(project, ignore_errors=True)
        first = ["import", "ytdlp", str(bench.archive / "train"), "--project", str(project)]
        runs = [killing.start([*first[:2], str(bench.archive / name), *first[3:], *more], bench.logs)
                for name, more in (("train", []), ("heldout", ["--split", "test"]))]  # fmt: skip
        codes += [run.wait() for run in runs]
        same = same and killing.snapshot(project)["manifest.jsonl"] == wanted
    row = {
        "what": "two imports, five times",
        "exit codes": sorted(set(codes)),
        "messages": [],
        "broken": [],
        "same": same,
    }
    told(str(row))
    return row


def workers(bench: Bench, counts: tuple[int, ...]) -> list[dict]:
    """The whole road with so many workers: features, models and moments, by hash."""
    rows = []
    for count in counts:
        project = killing.copied(bench.base("pretrain"), bench.folder / "trial")
        hashes = {}
        for verb in (*VERBS, "find"):
            more = ("--workers", count) if verb in ("pretrain", "extract") else ()
            killing.finish(killing.words_of(verb, project, *more), bench.logs)
            hashes[verb] = killing.content(verb, project)
            if verb == "pretrain":
                shutil.rmtree(project / "cache")  # The extraction decodes for itself.
        rows.append({"workers": count, **{f"{verb} same": hashes[verb] == bench.wanted[verb] for verb in hashes}})
        told(str(rows[-1]))
    return rows
