"""Naming whole videos by a classifier of clips: ten clips, the middle of the picture, the mean of probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.media.resizing import middle
from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.fully_convolutional import Link, fully_convolutional, pool_window
from whenabouts.recognition.backbone import BackboneSettings, ClipClassifier
from whenabouts.recognition.finetune_settings import FinetuneSettings
from whenabouts.recognition.target_examples import Cut
from whenabouts.training.devices import Compute


@dataclass(frozen=True, slots=True)
class Views:
    """Which clips of an example are looked at: `count` of them, the middle `crop` pixels square (None: all)."""

    count: int
    crop: int | None


def uniform_starts(frames: int, pictures: int, count: int) -> IntArray:
    """First frames (count,) of clips from the first that fits to the last: floor(k (F - L) / (count - 1)).

    A single clip is the middle one. In a video shorter than a clip all begin at 0.
    """
    if min(frames, pictures, count) < 1:
        raise InvalidData(f"Clips need frames, pictures and a count of at least 1: {frames}, {pictures}, {count}.")
    room = max(frames - pictures, 0)
    if count == 1:
        return np.asarray([room // 2], np.int64)
    starts: IntArray = np.arange(count, dtype=np.int64) * room // (count - 1)
    return starts


def views_of(shape: BackboneSettings, how: FinetuneSettings, cut: Cut) -> Views:
    """What a test looks at: the square that the net was trained on, or what the convolution takes in."""
    if not how.fully_convolutional:
        return Views(how.test_clips, shape.crop)
    if how.test_crop is not None:
        return Views(how.test_clips, how.test_crop)
    height, width = cut.clip(0, 1).shape[1:3]
    return Views(how.test_clips, min(height, width))


def clips_of(cut: Cut, pictures: int, views: Views) -> tuple[NDArray[np.uint8], IntArray]:
    """The clips (K', F, H, W, C) that differ, and how often each counts (K',): short videos have fewer."""
    starts, times = np.unique(uniform_starts(cut.frames, pictures, views.count), return_counts=True)
    clips = np.stack([cut.clip(int(start), pictures) for start in starts])
    if views.crop is not None and views.crop > min(clips.shape[2:4]):
        raise SettingsError(
            f"finetune.test_crop is {views.crop}, but pictures have {clips.shape[2]} x {clips.shape[3]} pixels."
        )
    return middle(clips, views.crop), times


class ClipTester:
    """A classifier on a device, ready to name examples."""

    def __init__(self, model: ClipClassifier, shape: BackboneSettings, how: FinetuneSettings, compute: Compute) -> None:
        self.model, self.shape, self.how, self.compute = compute.place_net(model).eval(), shape, how, compute
        self._window: tuple[int, int, int] | None = None

    def probabilities(self, cut: Cut) -> FloatArray:
        """Probabilities (L,) of an example's labels, float64: the mean over its clips."""
        pixels, times = clips_of(cut, self.shape.pictures, views_of(self.shape, self.how, cut))
        with torch.inference_mode(), self.compute.autocast():
            clips = self._placed(pixels)
            if self.how.fully_convolutional:
                found = self._convolved(clips)
            else:
                found = linked(self.model(clips).float(), self.how.link)
        row: FloatArray = np.average(found.double().cpu().numpy(), axis=0, weights=times)
        return row

    def features(self, cuts: Sequence[Cut], clips: int) -> list[Tensor]:
        """What goes into the classifier for `clips` clips of each example: (clips, D) float32 on the CPU."""
        views, found = Views(clips, self.shape.crop), []
        for cut in cuts:
            pixels, times = clips_of(cut, self.shape.pictures, views)
            with torch.inference_mode(), self.compute.autocast():
                own = self.model.net(self._placed(pixels)).float().cpu()
            found.append(own.repeat_interleave(torch.from_numpy(times), dim=0))
        return found

    def _convolved(self, clips: Tensor) -> Tensor:
        net, fc = self.model.net, self.model.fc
        if not isinstance(net, ClipNet):
            raise SettingsError(f"{self.shape.name} has no maps to convolve. Leave out finetune.fully_convolutional.")
        maps, window = net.maps(clips), self._pool(net)
        try:
            return fully_convolutional(maps, fc.weight, fc.bias, window, link=self.how.link, joint=self.how.joint)
        except ValueError as error:
            raise SettingsError(f"finetune.test_crop is too small: {error}. Give at least backbone.crop.") from None

    def _pool(self, net: ClipNet) -> tuple[int, int, int]:
        """The pool's window: the maps of a clip as in training."""
        if self._window is None:
            if self.shape.crop is None:
                raise SettingsError(
                    "finetune.fully_convolutional looks at more of the picture than training did, but there "
                    "backbone.crop is all of it. Set backbone.crop, or leave fully_convolutional out."
                )
            side = self.shape.crop
            blank = np.zeros((1, self.shape.pictures, side, side, 2 if self.shape.input == "flow" else 3), np.uint8)
            self._window = pool_window(net.maps(self._placed(blank)))
        return self._window

    def _placed(self, clips: NDArray[np.uint8]) -> Tensor:
        return self.compute.place(self.shape.prepared(clips, self.compute.device))


def linked(scores: Tensor, link: Link) -> Tensor:
    """Scores (..., L) to probabilities."""
    return scores.softmax(-1) if link == "softmax" else scores.sigmoid()
