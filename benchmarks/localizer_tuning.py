"""Choose settings for each localizer on worlds that no table uses: the same number of trials for each.

    python benchmarks/localizer_tuning.py           writes benchmarks/results/localizer_tuning.{json,md}

Worlds of seed 100 and above are for this; the tables have seeds 0 to 4. Each localizer has the same number of trainings
and each training is read in the same number of ways; a trial is one reading of one training. Trainings go round by
round, one of each localizer, and are written down one by one: killed, it goes on, and only whole rounds choose.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whenabouts.config import as_table, load
from whenabouts.core.files import write_json, write_text
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.timeline_world import TimelineWorld, timeline_world
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.tables import Predictions, Truth
from whenabouts.localizers import LOCALIZERS, Localizer
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings as Instances

TIOU = np.arange(1, 8) / 10


@dataclass(frozen=True)
class Contender:
    """A localizer with the settings of its trainings, and the ways to read each of them."""

    kind: str
    trainings: tuple[dict[str, Any], ...]
    readings: tuple[dict[str, Any], ...]


FAST: dict[str, Any] = {"learning_rate": 0.01, "epochs": 20}
USE: dict[str, Any] = {"class_threshold": 0.05, "video_weight": 0.0, "sigma": 0.3}  # Of all but winners-out.
READ = (
    {"proposals": "contrast"},
    {"proposals": "contrast", "suppression": "soft"},
    {"proposals": "union", "union_level": 0.3},
)


def rival(settings: Instances) -> Contender:
    base = {**as_table(settings), **USE}
    return Contender("multiple-instance", (base, {**base, **FAST}), READ)


CONTENDERS = {
    "winners-out": Contender(
        "winners-out",
        ({"segment_count": 400, "attentions": 18}, {}),
        ({"proposals": "union"}, {"proposals": "contrast"}, {"proposals": "nested"}),
    ),
    "ours": Contender(
        "multiple-instance",
        (USE, {**USE, **FAST}),
        (
            {"scores": "logits", "suppression": "hard"},
            {"scores": "logits", "suppression": "soft"},
            {"scores": "attended", "suppression": "hard"},
        ),
    ),
    "top-k": rival(Instances.top_k()),
    "UntrimmedNets, soft": rival(Instances.untrimmed_soft()),
    "UntrimmedNets, hard": rival(Instances.untrimmed_hard()),
    "STPN": rival(Instances.stpn()),
    "Hide-and-Seek on top-k": rival(Instances.hide_and_seek()),
}


def average_map(model: Localizer, world: TimelineWorld) -> float:
    """Mean of mAP at tIoU 0.1 to 0.7 in the test half, by ActivityNet's protocol."""
    truth = Truth.of(world.test.truth, video_ids=[example.video_id for example in world.test.examples])
    found = Moments.concatenate([model.localize(each.features) for each in world.test.examples], world.vocabulary)
    known = np.isin(found.classes, [world.vocabulary.index(name) for name in truth.labels])
    return float(evaluate_moments(truth, Predictions.of(found[known], truth), tiou=TIOU).average_map)


def trials(contender: Contender, number: int, world: TimelineWorld, folder: Path) -> dict[str, Any]:
    """Train once and read the model in each way: average mAP by reading, and CPU seconds of the training."""
    kind = LOCALIZERS[contender.kind]
    settings = load(kind.Settings, contender.trainings[number], "tuning")
    began = time.process_time()
    model = kind.fit(world.train.examples, settings, Silent(), vocabulary=world.vocabulary, seed=0)
    seconds = time.process_time() - began
    model.save(folder)
    read = [average_map(kind.load(folder, changes=changes), world) for changes in contender.readings]
    return {"average_map": read, "cpu_seconds": round(seconds, 1)}


def changed(settings: dict[str, Any], kind: str) -> dict[str, Any]:
    """What of some settings is not the default."""
    usual = as_table(LOCALIZERS[kind].Settings())
    return {name: value for name, value in settings.items() if usual[name] != value}


def page(cells: dict[str, Any], facts: dict[str, Any]) -> str:
    rounds = min(sum(f"{name}, {n}" in cells for n in range(2)) for name in CONTENDERS)
    lines = [
        "# Settings of localizers, chosen on a world that no table uses",
        "",
        f"Made by `python benchmarks/localizer_tuning.py`: {facts['world']} timelines, seed {facts['seed']}, "
        f"{facts['videos']} + {facts['videos']} videos; average mAP at tIoU 0.1 to 0.7, in percent. Each localizer has "
        f"{3 * rounds} trials in {rounds} whole round(s) of trainings (seed 0); the best one is bold. "
        f"{facts['machine']}.",
        "",
        "| localizer | training | read as | average mAP | CPU s of the training |",
        "|---|---|---|---|---|",
    ]
    for name, contender in CONTENDERS.items():
        there = [(n, cells[f"{name}, {n}"]) for n in range(rounds)]
        best = max((value for _, cell in there for value in cell["average_map"]), default=0.0)
        for number, cell in there:
            told = json.dumps(changed(contender.trainings[number], contender.kind))[1:-1].replace('"', "")
            for reading, value in zip(contender.readings, cell["average_map"], strict=True):
                how = json.dumps(reading)[1:-1].replace('"', "")
                shown = f"**{100 * value:.1f}**" if value == best else f"{100 * value:.1f}"
                lines.append(f"| {name} | {told or 'defaults'} | {how} | {shown} | {cell['cpu_seconds']} |")
    told = Path(__file__).parent / "results" / "localizer_tuning_exploration.md"
    return "\n".join([*lines, "", *([told.read_text()] if told.exists() else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=("thumos14", "activitynet"), default="thumos14")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/localizer_tuning"))
    parser.add_argument("--work", type=Path, default=Path("benchmarks/work/localizer_tuning"))
    chosen = parser.parse_args()
    if chosen.seed < 100:
        parser.error("Seeds below 100 are the tables' own. Choose 100 or more.")
    torch.set_num_threads(1)
    facts = {"world": chosen.world, "seed": chosen.seed, "videos": chosen.videos,
             "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"}  # fmt: skip
    store = chosen.out.with_suffix(".json")
    kept = json.loads(store.read_text()) if store.exists() else {}
    cells = kept["cells"] if kept.get("facts") == facts else {}
    world = timeline_world(chosen.world, train=chosen.videos, test=chosen.videos, seed=chosen.seed)
    for number in range(2):
        for name, contender in CONTENDERS.items():
            key = f"{name}, {number}"
            if key not in cells:
                cells[key] = trials(contender, number, world, chosen.work / key)
                write_json(store, {"facts": facts, "cells": cells})
                print(key, cells[key], flush=True)
    text = page(cells, facts)
    write_text(chosen.out.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    main()
