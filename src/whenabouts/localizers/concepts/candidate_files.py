"""What `BestOfClasses` kept, on disk: parts that other processes and machines made can be read and merged.

The file is a safetensors file. It is written and read class by class, so that neither needs more memory than one class.
Equal contents give equal bytes.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.core.timing import IntArray
from whenabouts.localizers.concepts.candidates import Best, BestOfClasses

FORMAT = "whenabouts candidates 1"
_KINDS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_COLUMNS = (("videos", "U32"), ("segments", "U32"), ("scores", "F32"))
_HEADER_LIMIT = 100_000_000


def save_candidates(path: Path, best: BestOfClasses) -> None:
    """Write what was kept, whole or not at all; videos that no class kept are left away."""
    used = np.zeros(len(best.video_ids), bool)
    for index in range(len(best.limits)):
        used[best.videos_of(index)] = True
    rows = sorted(np.flatnonzero(used).tolist(), key=best.video_ids.__getitem__)
    place = np.zeros(len(best.video_ids), np.int64)
    place[rows] = np.arange(len(rows))
    names = json.dumps([best.video_ids[row] for row in rows]).encode()
    tables: list[tuple[str, str, NDArray[Any]]] = [
        ("limits", "I64", best.limits),
        ("lengths", "U32", np.asarray([best.lengths[row] for row in rows], np.uint32)),
        ("video_ids", "U8", np.frombuffer(names, np.uint8)),
    ]
    shapes = [(name, kind, len(values)) for name, kind, values in tables]
    for index in range(len(best.limits)):
        shapes += [(f"{index}.{name}", kind, best.size(index)) for name, kind in _COLUMNS]
    with replacing(path) as part, part.open("wb") as file:
        header = _header(shapes)
        file.write(len(header).to_bytes(8, "little") + header)
        for _, kind, values in tables:
            file.write(values.astype(_KINDS[kind]).tobytes())
        for index in range(len(best.limits)):
            found = best.of_class(index)
            columns: tuple[NDArray[Any], ...] = (place[found.videos], found.segments, found.scores)
            for column, (_, kind) in zip(columns, _COLUMNS, strict=True):
                file.write(column.astype(_KINDS[kind]).tobytes())


class StoredCandidates:
    """What `save_candidates` wrote, read class by class; a broken file raises InvalidData."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if not 2 <= length <= min(size - 8, _HEADER_LIMIT):
                    raise ValueError(f"its header should take {length} bytes, but the file has {size}")
                header = json.loads(file.read(length))
            if header.pop("__metadata__")["format"] != FORMAT:
                raise ValueError(f"it is not of the format {FORMAT!r}")
            self._places = {name: self._place(row, 8 + length) for name, row in header.items()}
            if max(start + count * kind.itemsize for kind, start, count in self._places.values()) != size:
                raise ValueError(f"its {size} bytes are not those that its header tells of")
            self.limits: IntArray = self._read("limits").astype(np.int64)
            self.lengths: list[int] = self._read("lengths").tolist()
            self.video_ids: list[str] = json.loads(self._read("video_ids").tobytes())
            if len(self.video_ids) != len(self.lengths) or self.video_ids != sorted(set(map(str, self.video_ids))):
                raise ValueError("its table of videos is broken")
            lacking = [name for index in range(len(self.limits)) for name, _ in _COLUMNS
                       if f"{index}.{name}" not in self._places]  # fmt: skip
            if lacking:
                raise ValueError(f"it lacks {len(lacking)} columns of its {len(self.limits)} classes")
        except FileNotFoundError:
            raise InvalidData(f"There are no candidates at {path}. Choose them first.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._broken(error) from None

    def __repr__(self) -> str:
        return f"StoredCandidates({len(self.limits)} classes, {len(self.video_ids)} videos)"

    def of_class(self, index: int) -> Best:
        """The best items of one class."""
        try:
            videos, segments, scores = (self._read(f"{index}.{name}") for name, _ in _COLUMNS)
        except (OSError, ValueError) as error:
            raise self._broken(error) from None
        lengths = np.asarray(self.lengths, np.int64)
        inside = len(videos) == len(segments) == len(scores) <= self.limits[index]
        inside = inside and bool((videos < len(lengths)).all()) and bool((segments < lengths[videos]).all())
        if not inside or not np.isfinite(scores).all():
            raise self._broken(f"class {index} names what is not there")
        return Best(videos.astype(np.int64), segments.astype(np.int64), scores)

    def _place(self, row: Any, start: int) -> tuple[np.dtype[Any], int, int]:
        kind, (first, stop), (count,) = _KINDS[row["dtype"]], row["data_offsets"], row["shape"]
        if stop - first != count * kind.itemsize or first < 0:
            raise ValueError(f"a column of {count} numbers takes {stop - first} bytes")
        return kind, start + first, count

    def _read(self, name: str) -> NDArray[Any]:
        kind, start, count = self._places[name]
        values = np.fromfile(self.path, kind, count, offset=start)
        if len(values) != count:
            raise ValueError(f"{name} is cut off")
        return values

    def _broken(self, reason: object) -> InvalidData:
        return InvalidData(f"The candidates in {self.path} can't be read: {reason}. Choose them again.")


def merged_candidates(paths: Iterable[Path]) -> BestOfClasses:
    """What all parts together kept; the same in any order and grouping. No part raises InvalidData."""
    best: BestOfClasses | None = None
    for path in paths:
        stored = StoredCandidates(path)
        best = best or BestOfClasses(stored.limits)
        best.merge(stored)
    if best is None:
        raise InvalidData("There are no parts to merge.")
    return best


def _header(shapes: list[tuple[str, str, int]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT}}
    start = 0
    for name, kind, count in shapes:
        stop = start + count * _KINDS[kind].itemsize
        header[name] = {"dtype": kind, "shape": [count], "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    return text + b" " * (-len(text) % 8)
