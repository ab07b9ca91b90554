"""The head for several activities as a candidate model of two-stage and cross-class relevance, on planted worlds.

    python benchmarks/activity_candidates.py --out benchmarks/results    writes activity_candidates.json and .md

All rows of a seed have the same videos, ratings and steps of training; nothing was chosen on these seeds.
"""

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch

from multilabel_claims import Estimate
from provenance import write_result
from whenabouts.core import Moments, SegmentLabels, temporal_iou
from whenabouts.core.files import read_json, write_json
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.evaluation.activities import multi_label_scores
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.fitting import FitSettings, Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.networks import NetKind, NetSettings
from whenabouts.localizers.concepts.segment_models import SegmentModelSettings
from whenabouts.localizers.concepts.settings import TwoStageSettings
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.concepts.video_models import VideoModelSettings, train_video_model
from whenabouts.training import Compute

SHAPE = WorldShape(classes=8, seconds=(20.0, 40.0), widths={"rgb": 24, "flow": 16}, per_video=3, noise=1.2)
LEARNED, TESTED, RATED = 120, 60, 24  # videos to learn from, to test on, and of the first those with rated segments
RATES = (1e-3, 3e-3, 1e-2)  # tried for each kind of net on the tuning seed
TUNING_SEED = 100
STEPS = 300
KINDS: tuple[NetKind, ...] = ("netvlad", "activities")
TEAMS: tuple[tuple[NetKind, ...], ...] = (
    ("logistic", "netvlad"),
    ("logistic", "activities"),
    ("logistic", "netvlad", "activities"),
)
Values = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A world with ratings on the first videos, and which are held out."""

    world: PlantedWorld
    learned: tuple[Example, ...]
    held_out: tuple[Example, ...]


def side_of(seed: int) -> Side:
    """The world of a seed."""
    rng = np.random.default_rng([seed, 5])
    world = planted_world(LEARNED + TESTED, rng, SHAPE)
    rated = [with_ratings(example, world, rng) for example in world.examples[:RATED]]
    return Side(world, (*rated, *world.examples[RATED:LEARNED]), world.examples[LEARNED:])


def with_ratings(example: Example, world: PlantedWorld, rng: np.random.Generator) -> Example:
    """True moments rated as present; two spans of 2 s for each that touch none of its concept rated as lacking it."""
    own = world.truth[world.truth.video_ids == example.video_id]
    spans, classes, present = own.spans.tolist(), own.classes.tolist(), [True] * len(own)
    length = example.features["rgb"].grid.duration_seconds
    for index in own.classes.tolist():
        for start in rng.uniform(0, length - 2, size=2).tolist():
            if not temporal_iou([start, start + 2], own.spans[own.classes == index]).any():
                spans.append([start, start + 2])
                classes.append(index)
                present.append(False)
    ids = (example.video_id,) * len(spans)
    return replace(example, segments=SegmentLabels(ids, np.array(spans), np.array(classes), np.array(present)))


def measured(model: TwoStage | CrossClass, side: Side) -> Values:
    """mAP of moments (mean of tIoU 0.3, 0.5, 0.7), and mAP of the candidate models' word on whole videos."""
    ids = [example.video_id for example in side.held_out]
    truth = Truth.of(side.world.truth[np.isin(side.world.truth.video_ids, ids)], video_ids=ids)
    found = Moments.concatenate([model.localize(each.features) for each in side.held_out], side.world.vocabulary)
    whole = np.stack([model.score(each.features).video_scores for each in side.held_out])
    scores = evaluate_moments(truth, Predictions.of(found, truth), tiou=[0.3, 0.5, 0.7])
    return {"map": round(float(scores.average_map), 5), "video_map": named(whole, side)}


def named(scores: Any, side: Side) -> float:
    """mAP of scores (V, C) of the videos held out against their labels."""
    count = len(side.world.vocabulary)
    labels = np.stack([example.labels.dense(count) > 0 for example in side.held_out]).astype(np.float64)
    names = side.world.vocabulary.names
    return round(float(multi_label_scores(names, np.asarray(scores, np.float64), labels).figures["map"]), 5)


def trial(kind: NetKind, rate: float, side: Side) -> Values:
    """A video model alone: how well it names whole videos."""
    settings = VideoModelSettings(net=net_of(kind), fit=fit_of(rate))
    videos = FrameVideos(side.learned, FrameSettings(), Silent())
    run = Run(Silent(), Compute(torch.device("cpu"), torch.float32), TUNING_SEED)
    model = train_video_model(videos, settings, run, vocabulary=side.world.vocabulary)
    return {"video_map": named([scores for _, scores in model.scores_of(side.held_out)], side)}


def fit_of(rate: float) -> FitSettings:
    return FitSettings(epochs=1, least_steps=STEPS, learning_rate=rate)


def two_stage(kind: NetKind, rate: float, side: Side, seed: int) -> Values:
    """One kind of net as the video model and, tuned on ratings, as the segment model."""
    net = net_of(kind)
    settings = TwoStageSettings(
        video=VideoModelSettings(net=net, fit=fit_of(rate)),
        segment=SegmentModelSettings(net=net, fit=fit_of(rate / 3)),
    )
    return measured(TwoStage.fit(side.learned, settings, Silent(), vocabulary=side.world.vocabulary, seed=seed), side)


def relevance(team: tuple[NetKind, ...], rates: dict[str, float], side: Side, seed: int) -> Values:
    """A team of candidate models under the relevance model, each at the rate that did best for it."""
    net, fit = net_of("netvlad"), fit_of(rates["netvlad"])
    makers = MakerSettings(
        video=VideoModelSettings(net=net, fit=fit), video_kinds=team, segment_kinds=(),
        segment=SegmentModelSettings(net=net, fit=fit, pretraining=fit),
        encoders=(), folds=3, rates={kind: rates[kind] for kind in team},
    )  # fmt: skip
    settings = CrossClassSettings(makers=makers)
    return measured(CrossClass.fit(side.learned, settings, Silent(), vocabulary=side.world.vocabulary, seed=seed), side)


def net_of(kind: NetKind) -> NetSettings:
    return NetSettings(kind=kind, hidden=64, other_clusters=8)


def cells(seeds: Sequence[int], path: Path) -> dict[str, Values]:
    """All cells, those of `path` not made again: trials on the tuning seed, then rows for each seed."""
    made: dict[str, Values] = read_json(path) if path.exists() else {}

    def keep(name: str, make: Any) -> None:
        if name not in made:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            made[name] = make()
            made[name]["cpu_seconds"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, 1)
            write_json(path, made, indent=None)
            sys.stderr.write(f"{name}: {made[name]}\n")

    side = side_of(TUNING_SEED)
    for kind in ("logistic", *KINDS):
        for rate in RATES:
            keep(f"trial {kind} {rate:g}", partial(trial, kind, rate, side))
    rates = best_rates(made)
    for seed in seeds:
        side = side_of(seed)
        for kind in KINDS:
            keep(f"two-stage {kind} {seed}", partial(two_stage, kind, rates[kind], side, seed))
        for team in TEAMS:
            keep(f"relevance {'+'.join(team)} {seed}", partial(relevance, team, rates, side, seed))
    return made


def best_rates(made: dict[str, Values]) -> dict[str, float]:
    """The rate at which each kind of net named the videos of the tuning seed best."""
    return {
        kind: max(RATES, key=lambda rate: made[f"trial {kind} {rate:g}"]["video_map"]) for kind in ("logistic", *KINDS)
    }


def report(made: dict[str, Values], seeds: Sequence[int]) -> tuple[Values, str]:
    """JSON and page."""
    rates = best_rates(made)
    lines = [
        "# The head for several activities as a candidate model\n",
        "Made by `python benchmarks/activity_candidates.py --out benchmarks/results`.\n",
        f"Planted worlds of {SHAPE.classes} concepts, 1 to {SHAPE.per_video} of them in a video, {LEARNED} videos to "
        f"learn from, of which {RATED} have rated segments, {TESTED} to test on; {STEPS} steps for every net. Each "
        f"kind had {len(RATES)} rates tried on seed {TUNING_SEED}, which no row uses; the one that named whole videos "
        f"best is used ({', '.join(f'{kind} {rate:g}' for kind, rate in rates.items())}). mAP of moments is the mean "
        "over tIoU 0.3, 0.5 and 0.7, mAP of videos what the candidate models say of whole videos; percent, 95 % "
        "intervals over seeds; "
        f"`lead` is paired, over the first row of its block. {os.cpu_count()} shared cores, one thread.\n",
        "| model | moments | lead | videos | lead | CPU s | seeds |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    rows = []
    for block, names in (("two-stage", KINDS), ("relevance", tuple("+".join(team) for team in TEAMS))):
        for name in names:
            values: Values = {"model": f"{block} {name}"}
            for key in ("map", "video_map"):
                mine = [made[f"{block} {name} {seed}"][key] for seed in seeds]
                first = [made[f"{block} {names[0]} {seed}"][key] for seed in seeds]
                values[key] = Estimate.of(mine)
                values[f"{key}_lead"] = Estimate.of([one - other for one, other in zip(mine, first, strict=True)])
            cpu = float(np.median([made[f"{block} {name} {seed}"]["cpu_seconds"] for seed in seeds]))
            leads = ["" if name == names[0] else values[f"{key}_lead"].told(sign=True) for key in ("map", "video_map")]
            lines.append(f"| {block}: {name} | {values['map'].told()} | {leads[0]} | {values['video_map'].told()} | "
                         f"{leads[1]} | {cpu:.0f} | {len(seeds)} |")  # fmt: skip
            rows.append({key: each.to_json() if isinstance(each, Estimate) else each for key, each in values.items()})
    return {"rates": rates, "rows": rows, "cells": made}, "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("activity-candidates.json"))
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    options = parser.parse_args()
    torch.set_num_threads(1)
    values, page = report(cells(options.seeds, options.work), options.seeds)
    write_result(options.out, "activity_candidates", values, page)


if __name__ == "__main__":
    main()
