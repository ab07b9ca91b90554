"""What a trained net for activities says of whole videos: many views of each, decoded once, joined to one word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.timing import FloatArray
from whenabouts.core.video import Video
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.nets.activity_net import outputs_of
from whenabouts.recognition.activity_clips import NORMAL_RATE, CachedSpeed, extras_of, span_of
from whenabouts.recognition.activity_model import ActivityModel, ViewSettings
from whenabouts.recognition.clip_cuts import Pixels, frames_at, scaled, square_at
from whenabouts.recognition.frame_cache import Cached, FrameCache
from whenabouts.recognition.label_kinds import KINDS, joined
from whenabouts.recognition.views import VIEW_SETS, Speed, View, views_of
from whenabouts.training.devices import Compute


@dataclass(frozen=True)
class Recognized:
    """Probabilities (V, A) of videos over a vocabulary, and the videos that are partial or could not be read."""

    video_ids: tuple[str, ...]
    probabilities: FloatArray
    broken: tuple[Video, ...]


def recognize(
    model: ActivityModel,
    entries: Sequence[Entry],
    how: ViewSettings,
    *,
    store: FeatureStore,
    cache: Path,
    compute: Compute,
    workers: int = 2,
    progress: Progress,
) -> Recognized:
    """Look at videos through all views; unreadable ones are left out and returned with their reasons.

    A few videos are decoded at a time, each once. Frames that were not in the cache before leave it again, unless `how`
    keeps them.
    """
    speeds = VIEW_SETS[how.views]
    speed = CachedSpeed.of([each.rate for each in speeds])
    frames = FrameCache(cache / "frames", speed.frame_format(model.shape, model.settings.clips.longest_seconds))
    there = [entry for entry in entries if entry.usable]
    looker = Looker(model, how, compute)
    ids, rows, broken = [], [], []
    chunks = [there[first : first + 4 * workers] for first in range(0, len(there), 4 * workers)]
    for chunk in progress.track(chunks, total=len(chunks), title="looking at videos"):
        kept = {entry.id for entry in chunk if how.keep_frames or frames.find(entry.video) is not None}
        cached = frames.fill([entry.video for entry in chunk], workers=workers, progress=progress)
        for entry, found in zip(chunk, cached, strict=True):
            if found.video.status != "complete":
                broken.append(found.video)
            if found.frames:
                ids.append(entry.id)
                rows.append(looker.video(found, speeds, speed, _extras(model, store, entry)))
            if entry.id not in kept:
                found.path.unlink(missing_ok=True)
    count = len(model.vocabulary)
    return Recognized(tuple(ids), np.stack(rows) if rows else np.zeros((0, count)), tuple(broken))


class Looker:
    """Runs a net on views of one video at a time."""

    def __init__(self, model: ActivityModel, how: ViewSettings, compute: Compute) -> None:
        self.model, self.how, self.compute = model, how, compute
        self.net = compute.place_net(model.net).eval()
        self._transform = model.shape.transform()

    def video(
        self, cached: Cached, speeds: Sequence[Speed], speed: CachedSpeed, extras: FeatureSequence | None = None
    ) -> FloatArray:
        """Probabilities (A,) of one video, joined over its views."""
        at = tuple(replace(each, rate=speed.stride(each.rate)) for each in speeds)
        views = views_of(cached.frames, at, frames=self.model.shape.pictures)
        distinct, weights = _distinct(views, square=self._squares_are_one(cached))
        batches = self._batches(cached, distinct, extras, speed)
        parts = [self._probabilities(clips, vectors) for clips, vectors in batches]
        return joined(np.concatenate(parts), self.how.joining, weights)

    def _batches(
        self, cached: Cached, views: Sequence[View], extras: FeatureSequence | None, speed: CachedSpeed
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Clips (B, C, T, H, W) of a few views, with their extra vectors; frames of a clip are read once."""
        rate, extra = self.model.shape.rate * NORMAL_RATE / speed.step, self.model.extra
        last, frames = None, np.zeros(0, np.uint8)
        for first in range(0, len(views), self.how.batch):
            some, clips, vectors = views[first : first + self.how.batch], [], []
            for view in some:
                if last is None or not np.array_equal(last, view.frames):
                    last, frames = view.frames, frames_at(cached, view.frames)
                clips.append(self._square(frames, view.crop))
                if extra is not None:
                    vectors.append(extras_of(extras, span_of(view.frames, rate), extra.count, extra.width))
            given = self._transform.test(torch.from_numpy(np.stack(clips)))
            yield given, torch.from_numpy(np.stack(vectors)).float() if vectors else None

    def _square(self, frames: Pixels, place: int) -> Pixels:
        side = self.side
        if side is None:
            return frames
        height, width = frames.shape[1:3]
        cut = min(side, height, width)
        top, left = square_at(height, width, cut, place)
        return scaled(np.ascontiguousarray(frames[:, top : top + cut, left : left + cut]), side)

    @property
    def side(self) -> int | None:
        """Pixels of a view's side; None: all of the picture."""
        return self.how.side or self.model.shape.crop

    def _squares_are_one(self, cached: Cached) -> bool:
        """True where all crops of a picture are the same one."""
        height, width = cached.read(0, 1).shape[1:3]
        return self.side is None or (height == width and self.side >= height)

    def _probabilities(self, clips: Tensor, extras: Tensor | None) -> FloatArray:
        with torch.inference_mode(), self.compute.autocast():
            vectors = None if extras is None else self.compute.place(extras)
            outcome = self.net(self.compute.place(clips), None, vectors)
            kind = KINDS[self.model.settings.head.kind]
            return np.asarray(kind.probabilities(outputs_of(outcome)).double().cpu().numpy())


def _distinct(views: Sequence[View], *, square: bool) -> tuple[list[View], FloatArray]:
    """Views that differ, and how often each is there: short videos have the same clip many times."""
    counts: dict[tuple[bytes, int], int] = {}
    first: dict[tuple[bytes, int], View] = {}
    for view in views:
        key = (view.frames.tobytes(), 1 if square else view.crop)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, view)
    return list(first.values()), np.asarray(list(counts.values()), np.float64)


def _extras(model: ActivityModel, store: FeatureStore, entry: Entry) -> FeatureSequence | None:
    extra = model.extra
    if extra is None or not store.has(entry.id, extra.modality, newer_than_ns=entry.changed_ns):
        return None
    return store.read(entry.id, extra.modality)
