"""Several workers on one archive: which videos each of them does, and how their work is put together."""

import contextlib
import hashlib
import heapq
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from whenabouts.core.errors import FeatureMismatch, InvalidData, SettingsError
from whenabouts.core.locks import Claims
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.manifest_lines import look_at, read_at
from whenabouts.data.project import Project
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.streams import AUDIO, RASTER
from whenabouts.recognition.taking import noted_source

# A video of unknown length counts as so many seconds; opening one takes time, too.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """The part `number` (from 1) of `count`: every worker knows its own from the manifest alone.

    Videos are dealt out by length, the longest first, each to the part with the least to do. So the parts of a
    manifest are disjoint, hold all of it, and take about as long; another `count` merely deals anew.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def read(cls, text: str) -> "Share":
        """`2/3`; anything but 1 <= i <= N raises SettingsError."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        share = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= share.number <= share.count:
            raise SettingsError(f"--shard is {text!r}. Write i/N, such as 2/3 for the second of three workers.")
        return share

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries of this part, in the order of the manifest."""
        if self.count == 1:
            return list(entries)
        longest = sorted(((_milliseconds(entry), _hash(entry.id), entry.id) for entry in entries), reverse=True)
        # Each of the first videos goes to a part of its own, so that parts beyond their number stay empty.
        parts = _dealt((milliseconds for milliseconds, *_ in longest), min(self.count, len(longest)))
        mine = {video_id for (*_, video_id), part in zip(longest, parts, strict=True) if part == self.number}
        return [entry for entry in entries if entry.id in mine]

    def read_entries(self, path: Path) -> list[Entry]:
        """What `of` gives of those entries of a manifest's file that are not removed, without reading the others.

        Each line is looked at, but only those of this part become entries. A manifest without a file raises
        ProjectError. A broken line raises InvalidData with its number: one that does not show whose it is in every
        part, else in the part that it belongs to.
        """
        with contextlib.suppress(_Unclear, FileNotFoundError):
            if self.count > 1:
                return self._looked_up(path)
        return self.of([entry for entry in Manifest.load(path) if not entry.removed])

    def _looked_up(self, path: Path) -> list[Entry]:
        """Raise _Unclear where only the whole manifest can tell what is to be done, or what is wrong with it."""
        with path.open("rb") as file:
            lines = _Lines.of(file, path)
            found = [(at, read_at(file, path, *lines.place(at))) for at in lines.of_part(self.number, self.count)]
        for at, entry in found:
            if not lines.fits(at, entry):
                raise InvalidData(f"{path} line {lines.numbers[at]} says two things of one video. Mend the line.")
        return sorted((entry for _, entry in found), key=lambda entry: entry.id)


def _dealt(milliseconds: Iterable[int], parts: int) -> Iterator[int]:
    """The part (from 1) of each video, the longest first: that with the least to do, of several the first."""
    loads = [(0, part) for part in range(1, parts + 1)]
    for length in milliseconds:
        load, part = loads[0]
        heapq.heapreplace(loads, (load + length, part))
        yield part


class _Unclear(Exception):
    """A look at the lines of a manifest does not tell how they are dealt out."""


@dataclass(frozen=True)
class _Lines:
    """Of each line (L,): where it begins, milliseconds (-1: removed), and the beginning of its id's hash; 28 bytes.

    Hashes that begin alike would have to be told apart by the ids: by chance they do so once in 30 million manifests of
    a million videos, else the same id stands there twice.
    """

    offsets: "array[int]"
    numbers: "array[int]"
    milliseconds: "array[int]"
    hashes: "array[int]"

    @classmethod
    def of(cls, file: BinaryIO, path: Path) -> "_Lines":
        lines = cls(array("q"), array("I"), array("q"), array("Q"))
        try:
            for line in look_at(file, path):
                lines.offsets.append(line.offset)
                lines.numbers.append(line.number)
                lines.milliseconds.append(-1 if line.removed else _whole(line.seconds))
                lines.hashes.append(_beginning(line.video_id))
        except (InvalidData, OverflowError, UnicodeEncodeError) as error:
            raise _Unclear from error
        if len(np.unique(lines.hashes)) < len(lines.hashes):
            raise _Unclear
        return lines

    def of_part(self, number: int, count: int) -> list[int]:
        """The places of the lines of one part, as they stand in the file."""
        milliseconds = np.array(self.milliseconds, np.int64)
        there = np.flatnonzero(milliseconds >= 0)
        hashes = np.array(self.hashes, np.uint64)[there]
        longest = there[np.lexsort((hashes, milliseconds[there]))[::-1]]
        lengths = array("q", milliseconds[longest].tobytes())
        dealt = _dealt(lengths, min(count, len(longest)))
        parts = np.fromiter(dealt, np.int64, len(longest))
        mine: list[int] = np.sort(longest[parts == number]).tolist()
        return mine

    def place(self, at: int) -> tuple[int, int]:
        return self.offsets[at], self.numbers[at]

    def fits(self, at: int, entry: Entry) -> bool:
        """Whether an entry says in full what was seen of it: a key may stand there twice."""
        name = entry.id.encode("utf-8", "surrogateescape")
        seen = (self.milliseconds[at], self.hashes[at], False)
        return seen == (_milliseconds(entry), _beginning(name), entry.removed)


def _milliseconds(entry: Entry) -> int:
    """In whole numbers, so that all machines add up the same."""
    return _whole(entry.video.duration_seconds)


def _whole(seconds: float) -> int:
    return round(max(seconds, _LEAST_SECONDS) * 1000)


def _hash(video_id: str) -> str:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).hexdigest()


def _beginning(video_id: bytes) -> int:
    """Of two ids the one that is greater here has the greater hash."""
    return int.from_bytes(hashlib.sha256(video_id).digest()[:8])


def claims_of(cache: Path) -> Claims:
    """What the workers on one project share their videos by, so that none is done by two at a time."""
    return Claims(cache / "extract.claims")


Maker = tuple[str, float, float, float]
"""What made features: their source, and where windows begin, how often they come and how long they are, in seconds."""


def _makers(store: FeatureStore, modality: str) -> dict[Maker, str]:
    """Everything that made features of a stream, each with a video that it made them of."""
    found: dict[Maker, str] = {}
    for video_id in store.video_ids(modality):
        grid = store.grid(video_id, modality)
        maker = (store.source_of(video_id, modality), *(getattr(grid, name) for name in RASTER))
        found.setdefault(maker, video_id)
    return found


def _check_makers(project: Project, store: FeatureStore, stores: Sequence[tuple[Project, FeatureStore]]) -> None:
    """Raise FeatureMismatch where one of these has features that would not stand beside the project's own."""
    for modality in sorted({modality for _, theirs in stores for modality in theirs.modalities()}):
        own = noted_source(project.backbone_of(modality)) if modality != AUDIO else None
        known = _makers(store, modality)
        for other, theirs in stores:
            for maker, video_id in _makers(theirs, modality).items():
                known = known or {maker: video_id}
                if maker in known and own in (None, maker[0].partition("~")[0]):
                    continue
                wanted = next(iter(known))
                if own is not None and own != wanted[0].partition("~")[0]:
                    wanted = (own, *wanted[1:])
                raise FeatureMismatch(
                    f"{other.folder} has {modality} features of {video_id!r} from {_told(maker)}, but this project's "
                    f"are from {_told(wanted)}. Extract there again with a copy of this project's "
                    f"{project.backbone_of(modality).name} and [extract], or leave that folder out."
                )


def _told(maker: Maker) -> str:
    source, start, hop, window = maker
    return f"{source} in windows of {window:g} s, one each {hop:g} s from {start:g} s on"


def gather(project: Project, store: FeatureStore, others: Sequence[Project]) -> int:
    """Take in what workers on copies of a project made; return how many features of a video were taken.

    Of the same video and stream the newest counts, wherever it was made. Rows of a report come along where this
    project has no features of the video. Nothing is taken, and FeatureMismatch raised, where a copy has features of
    another backbone or other windows than this project, or than another copy.
    """
    stores = [(other, other.features()) for other in others]
    _check_makers(project, store, stores)
    taken = 0
    for other, theirs in stores:
        with store.writer(flush_count=1000) as writer:
            for modality in theirs.modalities():
                for video_id in theirs.video_ids(modality):
                    if theirs.written_ns(video_id, modality) > store.written_ns(video_id, modality):
                        writer.add(theirs.read(video_id, modality))
                        taken += 1
        for stream, path in other.extraction_reports().items():
            known = set(store.video_ids(stream))
            report = ExtractionReport(project.reports_folder / path.name)
            report.take_in(row for row in ExtractionReport(path).rows() if row["id"] not in known)
            report.save()
    return taken
