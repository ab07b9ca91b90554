"""A project as YouTube-8M shards: quantised features of every second, labels and rated segments of 5 s.

The folder holds `train0000.tfrecord`, `test0000.tfrecord`, ..., `vocabulary.csv` (a concept's place is its class)
and `shards.json`, with which `whenabouts import youtube8m` turns bytes into the features that they stand for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import replacing_folder
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters.protocol import Exported, ExportSettings, ShardSettings
from whenabouts.data.exporters.youtube8m_records import ColumnMoments, by_second, five_seconds
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import labels_of, segments_of
from whenabouts.data.youtube8m.card import CARD, Meaning, ShardCard
from whenabouts.data.youtube8m.frames import FRAMES, HIGHEST, LOWEST, STEP, nearest_bytes
from whenabouts.data.youtube8m.reader import OFFICIAL, ByteArray, FrameRecord, SegmentRatings
from whenabouts.data.youtube8m.shards import write_shards
from whenabouts.data.youtube8m.vocabulary import write_class_table

_FROM_BYTES = ", from bytes"


@dataclass
class ExportReport:
    """What an export wrote, what it left out and why, and what a reader of the shards should know.

    `clipped` counts the `written` numbers of each modality that lie outside of what bytes can stand for.
    """

    shards: int = 0
    videos: int = 0
    seconds: int = 0
    ratings: int = 0
    short_segments: int = 0
    contradicted_segments: int = 0
    repeated_audio_seconds: int = 0
    long_videos: int = 0
    written: Counter[str] = field(default_factory=Counter)
    clipped: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        shares = {name: self.clipped[name] / count for name, count in self.written.items() if count}
        return {**vars(self), "written": dict(self.written), "clipped": dict(self.clipped), "clipped_share": shares}


def export_youtube8m(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write the project's features and labels as shards; see `export_shards`."""
    entries = [entry for entry in project.manifest() if settings.split in ("all", entry.split)]
    vocabulary, store = project.vocabulary(), project.features()
    report = export_shards(target, entries, vocabulary, store, settings.youtube8m, progress=progress)
    told = [f"left out: {video_id}: {reason}" for video_id, reason in report.left_out.items()]
    told[5:] = [f"... and {len(told) - 5} more left out"] if len(told) > 5 else []
    return Exported(report.to_json(), (*report.notes, *told))


def export_shards(
    folder: Path,
    entries: Iterable[Entry],
    vocabulary: Vocabulary,
    store: FeatureStore,
    settings: ShardSettings,
    *,
    progress: Progress,
) -> ExportReport:
    """Write the videos that can be used, split by split in order of their ids, whole or not at all.

    An older export in `folder` is replaced; a folder with anything else raises ProjectError. Features of several
    makers raise FeatureMismatch, none at all InvalidData. A video is left out, with the reason, where it lacks a
    modality, has broken features, or steps of more than a second.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).is_file():
        raise ProjectError(f"{folder} holds other files. Give an empty or new folder for the shards.")
    export = _Export(vocabulary, store, settings)
    videos = [entry for entry in sorted(entries, key=lambda entry: entry.id) if export.takes(entry)]
    card = export.measure([entry for entry in videos if entry.split == "train"] or videos, progress)
    with replacing_folder(folder) as part:
        for split in sorted({entry.split for entry in videos}):
            chosen = [entry for entry in videos if entry.split == split]
            tracked = progress.track(chosen, total=len(chosen), title=f"Writing {split}")
            records = export.records(tracked, card)
            paths = write_shards(part, split.replace("/", "-"), records, videos_per_shard=settings.videos_per_shard)
            export.report.shards += len(paths)
        write_class_table(part / "vocabulary.csv", vocabulary, export.train_videos)
        card.save(part)
    export.add_notes(card)
    return export.report


class _Export:
    """Turns entries into records, and keeps count."""

    def __init__(self, vocabulary: Vocabulary, store: FeatureStore, settings: ShardSettings) -> None:
        self.vocabulary, self.store, self.settings = vocabulary, store, settings
        self.report = ExportReport()
        self.modalities = [name for name in (settings.rgb, settings.audio) if name]
        self.train_videos = [0] * len(vocabulary)
        if not self.modalities:
            raise InvalidData("Shards need features: name a modality of the store for rgb or for audio.")

    def takes(self, entry: Entry) -> bool:
        """True where a video can be used and has all modalities; else the reason is noted."""
        lacking = [name for name in self.modalities if not self.store.has(entry.id, name)]
        if not entry.usable:
            self.report.left_out[entry.id] = "it was removed" if entry.removed else entry.video.reason
        elif lacking:
            self.report.left_out[entry.id] = f"it has no {' and no '.join(lacking)} features"
        return entry.id not in self.report.left_out

    def measure(self, entries: Sequence[Entry], progress: Progress) -> ShardCard:
        """What the bytes of each modality shall stand for, found on these videos."""
        if not entries:
            raise InvalidData(
                f"No usable video has features of all of {self.modalities}. Run `whenabouts extract`, or name other "
                "modalities."
            )
        rgb, audio = (
            self._meaning(name, entries, progress) if name else None
            for name in (self.settings.rgb, self.settings.audio)
        )
        return ShardCard(rgb, audio, len(self.vocabulary))

    def records(self, entries: Iterable[Entry], card: ShardCard) -> Iterator[FrameRecord]:
        """A record of each video whose features can be read."""
        for entry in entries:
            try:
                record = self._record(entry, card)
            except InvalidData as error:
                self.report.left_out[entry.id] = str(error)
                continue
            self.report.videos += 1
            self.report.seconds += len(record)
            self.report.ratings += len(record.ratings)
            self.report.long_videos += len(record) > FRAMES
            for index in record.labels.tolist() if entry.split == "train" else ():
                self.train_videos[index] += 1
            yield record

    def add_notes(self, card: ShardCard) -> None:
        """Say what a reader of the shards should know."""
        layout, notes = card.layout, self.report.notes
        if (layout.rgb, layout.audio) != (OFFICIAL.rgb, OFFICIAL.audio):
            names = [(name, width) for name, width in (("rgb", layout.rgb), ("audio", layout.audio)) if width]
            flags = [f"--feature_{kind}={','.join(str(pair[k]) for pair in names)}"
                     for k, kind in enumerate(("names", "sizes"))]  # fmt: skip
            notes.append(
                f"Records have {' and '.join(f'{width} numbers of {name}' for name, width in names)}, not 1024 of rgb "
                f"and 128 of audio: tell other readers so (google/youtube-8m: {' '.join(flags)})."
            )
        if self.report.long_videos:
            notes.append(
                f"{self.report.long_videos} videos last over {FRAMES} s: official readers see no more of them."
            )

    def _meaning(self, modality: str, entries: Sequence[Entry], progress: Progress) -> Meaning:
        source, width = self.store.source(modality), self.store.width(modality)
        scale = self.settings.scale
        if scale == "none" or (scale == "auto" and source.startswith("youtube-8m")):
            return Meaning(modality, source, width)
        moments = ColumnMoments(width)
        for entry in progress.track(entries, total=len(entries), title=f"Measuring {modality}"):
            try:
                moments.add(self.store.read(entry.id, modality).values)
            except InvalidData:
                continue  # told when it should be written
        return Meaning(modality, source.removesuffix(_FROM_BYTES) + _FROM_BYTES, width, *moments.mean_and_scale())

    def _record(self, entry: Entry, card: ShardCard) -> FrameRecord:
        found = [self._matrix(entry, meaning) for meaning in (card.rgb, card.audio) if meaning]
        steps = len(found[0])
        if not steps:
            raise InvalidData("it has no steps")
        rgb = found[0] if card.rgb else np.zeros((steps, 0), np.uint8)
        audio = found[-1] if card.audio else np.zeros((steps, 0), np.uint8)
        if not len(audio):
            raise InvalidData("its audio has no steps")
        if len(audio) != steps:  # sound that ends early, or late
            self.report.repeated_audio_seconds += max(0, steps - len(audio))
            audio = audio[np.minimum(np.arange(steps), len(audio) - 1)]
        labels = labels_of(entry, self.vocabulary, "unknown").classes
        return FrameRecord(entry.id, labels, rgb, audio, self._ratings(entry, steps))

    def _matrix(self, entry: Entry, meaning: Meaning) -> ByteArray:
        features = self.store.read(entry.id, meaning.modality)
        features.check_finite()
        numbers = meaning.scaled(by_second(features))
        outside = (numbers < LOWEST - STEP / 2) | (numbers > HIGHEST + STEP / 2)
        self.report.clipped[meaning.modality] += int(outside.sum())
        self.report.written[meaning.modality] += numbers.size
        return nearest_bytes(numbers)

    def _ratings(self, entry: Entry, steps: int) -> SegmentRatings:
        found = five_seconds(segments_of(entry, self.vocabulary), steps)
        self.report.short_segments += found.short
        self.report.contradicted_segments += found.contradicted
        return found.ratings
