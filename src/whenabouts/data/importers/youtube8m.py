"""Labels, rated segments and features from YouTube-8M shards: videos without media files."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.data.importers.folders import SPLITS
from whenabouts.data.importers.media_files import MediaFile, checked_root, files_below, media_among
from whenabouts.data.importers.protocol import (
    NOTHING_KNOWN,
    SILENT,
    FeatureSupply,
    Imported,
    ImportSettings,
    Problem,
    YouTube8mSettings,
)
from whenabouts.data.manifest import Entry, FileStamp, Manifest, RatedSegment, WeakLabel
from whenabouts.data.youtube8m.card import Meaning, ShardCard, dataset_card
from whenabouts.data.youtube8m.reader import MODALITIES, FrameRecord, Layout
from whenabouts.data.youtube8m.shards import ENDING, ReadReport, located
from whenabouts.data.youtube8m.tfrecord import Record
from whenabouts.data.youtube8m.vocabulary import ClassTable, read_class_table

SOURCE = "youtube8m"
VOCABULARY = "vocabulary.csv"
_SPLITS = {**SPLITS, "validate": "validation"}


def import_youtube8m(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read all frame-level shards below `root`: one entry a video, its features at 1 per second on demand.

    `vocabulary.csv` (there, or where the settings say) names the classes. An entry's path names its shard and, below
    it, the video: there is no media file. Damaged records and shards are problems; the rest is imported.
    """
    root = checked_root(root)
    problems: list[Problem] = []
    shards = media_among(files_below(root, problems), root, replace(settings, endings=(ENDING,)))
    if not shards:
        raise InvalidData(f"There is no {ENDING} file below {root}. Give the folder of the shards; check --include.")
    card = ShardCard.load(root) or dataset_card(_layout(settings.youtube8m))
    reader = _Shards(settings, card, _classes(root, settings.youtube8m, problems), problems)
    for shard in progress.track(shards, total=len(shards), title="Reading shards"):
        reader.read(shard)
    entries = tuple(reader.entries)
    meanings = [meaning for meaning in (card.rgb, card.audio) if meaning]
    supply = FeatureSupply(
        {meaning.modality: meaning.source for meaning in meanings},
        lambda video_ids: _features(entries, card, settings.youtube8m, video_ids),
    )
    vocabulary = reader.classes.vocabulary if reader.classes else None
    return Imported(entries, tuple(problems), root, SOURCE, dict(reader.counts), vocabulary, supply)


class _Shards:
    """Turns records into entries, and keeps count of what could not be used."""

    def __init__(
        self, settings: ImportSettings, card: ShardCard, classes: ClassTable | None, problems: list[Problem]
    ) -> None:
        self.settings, self.card, self.classes, self.problems = settings, card, classes, problems
        self.entries: list[Entry] = []
        self.counts = Counter(
            dict.fromkeys(
                ("shards", "damaged_shards", "records", "damaged_records", "lost_bytes", "repeated_videos",
                 "videos_without_frames", "video_level_records", "labels_without_name", "ratings_yes", "ratings_no",
                 "ratings_past_the_end"), 0
            )
        )  # fmt: skip
        self._ids: set[str] = set()

    def read(self, shard: MediaFile) -> None:
        """Take every video of one shard."""
        report = ReadReport()
        before = self.counts["video_level_records"]
        status = shard.path.stat()
        for record, video in located([shard.path], layout=self.card.layout, report=report):
            if isinstance(video, FrameRecord):
                self._take(shard, record, video, FileStamp(status.st_size, status.st_mtime_ns, _content(record)))
            else:
                self.counts["video_level_records"] += 1
        for problem in report.problems:
            seen = f"record {problem.place.number} at byte {problem.place.offset}: {problem.reason}"
            self.problems.append(
                Problem(shard.relative, "a record can't be used", seen, "Fetch a damaged shard again.")
            )
        if self.counts["video_level_records"] > before:
            seen = f"{self.counts['video_level_records'] - before} video-level records"
            do = "Give frame-level shards: means over a whole video can't tell when."
            self.problems.append(Problem(shard.relative, "records without seconds are left out", seen, do))
        self.counts.update(
            shards=1, damaged_shards=report.damaged_shards, records=report.records,
            damaged_records=len(report.problems), lost_bytes=report.lost_bytes,
        )  # fmt: skip

    def _take(self, shard: MediaFile, record: Record, video: FrameRecord, stamp: FileStamp) -> None:
        place = f"record {record.number} at byte {record.offset}"
        if video.id in self._ids:
            self.counts["repeated_videos"] += 1
            do = "The first record counts. Import versions of the dataset apart, with --include."
            self.problems.append(Problem(shard.relative, "a video stands there again", f"{video.id}, {place}", do))
            return
        if not len(video):
            self.counts["videos_without_frames"] += 1
            self.problems.append(Problem(shard.relative, "a video without frames", f"{video.id}, {place}"))
            return
        self._ids.add(video.id)
        path = shard.path / quote(video.id, safe="").replace(".", "%2E")
        there = Video(video.id, path, duration_seconds=float(len(video)), has_audio=self.card.audio is not None)
        labels = tuple(
            WeakLabel(name, 1.0, SOURCE, f"class {index}")
            for index, name in self._named(dict.fromkeys(video.labels.tolist()))
        )
        self.entries.append(Entry(there, labels, self._segments(video), split=self._split(shard), stamp=stamp))

    def _segments(self, video: FrameRecord) -> tuple[RatedSegment, ...]:
        names = dict(self._named(dict.fromkeys(video.ratings.labels.tolist())))
        rows = zip(video.ratings.spans, video.ratings.labels.tolist(), video.ratings.scores.tolist(), strict=True)
        segments = tuple(
            RatedSegment(names[index], float(start), float(end), score > 0, SOURCE)
            for (start, end), index, score in rows
            if index in names and start < len(video)
        )
        yes = sum(segment.present for segment in segments)
        outside = int((video.ratings.starts >= len(video)).sum())
        self.counts.update(ratings_yes=yes, ratings_no=len(segments) - yes, ratings_past_the_end=outside)
        return segments

    def _named(self, indices: Collection[int]) -> Iterator[tuple[int, str]]:
        """Class numbers with their names; those that the table lacks are counted and left out."""
        for index in indices:
            if self.classes is None:
                yield index, f"class {index}"
            elif index in self.classes.names:
                yield index, self.classes.names[index]
            else:
                self.counts["labels_without_name"] += 1

    def _split(self, shard: MediaFile) -> str:
        """`validate0012.tfrecord` -> validation; names that say nothing are in the split of the settings."""
        prefix = re.match(r"[a-z]*", shard.path.name.lower())
        named = _SPLITS.get(prefix[0]) if prefix and self.settings.youtube8m.split_names else None
        return named or self.settings.split


def _features(
    entries: Sequence[Entry], card: ShardCard, settings: YouTube8mSettings, video_ids: Collection[str]
) -> Iterator[FeatureSequence]:
    """Features of the videos asked for, shard by shard; what can't be read was told when entries were."""
    shards: dict[Path, set[str]] = {}
    for entry in entries:
        if entry.id in video_ids:
            shards.setdefault(entry.video.path.parent, set()).add(entry.id)
    for path, wanted in shards.items():
        for _, video in located([path], layout=card.layout, report=ReadReport()):
            if isinstance(video, FrameRecord) and video.id in wanted:
                wanted.remove(video.id)
                yield from _sequences(video, card, settings)


def _sequences(video: FrameRecord, card: ShardCard, settings: YouTube8mSettings) -> Iterator[FeatureSequence]:
    meanings: Mapping[str, Meaning | None] = {"rgb": card.rgb, "audio": card.audio}
    grid = TimeGrid(0.0, 1.0, 1.0, len(video), float(len(video)))
    for name in MODALITIES:
        meaning = meanings[name]
        if meaning is not None:
            values = meaning.features(video.features(name)).astype(np.dtype(settings.storage), copy=False)
            yield FeatureSequence(video.id, values, grid, meaning.modality, meaning.source)


def _content(record: Record) -> str:
    """Tells one content of a record from another: its checksum and size."""
    return f"{record.checksum:08x}-{len(record.data)}"


def _layout(settings: YouTube8mSettings) -> Layout:
    return Layout(settings.rgb_width, settings.audio_width, settings.classes)


def _classes(root: Path, settings: YouTube8mSettings, problems: list[Problem]) -> ClassTable | None:
    """The class table; where none is named and none is there, a problem, and classes are called by number."""
    path = Path(settings.vocabulary) if settings.vocabulary else root / VOCABULARY
    if settings.vocabulary or path.is_file():
        return read_class_table(path)
    do = "Put YouTube-8M's vocabulary.csv there, or name it: --set import.youtube8m.vocabulary=FILE."
    problems.append(Problem(VOCABULARY, "classes have no names", "no such file beside the shards", do))
    return None
