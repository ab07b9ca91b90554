"""The cells of the tables of relevance beside the main ones: what bounds them, NetVLAD two by two, hidden labels."""

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from relevance_cells import LINEAR, ONE, Taught, by_relevance, hidden_classes, taught_of, tuned, with_scores
from relevance_claims import NORMED
from relevance_ground import (
    FOLDS,
    MAKERS,
    NET,
    OURS,
    TUNED,
    VIDEO_RATES,
    Place,
    described_test,
    frames_of,
    ground_of,
    judge_of,
    kept_model,
    labelled,
    on_few_frames,
    on_test,
    run_of,
    segments_in,
    settings_hash,
    world_of,
)
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import IntArray
from whenabouts.data.examples import Example
from whenabouts.data.worlds.speech import SpeechWorld
from whenabouts.localizers.concepts.described import Account
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.makers import ratings_of, train_makers
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.segment_models import rated_segments
from whenabouts.localizers.concepts.unseen import by_description, without_labels
from whenabouts.localizers.multiple_instance import MultipleInstance
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.localizers.winners_out_settings import WinnersOutSettings

UNRATED = {
    "winners-out, no ratings": (WinnersOut, WinnersOutSettings(segment_seconds=1.0)),
    "multiple-instance, no ratings": (MultipleInstance, MultipleInstanceSettings(segment_seconds=1.0)),
}
UNSEEN_KINDS: tuple[NetKind, ...] = ("logistic", "netvlad", "netfv")  # without the LSTM, which is slow and weak
UNSEEN_MAKERS = replace(MAKERS, video_kinds=UNSEEN_KINDS, encoders=UNSEEN_KINDS[1:],
                        rates={kind: VIDEO_RATES[kind] for kind in UNSEEN_KINDS})  # fmt: skip
TWO_BY_TWO = {
    f"netvlad, {norm}, {head}": replace(NET, kind="netvlad", batch_norm=norm == "batch norm", experts=experts)
    for norm in ("no batch norm", "batch norm") for head, experts in (("logistic", 0), ("experts", 2))
}  # fmt: skip
KNOWN = replace(TUNED, weak_negatives=0, fit=replace(TUNED.fit, epochs=1, least_steps=2500))


def bounds_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Localizers without ratings below, segment models that know every training segment above; NetVLAD two by two."""
    began = time.process_time()
    world, ground, judge = world_of(place, seed, ratings), ground_of(place, seed), judge_of(place, seed, ratings)
    rows = {f"{kind}, no ratings": judge.figures(scores) for kind, scores in ground.before.items()}
    for name, (localizer, how) in UNRATED.items():
        made = localizer.fit(world.train.examples, how, Silent(), vocabulary=world.vocabulary, seed=seed)
        rows[name] = judge.figures(by_localizer(made, world))
    lessons = taught_of(place, seed, ratings)
    for name in TWO_BY_TWO:
        start = start_of(name, place, seed)
        rows[name] = judge.figures(on_test(tuned(lessons.videos, start, TUNED, lessons.run, None), world))
    full = FrameVideos(all_rated(world), FrameSettings(step_seconds=1.0), Silent())
    for kind in ("netvlad", "netfv"):
        model = tuned(full, ground.short[kind], KNOWN, lessons.run, None)
        rows[f"{kind}, every training segment known"] = judge.figures(on_test(model, world))
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}


def start_of(name: str, place: Place, seed: int) -> ConceptModel:
    """A NetVLAD of the two by two that has learned labels; kept, as no number of ratings changes it."""
    world, videos, part = world_of(place, seed, 0), frames_of(place, seed, 0), labelled(place, seed)
    folder = place.work / "ground" / f"{settings_hash(place.train, place.test, place.pool)}-{seed}" / name
    return kept_model(folder, videos, part,
                      partial(on_few_frames, videos, TWO_BY_TWO[name], run_of(seed), world, part))  # fmt: skip


def normed_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """CCRL that hears a NetVLAD with batch norm, which is the better NetVLAD by itself."""
    began = time.process_time()
    world, judge = world_of(place, seed, ratings), judge_of(place, seed, ratings)
    taught = taught_of(place, seed, ratings)
    start = start_of("netvlad, batch norm, logistic", place, seed)
    ground = replace(taught.ground, short={**taught.ground.short, "netvlad": start})
    lessons = Taught(taught.videos, taught.rated, taught.given, ground, taught.run)
    segment, _ = lessons.segment_models(TUNED, world, ONE)
    accounts = lessons.with_segment_models(lessons.accounts(), ONE)
    test = with_scores(Account(ground.test), segment, frozenset()).segments
    rows = {name: judge.figures(lessons.relevance(accounts, how, world).scores(test))
            for name, how in ((NORMED, OURS), (f"{NORMED}, linear", LINEAR))}  # fmt: skip
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}


def by_localizer(localizer: Any, world: SpeechWorld) -> Any:
    """Scores (N, C) of test segments: the mean of a localizer's steps there, times the video's probability."""
    rows = []
    for example in world.test.examples:
        told = localizer.score(example.features)
        runs = segments_in(round(told.grid.duration_seconds))
        steps = np.stack([told.scores[first:stop].mean(axis=0) for first, stop in runs.tolist()])
        rows.append(steps * told.video_scores)
    return np.concatenate(rows)


def all_rated(world: SpeechWorld) -> list[Example]:
    """Training examples with every segment rated for every class, as nobody has them."""
    examples = []
    for example, there in zip(world.train.examples, world.train.presence, strict=True):
        segments, count = there.shape
        first = np.repeat(np.arange(segments) * 5.0, count)
        spans, classes = np.stack([first, first + 5], axis=1), np.tile(np.arange(count), segments)
        rated = SegmentLabels((example.video_id,) * there.size, spans, classes, there.ravel())
        examples.append(replace(example, segments=rated))
    return examples


def hidden_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """Unseen classes by models and encoders that never saw their labels: these are taken away before all training."""
    began = time.process_time()
    world, ground = world_of(place, seed, ratings), ground_of(place, seed)
    classes, run = hidden_classes(world, seed), run_of(seed)
    judge = judge_of(place, seed, ratings).of_classes(classes)
    videos = FrameVideos([without(each, classes) for each in world.train.examples], FrameSettings(step_seconds=1.0),
                         Silent())  # fmt: skip
    makers = train_makers(videos, UNSEEN_MAKERS, run, vocabulary=world.vocabulary, chosen=labelled(place, seed))
    rated = rated_segments(videos)
    less = Taught(videos, rated, ratings_of(videos, rated), ground, run)
    accounts = [makers.account(videos, rated)] * (FOLDS + 1)
    test, _ = described_test(makers, world)
    known = ~np.isin(np.arange(len(world.vocabulary)), classes)
    rows = {"hidden: nearest class by description": judge.figures(by_description(test, world.vocabulary, known))}
    rows |= by_relevance("hidden", less.out_of_fold(accounts), accounts[0], test, less, judge, world)
    return {"rows": rows, "cpu_seconds": round(time.process_time() - began, 1)}


def without(example: Example, classes: IntArray) -> Example:
    """An example as if nobody had ever heard of these classes."""
    segments, kept = example.segments, ~np.isin(example.segments.classes, classes)
    ids = tuple(np.asarray(segments.video_ids, object)[kept].tolist())
    rated = SegmentLabels(ids, segments.spans[kept], segments.classes[kept], segments.present[kept])
    return replace(example, labels=without_labels(example.labels, classes), segments=rated)
