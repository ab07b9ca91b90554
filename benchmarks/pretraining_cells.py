"""One cell: a row on the world of one seed, pre-trained (or not), then fine-tuned and judged on each of its targets."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from pretraining_rows import Learning, Length, Net, Row, Source
from pretraining_world import Clip, Pair, Plan, Posts, World, world_of
from whenabouts.core.files import read_json, replacing, write_json
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import IntArray
from whenabouts.data.subsets import (
    equal_seconds,
    equal_videos,
    label_subset,
    place,
    random_subset,
    tail_preserving,
)
from whenabouts.evaluation.named_labels import named_labels
from whenabouts.media.transforms import ClipTransform
from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.conv2d import ResNet2D
from whenabouts.nets.conv3d import r3d
from whenabouts.nets.inflation import inflate
from whenabouts.nets.residual import VideoResNet
from whenabouts.recognition.backbone import ClipClassifier
from whenabouts.recognition.clip_draws import ClipBatch
from whenabouts.recognition.label_draws import LabelDraws
from whenabouts.recognition.label_losses import measure_on
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.training.devices import Compute
from whenabouts.training.linear import logistic_regression
from whenabouts.training.loop import Plan as LoopPlan
from whenabouts.training.loop import Trainee, fit


@dataclass(frozen=True)
class Bench:
    """Where worlds and nets are kept, how large the world is, how nets are trained, and on which device."""

    work: Path
    plan: Plan
    learning: Learning
    compute: Compute


@dataclass(frozen=True)
class Material:
    """What a pre-training draws from: for each post its clips (numbers) and labels, over so many classes."""

    clips: Clip
    posts: tuple[IntArray, ...]
    labels: tuple[VideoLabels, ...]
    classes: int


@lru_cache(maxsize=1)
def world(bench: Bench, seed: int) -> World:
    return world_of(seed, bench.plan, bench.work)


def cell(bench: Bench, row: Row, seed: int) -> dict[str, Any]:
    """The figures of a row: for each of its targets, by fine-tuning all layers and by the classifier alone."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
    own = world(bench, seed)
    known: dict[str, Any] = {}
    start = None if row.source is None else _pretrained(bench, own, row.source, seed, known)
    figures = {}
    for target in row.targets:
        figures[target] = _judged(bench, own, row, start, target, seed)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    parameters = sum(weight.numel() for weight in fresh(row.net).parameters())
    return {"table": row.table, "row": row.name, "seed": seed, "figures": figures, "parameters": parameters, **known,
            "cpu_seconds": used, "seconds": time.perf_counter() - began}  # fmt: skip


def _judged(
    bench: Bench, own: World, row: Row, start: dict[str, Tensor] | None, target: str, seed: int
) -> dict[str, Any]:
    """Both figures on a target, kept in the work folder: several tables have the same net in a row."""
    source = "scratch" if row.source is None else row.source.key
    name = f"{source}__{row.net.key}__{row.spread}__{target}".replace(" ", "-")
    path = bench.work / f"figures-{seed}" / f"{name}.json"
    if not path.exists():
        fc = None if start is None else _solved(bench, own, row, start, target)
        write_json(path, {"all": _tuned(bench, own, row, start, target, seed), "fc": fc})
    return read_json(path)


def fresh(net: Net) -> ClipNet:
    """A net with random weights, for clips of colours and their changes."""
    blocks = (1,) * len(net.widths)
    if net.name == "resnet":
        return ResNet2D(6, widths=net.widths, blocks=blocks, stem=net.widths[0], pool=False)
    return r3d(6, widths=net.widths, blocks=blocks)


def material(own: World, source: Source, seed: int) -> Material:
    """The posts that a source keeps, with the labels that its space reads from their tags."""
    if source.archive in ("clean", "pictures"):
        return _clean(own, source)
    posts = own.archives[source.archive]
    said = [[_label(pair, source.space) for pair in tags] for tags in posts.tags]
    names = tuple(sorted({label for row in said for label in row}))
    if source.labels is not None:
        names = label_subset(names, source.labels, seed=seed)
    kept = {
        str(number): [names.index(label) for label in dict.fromkeys(row) if label in names]
        for number, row in enumerate(said)
    }
    kept = {name: row for name, row in kept.items() if row}
    if source.length != "all":
        return _of_length(posts, kept, source.length, len(names), seed)
    if source.posts is not None:
        first = _one_label(kept, seed)
        some = (
            tail_preserving(first, source.posts, seed=seed)
            if source.subset == "tail"
            else random_subset(tuple(kept), source.posts, seed=seed)
        )
        kept = {name: kept[name] for name in some}
    spans = [np.arange(posts.first[int(name)], posts.first[int(name) + 1]) for name in kept]
    return Material(posts.clips, tuple(spans), tuple(VideoLabels.of(row) for row in kept.values()), len(names))


def _one_label(kept: dict[str, list[int]], seed: int) -> dict[str, int]:
    """One of each post's labels, by its name."""
    return {name: row[int(place(seed, f"label {name}") * len(row))] for name, row in kept.items()}


def _of_length(posts: Posts, kept: dict[str, list[int]], length: Length, classes: int, seed: int) -> Material:
    """The short posts, the long ones, as many of these as last as long as the short ones, or their centres.

    A clip stands for a second, and a centre lasts as long as a short post.
    """
    counts = np.diff(posts.first)
    durations = {name: float(counts[int(name)]) for name in kept}
    short, long = min(durations.values()), max(durations.values())
    sets = equal_videos(durations, _one_label(kept, seed), seed=seed, short=(short, short), long=(long, long),
                        centre_seconds=short)  # fmt: skip
    if length == "long, as much time":
        sets = equal_seconds(sets, seed=seed)
    pieces = {"short": sets.short, "long centre": sets.long_centre}.get(length, sets.long)
    first = [int(posts.first[int(piece.video_id)]) for piece in pieces]
    spans = tuple(
        np.arange(begin + round(piece.start_seconds), begin + round(piece.end_seconds))
        for begin, piece in zip(first, pieces, strict=True)
    )
    return Material(posts.clips, spans, tuple(VideoLabels.of([piece.label]) for piece in pieces), classes)


def _clean(own: World, source: Source) -> Material:
    """The near target's own training clips; or, as pictures, the first frame of each clip by its noun, as they are."""
    if source.archive == "clean":
        clips, pairs = own.targets["near"].train, own.targets["near"].train_pairs
    else:
        posts = own.archives["stills"]
        clips, pairs = posts.clips, posts.true
    said = [_label(pair, source.space) for pair in pairs]
    names = sorted(set(said))
    labels = tuple(VideoLabels.of([names.index(label)]) for label in said)
    return Material(clips, tuple(np.asarray([number]) for number in range(len(clips))), labels, len(names))


def _label(pair: Pair, space: str) -> str:
    return {"action": " ".join(pair), "verb": pair[0], "noun": pair[1]}[space]


def _pretrained(bench: Bench, own: World, source: Source, seed: int, known: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that pre-training on a source ends with, from the work folder or trained now."""
    path = bench.work / f"nets-{seed}" / f"{source.key}.safetensors"
    if not path.exists():
        made = _pretrain(bench, material(own, source, seed), source, seed)
        with replacing(path) as part:
            safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in made.items()}, part)
    drawn = material(own, source, seed)
    known |= {"posts": len(drawn.posts), "labels": drawn.classes, "clips": int(sum(map(len, drawn.posts)))}
    return safetensors.torch.load_file(path)


def _pretrain(bench: Bench, drawn: Material, source: Source, seed: int) -> dict[str, Tensor]:
    how = bench.learning
    draws = LabelDraws(drawn.labels, seed, PretrainSettings(sampling="classes", exponent=0.5))
    single = source.net.name == "resnet"

    def batch(step: int) -> ClipBatch:
        random = np.random.default_rng([seed, 1, step])
        pairs = [draws.pair(step * how.batch + number, random) for number in range(how.batch)]
        rows = [int(random.choice(drawn.posts[video])) for video, _ in pairs]
        clips = np.stack([drawn.clips[row] for row in rows])
        if single:
            clips = np.stack([clip[int(random.integers(len(clip)))][None] for clip in clips])
        labels = tuple(drawn.labels[video].classes for video, _ in pairs)
        return ClipBatch(tensor_of(shifted(clips, random)), torch.tensor([index for _, index in pairs]), labels)

    torch.manual_seed(seed)
    model = ClipClassifier(fresh(source.net), drawn.classes)
    # A picture costs an eighth of a clip, but as many are seen: so the paper counts too.
    plan = loop_plan(how, how.views, how.rate, seed)
    fit(Trainee(model, batch, measure_on(bench.compute, source.loss)), plan, bench.compute)
    return {name: tensor.cpu() for name, tensor in model.net.state_dict().items()}


def loop_plan(how: Learning, views: int, rate: float, seed: int) -> LoopPlan:
    steps = max(1, views // how.batch)
    return LoopPlan(
        steps=steps, learning_rate=rate, weight_decay=how.weight_decay, warmup=max(1, steps // 20), seed=seed
    )


def shifted(clips: Clip, random: np.random.Generator) -> Clip:
    """Each clip moved by up to two pixels: the world is a torus."""
    moves = random.integers(-2, 3, (len(clips), 2))
    return np.stack([np.roll(clip, tuple(move), (1, 2)) for clip, move in zip(clips, moves, strict=True)])


def tensor_of(clips: Clip) -> Tensor:
    """uint8 (B, T, H, W, 3) -> float32 (B, 6, T, H, W): colours, and how they changed since the frame before."""
    return ClipTransform(differences=True).test(torch.from_numpy(np.array(clips)))


def begun(row: Row, start: dict[str, Tensor] | None, seed: int) -> ClipNet:
    """The net that is fine-tuned, with the weights that it begins with."""
    torch.manual_seed(seed)
    net = fresh(row.net)
    if start is None:
        return net
    if row.source is not None and row.source.net.name == "resnet" and isinstance(net, VideoResNet):
        inflate(net, start, spread=row.spread)
    else:
        net.load_state_dict(start)
    return net


def examples(own: World, target: str) -> tuple[Clip, IntArray, Clip, IntArray, int]:
    """Clips and classes to train on, clips and classes to test with, and how many classes there are."""
    name, space = target.split()
    given = own.targets[name]
    train = [_label(pair, space) for pair in given.train_pairs]
    test = [_label(pair, space) for pair in given.test_pairs]
    names = sorted(set(train) | set(test))
    numbers = [np.asarray([names.index(label) for label in said]) for said in (train, test)]
    return given.train, numbers[0], given.test, numbers[1], len(names)


def _tuned(
    bench: Bench, own: World, row: Row, start: dict[str, Tensor] | None, target: str, seed: int
) -> dict[str, float | None]:
    """All layers, trained on the target."""
    how = bench.learning
    clips, classes, test, truth, count = examples(own, target)

    def batch(step: int) -> ClipBatch:
        random = np.random.default_rng([seed, 2, step])
        epoch, first = divmod(step * how.batch, len(clips))
        orders = [np.random.default_rng([seed, 4, epoch + more]).permutation(len(clips)) for more in (0, 1)]
        rows = np.concatenate(orders)[first : first + how.batch]
        labels = tuple(classes[rows][:, None])
        return ClipBatch(tensor_of(shifted(np.stack([clips[row] for row in rows]), random)),
                         torch.from_numpy(classes[rows]), labels)  # fmt: skip

    model = ClipClassifier(begun(row, start, seed), count)
    rate = how.scratch_rate if start is None else how.target_rate
    fit(Trainee(model, batch, measure_on(bench.compute, "softmax")), loop_plan(how, how.target_views, rate, seed),
        bench.compute)  # fmt: skip
    return measured(outputs(bench, model, test).double().numpy(), truth)


def _solved(bench: Bench, own: World, row: Row, start: dict[str, Tensor], target: str) -> dict[str, float | None]:
    """The classifier alone, its penalty chosen on a tenth of the training clips."""
    clips, classes, test, truth, count = examples(own, target)
    net = begun(row, start, 0)
    known, unknown = outputs(bench, net, clips), outputs(bench, net, test)
    wanted = nn.functional.one_hot(torch.from_numpy(classes), count)
    aside = np.random.default_rng(11).permutation(len(clips)) < max(1, len(clips) // 10)
    best, chosen = -1.0, bench.learning.penalties[0]
    for penalty in bench.learning.penalties:
        fc = logistic_regression(known[~aside], wanted[~aside], penalty, most_steps=100).fc
        right = float((fc(known[aside]).argmax(1).numpy() == classes[aside]).mean())
        best, chosen = (right, penalty) if right > best else (best, chosen)
    fc = logistic_regression(known, wanted, chosen, most_steps=100).fc
    with torch.inference_mode():
        return measured(fc(unknown).double().numpy(), truth)


def outputs(bench: Bench, net: nn.Module, clips: Clip) -> Tensor:
    """What a net puts out for clips (N, F, H, W, 3): (N, ...) float32 on the CPU."""
    placed: Callable[[Tensor], Tensor] = bench.compute.place_net(net).eval()
    found = []
    with torch.inference_mode(), bench.compute.autocast():
        for first in range(0, len(clips), 64):
            found.append(placed(bench.compute.place(tensor_of(np.asarray(clips[first : first + 64])))).float().cpu())
    return torch.cat(found)


def measured(scores: np.ndarray, truth: IntArray) -> dict[str, float | None]:
    present = np.zeros(scores.shape, bool)
    present[np.arange(len(truth)), truth] = True
    found = named_labels(scores, present)
    return {"top1": found.top[1], "top5": found.top[5], "map": found.mean_ap}


def cells_of(rows: Sequence[Row], seeds: Sequence[int]) -> list[tuple[Row, int]]:
    """Row by row, all seeds of each: what is cut is cut at the end."""
    return [(row, seed) for row in rows for seed in seeds]
