"""Several workers on one archive: which videos each of them does, and how their work is put together."""

import hashlib
import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whenabouts.core.errors import FeatureMismatch, SettingsError
from whenabouts.core.locks import Claims
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
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
        # Each of the first videos goes to a part of its own, so that parts beyond their number stay empty.
        mine, loads = set(), [(0, part) for part in range(1, min(self.count, len(entries)) + 1)]
        longest = sorted(((_milliseconds(entry), _hash(entry.id), entry.id) for entry in entries), reverse=True)
        for milliseconds, _, video_id in longest:
            load, part = heapq.heappop(loads)
            heapq.heappush(loads, (load + milliseconds, part))
            if part == self.number:
                mine.add(video_id)
        return [entry for entry in entries if entry.id in mine]


def _milliseconds(entry: Entry) -> int:
    """In whole numbers, so that all machines add up the same."""
    return round(max(entry.video.duration_seconds, _LEAST_SECONDS) * 1000)


def _hash(video_id: str) -> str:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).hexdigest()


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
