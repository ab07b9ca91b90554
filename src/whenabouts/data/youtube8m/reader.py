"""YouTube-8M records: one video each, with features of every second or their means, labels and rated segments.

Formats of 2016 to 2019: https://research.google.com/youtube8m/download.html, and `readers.py` of google/youtube-8m.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m import example_protos
from whenabouts.data.youtube8m.example_protos import Feature, FeatureList, SequenceExample, described
from whenabouts.data.youtube8m.tfrecord import Record, RecordError

ByteArray = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

MODALITIES = ("rgb", "audio")
SEGMENT_SECONDS = 5
_ID_KEYS = ("id", "video_id")  # 2018 and later; 2016 and 2017


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers per step of each modality (0: records are without it), and how many classes labels may name (0: any)."""

    rgb: int = 1024
    audio: int = 128
    classes: int = 3862

    def width(self, modality: str) -> int:
        """Numbers per step of `rgb` or `audio`."""
        return self.rgb if modality == "rgb" else self.audio


OFFICIAL = Layout()


def _no_integers() -> IntArray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class SegmentRatings:
    """What raters said: starts, ends (S,) in seconds, labels (S,), scores (S,) 1 for present and 0 for absent."""

    starts: IntArray = field(default_factory=_no_integers)
    ends: IntArray = field(default_factory=_no_integers)
    labels: IntArray = field(default_factory=_no_integers)
    scores: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        sizes = [len(column) for column in (self.starts, self.ends, self.labels, self.scores)]
        if len(set(sizes)) != 1:
            raise InvalidData(f"starts, ends, labels and scores of segments are {sizes} values: one of each is needed")
        if not ((self.starts >= 0) & (self.starts < self.ends)).all():
            raise InvalidData(f"segments should start at 0 s or later and end after that, but run {self.spans}")
        if not ((self.scores == 0) | (self.scores == 1)).all():
            raise InvalidData(f"segments are rated 0 or 1, but got {self.scores.tolist()[:10]}")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Start and end of each rating, in seconds."""
        return list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))


_UNRATED = SegmentRatings()
_NO_FRAMES = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True)
class FrameRecord:
    """One video by the second: quantised features rgb (T, 1024) and audio (T, 128), labels (P,), rated segments.

    No labels mean that nothing is known, as in the test split. The matrices of a record that was read are read-only
    views into its bytes; `dequantised` of `youtube8m_frames` turns them into numbers.
    """

    id: str
    labels: IntArray
    rgb: ByteArray
    audio: ByteArray
    ratings: SegmentRatings = _UNRATED

    def __post_init__(self) -> None:
        _check_id(self.id)
        for name, values in (("rgb", self.rgb), ("audio", self.audio)):
            if values.ndim != 2 or values.dtype != np.uint8:
                raise InvalidData(f"{name} should be bytes (T, width), but is {values.dtype} {values.shape}")
        if len(self.rgb) != len(self.audio):
            raise InvalidData(f"rgb has {len(self.rgb)} frames, but audio {len(self.audio)}")

    def __len__(self) -> int:
        return len(self.rgb)

    def __repr__(self) -> str:
        shapes = f"rgb {self.rgb.shape}, audio {self.audio.shape}"
        return f"FrameRecord({self.id!r}, {shapes}, {len(self.labels)} labels, {len(self.ratings)} ratings)"

    def features(self, modality: str) -> ByteArray:
        """The matrix of `rgb` or `audio`."""
        return self.rgb if modality == "rgb" else self.audio

    def to_bytes(self) -> bytes:
        """A SequenceExample, as `parsed` reads it; a modality of width 0 is left out, and so is an empty list."""
        context: dict[str, Feature] = {"id": (self.id.encode(),)}
        if len(self.labels):
            context["labels"] = self.labels
        if len(self.ratings):
            ratings = self.ratings
            context |= {"segment_start_times": ratings.starts, "segment_end_times": ratings.ends}
            context |= {"segment_labels": ratings.labels, "segment_scores": ratings.scores}
        lists = {name: self.features(name) for name in MODALITIES if self.features(name).shape[1]}
        return example_protos.encode(context, lists)


@dataclass(frozen=True)
class VideoRecord:
    """One video as a whole: means over its seconds of rgb (1024,) and audio (128,), dequantised, and labels (P,)."""

    id: str
    labels: IntArray
    mean_rgb: Float32Array
    mean_audio: Float32Array

    def __post_init__(self) -> None:
        _check_id(self.id)
        for name, values in (("mean_rgb", self.mean_rgb), ("mean_audio", self.mean_audio)):
            if not np.isfinite(values).all():
                raise InvalidData(f"{name} holds {values[~np.isfinite(values)][0]}, which is no finite number")

    def __repr__(self) -> str:
        shapes = f"rgb {self.mean_rgb.shape}, audio {self.mean_audio.shape}"
        return f"VideoRecord({self.id!r}, {shapes}, {len(self.labels)} labels)"

    def to_bytes(self) -> bytes:
        """An Example, as `parsed` reads it; a modality of width 0 is left out, and so are empty labels."""
        context: dict[str, Feature] = {"id": (self.id.encode(),)}
        if len(self.labels):
            context["labels"] = self.labels
        means = {"mean_rgb": self.mean_rgb, "mean_audio": self.mean_audio}
        return example_protos.encode(context | {name: values for name, values in means.items() if len(values)})


def parsed(record: Record, layout: Layout = OFFICIAL) -> FrameRecord | VideoRecord:
    """The video that a record holds; whatever does not fit raises RecordError with file, number and offset.

    With feature lists it is a FrameRecord, else a VideoRecord. The id's key may be `id` or `video_id`.
    """
    try:
        example = example_protos.parse(record.data)
        return _frames(example, layout) if example.feature_lists else _means(example.context, layout)
    except InvalidData as error:
        raise RecordError(record.place, str(error)) from None


def _frames(example: SequenceExample, layout: Layout) -> FrameRecord:
    context, lists = example.context, example.feature_lists
    rgb = _matrix(lists, "rgb", layout.rgb)
    audio = _matrix(lists, "audio", layout.audio)
    if not layout.rgb:
        rgb = np.zeros((len(audio), 0), np.uint8)
    if not layout.audio:
        audio = np.zeros((len(rgb), 0), np.uint8)
    return FrameRecord(_identity(context), _labels(context, "labels", layout), rgb, audio, _ratings(context, layout))


def _matrix(lists: Mapping[str, FeatureList], name: str, width: int) -> ByteArray:
    """The frames (T, width) of one modality."""
    if not width:
        return _NO_FRAMES
    if name not in lists:
        raise InvalidData(
            f"the feature list {name!r} is missing (there: {', '.join(map(repr, lists))}). For records without it, "
            f"say that {name} has the width 0"
        )
    try:
        rows = lists[name].byte_rows()
    except InvalidData as error:
        raise InvalidData(f"{name}: {error}") from None
    if rows.shape[1] == width:
        return rows
    if len(rows):
        raise InvalidData(f"{name} frames hold {rows.shape[1]} bytes, but {width} are expected")
    return rows.reshape(0, width)


def _means(context: Mapping[str, Feature], layout: Layout) -> VideoRecord:
    means = []
    for modality in MODALITIES:
        name, width = f"mean_{modality}", layout.width(modality)
        values = _numbers(context, name, np.float32) if width else np.zeros(0, np.float32)
        if len(values) != width:
            there = f"there: {', '.join(map(repr, context)) or 'nothing'}"
            raise InvalidData(f"{name} holds {len(values)} values, but {width} are expected ({there})")
        means.append(values)
    return VideoRecord(_identity(context), _labels(context, "labels", layout), *means)


def _check_id(video_id: str) -> None:
    if not video_id:
        raise InvalidData("the video's id is empty")
    try:
        video_id.encode()
    except UnicodeEncodeError:
        raise InvalidData(f"the id {video_id!r} is no Unicode text, so no record can bear it") from None


def _identity(context: Mapping[str, Feature]) -> str:
    for key in _ID_KEYS:
        value = context.get(key)
        if value is None:
            continue
        if not isinstance(value, tuple) or len(value) != 1:
            raise InvalidData(f"{key!r} should be one bytes value, but is {described(value)}")
        try:
            return value[0].decode()
        except UnicodeDecodeError:
            raise InvalidData(f"{key!r} is {value[0][:40]!r}, which is not UTF-8") from None
    raise InvalidData(f"neither 'id' nor 'video_id' is there, only {', '.join(map(repr, context)) or 'nothing'}")


def _numbers(context: Mapping[str, Feature], name: str, kind: type[Any]) -> NDArray[Any]:
    value = context.get(name, ())
    if len(value) == 0:
        return np.zeros(0, kind)
    if isinstance(value, tuple) or value.dtype != kind:
        raise InvalidData(f"{name} should hold {np.dtype(kind)} values, but holds {described(value)}")
    return value


def _labels(context: Mapping[str, Feature], name: str, layout: Layout) -> IntArray:
    labels = _numbers(context, name, np.int64)
    most = (layout.classes or 1 << 63) - 1
    if len(labels) and max(labels.view(np.uint64).tolist()) > most:  # so seen, a negative number is a great one
        strange = labels[labels.view(np.uint64) > most]
        limit = f"0..{layout.classes - 1}" if layout.classes else "0 or more"
        raise InvalidData(f"{name} holds {strange[0]}, but classes are {limit}")
    return labels


def _ratings(context: Mapping[str, Feature], layout: Layout) -> SegmentRatings:
    """Rated segments; where ends are missing, segments last 5 s."""
    if not any(name.startswith("segment_") for name in context):
        return _UNRATED
    starts = _numbers(context, "segment_start_times", np.int64)
    ends = _numbers(context, "segment_end_times", np.int64)
    labels = _labels(context, "segment_labels", layout)
    scores = _numbers(context, "segment_scores", np.float32)
    if not len(ends):
        ends = starts + SEGMENT_SECONDS
    return SegmentRatings(starts, ends, labels, scores)
