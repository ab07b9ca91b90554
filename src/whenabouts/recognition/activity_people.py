"""Clips around keyframes, with the boxes of persons in them: for training, and for looking."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.boxes import Keyframe, usable
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.nets.activity_net import People
from whenabouts.recognition.activity_clips import (
    NORMAL_RATE,
    ActivityVideo,
    CachedSpeed,
    ClipSettings,
    ExtraShape,
    clip_row,
    extras_of,
    span_of,
)
from whenabouts.recognition.activity_training import FeatureBatch, drawn_rows
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.clip_cuts import Pixels, frames_at, random_square
from whenabouts.recognition.views import clip_frames


@dataclass(frozen=True)
class PeopleClip:
    """A video and a keyframe of it, with everybody there."""

    video: ActivityVideo
    keyframe: Keyframe


def people_clips(videos: Sequence[ActivityVideo], keyframes: Sequence[Keyframe]) -> tuple[PeopleClip, ...]:
    """Keyframes of videos that are there, in order; boxes without area are left out, and keyframes without a box."""
    by_id: Mapping[str, ActivityVideo] = {video.cached.video.id: video for video in videos}
    made = []
    for keyframe in keyframes:
        sound = usable(keyframe.boxes)
        if keyframe.video_id in by_id and sound.any():
            made.append(PeopleClip(by_id[keyframe.video_id], chosen_people(keyframe, sound)))
    return tuple(made)


def chosen_people(keyframe: Keyframe, kept: BoolArray) -> Keyframe:
    """The keyframe with some of its persons."""
    boxes, labels, scores = keyframe.boxes[kept], keyframe.labels[kept], keyframe.scores[kept]
    return Keyframe(keyframe.video_id, keyframe.seconds, boxes, labels, scores)


def reached(keyframes: Sequence[Keyframe], frames: Mapping[str, int], rate: float) -> list[Keyframe]:
    """Keyframes that lie in the frames, at `rate` a second, that there are of their videos, or at the very end."""
    return [each for each in keyframes if each.seconds * rate < frames.get(each.video_id, 0) + 1]


def tell_lost(beyond: int, unread: int, progress: Progress) -> tuple[str, ...]:
    """Say how many keyframes lie after what there is of their videos, and how many are of no video that can be read."""
    told = [] if not beyond else [
        f"Keyframes after what was decoded of their videos are left out: {beyond}. Raise "
        "activities.clips.longest_seconds, or see that times count from the start of the files "
        "(import.ava.start_seconds)."
    ]  # fmt: skip
    told += [f"Keyframes of videos that are not there, or can't be read, are left out: {unread}."] if unread else []
    for line in told:
        progress.say(line)
    return tuple(told)


def numbers_around(seconds: float, stride: int, pictures: int, frames: int, rate: float) -> IntArray:
    """Numbers of a clip's frames, its middle one (the later of two) at a second, of cached frames at `rate` a second.

    What lies beyond either end is the video's first or last frame.
    """
    middle = min(max(round(seconds * rate), 0), frames - 1)
    return clip_frames(middle - pictures // 2 * stride, stride, frames, frames=pictures)


class PeopleDraws:
    """Clips around keyframes: every keyframe once before any comes again.

    With `each`, labels are those of persons, else of the clips. Persons whom a square of the picture leaves out are no
    part of its clip; a square with nobody in it is drawn again, ten times at most.
    """

    def __init__(
        self,
        clips: Sequence[PeopleClip],
        names: Sequence[str],
        shape: BackboneSettings,
        how: ClipSettings,
        *,
        speed: CachedSpeed,
        batch: int,
        seed: int,
        each: bool,
        extra: ExtraShape | None = None,
    ) -> None:
        self.clips, self.names, self.shape, self.how = clips, tuple(names), shape, how
        self.speed, self.size, self.seed, self.each, self.extra = speed, batch, seed, each, extra
        how.check(shape)
        self._mirrors = how.mirrors(names, shape)
        self._transform = shape.transform(colour=how.colour)
        self._rate = shape.rate * NORMAL_RATE / speed.step

    def batch(self, step: int) -> FeatureBatch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, 4, step])
        drawn = [
            self._drawn(self.clips[row], random) for row in drawn_rows(step, self.size, len(self.clips), self.seed)
        ]
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        clips = self._transform.train(torch.from_numpy(np.stack([each.pixels for each in drawn])), generator)
        extras = None if self.extra is None else torch.from_numpy(np.stack([each.extras for each in drawn])).float()
        labels = [each.labels for each in drawn]
        rows = np.concatenate(labels) if self.each else np.stack(labels)
        return FeatureBatch(
            clips, None, extras, torch.from_numpy(rows).float(), people_of([each.boxes for each in drawn])
        )

    def video_labels(self) -> Tensor:
        """Labels in which co-occurrence is counted: of all persons, or of clips."""
        count = len(self.names)
        if self.each:
            rows = [clip.keyframe.labels for clip in self.clips]
            return torch.from_numpy(np.concatenate(rows)).float()
        whole = (0.0, float("inf"))
        return torch.from_numpy(np.stack([clip_row(clip.video, count, whole, "video") for clip in self.clips])).float()

    def identity(self) -> str:
        """Hash of all that decides the draws."""
        told = (self.shape, self.how, self.size, self.seed, self.names, self.extra, self.each)
        digest = hashlib.sha256(repr(told).encode())
        for clip in self.clips:
            digest.update(clip.video.identity())
            digest.update(clip.keyframe.boxes.tobytes() + clip.keyframe.labels.tobytes())
            digest.update(repr(clip.keyframe.seconds).encode())
        return digest.hexdigest()

    def _drawn(self, clip: PeopleClip, random: np.random.Generator) -> "_Drawn":
        rate = self.how.rates[int(random.integers(len(self.how.rates)))]
        cached, keyframe = clip.video.cached, clip.keyframe
        stride = self.speed.stride(rate)
        numbers = numbers_around(keyframe.seconds, stride, self.shape.pictures, cached.frames, self._rate)
        pixels, boxes = frames_at(cached, numbers), keyframe.boxes
        kept = np.ones(len(boxes), bool)
        if self.shape.crop is not None:
            pixels, boxes, kept = self._cropped(pixels, boxes, random)
        if self._mirrors and random.random() < 0.5:
            pixels = pixels[:, :, ::-1]
            boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
        span, count = span_of(numbers, self._rate), len(self.names)
        labels = keyframe.labels[kept] if self.each else clip_row(clip.video, count, span, self.how.labels)
        extra = self.extra
        extras = np.zeros(0) if extra is None else extras_of(clip.video.extras, span, extra.count, extra.width)
        return _Drawn(np.ascontiguousarray(pixels), boxes[kept], labels, extras)

    def _cropped(
        self, pixels: Pixels, boxes: FloatArray, random: np.random.Generator
    ) -> tuple[Pixels, FloatArray, BoolArray]:
        side, sizes = self.shape.crop or 1, pixels.shape[1:3]
        for _ in range(10):
            square = random_square(sizes, side, random, self.how.scales)
            moved = square.boxes(boxes, sizes)
            if usable(moved).any():
                break
        return square.of(pixels, side), moved, usable(moved)


@dataclass(frozen=True)
class _Drawn:
    """One clip of a batch: pixels, boxes (P, 4), labels (P, A) or (A,), extras."""

    pixels: Pixels
    boxes: FloatArray
    labels: FloatArray
    extras: FloatArray


def people_of(boxes: Sequence[FloatArray]) -> People:
    """Boxes of each clip of a batch, one after the other."""
    counts = torch.tensor([len(each) for each in boxes], dtype=torch.long)
    flat = np.concatenate([each.reshape(-1, 4) for each in boxes]) if boxes else np.zeros((0, 4))
    return People(torch.from_numpy(flat).float(), torch.repeat_interleave(torch.arange(len(boxes)), counts))
