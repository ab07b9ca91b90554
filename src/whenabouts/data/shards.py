"""One shard of the feature store: a safetensors file whose metadata says which videos it holds."""

import json
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import replacing
from whenabouts.core.timing import TimeGrid

SUFFIX = ".safetensors"
FORMAT = "whenabouts features 1"
DTYPES: Mapping[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "U8": np.dtype("u1"),
}
_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """Where the features of one video and modality stand, what they are, and the CRC-32 of their bytes, if noted."""

    video_id: str
    modality: str
    source: str
    grid: TimeGrid
    written_ns: int
    width: int
    dtype: str
    offset: int
    shard: Path
    crc32: int | None = None

    @property
    def bytes(self) -> int:
        """Size of the values on disk."""
        return self.grid.steps * self.width * DTYPES[self.dtype].itemsize

    @property
    def age(self) -> tuple[int, str]:
        """Orders writings of the same video: the greatest is the newest, whatever order the files are read in."""
        return self.written_ns, self.shard.name


@dataclass(frozen=True, slots=True)
class Written:
    """Features and when they were written (nanoseconds since 1970)."""

    sequence: FeatureSequence
    written_ns: int


def write_shard(folder: Path, items: Iterable[Written]) -> Path:
    """Write a shard under a name that no other process uses; it is seen whole or not at all."""
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {}
    records: list[list[Any]] = []
    for number, item in enumerate(items):
        sequence = item.sequence
        tensors[str(number)] = np.ascontiguousarray(sequence.values)
        grid = sequence.grid
        times = [grid.start_seconds, grid.hop_seconds, grid.window_seconds, grid.steps, grid.duration_seconds]
        crc32 = zlib.crc32(tensors[str(number)].data)
        records.append([sequence.video_id, sequence.modality, sequence.source, times, item.written_ns, crc32])
    newest = max(record[4] for record in records)
    path = folder / f"{newest:020d}-{uuid.uuid4().hex[:12]}{SUFFIX}"
    metadata = {"format": FORMAT, "records": json.dumps(records, allow_nan=False)}
    with replacing(path) as part:
        save_file(tensors, part, metadata=metadata)
    return path


def read_records(path: Path) -> list[Record]:
    """The records of one shard, from its header alone; a broken or truncated file raises InvalidData."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _HEADER_LIMIT):
            raise broken(path, f"its header should take {length} bytes, but the file has {size}")
        header = file.read(length)
    try:
        tensors = json.loads(header)
        metadata = tensors.pop("__metadata__")
        rows = json.loads(metadata["records"])
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r}, not {FORMAT!r}")
        records = [_record(path, row, tensors[str(number)], 8 + length) for number, row in enumerate(rows)]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise broken(path, f"its header can't be read ({type(error).__name__}: {error})") from None
    stop = max((record.offset + record.bytes for record in records), default=0)
    if stop > size:
        raise broken(path, f"it is cut off: {stop} bytes expected, {size} found")
    return records


def read_values(record: Record) -> NDArray[Any]:
    """Values (T, D) of one record; a damaged file raises InvalidData, a removed one FileNotFoundError."""
    with record.shard.open("rb") as file:
        file.seek(record.offset)
        content = bytearray(record.bytes)
        there = file.readinto(content)
    if there != record.bytes:
        raise broken(record.shard, f"it is cut off: {record.video_id} needs {record.bytes} bytes, {there} found")
    if record.crc32 is not None and zlib.crc32(content) != record.crc32:
        raise broken(record.shard, f"the values of {record.video_id} are not those that were written")
    shape = (record.grid.steps, record.width)
    return np.frombuffer(content, DTYPES[record.dtype]).reshape(shape)


def read_sequence(record: Record) -> FeatureSequence:
    """Features of one record; errors as of `read_values`."""
    return FeatureSequence(record.video_id, read_values(record), record.grid, record.modality, record.source)


def broken(path: Path, seen: str) -> InvalidData:
    """The error for a shard that can't be read: what was seen, and what to do."""
    return InvalidData(
        f"The feature file {path} is broken: {seen}. Delete it and run `whenabouts extract` again: "
        "only the videos that it held are extracted anew."
    )


def _record(path: Path, row: Any, tensor: Any, start: int) -> Record:
    video_id, modality, source, times, written_ns, crc32 = [*row, None] if len(row) == 5 else row
    numbers = isinstance(written_ns, int) and isinstance(crc32, int | None)
    if not all(isinstance(text, str) for text in (video_id, modality, source)) or not numbers:
        raise ValueError(f"a record is {row!r}")
    begin, hop, window, steps, duration = times
    grid = TimeGrid(float(begin), float(hop), float(window), int(steps), float(duration))
    width = tensor["shape"][1]
    first, stop = tensor["data_offsets"]
    record = Record(video_id, modality, source, grid, written_ns, width, tensor["dtype"], start + first, path, crc32)
    if tensor["shape"] != [grid.steps, width] or stop - first != record.bytes or first < 0:
        raise ValueError(f"{video_id} has {tensor['shape']} values in {stop - first} bytes on {grid.steps} steps")
    return record


def storable(sequence: FeatureSequence) -> None:
    """Raise InvalidData where features can't be kept: NaN or infinity, another number format, a width of 0."""
    sequence.check_finite()
    if sequence.values.dtype not in DTYPES.values():
        kinds = ", ".join(str(kind) for kind in DTYPES.values())
        raise InvalidData(
            f"{sequence.video_id}: {sequence.modality} features are {sequence.values.dtype}; the store keeps {kinds}. "
            "Convert them first."
        )
    if sequence.width == 0 or not sequence.video_id or not sequence.modality:
        raise InvalidData(f"Features need a video, a modality and a width above 0, but got {sequence!r}.")
