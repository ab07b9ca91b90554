"""What workers take before they begin, before and now: a share of a manifest, and features to find moments in."""

import hashlib
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, FileStamp, Manifest, WeakLabel
from whenabouts.recognition.shares import Share

CLASSES, WIDTH, FOUND = 1000, 512, 300


def entry(number):
    labels = tuple(WeakLabel(f"concept {(number * 7 + k * 131) % CLASSES:03d}", 1.0, "ytdlp", "tag") for k in range(3))
    video = Video(f"{number:07x}", Path(f"/archive/{number % 1000:03d}/{number:07x}.mp4"), 240.0, None, 5760, 360, 640)
    stamp = FileStamp(30_000_000 + number, 1_700_000_000_000_000_000 + number, f"{number:016x}")
    return Entry(video, labels, title=f"Video {number}", uploader=f"channel {number % 5000}", stamp=stamp)


def write_fifth(given, place):
    """A manifest of its own, for the two ways of taking a share of it."""
    Manifest(tuple(entry(number) for number in range(given.share // 5))).save(place / "fifth.jsonl")
    return {"entries": given.share // 5}


def share_of_fifth(given, place, way):
    """What each worker of an array does first: read all entries and keep its own, or look at lines and read its own."""
    path, share, began, base = place / "fifth.jsonl", Share(1, 100), time.process_time(), peak()
    if way == "entries":
        taken = [one.id for one in share.of(Manifest.load(path).entries)]
    else:
        taken = [one.id for one in share.read_entries(path)]
    names = hashlib.sha256("".join(taken).encode()).hexdigest()
    return {"taken": len(taken), "names": names, "spent": time.process_time() - began, "base_bytes": base}


def find_on_ray(given, place, way):
    """What the process that hands out videos spends on each: features that it reads and sends, or where they stand."""
    from whenabouts.core.progress import Silent
    from whenabouts.data.feature_store import FeatureStore
    from whenabouts.data.worlds.features import WorldShape, planted_world
    from whenabouts.localizers import WinnersOut
    from whenabouts.localizers.finding import find_moments
    from whenabouts.scale import finding
    from whenabouts.scale.cluster import connected

    shape = WorldShape(classes=3, seconds=(240.0, 240.0), widths={"rgb": WIDTH})
    world = planted_world(2, np.random.default_rng(3), shape)
    settings = WinnersOut.Settings(epochs=1, attentions=2)
    localizer = WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary)
    folder = place / f"find {way}"
    shutil.rmtree(folder, ignore_errors=True)
    localizer.save(folder / "localizer")
    store, (first, *_) = FeatureStore(folder / "features"), world.examples
    sequence = first.features["rgb"]
    values = sequence.values.astype(np.float16)
    store.append(replace(sequence, video_id=f"{number:04d}", values=values) for number in range(FOUND))
    entries = [Entry(Video(f"{number:04d}", Path("none"), 240.0)) for number in range(FOUND)]
    if way == "sent":
        finding._IN_VAIN = -1
    with connected("ray", cpus=1) as ray:
        localized = finding.localizing_on(ray, folder / "localizer", {}, Silent())
        find_moments(localizer, entries[:5], store, Silent(), localized)  # What comes once is not counted.
        read, began = bytes_read(), time.process_time()
        found = find_moments(localizer, entries, store, Silent(), localized)
        spent, read = time.process_time() - began, bytes_read() - read
    names = hashlib.sha256(json.dumps(found.moments.to_json()).encode()).hexdigest()
    shutil.rmtree(folder)
    return {"videos": FOUND, "spent": spent, "read": read, "moments": names, "each": values.nbytes}


def bytes_read():
    """What this process has read of files so far."""
    return int(re.search(r"rchar:\s*(\d+)", Path("/proc/self/io").read_text())[1])


def peak():
    """The most memory that this process has had, in bytes."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
