"""The same video twice: by content of the file, and by a few small frames of it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import WriteError
from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.data.doctor.looking import HERE, SHARES, SIDE, Looks
from whenabouts.data.manifest import Entry

# Measured: copies at half size and low quality differ by 1 to 4 grey levels (root mean square of the worst frame),
# different takes of one scene before a fixed camera by 4 (two near-still ones of one person) or 10 and more.
SAME_FRAME = 4.0
FLAT = 5.0
_FORMAT = "whenabouts small frames 1"
_BLOCK = 1024
_SAVE_EACH = 50


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two videos that are the same: `how` is "file" or "frames"; `difference` in grey levels (0 for files)."""

    first: str
    second: str
    how: str
    difference: float
    across_splits: bool


def same_files(entries: Iterable[Entry]) -> list[Duplicate]:
    """Pairs of entries whose files have the same size and fingerprint; each against the first of its kind."""
    first: dict[tuple[int, str], Entry] = {}
    found = []
    for entry in entries:
        if entry.stamp is None or not entry.stamp.fingerprint or entry.stamp.bytes == 0:
            continue
        other = first.setdefault((entry.stamp.bytes, entry.stamp.fingerprint), entry)
        if other is not entry:
            found.append(Duplicate(other.id, entry.id, "file", 0.0, other.split != entry.split))
    return found


def same_frames(entries: Sequence[Entry], frames: Mapping[str, NDArray[np.uint8]]) -> list[Duplicate]:
    """Pairs of videos that last equally long (1 s or 2 %) and look the same at five moments of their time.

    `frames` maps ids to small grey frames (5, 16, 16); brightness as a whole does not count, and videos with a flat
    frame among them (black, one colour) are left out.
    """
    kept = [entry for entry in entries if entry.id in frames and _structured(frames[entry.id])]
    kept.sort(key=lambda entry: (entry.video.duration_seconds, entry.id))
    if len(kept) < 2:
        return []
    values = np.stack([_levelled(frames[entry.id]) for entry in kept])
    seconds = np.array([entry.video.duration_seconds for entry in kept])
    found = []
    for one, other in _near(values.reshape(len(kept), -1), seconds):
        difference = float(np.sqrt(((values[one] - values[other]) ** 2).mean(axis=1)).max())
        if difference <= SAME_FRAME:
            first, second = sorted((kept[one], kept[other]), key=lambda entry: entry.id)
            found.append(Duplicate(first.id, second.id, "frames", difference, first.split != second.split))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def small_frames(
    entries: Sequence[Entry], cache: Path, progress: Progress, looks: Looks = HERE
) -> dict[str, NDArray[np.uint8]]:
    """Five grey frames (5, 16, 16) of each video that can be read, by id; `cache` keeps them by the file's content.

    `looks` decodes them. Where the cache can't be written, that is told, and the frames are compared all the same.
    """
    kept, saving = _load(cache), True
    wanted = {
        entry.id: _key(entry) for entry in entries if entry.stamp is not None and entry.video.duration_seconds > 0
    }
    new = {_key(entry): entry for entry in entries if entry.id in wanted and wanted[entry.id] not in kept}
    decoded = progress.track(looks.frames(list(new.values())), total=len(new), title="Comparing frames")
    for number, (entry, pixels) in enumerate(decoded, start=1):
        if pixels is not None:  # Else it can't be decoded: extraction says why.
            kept[_key(entry)] = _small(pixels)
        if saving and kept and (number % _SAVE_EACH == 0 or number == len(new)):
            try:
                _save(cache, kept)
            except WriteError as error:
                saving = False
                progress.say(f"{error} Until then frames are read again each time.")
    return {video_id: kept[key] for video_id, key in wanted.items() if key in kept}


def _key(entry: Entry) -> str:
    return f"{entry.stamp.bytes}-{entry.stamp.fingerprint}" if entry.stamp else ""


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    small = grey.reshape(len(SHARES), SIDE, 4, SIDE, 4).mean(axis=(2, 4))
    levels: NDArray[np.uint8] = np.rint(small).astype(np.uint8)
    return levels


def _structured(frames: NDArray[np.uint8]) -> bool:
    return bool((frames.std(axis=(1, 2)) >= FLAT).all())


def _levelled(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    levelled: NDArray[np.float32] = flat - flat.mean(axis=1, keepdims=True)
    return levelled


def _near(values: NDArray[np.float32], seconds: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Rows (V, 5 * 256) in order of `seconds` -> pairs that last equally long and differ little on the mean."""
    squares = (values**2).sum(axis=1)
    limit = SAME_FRAME**2 * values.shape[1] * 1.01
    for begin in range(0, len(values), _BLOCK):
        stop = min(begin + _BLOCK, len(values))
        last = int(np.searchsorted(seconds, seconds[stop - 1] + np.maximum(1.0, 0.02 * seconds[stop - 1]), "right"))
        for start in range(begin, last, _BLOCK):
            end = min(start + _BLOCK, last)
            distances = squares[begin:stop, None] + squares[start:end] - 2 * values[begin:stop] @ values[start:end].T
            for row, column in np.argwhere(distances <= limit).tolist():
                one, other = begin + row, start + column
                if one < other and seconds[other] - seconds[one] <= max(1.0, 0.02 * seconds[other]):
                    yield one, other


def _save(path: Path, frames: Mapping[str, NDArray[np.uint8]]) -> None:
    from safetensors.numpy import save_file

    keys = sorted(frames)
    with replacing(path) as part:
        save_file({"frames": np.stack([frames[key] for key in keys])}, part,
                  metadata={"format": _FORMAT, "keys": json.dumps(keys)})  # fmt: skip


def _load(path: Path) -> dict[str, NDArray[np.uint8]]:
    """What `_save` wrote; a missing or broken cache is an empty one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            keys, frames = json.loads(metadata["keys"]), file.get_tensor("frames")
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}
    shape = (len(keys), len(SHARES), SIDE, SIDE)
    if metadata.get("format") != _FORMAT or frames.shape != shape or frames.dtype != np.uint8:
        return {}
    return dict(zip(keys, frames, strict=True))
