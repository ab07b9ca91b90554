"""Copies of a target project's videos in ours: hashed once, compared, written down, set aside."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, WriteError
from whenabouts.core.files import replacing
from whenabouts.core.locks import locked
from whenabouts.core.progress import Progress
from whenabouts.data.manifest import SET_ASIDE, Entry, Manifest
from whenabouts.data.near_copies import HashedVideo, NearCopy, NearCopySettings, copies_by_clips, copies_by_frames
from whenabouts.data.project import Project
from whenabouts.media.perceptual import BITS, VIEWS

SPLIT = SET_ASIDE
_FORMAT = "whenabouts frame hashes 2"
_SAVE_EACH = 50
_PARTS = ("hashes", "mirrored", "quality")


def copies_of(ours: Project, target: Project, how: NearCopySettings, progress: Progress) -> list[NearCopy]:
    """Videos of ours that show the same as one of the target's, by frames, and by clips where both have features.

    Both projects keep the hashes of their videos; videos that can't be read are told.
    """
    sources = list(hashed(_usable(ours), how, progress, cache=ours.cache_folder))
    targets = list(hashed(_usable(target), how, progress, cache=target.cache_folder))
    found = {(pair.source, pair.target): pair for pair in _by_clips(ours, target, how, progress)}
    found |= {(pair.source, pair.target): pair for pair in copies_by_frames(sources, targets, how)}
    return [found[key] for key in sorted(found)]


def set_aside(project: Project, copies: Sequence[NearCopy]) -> int:
    """Put copies into the split `copies`, which nothing learns from, and return how many were moved."""
    names = {pair.source for pair in copies}
    with locked(project.folder):
        manifest = project.manifest()
        moved = sum(entry.id in names and entry.split != SPLIT for entry in manifest)
        entries = (replace(entry, split=SPLIT) if entry.id in names else entry for entry in manifest)
        project.write_manifest(Manifest(tuple(entries)))
    return moved


def hashed(
    entries: Sequence[Entry], how: NearCopySettings, progress: Progress, *, cache: Path | None = None
) -> Iterator[HashedVideo]:
    """Hashes of each video that can be read, decoded in child processes; the others are told to `progress`.

    The folder `cache` keeps them by the file's content: a killed run goes on, and only new videos are read.
    """
    path = None if cache is None else cache / "frame_hashes.safetensors"
    kept = {} if path is None else _load(path, how.rate)
    new = [entry for entry in entries if _key(entry) not in kept]
    decoded = progress.track(_decoded(new, how, progress), total=len(new), title="Hashing frames")
    fresh: dict[str, HashedVideo] = {}
    for number, (entry, video) in enumerate(decoded, start=1):
        fresh[entry.id] = video
        if _key(entry):
            kept[_key(entry)] = video
        if path is not None and (number % _SAVE_EACH == 0 or number == len(new)):
            try:
                _save(path, kept, how.rate)
            except WriteError as error:
                progress.say(f"{error} Until then frames are read again each time.")
                path = None
    for entry in entries:
        video_or_none = fresh.get(entry.id, kept.get(_key(entry)))
        if video_or_none is not None:
            yield replace(video_or_none, video_id=entry.id)


def _by_clips(ours: Project, target: Project, how: NearCopySettings, progress: Progress) -> list[NearCopy]:
    """Pairs by features of pictures, where both projects have such of one backbone."""
    stores = ours.features(), target.features()
    try:
        sources = [store.source("rgb") for store in stores]
    except FeatureMismatch:
        progress.say("Clips are not compared: both projects need features of pictures (`whenabouts extract`).")
        return []
    if sources[0] != sources[1]:
        progress.say(f"Clips are not compared: their features are of two backbones ({sources[0]}, {sources[1]}).")
        return []
    values = [{name: store.read(name, "rgb").values for name in store.video_ids("rgb")} for store in stores]
    mean = np.concatenate([rows for rows in values[1].values() if len(rows)] or [np.zeros((1, 1))]).mean(axis=0)
    ours_centred, theirs_centred = ({name: rows - mean for name, rows in table.items()} for table in values)
    return copies_by_clips(ours_centred, theirs_centred, how)


def _usable(project: Project) -> list[Entry]:
    return [entry for entry in project.manifest() if entry.usable]


def _key(entry: Entry) -> str:
    stamp = entry.stamp
    return f"{stamp.bytes}-{stamp.fingerprint or stamp.modified_ns}" if stamp else ""


def _decoded(
    entries: Sequence[Entry], how: NearCopySettings, progress: Progress
) -> Iterator[tuple[Entry, HashedVideo]]:
    from whenabouts.media.perceptual import hash_parts
    from whenabouts.media.workers import Job, decode_many

    jobs = (Job(hash_parts, entry.video.path, {"rate": how.rate}, entry.id) for entry in entries)
    for entry, under_way in zip(entries, decode_many(jobs), strict=False):
        parts = list(under_way.parts())
        if parts:
            joined = {name: np.concatenate([part[name] for part in parts]) for name in _PARTS}
            yield entry, HashedVideo(entry.id, joined["hashes"], joined["mirrored"], joined["quality"])
        else:
            progress.say(f"{entry.id}: not compared: {under_way.outcome.reason or 'it shows no frame'}")


def _save(path: Path, videos: Mapping[str, HashedVideo], rate: float) -> None:
    from safetensors.numpy import save_file

    keys = sorted(videos)
    counts = [len(videos[key].hashes) for key in keys]
    tensors = {name: np.concatenate([getattr(videos[key], name) for key in keys]) for name in _PARTS} if keys else {}
    told = {"format": _FORMAT, "rate": repr(rate), "keys": json.dumps(keys), "counts": json.dumps(counts)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file(tensors, part, metadata=told)


def _load(path: Path, rate: float) -> dict[str, HashedVideo]:
    """What `_save` wrote; a missing or broken cache, or one of another rate, is an empty one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            told: dict[str, Any] = file.metadata() or {}
            if told.get("format") != _FORMAT or told.get("rate") != repr(rate):
                return {}
            keys, counts = json.loads(told["keys"]), json.loads(told["counts"])
            rows: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in _PARTS} if keys else {}
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}
    if not _fit(keys, counts, rows):
        return {}
    edges = np.cumsum([0, *counts])
    return {
        key: HashedVideo(key, *(rows[name][first:last] for name in _PARTS))
        for key, first, last in zip(keys, edges[:-1], edges[1:], strict=True)
    }


def _fit(keys: Any, counts: Any, rows: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a cache holds what its keys and counts say, in hashes of the shapes that are compared."""
    told = isinstance(keys, list) and isinstance(counts, list) and len(keys) == len(counts)
    if not told or not all(isinstance(key, str) for key in keys):
        return False
    if not all(isinstance(count, int) and count >= 0 for count in counts) or (keys and set(rows) != set(_PARTS)):
        return False
    total = sum(counts)
    shapes = {"hashes": (total, len(VIEWS), BITS // 8), "mirrored": (total, len(VIEWS), BITS // 8), "quality": (total,)}
    return all(
        values.shape == shapes[name] and (values.dtype == np.uint8 or name == "quality")
        for name, values in rows.items()
    )
