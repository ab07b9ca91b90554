"""Examples for training: features of a video with what is known about it, read when they are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import Absent, SegmentLabels, VideoLabels
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import labels_of, segments_of


@dataclass(frozen=True)
class Example:
    """One video: features by modality, its labels and its rated segments."""

    video_id: str
    features: Mapping[str, FeatureSequence]
    labels: VideoLabels
    segments: SegmentLabels


class Examples(Sequence[Example]):
    """Examples in order of video ids; labels stand in memory, features are read from the store at each access.

    `missing` names the videos that were left out because a modality has no features of them.
    """

    def __init__(
        self,
        store: FeatureStore,
        modalities: Sequence[str],
        labels: Mapping[str, VideoLabels],
        segments: Mapping[str, SegmentLabels],
        missing: Iterable[str] = (),
        changed_ns: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.store, self.modalities = store, tuple(modalities)
        self.video_ids = tuple(sorted(labels))
        self.missing = tuple(missing)
        self._labels, self._segments, self._changed_ns = dict(labels), dict(segments), changed_ns

    @classmethod
    def of(
        cls,
        entries: Iterable[Entry],
        vocabulary: Vocabulary,
        store: FeatureStore,
        modalities: Sequence[str],
        absent: Absent = "negative",
        *,
        partial: bool = False,
    ) -> "Examples":
        """Examples of those entries that have features in every modality (`partial`: in any of them).

        Features written before a file changed count as missing; videos without labels are kept.
        """
        labels, segments, missing, changed_ns = {}, {}, [], {}
        enough = any if partial else all
        for entry in entries:
            if enough(store.has(entry.id, modality, newer_than_ns=entry.changed_ns) for modality in modalities):
                labels[entry.id] = labels_of(entry, vocabulary, absent)
                segments[entry.id] = segments_of(entry, vocabulary)
                changed_ns[entry.id] = entry.changed_ns
            else:
                missing.append(entry.id)
        return cls(store, modalities, labels, segments, sorted(missing), changed_ns)

    def __len__(self) -> int:
        return len(self.video_ids)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Examples": ...
    def __getitem__(self, index: int | slice) -> "Example | Examples":
        if isinstance(index, slice):
            kept = self.video_ids[index]
            labels = {video_id: self._labels[video_id] for video_id in kept}
            segments = {video_id: self._segments[video_id] for video_id in kept}
            return Examples(self.store, self.modalities, labels, segments, self.missing, self._changed_ns)
        video_id = self.video_ids[index]
        changed_ns = self._changed_ns.get(video_id, 0)
        there = [name for name in self.modalities if self.store.has(video_id, name, newer_than_ns=changed_ns)]
        features = {modality: self.store.read(video_id, modality) for modality in there}
        return Example(video_id, features, self._labels[video_id], self._segments[video_id])

    def __repr__(self) -> str:
        return f"Examples({len(self)} videos, {', '.join(self.modalities)}, {len(self.missing)} without features)"

    @property
    def labels(self) -> tuple[VideoLabels, ...]:
        """Labels of every example, in order, without reading features."""
        return tuple(self._labels[video_id] for video_id in self.video_ids)

    @property
    def segments(self) -> tuple[SegmentLabels, ...]:
        """Rated segments of every example, in order, without reading features."""
        return tuple(self._segments[video_id] for video_id in self.video_ids)
