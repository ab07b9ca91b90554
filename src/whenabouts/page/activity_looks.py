"""What a trained net for activities looks at in videos of a project: the clips, maps and words of its pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import labels_of, segments_of
from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome
from whenabouts.page.activity_pictures import ClipPicture
from whenabouts.recognition.activity_clips import NORMAL_RATE, CachedSpeed
from whenabouts.recognition.activity_maps import ClipMaps, clip_maps, heights, normalised
from whenabouts.recognition.activity_model import ActivityModel
from whenabouts.recognition.clip_cuts import Pixels, frames_at, square_at
from whenabouts.recognition.frame_cache import Cached, FrameCache
from whenabouts.recognition.label_kinds import KINDS
from whenabouts.recognition.views import Speed, clip_frames, clip_starts

COLUMNS = 8  # times of a clip that are shown
_MOST_ACTIVITIES = 4
_SPEED = CachedSpeed(NORMAL_RATE)


@dataclass(frozen=True)
class LookedAt:
    """The middle clip of a video: frames (F, H, W, 3), their seconds, maps, what the head said, its probabilities (A,)
    by the kind of labels, the video's labels and segments.
    """

    entry: Entry
    frames: Pixels
    seconds: FloatArray
    maps: ClipMaps
    outcome: ActivityOutcome
    probabilities: FloatArray
    labels: VideoLabels
    segments: SegmentLabels

    @property
    def columns(self) -> list[int]:
        """Times of the maps that are shown, evenly over the clip."""
        times = len(self.maps.backbone)
        return sorted({int(each) for each in np.linspace(0, times - 1, min(times, COLUMNS)).round()})

    def picture_times(self) -> list[int]:
        """The frame in the middle of each shown time."""
        times = len(self.maps.backbone)
        return [min(int((column + 0.5) * len(self.frames) / times), len(self.frames) - 1) for column in self.columns]


def look(model: ActivityModel, entries: Sequence[Entry], count: int, cache: Path, progress: Progress) -> list[LookedAt]:
    """Look at the middle clips of `count` videos, those with most labels first.

    Videos that can't be read are told and passed over. InvalidData for a head without maps; ProjectError where no video
    can be looked at.
    """
    head_of(model)
    frames = FrameCache(cache / "frames", _SPEED.frame_format(model.shape, model.settings.clips.longest_seconds))
    labels = {entry.id: labels_of(entry, model.vocabulary, "unknown") for entry in entries}
    found: list[LookedAt] = []
    for entry in sorted(entries, key=lambda entry: -len(labels[entry.id])):
        if len(found) == count:
            break
        was_there = frames.find(entry.video) is not None
        cached = frames.fill([entry.video], workers=1, progress=progress)[0]
        if cached.frames:
            found.append(_looked_at(model, entry, cached, labels[entry.id]))
        else:
            progress.say(f"{entry.id} is {cached.video.status}: {cached.video.reason}")
        if not was_there:
            cached.path.unlink(missing_ok=True)
    if not found:
        raise ProjectError("No video can be looked at: none of this split can be read.")
    return found


def head_of(model: ActivityModel) -> ActivityHead:
    """The head of a net, if it is one that looks at places; else InvalidData."""
    if not isinstance(model.net.head, ActivityHead):
        raise InvalidData(f"A head of kind {model.settings.head.head!r} looks at no places, so it has no maps.")
    return model.net.head


@torch.inference_mode()
def _looked_at(model: ActivityModel, entry: Entry, cached: Cached, labels: VideoLabels) -> LookedAt:
    pictures = model.shape.pictures
    rows = clip_frames(clip_starts(cached.frames, Speed(1, 1, 1), frames=pictures)[0], 1, cached.frames,
                       frames=pictures)  # fmt: skip
    clip = _centre(frames_at(cached, rows), model.shape.crop)
    if clip.shape[3] != 3:
        raise InvalidData(f"Maps are shown over pictures, but this net sees {clip.shape[3]} channels.")
    net = model.net.eval()
    features = net.maps(model.shape.transform().test(torch.from_numpy(clip[None])))
    outcome = net.judged(features, None, _missing_extras(model))
    assert isinstance(outcome, ActivityOutcome)
    own = outcome.attention[:, :, -features[0, 0].numel() :]  # Further inputs are positions before the backbone's.
    outcome = replace(outcome, attention=own)
    seconds = rows / (model.shape.rate * NORMAL_RATE / _SPEED.step)
    segments = segments_of(entry, model.vocabulary)
    likely = KINDS[model.settings.head.kind].probabilities(outcome.outputs)[0].double().numpy()
    return LookedAt(entry, clip, seconds, clip_maps(outcome, features), outcome, likely, labels, segments)


def _centre(frames: Pixels, side: int | None) -> Pixels:
    """The middle square that a net sees, or all of the picture."""
    return frames if side is None else square_at(frames.shape[1:3], side, 1).of(frames, side)


def _missing_extras(model: ActivityModel) -> Tensor | None:
    extra = model.extra
    return None if extra is None else torch.full((1, extra.count, extra.width), torch.nan)


def activity_picture(each: LookedAt, vocabulary: Vocabulary, asked: Sequence[str] = ()) -> ClipPicture:
    """The maps of the activities of a video: those asked for, else its labels, else the two most probable.

    Beside each name stands the probability, whether the video is labelled with it and, where checked segments tell when
    it is on, how high its map is then and at other times.
    """
    likely = each.probabilities
    classes = [vocabulary.index(name) for name in asked] or sorted(
        each.labels.classes.tolist(), key=lambda c: -likely[c]
    )
    classes = classes[:_MOST_ACTIVITIES] or np.argsort(-likely)[:2].tolist()
    shown = normalised(each.maps.activities[classes])
    notes, boxed = {}, {}
    for place, index in enumerate(classes):
        name = vocabulary.names[index]
        boxed[name] = shown[place][each.columns]
        label = ", labelled" if index in each.labels.classes else ""
        notes[name] = "\n".join([f"p = {likely[index]:.2f}{label}", *_height_note(each, index)])
    title = f"{each.entry.title or each.entry.id}"
    return _pictured(each, title, boxed, {"backbone": normalised(each.maps.backbone)[each.columns]}, notes)


def _height_note(each: LookedAt, index: int) -> list[str]:
    """How high a map is while checked segments say that the activity is on, and while it is off."""
    mine = (each.segments.classes == index) & each.segments.present
    if not mine.any():
        return []
    times = each.maps.backbone.shape[0]
    middles = each.seconds[((np.arange(times) + 0.5) * len(each.seconds) / times).astype(int)]
    spans = each.segments.spans[mine]
    on: BoolArray = ((middles[:, None] >= spans[:, 0]) & (middles[:, None] < spans[:, 1])).any(axis=1)
    region = np.broadcast_to(on[:, None, None], each.maps.backbone.shape)
    with_it, without = heights(each.maps.activities[index], region)
    told = {"on": with_it, "off": without}
    return ["height " + ", ".join(f"{word} {100 * value:.0f} %" for word, value in told.items() if not np.isnan(value))]


def busiest_observation(looked: Sequence[LookedAt]) -> int:
    """The observation that activities lean on most in these clips."""
    leaning = torch.stack([each.outcome.mixing[0].amax(dim=0) for each in looked])
    return int(leaning.mean(dim=0).argmax())


def observation_picture(each: LookedAt, number: int) -> ClipPicture:
    """What one observation looks at in a clip."""
    name = f"observation {number}"
    boxed = {name: normalised(each.maps.observations[number])[each.columns]}
    return _pictured(each, f"{name}: {each.entry.title or each.entry.id}", boxed, {}, {})


def _pictured(
    each: LookedAt, title: str, boxed: Mapping[str, FloatArray], beside: Mapping[str, FloatArray], notes: dict[str, str]
) -> ClipPicture:
    rows = each.picture_times()
    seconds = tuple(float(each.seconds[row]) for row in rows)
    return ClipPicture(title, each.frames[rows], seconds, dict(boxed), dict(beside), notes)


def correlation_of(model: ActivityModel, looked: Sequence[LookedAt]) -> tuple[FloatArray, FloatArray]:
    """Co-occurrence in training (A, A), and the correlation map (A, A) as it is on average in these clips.

    InvalidData for a head without correlation.
    """
    mask = head_of(model).co_occurrence
    maps = [each.outcome.correlation[0] for each in looked if each.outcome.correlation is not None]
    if mask is None or not maps:
        raise InvalidData("This head was trained without correlations: set activities.head.correlation = true.")
    return mask.double().numpy(), torch.stack(maps).mean(dim=0).double().numpy()
