"""Many shards of YouTube-8M records: found, read in one go past all damage, and written."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m.reader import OFFICIAL, FrameRecord, Layout, VideoRecord, parsed
from whenabouts.data.youtube8m.tfrecord import Record, RecordError, read_records, write_records

ENDING = ".tfrecord"


@dataclass
class ReadReport:
    """What reading has met so far: shards, records, bytes, and every problem with its file, number and offset."""

    shards: int = 0
    records: int = 0
    bytes: int = 0
    problems: list[RecordError] = field(default_factory=list)

    @property
    def lost_bytes(self) -> int:
        """Bytes of the files that stand in records which could not be used."""
        return sum(problem.place.bytes for problem in self.problems)

    @property
    def damaged_shards(self) -> int:
        """Shards with at least one problem."""
        return len({problem.place.path for problem in self.problems})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = [str(problem) for problem in self.problems]
        return {"shards": self.shards, "damaged_shards": self.damaged_shards, "records": self.records,
                "bytes": self.bytes, "lost_bytes": self.lost_bytes, "problems": told}  # fmt: skip

    def __str__(self) -> str:
        text = f"{self.records} records of {self.shards} shards"
        lost = f"{len(self.problems)} problems in {self.damaged_shards} shards, {self.lost_bytes} bytes lost"
        return f"{text}; {lost}" if self.problems else text


def shards_below(root: Path) -> list[Path]:
    """All `.tfrecord` files below a folder in order of their paths, or the one file given; none raises InvalidData."""
    found = [root] if root.is_file() else sorted(root.rglob(f"*{ENDING}"))
    if not found:
        raise InvalidData(f"There is no {ENDING} file below {root}. Give the folder that holds the shards.")
    return found


def read_shards(
    paths: Iterable[Path], *, layout: Layout = OFFICIAL, report: ReadReport | None = None
) -> Iterator[FrameRecord | VideoRecord]:
    """Videos of many shards in order; without a `report` the first problem raises RecordError, with it, it is noted."""
    for _, video in located(paths, layout=layout, report=report):
        yield video


def located(
    paths: Iterable[Path], *, layout: Layout = OFFICIAL, report: ReadReport | None = None
) -> Iterator[tuple[Record, FrameRecord | VideoRecord]]:
    """Like `read_shards`, with the record that each video stands in."""
    for path in paths:
        if report is not None:
            report.shards += 1
        for record in read_records(path, None if report is None else report.problems):
            try:
                video = parsed(record, layout)
            except RecordError as error:
                if report is None:
                    raise
                report.problems.append(error)
                continue
            if report is not None:
                report.records += 1
                report.bytes += record.bytes
            yield record, video


def write_shards(
    folder: Path, name: str, videos: Iterable[FrameRecord | VideoRecord], *, videos_per_shard: int
) -> list[Path]:
    """Write `name0000.tfrecord`, `name0001.tfrecord`, ..., each whole or not at all, and return their paths."""
    paths: list[Path] = []
    remaining = iter(videos)
    for number in itertools.count():
        chunk = list(itertools.islice(remaining, videos_per_shard))
        if not chunk:
            return paths
        paths.append(folder / f"{name}{number:04d}{ENDING}")
        write_records(paths[-1], (video.to_bytes() for video in chunk))
    return paths
