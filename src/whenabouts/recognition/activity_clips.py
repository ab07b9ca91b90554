"""Which clips, with which labels, make up each batch of training for activities."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from whenabouts.config import Count, Positive, Probability, settings
from whenabouts.core.errors import SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.video import Video
from whenabouts.media.fingerprints import size_and_time
from whenabouts.recognition.activity_training import FeatureBatch, drawn_rows
from whenabouts.recognition.backbone import BackboneSettings
from whenabouts.recognition.clip_cuts import Pixels, frames_at, names_sides, random_square
from whenabouts.recognition.frame_cache import Cached, FrameFormat
from whenabouts.recognition.views import clip_frames, drawn_start

NORMAL_RATE = 4


@settings
class ClipSettings:
    """The clips that a net for activities is trained on.

    `rates` are those of which one is drawn for each clip: 4 is the speed of the backbone's own `rate`, at 2 its frames
    lie half as far apart, at 8 twice. `scales` are those between which the shorter side of pictures is drawn before the
    backbone's `crop` is cut ("scale jitter", 256 to 320 pixels in the papers); videos are decoded at the greater.
    `flips` "auto" mirrors half of the clips unless a class tells left from right by its name. `labels` of a clip are
    those of the "video", or of the "segments" that it overlaps; "auto": of segments where a video has any. Of videos
    the first `longest_seconds` count.
    """

    rates: tuple[int, ...] = (NORMAL_RATE,)
    scales: tuple[int, int] | None = None
    flips: Literal["auto", "always", "never"] = "auto"
    colour: Probability = 0.0
    labels: Literal["auto", "video", "segments"] = "auto"
    longest_seconds: Positive = 1200.0

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) < 1:
            raise ValueError(f"rates are whole numbers of at least 1, but got {self.rates}. The papers' are 2, 4, 8.")
        if self.scales is not None and not 1 <= self.scales[0] <= self.scales[1]:
            raise ValueError(f"scales are a smaller and a greater number of pixels, but got {self.scales}.")

    def check(self, shape: BackboneSettings) -> None:
        """Raise SettingsError where a backbone can't be fed so."""
        if shape.input == "flow" and set(self.rates) != {NORMAL_RATE}:
            raise SettingsError("Stacks of flow have one speed. Leave clips.rates at 4, and tuning.steps at 0.")
        if self.scales is not None and (shape.crop is None or self.scales[0] < shape.crop):
            raise SettingsError(
                f"clips.scales {self.scales} need a backbone.crop of at most their smaller number, but it is "
                f"{shape.crop}."
            )

    def pictures(self, shape: BackboneSettings) -> BackboneSettings:
        """The shape with pictures as large as the greater of `scales`, so that squares of any scale are real pixels."""
        least = shape.short_side if shape.own_shape else min(shape.box)
        if self.scales is None or shape.input == "flow" or self.scales[1] <= least:
            return shape
        if shape.own_shape:
            return replace(shape, short_side=self.scales[1])
        height, width = (2 * round(each * self.scales[1] / least / 2) for each in shape.box)
        return replace(shape, short_side=self.scales[1], height=height, width=width)

    def mirrors(self, names: Sequence[str], shape: BackboneSettings) -> bool:
        """Whether clips are mirrored, for these classes."""
        if self.flips == "always" and shape.input == "flow":
            raise SettingsError('A mirrored clip moves the other way: clips.flips "always" is not for flow.')
        return self.flips == "always" or (self.flips == "auto" and shape.input != "flow" and not names_sides(names))


@dataclass(frozen=True)
class ActivityVideo:
    """A video with cached frames, its labels and segments, and perhaps features of objects or persons over time."""

    cached: Cached
    labels: VideoLabels
    segments: SegmentLabels
    extras: FeatureSequence | None = None

    def identity(self) -> bytes:
        """Bytes of its file, labels, segments and the sum of its features: what decides the clips of it."""
        extras = None if self.extras is None else float(np.asarray(self.extras.values, np.float64).sum())
        file = (self.cached.path.name, size_and_time(self.cached.video.path), self.cached.frames)
        labels, rated = self.labels, self.segments
        arrays = (labels.classes, labels.weights, labels.negatives, rated.spans, rated.classes, rated.present)
        sizes = [len(array) for array in arrays]
        return repr((*file, labels.absent, extras, sizes)).encode() + b"".join(array.tobytes() for array in arrays)


@dataclass(frozen=True)
class CachedSpeed:
    """Frames in a cache: `step` rates lie between two of them, as a clip at rate r takes every r / `step`-th."""

    step: int

    @classmethod
    def of(cls, rates: Sequence[int]) -> "CachedSpeed":
        """The coarsest that serves all rates."""
        return cls(int(np.gcd.reduce(rates)))

    def frame_format(self, shape: BackboneSettings, longest_seconds: float) -> FrameFormat:
        """The frames that are cached for a backbone, whose own rate is that of `NORMAL_RATE`."""
        form = shape.frame_format(longest_seconds)
        return replace(form, rate=form.rate * NORMAL_RATE / self.step)

    def stride(self, rate: int) -> int:
        """Cached frames from one of a clip's to the next."""
        return rate // self.step


def label_row(labels: VideoLabels, count: int) -> FloatArray:
    """Labels (A,) of a whole video: 1 there, 0 known not to be, NaN unknown."""
    return np.where(labels.dense(count) > 0, 1.0, np.where(labels.known(count), 0.0, np.nan))


def clip_row(video: ActivityVideo, count: int, span: tuple[float, float], how: str) -> FloatArray:
    """Labels (A,) of a clip over `span` in seconds.

    By segments: a class with segments is there where one of them overlaps the clip; one that the video is labelled with
    and no segment tells of is unknown; what is rated as absent from the whole clip is not there.
    """
    row, rated = label_row(video.labels, count), video.segments
    if how == "video" or (how == "auto" and not rated.present.any()):
        return row
    told = np.unique(rated.classes[rated.present])
    row[row == 1] = np.nan
    absent = ~rated.present & (rated.spans[:, 0] <= span[0]) & (rated.spans[:, 1] >= span[1])
    row[rated.classes[absent]] = 0.0
    row[told] = 0.0
    overlaps = rated.present & (rated.spans[:, 0] < span[1]) & (rated.spans[:, 1] > span[0])
    row[rated.classes[overlaps]] = 1.0
    return row


def extras_of(sequence: FeatureSequence | None, span: tuple[float, float], count: int, width: int) -> FloatArray:
    """`count` vectors (M, E) of features evenly over a span in seconds; NaN where there are none."""
    if sequence is None or not len(sequence):
        return np.full((count, width), np.nan)
    seconds = span[0] + (np.arange(count) + 0.5) / count * (span[1] - span[0])
    steps = np.clip(sequence.grid.step_at(seconds), 0, len(sequence) - 1)
    return np.asarray(sequence.values[steps], np.float64)


@settings
class ExtraShape:
    """Of which features (`modality`), how many vectors a clip and how wide, are put beside the pictures."""

    modality: str
    count: Count
    width: Count


class Draws(Protocol):
    """Which clips, with which labels, make up each batch: a pure function of seed and step."""

    def batch(self, step: int) -> FeatureBatch:
        """The batch of one step."""
        ...

    def video_labels(self) -> Tensor:
        """Labels (V, A) in which co-occurrence is counted."""
        ...

    def identity(self) -> str:
        """Hash of all that decides the draws."""
        ...


class ActivityDraws:
    """Clips anywhere in videos: every video once before any comes again."""

    def __init__(
        self,
        videos: Sequence[ActivityVideo],
        names: Sequence[str],
        shape: BackboneSettings,
        clips: ClipSettings,
        *,
        speed: CachedSpeed,
        batch: int,
        seed: int,
        extra: ExtraShape | None = None,
    ) -> None:
        self.videos, self.names, self.shape, self.clips = videos, tuple(names), shape, clips
        self.speed, self.size, self.seed, self.extra = speed, batch, seed, extra
        self._mirrors = clips.mirrors(names, shape)
        self._transform = shape.transform(colour=clips.colour)
        clips.check(shape)

    def batch(self, step: int) -> FeatureBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 3, step])
        rows = drawn_rows(step, self.size, len(self.videos), self.seed)
        drawn = [self._drawn(self.videos[row], random) for row in rows]
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        clips = self._transform.train(torch.from_numpy(np.stack([clip for clip, _, _ in drawn])), generator)
        labels = torch.from_numpy(np.stack([row for _, row, _ in drawn])).float()
        extras = None if self.extra is None else torch.from_numpy(np.stack([each for _, _, each in drawn])).float()
        return FeatureBatch(clips, None, extras, labels)

    def video_labels(self) -> Tensor:
        """Labels (V, A) of whole videos, in which co-occurrence is counted."""
        count = len(self.names)
        rows = [label_row(video.labels, count) for video in self.videos]
        return torch.from_numpy(np.stack(rows)).float() if rows else torch.zeros(0, count)

    def identity(self) -> str:
        """Hash of all that decides the draws."""
        digest = hashlib.sha256(repr((self.shape, self.clips, self.size, self.seed, self.names, self.extra)).encode())
        for item in self.videos:
            digest.update(item.identity())
        return digest.hexdigest()

    def _drawn(self, video: ActivityVideo, random: np.random.Generator) -> tuple[Pixels, FloatArray, FloatArray]:
        rate = self.clips.rates[int(random.integers(len(self.clips.rates)))]
        numbers = self._numbers(video.cached, rate, random)
        clip = frames_at(video.cached, numbers)
        if self.shape.crop is not None:
            clip = random_square(clip.shape[1:3], self.shape.crop, random, self.clips.scales).of(clip, self.shape.crop)
        if self._mirrors and random.random() < 0.5:
            clip = clip[:, :, ::-1]
        span = span_of(numbers, self.shape.rate * NORMAL_RATE / self.speed.step)
        row = clip_row(video, len(self.names), span, self.clips.labels)
        extra = self.extra
        extras = np.zeros(0) if extra is None else extras_of(video.extras, span, extra.count, extra.width)
        return np.ascontiguousarray(clip), row, extras

    def _numbers(self, cached: Cached, rate: int, random: np.random.Generator) -> IntArray:
        stride, pictures = self.speed.stride(rate), self.shape.pictures
        start = drawn_start(cached.frames, stride, random, frames=pictures)
        return clip_frames(start, stride, cached.frames, frames=pictures)


def span_of(numbers: IntArray, rate: float) -> tuple[float, float]:
    """When the first of some frames begins and the last ends, in seconds."""
    return float(numbers.min()) / rate, (float(numbers.max()) + 1) / rate


def reasons(videos: Sequence[Video]) -> dict[str, str]:
    """Why videos are partial or unreadable, by id."""
    return {video.id: video.reason or "its file is gone" for video in videos}
