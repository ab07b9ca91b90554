"""Training a net for activities on videos: the backbone too, or the head alone; at one speed, then at several."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from whenabouts.config import as_table
from whenabouts.core.boxes import Boxes, Keyframe, keyframes_of
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.files import sweep
from whenabouts.core.labels import Absent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import labels_of, segments_of
from whenabouts.nets.activity_heads import ActivityHead, co_occurrence
from whenabouts.nets.activity_net import ActivityNet, Learns
from whenabouts.recognition.activity_clips import (
    ActivityDraws,
    ActivityVideo,
    CachedSpeed,
    Draws,
    ExtraShape,
    reasons,
)
from whenabouts.recognition.activity_model import ActivityModel, ActivitySettings, new_net
from whenabouts.recognition.activity_people import PeopleClip, PeopleDraws, people_clips, reached, tell_lost
from whenabouts.recognition.activity_training import loop_plan, measured, weights_hash
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.frame_cache import FrameCache
from whenabouts.recognition.pretraining import Run
from whenabouts.training.finite import steps_not_taken
from whenabouts.training.loop import Trainee, fit

Start = Backbone | ActivityModel


@dataclass(frozen=True)
class Gathered:
    """Videos to learn from, those that are partial or unreadable, the speed of cached frames, the extra inputs, and
    keyframes with persons in them, where these are asked for.
    """

    videos: tuple[ActivityVideo, ...]
    broken: tuple[Video, ...]
    speed: CachedSpeed
    extra: ExtraShape | None
    people: tuple[PeopleClip, ...] = ()


def gather(
    entries: Sequence[Entry],
    vocabulary: Vocabulary,
    shape: BackboneSettings,
    told: ActivitySettings,
    run: Run,
    *,
    store: FeatureStore,
    absent: Absent = "negative",
    boxes: Boxes | None = None,
) -> Gathered:
    """Decode the frames of videos, once, into the cache of `run`, with their labels; what is wrong with any is told.

    Videos without labels are kept where `absent` labels are negatives. A net for people needs `boxes`.
    """
    if (boxes is None) != (told.people == "none"):
        raise SettingsError("activities.people needs boxes, which come with ava and volleyball. Import them.")
    rates = (*told.clips.rates, *(told.tuning.rates if told.tuning.steps else ()))
    speed = CachedSpeed.of(rates)
    usable = [entry for entry in entries if entry.usable]
    form = speed.frame_format(told.clips.pictures(shape), told.clips.longest_seconds)
    frames = FrameCache(run.cache / "frames", form)
    cached = frames.fill([entry.video for entry in usable], workers=run.workers, progress=run.progress)
    broken = [entry.video for entry in entries if not entry.usable]
    broken += [found.video for found in cached if found.video.status != "complete"]
    for video in broken:
        run.progress.say(f"{video.id} is {video.status}: {video.reason or 'its file is gone'}")
    extra = _extra_shape(told, store)
    videos = []
    for entry, found in zip(usable, cached, strict=True):
        labels = labels_of(entry, vocabulary, absent)
        if found.frames and (len(labels) or absent == "negative" or len(labels.negatives)):
            there = extra is not None and store.has(entry.id, extra.modality, newer_than_ns=entry.changed_ns)
            sequence = store.read(entry.id, extra.modality) if there and extra is not None else None
            videos.append(ActivityVideo(found, labels, segments_of(entry, vocabulary), sequence))
    lacking = sum(video.extras is None for video in videos) if extra is not None else 0
    if lacking:
        run.progress.say(
            f"{lacking} of {len(videos)} videos have no {told.extras!r} features: pictures alone speak there."
        )
    people = () if boxes is None else _people(videos, keyframes_of(boxes, len(vocabulary)), form.rate, run)
    return Gathered(tuple(videos), tuple(broken), speed, extra, people)


def _people(
    videos: Sequence[ActivityVideo], keyframes: Sequence[Keyframe], rate: float, run: Run
) -> tuple[PeopleClip, ...]:
    """Keyframes of these videos, but for those after what was decoded of them; those that are left out are told."""
    frames = {video.cached.video.id: video.cached.frames for video in videos}
    known = [keyframe for keyframe in keyframes if keyframe.video_id in frames]
    kept = reached(known, frames, rate)
    tell_lost(len(known) - len(kept), len(keyframes) - len(known), run.progress)
    return people_clips(videos, kept)


def train_activities(
    gathered: Gathered, vocabulary: Vocabulary, start: Start, told: ActivitySettings, run: Run
) -> ActivityModel:
    """Train a net for activities from a backbone, or go on from such a net; same seed, on a CPU the same bits.

    With `tuning.steps` the head is then tuned at several speeds, the backbone and its batch-norm statistics frozen.
    "correlation" needs a net with a correlation map, over the same vocabulary, and tunes that alone. Labels without any
    activity raise InvalidData.
    """
    shape = _shape_of(start)
    if told.people != "none" and not gathered.people:
        raise InvalidData("No video that can be read has a box of a person. Import a data set with boxes.")
    if not any(len(video.labels) for video in gathered.videos):
        raise InvalidData(
            f"None of {len(gathered.videos)} videos that can be read carries a concept of the vocabulary. Import "
            "labels."
        )
    draws = _draws(gathered, vocabulary, shape, told, run.seed)
    labels = draws.video_labels()
    _tell_of_labels(labels, told, run)
    net = _begun(start, labels, vocabulary, told, gathered.extra, run.seed)
    began = f"{_name_of(start)} {weights_hash(net)}"
    history = _stage(net, draws, told, told.learns, run, f"{began} stage 1")
    if told.tuning.steps:
        clips = replace(told.clips, rates=told.tuning.rates)
        rate = told.tuning.learning_rate or told.training.learning_rate
        training = replace(told.training, steps=told.tuning.steps, learning_rate=rate, drops=(), schedule="cosine")
        tuned = replace(told, training=training, clips=clips)
        several = _draws(gathered, vocabulary, shape, tuned, run.seed + 1)
        parts: Learns = "correlation" if told.learns == "correlation" else "head"
        history += _stage(net, several, tuned, parts, run, f"{began} {told.training} stage 2")
    net.learn("all")
    facts = {
        "videos": len(gathered.videos),
        "broken": reasons(gathered.broken),
        "steps_not_taken": steps_not_taken(history),
        "seed": run.seed,
        "began_from": _name_of(start),
        "history": history,
        "computed_on": str(run.compute),
    }
    return ActivityModel(shape, told, net.cpu().eval(), vocabulary, gathered.extra, facts)


def _tell_of_labels(labels: Tensor, told: ActivitySettings, run: Run) -> None:
    """Warn where saying yes to everything is always right, as no training video is known to lack a concept, and where
    one of many is to be told of videos with several.
    """
    several = int(((labels == 1).sum(dim=1) > 1).sum())
    if several and told.head.kind == "single-label":
        run.progress.say(
            f'{several} of {len(labels)} examples have several labels, but head.kind is "single-label": each label is '
            'then a part of the answer, and figures are of examples with one label alone. "multi-label" takes all.'
        )
    bare = int(((labels == 1).any(dim=0) & ~(labels == 0).any(dim=0)).sum())
    if bare and told.head.kind == "multi-label":
        run.progress.say(
            f"Of {bare} concepts ({labels.shape[1]} in all) nothing says which videos lack them, so a net can learn to "
            "say yes to all. Take what a video is not labelled with as absent: import with --absent negative."
        )


def clear_checkpoints(run: Run) -> None:
    """Remove what an ended training left in the cache."""
    folder = run.cache / "activities"
    for path in folder.glob("*.safetensors"):
        path.unlink(missing_ok=True)
    if folder.is_dir():
        sweep(folder)


def _stage(
    net: ActivityNet, draws: Draws, told: ActivitySettings, learns: Learns, run: Run, identity: str
) -> list[dict[str, float]]:
    """One stage of training; its checkpoint stays until all stages are done, so that none is done twice."""
    net.learn(learns)
    number = identity.rsplit(" ", 1)[1]
    done = fit(
        Trainee(net, draws.batch, lambda model, batch: measured(model, batch, told.head, run.compute), _shares(told)),
        loop_plan(told.training, run.seed),
        run.compute,
        checkpoint=run.cache / "activities" / f"stage-{number}.safetensors",
        identity=f"{draws.identity()} {told.head} {told.backbone_share} {learns} {identity}",
        loaders=run.workers,
        progress=run.progress,
    )
    return [{"stage": float(number), **row} for row in done.history]


def _shares(told: ActivitySettings) -> Callable[[str], float]:
    return lambda name: told.backbone_share if name.startswith("backbone.") else 1.0


def _draws(
    gathered: Gathered, vocabulary: Vocabulary, shape: BackboneSettings, told: ActivitySettings, seed: int
) -> Draws:
    speed, extra, batch = gathered.speed, gathered.extra, told.training.batch
    if told.people == "none":
        videos, names = gathered.videos, vocabulary.names
        return ActivityDraws(videos, names, shape, told.clips, speed=speed, batch=batch, seed=seed, extra=extra)
    return PeopleDraws(
        gathered.people, vocabulary.names, shape, told.clips,
        speed=speed, batch=batch, seed=seed, each=told.people == "each", extra=extra,
    )  # fmt: skip


def _begun(
    start: Start,
    labels: Tensor,
    vocabulary: Vocabulary,
    told: ActivitySettings,
    extra: ExtraShape | None,
    seed: int,
) -> ActivityNet:
    """The net with which training begins."""
    mask = co_occurrence(labels.nan_to_num(0.0))
    if isinstance(start, Backbone):
        if told.learns == "correlation":
            raise SettingsError(
                'activities.learns "correlation" goes on from a net for activities: --start models/activities.'
            )
        net = new_net(_shape_of(start), told, len(vocabulary), mask, extra, seed=seed)
        if net.backbone is not None:
            net.backbone.load_state_dict(start.net.state_dict())
        return net
    differences = _differences(start, vocabulary, told, extra)
    if differences:
        raise SettingsError(f"The net to go on from has {'; '.join(differences)}. Give it the same.")
    net = copy.deepcopy(start.net)
    if isinstance(net.head, ActivityHead) and net.head.co_occurrence is not None:
        net.head.co_occurrence.copy_(mask)
    elif told.learns == "correlation":
        raise SettingsError("This net has no correlation map to learn. Train one with head.correlation = true.")
    return net


def _differences(
    start: ActivityModel, vocabulary: Vocabulary, told: ActivitySettings, extra: ExtraShape | None
) -> list[str]:
    """What a net was made for and is not asked for now, each in words."""
    made, asked = (
        {"people": how.people, "box_side": how.box_side, "extra inputs": given, **as_table(how.head)}
        for how, given in ((start.settings, start.extra), (told, extra))
    )
    told_apart = [f"{name} {made[name]!r} (now {asked[name]!r})" for name in made if made[name] != asked[name]]
    known, wanted = start.vocabulary.names, vocabulary.names
    for what, names in (
        ("that the project lacks", [name for name in known if name not in vocabulary]),
        ("less: it does not know", [name for name in wanted if name not in start.vocabulary]),
    ):
        if names:
            told_apart.append(f"{len(names)} concepts {what} ({', '.join(map(repr, names[:3]))})")
    if not told_apart and known != wanted:
        told_apart.append("its concepts in another order")
    return told_apart


def _shape_of(start: Start) -> BackboneSettings:
    shape = start.settings if isinstance(start, Backbone) else start.shape
    if not isinstance(shape, BackboneSettings):
        raise SettingsError("Activities are told from pictures or flow, but this backbone is one of sound.")
    return shape


def _name_of(start: Start) -> str:
    return start.source if isinstance(start, Backbone) else "a net for activities"


def _extra_shape(told: ActivitySettings, store: FeatureStore) -> ExtraShape | None:
    if not told.extras:
        return None
    if told.extras not in store.modalities():
        there = ", ".join(store.modalities()) or "none"
        raise SettingsError(
            f"There are no {told.extras!r} features to put beside the pictures. There are: {there}. Import them, or "
            "leave activities.extras empty."
        )
    return ExtraShape(modality=told.extras, count=told.extra_vectors, width=store.width(told.extras))
