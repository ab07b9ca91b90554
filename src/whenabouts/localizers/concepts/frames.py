"""Frames: the joined features of all modalities at each step, as the nets of this room see them."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.config import Positive, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray, IntArray, TimeGrid
from whenabouts.data.examples import Example
from whenabouts.localizers.protocol import Stream, matched
from whenabouts.localizers.segments import Matrix, mean_features, segment_grid
from whenabouts.localizers.training_videos import RunningMoments, told

CACHE_BYTES = 8_000_000_000


@settings
class FrameSettings:
    """One frame every `step_seconds`: the mean of the features there, all modalities joined.

    `standardised` takes out the training videos' mean and spread; `unit_length` then gives each frame length 1. The
    paper's features are whitened already and scaled to length 1 (google/youtube-8m, train.py).
    """

    step_seconds: Positive = 0.5
    standardised: bool = True
    unit_length: bool = False

    @classmethod
    def paper(cls) -> "FrameSettings":
        """As YouTube-8M's models have them: one frame a second, of length 1."""
        return cls(step_seconds=1.0, standardised=False, unit_length=True)


@dataclass(frozen=True)
class Frames:
    """One video: raw values (T, D) of all streams joined, and which of the streams are there."""

    values: Matrix
    present: BoolArray


class FrameReader:
    """Turns features of a video into frames (T, D) that a net reads; `mean` and `deviation` (D,) standardise them."""

    def __init__(
        self, streams: Sequence[Stream], how: FrameSettings, mean: FloatArray | Matrix, deviation: FloatArray | Matrix
    ) -> None:
        self.streams, self.how = tuple(streams), how
        self.mean, self.deviation = mean.astype(np.float32), deviation.astype(np.float32)

    @property
    def width(self) -> int:
        """Numbers per frame (D)."""
        return sum(stream.width for stream in self.streams)

    def read(self, features: Mapping[str, FeatureSequence]) -> tuple[TimeGrid, Matrix]:
        """The grid of frames and their values (T, D); FeatureMismatch where features are not those learned from."""
        sequences = matched(self.streams, features)
        grid = segment_grid([sequence for sequence in sequences if sequence is not None], seconds=self.how.step_seconds)
        if not grid.steps:
            return grid, np.zeros((0, self.width), np.float32)
        for sequence in sequences:
            if sequence is not None:
                sequence.check_finite()
        return grid, self.scaled(joined(sequences, self.streams, grid))

    def scaled(self, frames: Frames) -> Matrix:
        """Raw frames -> what the net reads (T, D); a missing stream is 0."""
        values: Matrix = (frames.values - self.mean) / self.deviation
        if not frames.present.all():
            values *= np.repeat(frames.present, [stream.width for stream in self.streams])
        if self.how.unit_length:
            values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        return values


class FrameVideos:
    """The usable ones among `examples`, checked once and kept in memory while there is room.

    `skipped` counts the others by reason. Videos without a label stay: they may hold rated segments, or be known to
    show nothing. A segment that was rated twice for a concept counts once, as most raters say; `disputed` counts those
    that as many affirm as deny, which are left out. Features of one modality must come from one maker, else
    FeatureMismatch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        how: FrameSettings,
        progress: Progress,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._examples, self._how = examples, how
        self.skipped: Counter[str] = Counter()
        self.disputed = 0
        self.video_ids: list[str] = []
        self.labels: list[VideoLabels] = []
        self.segments: list[SegmentLabels] = []
        self.grids: list[TimeGrid] = []
        self.contents: list[str] = []
        self._rows: list[int] = []
        self._cache: dict[int, Frames] = {}
        self.streams = self._survey(progress)
        self.reader = self._spread(cache_bytes, progress)

    def __len__(self) -> int:
        return len(self.video_ids)

    def frames(self, index: int) -> Matrix:
        """Frames (T, D) of one video, as the net reads them."""
        return self.reader.scaled(self._raw(index))

    def counts(self, classes: int) -> dict[str, Any]:
        """`videos`, how many of `classes` say anything, and the others, `left_out`, by reason: plain JSON values."""
        silent = sum(
            not labels.known(classes).any() and not len(ratings)
            for labels, ratings in zip(self.labels, self.segments, strict=True)
        )
        return {"videos": len(self) - silent, "left_out": dict(self.skipped + Counter({"without a label": silent}))}

    def told(self) -> str:
        """What was left out, for people."""
        return told(self.skipped)

    def _survey(self, progress: Progress) -> tuple[Stream, ...]:
        streams: dict[str, Stream] = {}
        for row, example in enumerate(progress.track(self._examples, total=len(self._examples), title="Reading")):
            sequences = [sequence for sequence in example.features.values() if len(sequence)]
            grid = segment_grid(sequences, seconds=self._how.step_seconds)
            if not grid.steps:
                self.skipped["without a step of features"] += 1
                continue
            try:
                for sequence in sequences:
                    sequence.check_finite()
            except InvalidData as error:
                self.skipped["broken features"] += 1
                progress.say(f"Left out: {error}")
                continue
            for sequence in sequences:
                stream = Stream(sequence.modality, sequence.width, sequence.source)
                streams.setdefault(sequence.modality, stream).check(sequence)
            self._rows.append(row)
            self.video_ids.append(example.video_id)
            self.labels.append(example.labels)
            settled, disputed = example.segments.settled()
            self.segments.append(settled)
            self.disputed += disputed
            self.grids.append(grid)
            self.contents.append(_content(sequences))
        if self.disputed:
            progress.say(f"{self.disputed} ratings of a segment are denied as often as affirmed, so they are left out.")
        if not self._rows:
            raise InvalidData(f"No video can be learned from: {self.told()}. Import labels and extract features.")
        return tuple(streams[modality] for modality in sorted(streams))

    def _spread(self, room: int, progress: Progress) -> FrameReader:
        """Fill the cache, and measure mean and spread of each stream where they are asked for."""
        moments = [RunningMoments(stream.width) for stream in self.streams]
        borders = np.cumsum([stream.width for stream in self.streams])[:-1]
        for index in range(len(self)):
            if room <= 0 and not self._how.standardised:
                break
            frames = self._raw(index)
            if frames.values.nbytes <= room:
                room -= frames.values.nbytes
                self._cache[index] = frames
            if self._how.standardised:
                for running, part, there in zip(
                    moments, np.split(frames.values, borders, axis=1), frames.present, strict=True
                ):
                    if there:
                        running.add(part)
        return FrameReader(
            self.streams,
            self._how,
            np.concatenate([running.mean for running in moments]),
            np.concatenate([running.deviation() for running in moments]),
        )

    def _raw(self, index: int) -> Frames:
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        example = self._examples[self._rows[index]]
        return joined([_usable(example, stream) for stream in self.streams], self.streams, self.grids[index])


def joined(sequences: Sequence[FeatureSequence | None], streams: Sequence[Stream], grid: TimeGrid) -> Frames:
    """Mean features of each stream on the grid, side by side; 0 where a stream is missing."""
    parts = [
        np.zeros((grid.steps, stream.width), np.float32) if sequence is None else mean_features(sequence, grid)
        for sequence, stream in zip(sequences, streams, strict=True)
    ]
    return Frames(np.concatenate(parts, axis=1), np.array([sequence is not None for sequence in sequences]))


def evenly(count: int, longest: int) -> IntArray:
    """Row numbers: all of `count`, or `longest` of them at even distances."""
    if count <= longest:
        return np.arange(count)
    chosen: NDArray[np.int64] = ((np.arange(longest) + 0.5) * count / longest).astype(np.int64)
    return chosen


def _usable(example: Example, stream: Stream) -> FeatureSequence | None:
    sequence = example.features.get(stream.modality)
    return sequence if sequence is not None and len(sequence) else None


def _content(sequences: Sequence[FeatureSequence]) -> str:
    digest = hashlib.sha256()
    for sequence in sorted(sequences, key=lambda sequence: sequence.modality):
        digest.update(f"{sequence.modality} {sequence.values.dtype} {sequence.grid}".encode())
        digest.update(np.ascontiguousarray(sequence.values).data)
    return digest.hexdigest()[:16]
