"""What a trained net for activities says of videos: many views of each, decoded once, joined to one word."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.boxes import Keyframe
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.video import Video
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.nets.activity_net import People, outputs_of
from whenabouts.recognition.activity_clips import NORMAL_RATE, CachedSpeed, extras_of, span_of
from whenabouts.recognition.activity_model import ActivityModel, ViewSettings
from whenabouts.recognition.activity_people import numbers_around, people_of, reached, tell_lost
from whenabouts.recognition.activity_training import placed_people
from whenabouts.recognition.clip_cuts import Pixels, Square, frames_at, square_at
from whenabouts.recognition.frame_cache import Cached, FrameCache
from whenabouts.recognition.label_kinds import KINDS, joined
from whenabouts.recognition.views import VIEW_SETS, Speed, View, views_of
from whenabouts.training.devices import Compute


@dataclass(frozen=True)
class Look:
    """Where and with what videos are looked at: `workers` decode a few at a time into `cache`, each once.

    Frames that were not in the cache before leave it again, unless `how` keeps them. Extra inputs are in `store`.
    """

    how: ViewSettings
    store: FeatureStore
    cache: Path
    compute: Compute
    progress: Progress
    workers: int = 2


@dataclass(frozen=True)
class Recognized:
    """Probabilities (V, A) of videos over a vocabulary, and the videos that are partial or could not be read.

    Where moments are asked for, `seconds` (M,) and `at_moments` (M, A) of each video.
    """

    video_ids: tuple[str, ...]
    probabilities: FloatArray
    broken: tuple[Video, ...]
    seconds: tuple[FloatArray, ...] = ()
    at_moments: tuple[FloatArray, ...] = ()


@dataclass(frozen=True)
class RecognizedPeople:
    """Keyframes with probabilities of everybody there, (P, A) each, the videos as above, and what was left out."""

    keyframes: tuple[Keyframe, ...]
    probabilities: tuple[FloatArray, ...]
    broken: tuple[Video, ...]
    problems: tuple[str, ...] = ()


def recognize(model: ActivityModel, entries: Sequence[Entry], look: Look) -> Recognized:
    """Look at videos through all views; unreadable ones are left out and returned with their reasons."""
    if model.settings.people != "none":
        raise SettingsError("This net judges boxes. Give it keyframes with persons.")
    watch = _Watch(model, look)
    watch.tell_lacking(entries)
    ids, rows, count = [], [], look.how.moments
    times, at_moments = list[FloatArray](), list[FloatArray]()
    for entry, cached in watch.decoded(entries):
        ids.append(entry.id)
        rows.append(watch.looker.video(cached, watch.speeds, watch.speed, watch.extras(entry)))
        if count:
            times.append(np.arange(count) / count * watch.seconds(entry, cached))
            at_moments.append(watch.looker.at_seconds(cached, times[-1], watch.speed, watch.extras(entry)))
    scores = np.stack(rows) if rows else np.zeros((0, len(model.vocabulary)))
    return Recognized(tuple(ids), scores, tuple(watch.broken), tuple(times), tuple(at_moments))


def recognize_people(
    model: ActivityModel, entries: Sequence[Entry], keyframes: Sequence[Keyframe], look: Look
) -> RecognizedPeople:
    """Look at keyframes, at each speed of the views once, through the middle of the picture.

    A net that judges each person gives (P, A) of a keyframe, one that puts persons beside the scene (1, A). Keyframes
    after what was decoded of their videos are left out, and told.
    """
    watch = _Watch(model, look)
    of_video: dict[str, list[Keyframe]] = defaultdict(list)
    for keyframe in keyframes:
        of_video[keyframe.video_id].append(keyframe)
    watch.tell_lacking([entry for entry in entries if entry.id in of_video])
    found, scores, beyond, unread = [], [], 0, len(keyframes)
    for entry, cached in watch.decoded([entry for entry in entries if entry.id in of_video]):
        there = reached(of_video[entry.id], {entry.id: cached.frames}, watch.form.rate)
        beyond += len(of_video[entry.id]) - len(there)
        unread -= len(of_video[entry.id])
        for keyframe in there:
            found.append(keyframe)
            scores.append(watch.looker.people(cached, keyframe, watch.rates, watch.speed, watch.extras(entry)))
    lost = tell_lost(beyond, unread, look.progress)
    return RecognizedPeople(tuple(found), tuple(scores), tuple(watch.broken), lost)


class _Watch:
    """Decodes videos a few at a time; keeps those that are broken."""

    def __init__(self, model: ActivityModel, look: Look) -> None:
        self.model, self.look, self.broken = model, look, list[Video]()
        self.speeds = VIEW_SETS[model.views(look.how)]
        self.rates = tuple(dict.fromkeys(each.rate for each in self.speeds))
        self.speed = CachedSpeed.of(self.rates)
        self.form = self.speed.frame_format(model.shape, model.settings.clips.longest_seconds)
        self.looker = Looker(model, look.how, look.compute)

    def decoded(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Cached]]:
        """Videos with their frames, those that can be read."""
        look = self.look
        frames, there = FrameCache(look.cache / "frames", self.form), [entry for entry in entries if entry.usable]
        self.broken += [entry.video for entry in entries if not entry.usable]
        size = 4 * look.workers
        chunks = [there[first : first + size] for first in range(0, len(there), size)]
        for chunk in look.progress.track(chunks, total=len(chunks), title="looking at videos"):
            kept = {entry.id for entry in chunk if look.how.keep_frames or frames.find(entry.video) is not None}
            cached = frames.fill([entry.video for entry in chunk], workers=look.workers, progress=look.progress)
            for entry, found in zip(chunk, cached, strict=True):
                if found.video.status != "complete":
                    self.broken.append(found.video)
                if found.frames:
                    yield entry, found
                if entry.id not in kept:
                    found.path.unlink(missing_ok=True)

    def seconds(self, entry: Entry, cached: Cached) -> float:
        """How long a video is: by its file, else by the frames that are there."""
        return entry.video.duration_seconds or cached.frames / self.form.rate

    def extras(self, entry: Entry) -> FeatureSequence | None:
        """The features that a video has beside its pictures."""
        extra = self.model.extra
        return self.look.store.read(entry.id, extra.modality) if extra is not None and self._has_extras(entry) else None

    def tell_lacking(self, entries: Sequence[Entry]) -> None:
        """Say how many videos have no features beside their pictures, where the net was made for such.

        Features of another width than those that it has learned from raise InvalidData.
        """
        extra, store = self.model.extra, self.look.store
        if extra is None:
            return
        if extra.modality in store.modalities() and store.width(extra.modality) != extra.width:
            raise InvalidData(
                f"The net was made for {extra.modality!r} features of width {extra.width}, but those that are there "
                f"have {store.width(extra.modality)}. Make them by the same net as before, or train again."
            )
        there = [entry for entry in entries if entry.usable]
        lacking = sum(not self._has_extras(entry) for entry in there)
        if lacking:
            told = f"{lacking} of {len(there)} videos have no {extra.modality!r} features: pictures alone speak there."
            self.look.progress.say(told)

    def _has_extras(self, entry: Entry) -> bool:
        extra, store = self.model.extra, self.look.store
        return extra is not None and store.has(entry.id, extra.modality, newer_than_ns=entry.changed_ns)


class Looker:
    """Runs a net on views of one video at a time."""

    def __init__(self, model: ActivityModel, how: ViewSettings, compute: Compute) -> None:
        self.model, self.how, self.compute = model, how, compute
        self.net = compute.place_net(model.net).eval()
        self._transform = model.shape.transform()

    @property
    def side(self) -> int | None:
        """Pixels of a view's side; None: all of the picture."""
        return self.how.side or self.model.shape.crop

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

    def at_seconds(
        self, cached: Cached, seconds: FloatArray, speed: CachedSpeed, extras: FeatureSequence | None = None
    ) -> FloatArray:
        """Probabilities (S, A) at seconds of a video: of the middle of the clips around them, at the normal speed."""
        stride, pictures, rate = speed.stride(NORMAL_RATE), self.model.shape.pictures, self._rate(speed)
        views = [
            View(numbers_around(second, stride, pictures, cached.frames, rate), 1, stride)
            for second in np.asarray(seconds, np.float64).tolist()
        ]
        batches = self._batches(cached, views, extras, speed)
        told = [self._probabilities(clips, vectors) for clips, vectors in batches]
        return np.concatenate(told) if told else np.zeros((0, len(self.model.vocabulary)))

    def people(
        self,
        cached: Cached,
        keyframe: Keyframe,
        rates: Sequence[int],
        speed: CachedSpeed,
        extras: FeatureSequence | None = None,
    ) -> FloatArray:
        """Probabilities (P, A) of everybody at a keyframe, or (1, A) of its clip, joined over speeds."""
        said = []
        for rate in rates:
            stride, pictures = speed.stride(rate), self.model.shape.pictures
            numbers = numbers_around(keyframe.seconds, stride, pictures, cached.frames, self._rate(speed))
            frames = frames_at(cached, numbers)
            square = self._square(frames, 1)
            boxes = keyframe.boxes if square is None else square.boxes(keyframe.boxes, frames.shape[1:3])
            given = self._transform.test(torch.from_numpy(self._seen(frames, square)[None]))
            said.append(self._probabilities(given, self._vectors([numbers], extras, speed), people_of([boxes])))
        return np.stack([joined(each, self.how.joining) for each in np.stack(said, axis=1)])

    def _batches(
        self, cached: Cached, views: Sequence[View], extras: FeatureSequence | None, speed: CachedSpeed
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Clips (B, C, T, H, W) of a few views, with their extra vectors; frames of a clip are read once."""
        last, frames = None, np.zeros(0, np.uint8)
        for first in range(0, len(views), self.how.batch):
            some, clips = views[first : first + self.how.batch], []
            for view in some:
                if last is None or not np.array_equal(last, view.frames):
                    last, frames = view.frames, frames_at(cached, view.frames)
                clips.append(self._seen(frames, self._square(frames, view.crop)))
            given = self._transform.test(torch.from_numpy(np.stack(clips)))
            yield given, self._vectors([view.frames for view in some], extras, speed)

    def _vectors(
        self, numbers: Sequence[IntArray], extras: FeatureSequence | None, speed: CachedSpeed
    ) -> Tensor | None:
        extra, rate = self.model.extra, self._rate(speed)
        if extra is None:
            return None
        rows = [extras_of(extras, span_of(each, rate), extra.count, extra.width) for each in numbers]
        return torch.from_numpy(np.stack(rows)).float()

    def _rate(self, speed: CachedSpeed) -> float:
        return self.model.shape.rate * NORMAL_RATE / speed.step

    def _square(self, frames: Pixels, place: int) -> Square | None:
        return None if self.side is None else square_at(frames.shape[1:3], self.side, place)

    def _seen(self, frames: Pixels, square: Square | None) -> Pixels:
        return frames if square is None or self.side is None else square.of(frames, self.side)

    def _squares_are_one(self, cached: Cached) -> bool:
        """True where all crops of a picture are the same one."""
        height, width = cached.read(0, 1).shape[1:3]
        return self.side is None or (height == width and self.side >= height)

    def _probabilities(self, clips: Tensor, extras: Tensor | None, people: People | None = None) -> FloatArray:
        with torch.inference_mode(), self.compute.autocast():
            vectors = None if extras is None else self.compute.place(extras)
            outcome = self.net(self.compute.place(clips), None, vectors, placed_people(people, self.compute))
            kind = KINDS[self.model.settings.head.kind]
            found = np.asarray(kind.probabilities(outputs_of(outcome)).double().cpu().numpy())
        if not np.isfinite(found).all():
            raise InvalidData("The net says what is no number: its weights are too great to compute with. Train again.")
        return found


def _distinct(views: Sequence[View], *, square: bool) -> tuple[list[View], FloatArray]:
    """Views that differ, and how often each is there: short videos have the same clip many times."""
    counts: dict[tuple[bytes, int], int] = {}
    first: dict[tuple[bytes, int], View] = {}
    for view in views:
        key = (view.frames.tobytes(), 1 if square else view.crop)
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, view)
    return list(first.values()), np.asarray(list(counts.values()), np.float64)
