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
STEPS, FURTHER, JOINT_STEPS, BATCH = 250, 80, 120, 32
TUNING_SEEDS = (100, 101)
TRIALS = tuple(itertools.product((3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), (0.5, 0.0)))  # rate and dropout, for each rival
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


def learn_jointly(backbone: nn.Module, head: nn.Module, seed: int, rate: float) -> nn.Module:
    """Train head and backbone on clips, the backbone at a tenth of the rate, batch norm as it was pre-trained."""
    side, whole = video_world("base", seed).train, nn.Sequential(backbone, head)
    groups = [{"params": backbone.parameters(), "lr": rate / 10}, {"params": head.parameters(), "lr": rate}]
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
    return whole.eval()


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
    means = tuning_means(read_json(place.work / "tuning.json")[model.tuned])
    return max((trial for trial in TRIALS if trial in means), key=lambda trial: means[trial])


def tuning_means(tried: Sequence[Values]) -> dict[tuple[float, float], float]:
    """The mean mAP over the tuning seeds of each trial of one rival."""
    found: dict[tuple[float, float], list[float]] = {}
    for each in tried:
        found.setdefault((each["rate"], each["dropout"]), []).append(each["map"])
    return {trial: float(np.mean(maps)) for trial, maps in found.items()}


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
    tests = features.test
    if model.joint:
        whole = learn_jointly(copy.deepcopy(backbone_of("video", seed, place)), net, seed, rate / 3)
        clips = test_clips(video_world(world, seed).test, "4")
        tests, net = {"4": maps_of(whole[0], clips)}, whole[1]  # type: ignore[index]
    read = {}
    for views in dict.fromkeys(row.views for row in ROWS if (row.world, row.model) == (world, model.name)):
        for output, scores in told(net, tests[views], len(features.test_labels)).items():
            read[f"{views} {output}"] = figures(scores, features.test_labels)
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    return {"read": read, "weights": weights, "rate": rate, "dropout": dropout, "cpu_seconds": round(cpu, 2),
            "wall_seconds": round(time.perf_counter() - began, 2), "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def tuning_trial(model: Model, rate: float, dropout: float, seed: int, place: Place) -> Values:
    """One trial of a rival on a tuning seed of the base world."""
    features = held_features("base", seed, place)
    net = head_of(model, features, dropout, seed)
    learn(net, [(features.train, features.labels)], STEPS, rate, seed)
    scores = told(net, features.test["4"], len(features.test_labels))["mean"]
    return {"rate": rate, "dropout": dropout, "seed": seed, **figures(scores, features.test_labels)}


def trials() -> list[tuple[Model, float, float, int]]:
    """The same trials for each rival, on each tuning seed."""
    return [(model, *each, seed) for seed in TUNING_SEEDS for model in RIVALS for each in TRIALS]


__all__ = ["MODELS", "Model", "cell", "chosen", "trials", "tuning_means", "tuning_trial"]
