"""The feature store: features of many videos, several modalities, in a folder of safetensors shards.

Each shard appears whole or not at all under a name of its own, so processes that append at the same time don't meet.
Where a video was written more than once, the newest writing counts: the one with the greatest time, ties by the
shard's name; a writer's times always pass those that it saw in the store, even if the clock was set back.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import sweep, sync_folder
from whenabouts.core.timing import TimeGrid
from whenabouts.data import shards
from whenabouts.data.shards import Record, Written

Value = TypeVar("Value", int, str)

FLUSH_COUNT = 1
FLUSH_BYTES = 32_000_000
COMPACT_BYTES = 256_000_000


class FeatureStore:
    """Random access to features by video and modality; broken shards are named in `broken` and otherwise left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken: dict[Path, str] = {}
        self._shards: dict[Path, list[Record]] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._newest_ns = 0
        self.refresh()

    def __repr__(self) -> str:
        counts = ", ".join(f"{modality}: {len(videos)}" for modality, videos in sorted(self._records.items()))
        return f"FeatureStore({str(self.folder)!r}, {counts or 'empty'})"

    def refresh(self) -> None:
        """See what other processes have written, removed or merged since."""
        present = set(self.folder.glob(f"*{shards.SUFFIX}")) if self.folder.is_dir() else set()
        gone = self._shards.keys() - present
        for path in gone:
            del self._shards[path]
        self.broken = {path: reason for path, reason in self.broken.items() if path in present}
        fresh = []
        for path in sorted(present - self._shards.keys() - self.broken.keys()):
            try:
                self._shards[path] = shards.read_records(path)
                fresh.append(path)
            except InvalidData as error:
                self.broken[path] = str(error)
            except FileNotFoundError:
                continue  # Another process merged it in the meantime.
        if gone:
            self._records = {}
        for path in self._shards if gone else fresh:
            self._index(self._shards[path])

    def _index(self, records: Iterable[Record]) -> None:
        for record in records:
            videos = self._records.setdefault(record.modality, {})
            known = videos.get(record.video_id)
            if known is None or record.age > known.age:
                videos[record.video_id] = record
            self._newest_ns = max(self._newest_ns, record.written_ns)

    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that hold at least one video, sorted."""
        return tuple(sorted(self._records))

    def video_ids(self, modality: str) -> tuple[str, ...]:
        """Videos that have this modality, sorted; none for an unknown one."""
        return tuple(sorted(self._records.get(modality, {})))

    def has(self, video_id: str, modality: str, *, source: str | None = None, newer_than_ns: int = 0) -> bool:
        """True where features are there: from this `source`, if given, and written after `newer_than_ns`."""
        record = self._records.get(modality, {}).get(video_id)
        if record is None or (source is not None and record.source != source):
            return False
        return record.written_ns > newer_than_ns

    def written_ns(self, video_id: str, modality: str) -> int:
        """When the newest features of a video were written; 0 where there are none."""
        record = self._records.get(modality, {}).get(video_id)
        return 0 if record is None else record.written_ns

    def source_of(self, video_id: str, modality: str) -> str:
        """What made the newest features of one video, as `name@checksum`; unknown ones raise InvalidData."""
        return self.record(video_id, modality).source

    def grid(self, video_id: str, modality: str) -> TimeGrid:
        """The grid of one video, without reading its values; unknown ones raise InvalidData."""
        return self.record(video_id, modality).grid

    def read(self, video_id: str, modality: str) -> FeatureSequence:
        """The newest features of one video; unknown ones and broken files raise InvalidData."""
        record = self.record(video_id, modality)
        try:
            return shards.read_sequence(record)
        except FileNotFoundError:
            self.refresh()  # Another process merged the shard; its content now stands elsewhere.
            return shards.read_sequence(self.record(video_id, modality))

    def record(self, video_id: str, modality: str) -> Record:
        """Where the newest features of one video stand; unknown ones raise InvalidData."""
        record = self._records.get(modality, {}).get(video_id)
        if record is not None:
            return record
        lost = f" Perhaps they stood in a broken file. {next(iter(self.broken.values()))}" if self.broken else ""
        known = ", ".join(self.modalities()) or "none at all"
        raise InvalidData(
            f"{self.folder} has no {modality} features of {video_id!r} (modalities there: {known}). "
            f"Run `whenabouts extract`.{lost}"
        )

    def sources(self, modality: str) -> Counter[str]:
        """How many videos each maker (backbone and checksum) has in this modality."""
        return Counter(record.source for record in self._records.get(modality, {}).values())

    def widths(self, modality: str) -> Counter[int]:
        """How many videos have each width."""
        return Counter(record.width for record in self._records.get(modality, {}).values())

    def source(self, modality: str) -> str:
        """The one maker of this modality; several, or none, raise FeatureMismatch."""
        return _single(self.sources(modality), f"{modality} features in {self.folder} come from")

    def width(self, modality: str) -> int:
        """Numbers per step (D) of this modality; several widths, or none, raise FeatureMismatch."""
        return _single(self.widths(modality), f"{modality} features in {self.folder} have widths")

    @property
    def shard_count(self) -> int:
        """How many files it is made of, as it was last looked at."""
        return len(self._shards)

    @property
    def newest_ns(self) -> int:
        """The time of the newest writing that was seen here; 0 where there is none."""
        return self._newest_ns

    def writer(
        self, *, flush_count: int = FLUSH_COUNT, flush_bytes: int = FLUSH_BYTES, after_ns: int = 0
    ) -> "FeatureWriter":
        """A context that writes a shard whenever so many videos, or bytes, have gathered, and at its end.

        Its times are later than `after_ns`, such as that at which a file was found changed, whatever the clock says.
        """
        self._newest_ns = max(self._newest_ns, after_ns)
        return FeatureWriter(self, flush_count=flush_count, flush_bytes=flush_bytes)

    def append(self, sequences: Iterable[FeatureSequence]) -> int:
        """Write features, several to a shard, and return how many; values that are not finite raise InvalidData."""
        count = 0
        with self.writer(flush_count=1024) as writer:
            for sequence in sequences:
                writer.add(sequence)
                count += 1
        return count

    def write(self, items: list[Written]) -> None:
        """Write one shard of checked features; for writers and merging."""
        if items:
            path = shards.write_shard(self.folder, items)
            try:
                self._shards[path] = shards.read_records(path)
            except FileNotFoundError:
                self.refresh()  # Another process merged it as soon as it was there.
            else:
                self._index(self._shards[path])

    def next_ns(self) -> int:
        """A time for the next writing: now, or just after the newest that was seen here."""
        self._newest_ns = max(time.time_ns(), self._newest_ns + 1)
        return self._newest_ns

    def compact(self, *, target_bytes: int = COMPACT_BYTES) -> int:
        """Merge small shards into such of about `target_bytes`, drop what newer writings replaced; return shards saved.

        New shards stand on disk before old ones go, with the same times: a kill at any point loses nothing, and the
        next call clears up. Readers and writers may go on meanwhile; broken shards stay where they are.
        """
        self.refresh()
        before = len(self._shards)
        live = {record for videos in self._records.values() for record in videos.values()}
        small = [path for path, records in sorted(self._shards.items()) if _mergeable(records, live, target_bytes)]
        small = [path for path in small if self._sound(path)]
        if len(small) > 1 or any(not live.issuperset(self._shards[path]) for path in small):
            with contextlib.suppress(FileNotFoundError):  # Another process merges the same shards: its work counts.
                self._merge(small, [r for path in small for r in self._shards[path] if r in live], target_bytes)
            self.refresh()
        sweep(self.folder)
        return before - len(self._shards)

    def _sound(self, path: Path) -> bool:
        """False where values in a shard are damaged: such a one is named in `broken`, and read as far as it can be."""
        try:
            for record in self._shards[path]:
                shards.read_values(record)
        except InvalidData as error:
            self.broken[path] = str(error)
            return False
        except FileNotFoundError:
            return True  # Another process merged it: the merging will notice.
        return True

    def _merge(self, paths: list[Path], records: list[Record], target_bytes: int) -> None:
        for group in _groups(records, target_bytes):
            self.write([Written(shards.read_sequence(record), record.written_ns) for record in group])
        sync_folder(self.folder)
        for path in paths:
            path.unlink(missing_ok=True)


class FeatureWriter:
    """Gathers features and writes them shard by shard; what was added is kept even if the work stops with an error."""

    def __init__(self, store: FeatureStore, *, flush_count: int, flush_bytes: int) -> None:
        self._store, self._flush_count, self._flush_bytes = store, flush_count, flush_bytes
        self._items: list[Written] = []

    def __enter__(self) -> "FeatureWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def add(self, *sequences: FeatureSequence) -> None:
        """Take the features of one video, all or none; NaN, infinity or another number format raise InvalidData.

        All at once, for a signal may end the work at any point: half a video must not be kept.
        """
        for sequence in sequences:
            shards.storable(sequence)
        self._items += [Written(sequence, self._store.next_ns()) for sequence in sequences]
        gathered = sum(item.sequence.values.nbytes for item in self._items)
        if len(self._items) >= self._flush_count or gathered >= self._flush_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered; ended within, it may be written again, which does no harm: the newest counts."""
        self._store.write(self._items)
        self._items = []


def _single(found: Counter[Value], what: str) -> Value:
    if len(found) == 1:
        return next(iter(found))
    seen = ", ".join(f"{value} ({count} videos)" for value, count in found.most_common()) or "nothing"
    raise FeatureMismatch(f"{what} {seen}: one is needed. Run `whenabouts extract` to the end with one backbone.")


def _mergeable(records: list[Record], live: set[Record], target_bytes: int) -> bool:
    """Shards worth rewriting: what still counts in them fills less than half."""
    kept = sum(record.bytes for record in records if record in live)
    return kept < target_bytes / 2


def _groups(records: list[Record], target_bytes: int) -> list[list[Record]]:
    groups: list[list[Record]] = []
    size = 0
    for record in records:
        if not groups or size + record.bytes > target_bytes:
            groups.append([])
            size = 0
        groups[-1].append(record)
        size += record.bytes
    return groups
