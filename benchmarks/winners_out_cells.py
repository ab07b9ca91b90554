"""One cell: a training on one world, and the figures of all rows that use it."""

import dataclasses
import resource
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whenabouts.config import as_table, load
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import BoolArray
from whenabouts.data.worlds.timeline_world import TimelineWorld, WorldPart, timeline_world
from whenabouts.data.worlds.timelines import Kind, TimelineShape
from whenabouts.localizers import LOCALIZERS, Localizer, WinnersOut
from whenabouts.localizers.segments import cut
from whenabouts.localizers.winners_out_selection import Judge
from whenabouts.localizers.winners_out_training import remove_winners
from winners_out_bounds import CEILINGS, floors, supervised
from winners_out_figures import Measure
from winners_out_rows import BASE, SEGMENTS, Row, Training, rows_of, use_key


@dataclasses.dataclass(frozen=True)
class Place:
    """Where cells lie and how large the worlds are."""

    work: Path
    train: int
    test: int


@lru_cache(maxsize=2)
def world_of(kind: Kind, seed: int, place: Place, weak: float | None, several: float | None) -> TimelineWorld:
    """The world of one seed; `weak` and `several` as in TimelineShape, None for the usual."""
    shape = TimelineShape(several=several) if weak is None else TimelineShape(weak=weak, several=several)
    return timeline_world(kind, train=place.train, test=place.test, seed=seed, timelines=shape)


@lru_cache(maxsize=2)
def measure_of(kind: Kind, seed: int, place: Place, weak: float | None, several: float | None) -> Measure:
    return Measure(world_of(kind, seed, place, weak, several).test, seed)


def settings_of(kind: Kind, training: Training) -> Any:
    """The settings of one training: those of all, then its own."""
    usual = {"segment_count": SEGMENTS[kind]}
    table = {**usual, **BASE, **training.settings} if training.localizer == "winners-out" else {
        **training.settings, **usual}  # fmt: skip
    return load(LOCALIZERS[training.localizer].Settings, table, training.name)


def trained_cell(kind: Kind, seed: int, place: Place, training: Training) -> dict[str, Any]:
    """Train, keep the model in the work folder, and measure each use of it."""
    world = world_of(kind, seed, place, training.weak, training.several)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
    settings = settings_of(kind, training)
    model = LOCALIZERS[training.localizer].fit(
        world.train.examples, settings, Silent(), vocabulary=world.vocabulary, seed=seed
    )
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    model.save(model_folder(kind, seed, place, training.name))
    cell = {"uses": {}, "settings": as_table(settings), "cpu_seconds": round(cpu, 2),
            "wall_seconds": round(time.perf_counter() - began, 2)}  # fmt: skip
    return completed(kind, seed, place, training, cell)


def completed(kind: Kind, seed: int, place: Place, training: Training, cell: dict[str, Any]) -> dict[str, Any]:
    """The cell with the uses that it lacks, measured on the model in the work folder."""
    world = world_of(kind, seed, place, training.weak, training.several)
    measure = measure_of(kind, seed, place, training.weak, training.several)
    folder, uses = model_folder(kind, seed, place, training.name), dict(cell["uses"])
    for row in lacking(kind, training, cell):
        model = LOCALIZERS[training.localizer].load(folder, changes=row.use)
        uses[use_key(row)] = measure.figures(found(model, world.test))
    return {**cell, "uses": uses}


def lacking(kind: Kind, training: Training, cell: dict[str, Any]) -> list[Row]:
    """Rows whose use the cell does not hold."""
    return [row for row in rows_of(kind, training.name) if use_key(row) not in cell["uses"]]


def model_folder(kind: Kind, seed: int, place: Place, name: str) -> Path:
    return place.work / "models" / f"{kind}-{seed}-{name}"


def found(model: Localizer, part: WorldPart) -> Moments:
    return Moments.concatenate([model.localize(example.features) for example in part.examples], model.vocabulary)


def bounds_cell(kind: Kind, seed: int, place: Place) -> dict[str, Any]:
    """The supervised ceiling, and floors with the video scores of the model of two rounds."""
    world, measure = world_of(kind, seed, place, None, None), measure_of(kind, seed, place, None, None)
    model = WinnersOut.load(model_folder(kind, seed, place, "two rounds"))
    scores = [model.score(example.features) for example in world.test.examples]
    low = floors(scores, world, threshold=model.settings.class_threshold, top=model.settings.top_classes)
    torch.set_num_threads(1)
    high = supervised(world, seed, CEILINGS[kind])
    truths = [set(example.labels.classes.tolist()) for example in world.test.examples]
    right = [int(each.video_scores.argmax()) in true for each, true in zip(scores, truths, strict=True)]
    uses = {name: measure.figures(moments) for name, moments in {"ceiling": high, **low}.items()}
    return {"uses": uses, "best_class_right": float(np.mean(right))}


def winners_cell(kind: Kind, seed: int, place: Place) -> dict[str, Any]:
    """Shares of strong and of weak instances that winners have touched: after each removal, and after each test step.

    The removals are those of three rounds: each round's model, trained for so many rounds, judges what is left.
    """
    world = world_of(kind, seed, place, None, None)
    models = [WinnersOut.load(model_folder(kind, seed, place, f"{name} round{'s' * (name != 'one')}"))
              for name in ("one", "two", "three")]  # fmt: skip
    rng = np.random.default_rng([seed, 3])
    removed = _removed(models, world.train, rng)
    return {
        "training": [_touched(world.train, grids, gone) for grids, gone in removed["winners"]],
        "at_random": [_touched(world.train, grids, gone) for grids, gone in removed["random"]],
        "testing": {f"{number + 1} rounds": _tested(model, world.test) for number, model in enumerate(models)},
    }


def _removed(models: list[WinnersOut], part: WorldPart, rng: np.random.Generator) -> dict[str, list[Any]]:
    """After each model's removal: grids and what is gone (K,) of every video; the same number at random beside it."""
    videos = [cut(example.features, models[0].streams, models[0].settings) for example in part.examples]
    left = [np.ones(video.grid.steps, bool) for video in videos]
    grids = [video.grid for video in videos]
    told: dict[str, list[Any]] = {"winners": [], "random": []}
    for model in models:
        judge = Judge(model.net, model.settings, model.streams, torch.device("cpu"))
        left = [
            remove_winners(judge, judge.placed(video.matrices), example.labels.classes.tolist(), mask)
            for example, video, mask in zip(part.examples, videos, left, strict=True)
        ]
        told["winners"].append((grids, [~mask for mask in left]))
        told["random"].append((grids, [rng.permutation(~mask) for mask in left]))
    return told


def _tested(model: WinnersOut, part: WorldPart) -> list[dict[str, float | None]]:
    """After each test step: what the selections for a video's true concepts have touched."""
    judge = Judge(model.net, model.settings, model.streams, torch.device("cpu"))
    grids, selections = [], []
    with torch.no_grad():
        for example in part.examples:
            video = cut(example.features, model.streams, model.settings)
            classes = torch.from_numpy(example.labels.classes)
            grids.append(video.grid)
            selections.append(judge.select(judge.placed(video.matrices), classes, video.grid.steps))
    return [_touched(part, grids, [each.until(step).any(axis=0) for each in selections])
            for step in range(model.settings.test_steps)]  # fmt: skip


def _touched(part: WorldPart, grids: list[Any], chosen: list[BoolArray]) -> dict[str, float | None]:
    """Share of strong and of weak instances in which a chosen segment (K,) has its middle, or that lie within one."""
    place = {example.video_id: number for number, example in enumerate(part.examples)}
    hit = np.zeros(len(part.truth), bool)
    for row, (name, span) in enumerate(zip(part.truth.video_ids.tolist(), part.truth.spans, strict=True)):
        grid, flags = grids[place[name]], chosen[place[name]]
        edges = grid.edges()
        middles = (edges[:-1] + edges[1:]) / 2
        inside = (middles >= span[0]) & (middles < span[1])
        inside[grid.step_at(span.mean())] = True
        hit[row] = bool(flags[inside].any())
    return {
        "strong": float(hit[~part.weak].mean()) if (~part.weak).any() else None,
        "weak": float(hit[part.weak].mean()) if part.weak.any() else None,
    }
