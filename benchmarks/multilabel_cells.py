"""One cell: a head trained on one world and seed, and its figures for every set of views and output that rows ask."""

import copy
import itertools
import os
import resource
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multilabel_nets import AttendedMean, SharedLogSumExp, SharedTokens, WideHead, weights_of
from multilabel_rows import MODELS, RIVALS, ROWS, Model
from multilabel_worlds import (
    RATE,
    Features,
    Place,
    backbone_of,
    clips_of,
    drawn_clips,
    held_features,
    maps_of,
    test_clips,
    video_world,
)
from whenabouts.core.files import read_json
from whenabouts.evaluation.activities import multi_label_scores
from whenabouts.nets.activity_heads import ActivityHead, PooledHead, co_occurrence
from whenabouts.nets.losses import known_bce
from whenabouts.training import Compute, Measured, Plan, Trainee, fit

Values = dict[str, Any]
Trial = tuple[float, float]
STEPS, FURTHER, JOINT_STEPS, BATCH = 250, 80, 120, 32
TUNING_SEEDS = (100, 101)
TRIALS = tuple(itertools.product((3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), (0.5, 0.0)))  # rate and dropout, for each rival
JOINT_TRIALS = tuple(itertools.product((1 / 3, 1 / 30), (3e-4, 1e-3, 3e-3, 1e-2)))
"""Which share of its own rate a head has when it learns jointly, and the rate of the backbone, for each rival."""
CPU = Compute(torch.device("cpu"), torch.float32)
USUAL = {"observations": 64, "hidden": 128, "groups": 32}


def head_of(model: Model, features: Features, dropout: float, seed: int) -> nn.Module:
    """A fresh head of a model; those "with as many weights" have those of the complete head."""
    activities, mask = features.labels.shape[1], co_occurrence(features.video_labels)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    width = features.train.shape[1]
    options = {**USUAL, **model.options}
    correlated = options.pop("correlation", True)
    if model.kind == "head":
        return ActivityHead(width, activities, **options, co_occurrence=mask if correlated else None, dropout=dropout,
                            generator=generator)  # fmt: skip
    if model.kind in ("mean", "max", "logsumexp"):
        return PooledHead(width, activities, pooling=model.kind, dropout=dropout, generator=generator)  # type: ignore[arg-type]
    if model.kind == "tokens":
        return SharedTokens(activities, mask, USUAL["hidden"], dropout, generator)
    if model.kind in ("wide", "wide-lse"):
        weights = weights_of(ActivityHead(width, activities, **USUAL, co_occurrence=mask))
        kind = WideHead if model.kind == "wide" else SharedLogSumExp
        return kind(activities, weights, dropout)
    return AttendedMean(model.kind, activities, dropout, generator)


def outputs(outcome: Any) -> tuple[Tensor, ...]:
    """Logits (B, A) of each output of any of the heads."""
    if isinstance(outcome, Tensor):
        return (outcome,)
    return outcome if isinstance(outcome, tuple) else outcome.outputs  # type: ignore[no-any-return]


def learn(net: nn.Module, sets: Sequence[tuple[Tensor, Tensor]], steps: int, rate: float, seed: int) -> None:
    """Train a head in place on feature maps and labels; of several sets (speeds) one is drawn for each clip."""

    def draw(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([seed, step])
        chosen = rng.integers(0, len(sets), BATCH)
        rows = [int(rng.integers(len(sets[each][0]))) for each in chosen]
        maps = torch.stack([sets[each][0][row] for each, row in zip(chosen.tolist(), rows, strict=True)])
        labels = torch.stack([sets[each][1][row] for each, row in zip(chosen.tolist(), rows, strict=True)])
        return maps.float(), labels

    plan = Plan(steps=steps, learning_rate=rate, weight_decay=0.01, seed=seed, report_every=10_000)
    fit(Trainee(net, draw, lambda model, batch: Measured(known_bce(outputs(model(batch[0])), batch[1]))), plan, CPU)


def learn_jointly(head: nn.Module, seed: int, place: Place, rates: tuple[float, float]) -> tuple[nn.Module, Tensor]:
    """Train a head (first rate) and the backbone (second) on clips of the base world, batch norm as pre-trained.

    Returns the head, and what the backbone now makes of the test's clips.
    """
    made, backbone = video_world("base", seed), copy.deepcopy(backbone_of("video", seed, place))
    side, whole = made.train, nn.Sequential(backbone, head)
    groups = [{"params": net.parameters(), "lr": rate} for net, rate in zip((head, backbone), rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    turn = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, JOINT_STEPS)
    torch.manual_seed(seed)
    for step in range(JOINT_STEPS):
        rng = np.random.default_rng([seed, 9, step])
        videos = rng.integers(0, len(side), BATCH).tolist()
        frames, labels = drawn_clips(side, videos, RATE, rng)
        whole.train()
        backbone.eval()
        loss = known_bce(outputs(whole(clips_of(side, videos, frames))), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        turn.step()
    return head.eval(), maps_of(backbone.eval(), test_clips(made.test, "4"))


@torch.inference_mode()
def told(net: nn.Module, maps: Tensor, videos: int) -> dict[str, NDArray[np.float32]]:
    """Probabilities (V, A) of each output, summed over the views of a video; the mean of outputs is "mean"."""
    net.eval()
    parts = [torch.stack([each.sigmoid() for each in outputs(net(part.float()))]) for part in maps.split(64)]
    all_views = torch.cat(parts, dim=1)
    per_video = all_views.view(len(all_views), videos, -1, all_views.shape[-1]).mean(dim=2)
    found = {"mean": per_video.mean(dim=0).numpy()}
    if len(per_video) == 2:
        found |= {"own": per_video[0].numpy(), "correlated": per_video[1].numpy()}
    return found


def figures(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> Values:
    """mAP and average precision of each activity that occurs."""
    names = [str(number) for number in range(labels.shape[1])]
    found = multi_label_scores(names, scores.astype(np.float64), labels.astype(np.float64))
    return {"map": round(float(found.figures["map"]), 5), "ap": [round(float(each), 4) for each in found.labels.ap]}


def chosen(model: Model, place: Place) -> tuple[float, float]:
    """Rate and dropout that did best for this rival, on the mean of the tuning seeds."""
    return best_of(TRIALS, read_json(place.work / "tuning.json")[model.tuned])


def chosen_jointly(model: Model, place: Place) -> list[float]:
    """Share of the head's rate, and rate of the backbone, that did best for this rival jointly; none for others."""
    return list(best_of(JOINT_TRIALS, read_json(place.work / "tuning.json")[model.name])) if model.joint else []


def best_of(known: Sequence[Trial], tried: Sequence[Values]) -> Trial:
    """The best of the trials that are made."""
    means = tuning_means(tried)
    return max((trial for trial in known if trial in means), key=lambda trial: means[trial])


def tuning_means(tried: Sequence[Values]) -> dict[Trial, float]:
    """The mean mAP over the tuning seeds of each trial of one rival."""
    found: dict[Trial, list[float]] = {}
    for each in tried:
        found.setdefault(told_trial(each), []).append(each["map"])
    return {trial: float(np.mean(maps)) for trial, maps in found.items()}


def told_trial(made: Values) -> Trial:
    """Which trial a result is of."""
    return (made["share"], made["backbone"]) if "share" in made else (made["rate"], made["dropout"])


def cell(world: str, model: Model, seed: int, place: Place) -> Values:
    """Train one model on one world, and read it in every way that a row asks for."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
    features = held_features(world, seed, place)
    rate, dropout = chosen(model, place)
    net = head_of(model, features, dropout, seed)
    weights = weights_of(net)
    learn(net, [(features.train, features.labels)], STEPS, rate, seed)
    if model.speeds:
        sets = [(features.train, features.labels) if each == RATE else features.rates[each] for each in model.speeds]
        learn(net, sets, FURTHER, rate / 3, seed + 1)
    tests, joint = features.test, chosen_jointly(model, place)
    if joint:
        net, maps = learn_jointly(net, seed, place, (joint[0] * rate, joint[1]))
        tests = {"4": maps}
    read = {}
    for views in dict.fromkeys(row.views for row in ROWS if (row.world, row.model) == (world, model.name)):
        for output, scores in told(net, tests[views], len(features.test_labels)).items():
            read[f"{views} {output}"] = figures(scores, features.test_labels)
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    return {"read": read, "weights": weights, "rate": rate, "dropout": dropout, "joint": joint,
            "cpu_seconds": round(cpu, 2), "wall_seconds": round(time.perf_counter() - began, 2),
            "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def tuning_trial(model: Model, trial: Trial, seed: int, place: Place) -> Values:
    """One trial of a rival on a tuning seed of the base world; a joint one begins from what the frozen ones chose."""
    features = held_features("base", seed, place)
    rate, dropout = chosen(model, place) if model.joint else trial
    net, maps = head_of(model, features, dropout, seed), features.test["4"]
    learn(net, [(features.train, features.labels)], STEPS, rate, seed)
    if model.joint:
        net, maps = learn_jointly(net, seed, place, (trial[0] * rate, trial[1]))
    scores = told(net, maps, len(features.test_labels))["mean"]
    names = ("share", "backbone") if model.joint else ("rate", "dropout")
    return {**dict(zip(names, trial, strict=True)), "seed": seed, **figures(scores, features.test_labels)}


def trials() -> list[tuple[Model, Trial, int]]:
    """The same trials for each rival, on each tuning seed; then those of training jointly."""
    joint = [model for model in MODELS.values() if model.joint]
    return [(model, trial, seed) for models, known in ((RIVALS, TRIALS), (joint, JOINT_TRIALS))
            for seed in TUNING_SEEDS for model in models for trial in known]  # fmt: skip


__all__ = [
    "MODELS",
    "Model",
    "cell",
    "chosen",
    "chosen_jointly",
    "told_trial",
    "trials",
    "tuning_means",
    "tuning_trial",
]
