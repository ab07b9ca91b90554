"""Training videos of a localizer: checked once, cut into segments, kept in memory while there is room."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whenabouts.config import as_table
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray, TimeGrid
from whenabouts.data.examples import Example
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Cutting, Matrix, mean_features, segment_grid, snippet_features

CACHE_BYTES = 8_000_000_000
Prepared = FeatureSequence | Matrix
Spread = list[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class TrainingVideo:
    """One usable example: its place among the examples, segments, and targets (outputs,) that sum to 1.

    `content` is a hash of its features: a training that was killed does not go on with others. `rated` are the spans
    that somebody has judged, `known` (outputs,) the outputs that labels do not leave open.
    """

    row: int
    video_id: str
    grid: TimeGrid
    classes: tuple[int, ...]
    targets: FloatArray
    weight: float
    content: str
    rated: SegmentLabels
    known: BoolArray


class TrainingVideos:
    """The usable ones among `examples`; `skipped` counts the others by reason.

    With a single concept, videos known not to show it train a second output, "something else": a softmax over one
    class learns nothing. Features of one modality must come from one maker, else FeatureMismatch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        classes: int,
        settings: Cutting,
        progress: Progress,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._examples, self._classes, self._settings = examples, classes, settings
        self._room, self._cache = cache_bytes, dict[int, dict[str, Prepared]]()
        self._streams: dict[str, Stream] = {}
        self._spread: Spread | None = None
        self._taken: dict[str, tuple[Matrix, Matrix]] = {}
        self.outputs = classes + (classes == 1)
        self.skipped: Counter[str] = Counter()
        self.videos: list[TrainingVideo] = []
        for row, example in enumerate(progress.track(examples, total=len(examples), title="Reading features")):
            try:
                self._take(row, example)
            except InvalidData as error:
                self.skipped["broken features"] += 1
                progress.say(f"Left out: {error}")
        self.streams = tuple(self._streams[modality] for modality in sorted(self._streams))
        self._check_labels()

    def __len__(self) -> int:
        return len(self.videos)

    def features(self, index: int, rng: np.random.Generator | None = None) -> list[Matrix | None]:
        """Segment features (K, D) of each stream, None where missing; `rng` draws the snippets, if there are any.

        They may lie in this object's memory: whoever changes them takes a copy.
        """
        video = self.videos[index]
        kept = self._cache.get(video.row)
        if kept is None:
            kept = self._prepared(self._examples[video.row], video.grid)
        found: list[Matrix | None] = []
        for stream in self.streams:
            item = kept.get(stream.modality)
            if isinstance(item, FeatureSequence):
                item = snippet_features(item, video.grid, self._settings.snippets, rng)
                self._standardise(item, stream.modality)
            found.append(item)
        return found

    def standardise(self) -> None:
        """Take mean and spread out of all features, once for all: at each sight it would take as long as learning."""
        if self._taken:
            return
        self._taken = {
            stream.modality: (mean.astype(np.float32), deviation.astype(np.float32))
            for stream, (mean, deviation) in zip(self.streams, self.spread(), strict=True)
        }
        for kept in self._cache.values():
            for modality, item in kept.items():
                if not isinstance(item, FeatureSequence):
                    self._standardise(item, modality)

    def _standardise(self, matrix: Matrix, modality: str) -> None:
        if modality in self._taken:
            mean, deviation = self._taken[modality]
            matrix -= mean
            matrix /= deviation

    def means(self) -> list[Matrix]:
        """Mean (D,) of each stream over all segments, as `features` gives them: 0 where they are standardised."""
        return [np.zeros_like(mean, np.float32) if self._taken else mean.astype(np.float32)
                for mean, _ in self.spread()]  # fmt: skip

    def spread(self) -> Spread:
        """Mean and standard deviation (D,) of each stream over all segments; 1 in place of no deviation.

        They are those of the features as they came, also when these are standardised.
        """
        if self._spread is None:
            self._spread = self._measured_spread()
        return self._spread

    def write_spread(self, mean: Tensor, std: Tensor) -> None:
        """Write the spread of all streams, one behind the other, into a net's `mean` and `std` (D of all streams,)."""
        spread = self.spread()
        mean.copy_(torch.from_numpy(np.concatenate([means for means, _ in spread])))
        std.copy_(torch.from_numpy(np.concatenate([deviations for _, deviations in spread])))

    def _measured_spread(self) -> Spread:
        moments = [RunningMoments(stream.width) for stream in self.streams]
        for index in range(len(self)):
            for running, matrix in zip(moments, self.features(index), strict=True):
                if matrix is not None:
                    running.add(matrix)
        return [(running.mean, running.deviation()) for running in moments]

    def _take(self, row: int, example: Example) -> None:
        targets = self._targets(example.labels)
        if targets is None:
            self.skipped["without a label"] += 1
            return
        sequences = [sequence for sequence in example.features.values() if len(sequence)]
        grid = segment_grid(sequences, seconds=self._settings.segment_seconds, count=self._settings.segment_count)
        if not grid.steps:
            self.skipped["without a step of features"] += 1
            return
        for sequence in sequences:
            sequence.check_finite()
            stream = Stream(sequence.modality, sequence.width, sequence.source)
            self._streams.setdefault(sequence.modality, stream).check(sequence)
        prepared = self._prepared(example, grid)
        size = sum((item.values if isinstance(item, FeatureSequence) else item).nbytes for item in prepared.values())
        if size <= self._room:
            self._room -= size
            self._cache[row] = prepared
        classes = tuple(index for index in np.flatnonzero(targets).tolist() if index < self._classes)
        weight = float(example.labels.weights.max()) if len(example.labels) else 1.0
        known = np.append(example.labels.known(self._classes), np.ones(self.outputs - self._classes, bool))
        content = _hash(sequences)
        self.videos.append(
            TrainingVideo(row, example.video_id, grid, classes, targets, weight, content, example.segments, known)
        )

    def _targets(self, labels: VideoLabels) -> FloatArray | None:
        """The label weights over their sum, the target of Eq. 6's softmax; None where nothing usable is known."""
        row = np.append(labels.dense(self._classes), np.zeros(self.outputs - self._classes))
        if not len(labels) and self.outputs > self._classes and labels.known(self._classes)[0]:
            row[-1] = 1.0
        return row / row.sum() if row.any() else None

    def _prepared(self, example: Example, grid: TimeGrid) -> dict[str, Prepared]:
        sequences = {modality: sequence for modality, sequence in example.features.items() if len(sequence)}
        if self._settings.snippets:
            return dict(sequences)
        found: dict[str, Prepared] = {}
        for modality, sequence in sequences.items():
            found[modality] = matrix = mean_features(sequence, grid)
            self._standardise(matrix, modality)
        return found

    def _check_labels(self) -> None:
        if not self.videos:
            raise InvalidData(
                f"No video can be learned from: {told(self.skipped)}. Import labels and extract features."
            )
        if self._classes == 1 and len({video.classes for video in self.videos}) < 2:
            raise InvalidData(
                f"There is one concept, and all {len(self)} videos agree on it, so nothing tells it from the rest. Add "
                "videos that are known not to show it, or a second concept."
            )


class RunningMoments:
    """Mean and deviation of rows that come in parts (Chan et al., 1979), in float64."""

    def __init__(self, width: int) -> None:
        self.count, self.mean, self._squares = 0, np.zeros(width), np.zeros(width)

    def add(self, rows: Matrix) -> None:
        """Take rows (N, D), N > 0."""
        values = rows.astype(np.float64)
        mean, count = values.mean(axis=0), self.count + len(values)
        self._squares += ((values - mean) ** 2).sum(axis=0) + (mean - self.mean) ** 2 * (
            self.count * len(values) / count
        )
        self.mean = self.mean + (mean - self.mean) * (len(values) / count)
        self.count = count

    def deviation(self) -> FloatArray:
        """Standard deviation (D,), 1 for columns that never change."""
        deviation: FloatArray = np.sqrt(self._squares / max(1, self.count))
        return np.where(deviation > 1e-6 * np.abs(self.mean), deviation, 1.0)


def told(skipped: Counter[str]) -> str:
    """`3 without a label, 1 broken features`, or `none was given`."""
    return ", ".join(f"{count} {reason}" for reason, count in skipped.most_common()) or "none was given"


def _hash(sequences: Sequence[FeatureSequence]) -> str:
    digest = hashlib.sha256()
    for sequence in sorted(sequences, key=lambda sequence: sequence.modality):
        digest.update(f"{sequence.modality} {sequence.values.dtype} {sequence.grid}".encode())
        digest.update(np.ascontiguousarray(sequence.values).data)
    return digest.hexdigest()[:16]


def tensor_of(matrix: Matrix | None) -> Tensor | None:
    """The same numbers in the same memory; None for a missing stream."""
    return None if matrix is None else torch.from_numpy(matrix)


def padded(matrices: Sequence[Matrix | None], lengths: Sequence[int], width: int) -> Tensor:
    """Matrices (K_b, D), None for a missing stream -> (B, K, D) with zeros behind and in place of the missing."""
    result = torch.zeros(len(matrices), max(lengths), width)
    for row, matrix in enumerate(matrices):
        if matrix is not None:
            result[row, : len(matrix)] = torch.from_numpy(matrix)
    return result


def identity_of(videos: TrainingVideos, settings: Cutting, seed: int) -> str:
    """A checksum of all that decides the result beside the steps: settings, seed, streams, features and labels."""
    parts = [as_table(settings), seed, [(s.modality, s.width, s.source) for s in videos.streams]]
    parts += [(video.video_id, video.content, video.targets.tolist(), video.weight, *_told_ratings(video.rated))
              for video in videos.videos]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _told_ratings(rated: SegmentLabels) -> tuple[list[object], ...]:
    return rated.spans.tolist(), rated.classes.tolist(), rated.present.tolist()
