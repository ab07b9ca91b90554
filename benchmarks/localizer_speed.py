"""How fast winners-out trains and tests at the paper's size: ours, batched over videos, classes and steps, and a peer.

    python benchmarks/localizer_speed.py            writes benchmarks/results/localizer_speed.{json,md}
    python benchmarks/localizer_speed.py --videos 16 --repeats 1 --out ""      a small one, on the screen only

K = 400 segments, two streams of D = 2048, M = 18 attentions, C = 20 classes. The peer is Algorithm 1 and 2 as one would
write them down: vectorised inside a video, videos, classes and steps one after the other, removed segments cut out of
the matrices. Both get the same batches, weights and thread, in float32, turn by turn; their answers are compared.
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from provenance import write_result
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.data.examples import Example
from whenabouts.localizers.training_videos import TrainingVideos
from whenabouts.localizers.winners_out_selection import Judge
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.localizers.winners_out_training import WinnersOutTraining
from whenabouts.training import Compute

SIZE = {"segments": 400, "width": 2048, "attentions": 18, "classes": 20}
SHARP = 30.0  # Attention's weights times this: nearly all of it lies on a few segments.
CPU = Compute(torch.device("cpu"), torch.float32)


def settings_of(segments, attentions):
    """The paper's settings for one epoch, on the mean of segments: the features here have a step for each."""
    paper = WinnersOutSettings.paper(segments=segments)
    return replace(paper, attentions=attentions, snippets=0, epochs=1, rounds=1, learning_rate=0.1)


def training_of(videos, *, segments, width, attentions, classes):
    """A training on made-up features of so many videos."""
    rng, grid = np.random.default_rng(0), TimeGrid.of_length(float(segments), 1.0)
    examples = []
    for number in range(videos):
        features = {
            name: FeatureSequence(str(number), rng.standard_normal((segments, width), np.float32), grid, name, "made")
            for name in ("flow", "rgb")
        }
        labels = VideoLabels.of([number % classes])
        examples.append(Example(str(number), features, labels, SegmentLabels.empty()))
    settings = settings_of(segments, attentions)
    held = TrainingVideos(examples, classes, settings, Silent())
    return WinnersOutTraining(held, settings, CPU, Silent(), seed=0, checkpoints=None)


def peer_epoch(training):
    """One epoch of the peer on the training's own batches: the net's parameters after it."""
    net, settings, videos = training.net, training.settings, training.videos
    weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=settings.learning_rate, momentum=settings.momentum,
                                weight_decay=settings.weight_decay, nesterov=True)  # fmt: skip
    for position in range(-(-len(videos) // settings.batch_size)):
        batch = training._draw(0, 0, position)
        optimizer.zero_grad()
        for row in range(len(batch.targets)):
            peer_loss(net, settings, batch, row).div(len(batch.targets)).backward()
        optimizer.step()
    return net.state_dict()


def peer_loss(net, settings, batch, row):
    """Loss of one video, by Eq. 3 to 6."""
    pooled, penalty = [], 0.0
    for index, features in enumerate(batch.features):
        stream, values = net.stream(index), features[row][batch.mask[row]]
        energies = stream.weight @ values.T + stream.bias[:, batch.mask[row]]
        attention = energies.softmax(dim=1)
        mixed = stream.alpha[:, None] * (attention @ values)
        pooled.append((mixed / (math.sqrt(len(mixed)) * mixed.norm(dim=1, keepdim=True))).flatten())
        gram = attention @ attention.T
        penalty = penalty + (gram - torch.eye(len(gram))).square().sum()
    classifier = torch.cat([weight.flatten(1) for weight in net.classifiers], dim=1)
    logits = classifier @ (torch.cat(pooled) * batch.kept[row])
    entropy = -(batch.targets[row] * logits.log_softmax(dim=0)).sum()
    return batch.weights[row] * entropy + settings.penalty * penalty


@torch.no_grad()
def peer_selection(judge, matrices, label):
    """Winners of one class, step by step (Algorithm 2): steps (K,), -1 for never, and scores when selected (K,)."""
    settings, segments = judge.settings, len(matrices[0])
    left = torch.arange(segments)
    steps, kept = torch.full((segments,), -1), matrices[0].new_zeros(segments)
    for step in range(settings.test_steps):
        scores = sum(
            settings.weight_of(judge.streams[index].modality) * peer_scores(judge.net, index, values[left], left, label)
            for index, values in enumerate(matrices)
        )
        order = scores.sort(descending=True, stable=True).indices[: settings.winners(segments)]
        winners = order[scores[order] > 0]
        if not len(winners):
            break
        steps[left[winners]], kept[left[winners]] = step, scores[winners]
        staying = torch.ones(len(left), dtype=torch.bool)
        staying[winners] = False
        left = left[staying]
        if not len(left):
            break
    return steps.numpy(), kept.numpy()


def peer_scores(net, index, values, left, label):
    """Class-specific scores (K',) of the segments that are left, by Eq. 8."""
    stream, weights = net.stream(index), net.classifiers[index]
    attention = (stream.weight @ values.T + stream.bias[:, left]).softmax(dim=1)
    mixed = stream.alpha[:, None] * (attention @ values)
    factors = stream.alpha / (math.sqrt(len(mixed)) * mixed.norm(dim=1))
    projected = (weights[label] - weights.mean(dim=0)) @ values.T
    return (factors[:, None] * attention * projected).sum(dim=0).relu()


@torch.no_grad()
def our_selection(judge, matrices, classes):
    """The same for all classes at once."""
    return judge.select(matrices, torch.tensor(classes), len(matrices[0]))


@torch.no_grad()
def products_alone(training):
    """The four products of features with attention, forth and back, that an epoch can't do without: their operations.

    W H^T and A H (Eq. 3 and 4), then the gradients of A and of W; no softmax, no classifier, no optimizer.
    """
    operations = 0
    for number in range(len(training.videos)):
        for index, matrix in enumerate(training.videos.features(number)):
            values = torch.from_numpy(matrix)
            energies = training.net.stream(index).weight @ values.T
            pooled = energies @ values
            (pooled @ values.T) @ values
            operations += 8 * energies.numel() * values.shape[1]
    return operations


def cpu_of(call):
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(videos, repeats, tests, size):
    """CPU seconds of both sides, run by run, turn by turn, and what our epoch needs in memory beside the features."""
    training = training_of(videos, **size)
    begin = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
    before = peak_megabytes()
    told = {"ours": [], "peer": [], "products": [], "test": {}, "sharp": {}}
    peer_epoch(training)  # Neither side is the first to touch the memory.
    for repeat in range(repeats):
        training.net.load_state_dict(begin)
        seconds, ours = cpu_of(lambda: {name: each.clone() for name, each in training.run().state_dict().items()})
        told["ours"].append(seconds)
        if not repeat:
            told["memory"] = peak_megabytes() - before
        training.net.load_state_dict(begin)
        seconds, peer = cpu_of(lambda: peer_epoch(training))
        told["peer"].append(seconds)
        seconds, told["operations"] = cpu_of(lambda: products_alone(training))
        told["products"].append(seconds)
        told["apart"] = max(float((peer[name] - ours[name]).abs().max()) for name in ours)
    judge = Judge(training.net.eval(), training.settings, training.videos.streams, CPU.device)
    placed = [judge.placed(training.videos.features(index)) for index in range(min(tests, videos))]
    for kind, factor in (("test", 1.0), ("sharp", SHARP)):
        with torch.no_grad():
            for index in range(len(judge.streams)):
                judge.net.stream(index).weight.mul_(factor)
        for count in (2, size["classes"]):
            told[kind][count] = tested(judge, placed, list(range(count)), repeats)
    return told


def tested(judge, placed, classes, repeats):
    """CPU seconds per video of testing these classes."""
    ours, peer, same = [], [], 0
    for _ in range(repeats):
        seconds, batched = cpu_of(lambda: [our_selection(judge, video, classes) for video in placed])
        ours.append(seconds / len(placed))
        seconds, plain = cpu_of(
            lambda: [[peer_selection(judge, video, label) for label in classes] for video in placed]
        )
        peer.append(seconds / len(placed))
        same = sum(
            int((selection.steps[row] == steps).sum())
            for selection, rows in zip(batched, plain, strict=True)
            for row, (steps, _) in enumerate(rows)
        )
    return {"ours": ours, "peer": peer, "same_share": same / (len(placed) * len(classes) * len(placed[0][0]))}


def table(told):
    def row(name, ours, peer, digits):
        cells = [f"{statistics.median(each):.{digits}f} ({min(each):.{digits}f} to {max(each):.{digits}f})"
                 for each in (ours, peer)]  # fmt: skip
        return f"| {name} | {cells[0]} | {cells[1]} | {statistics.median(peer) / statistics.median(ours):.1f} |"

    size, test = told["size"], told["test"]
    return "\n".join([
        "# Winners-out at the paper's size: seconds and memory",
        "",
        f"Made by `python benchmarks/localizer_speed.py --videos {told['videos']} --repeats {len(told['ours'])}`. "
        f"K = {size['segments']}, two streams of D = {size['width']}, M = {size['attentions']}, C = {size['classes']}; "
        f"float32, one thread; CPU seconds, median (least to most) of {len(told['ours'])} turns; {told['machine']}, "
        f"load {told['load'][0]:.1f} to {told['load'][1]:.1f}, most of it the work of others.",
        "",
        "| what | ours | peer | peer / ours |",
        "|---|---|---|---|",
        row(f"training, an epoch of {told['videos']} videos", told["ours"], told["peer"], 2),
        *(row(f"testing a video, {count} classes, {told['steps']} steps", test[count]["ours"], test[count]["peer"], 4)
          for count in test),
        *(row(f"... with sharp attention, {count} classes", test["ours"], test["peer"], 4)
          for count, test in told["sharp"].items()),
        "",
        _bound(told),
        "",
        f"Weights after the epoch differ by at most {told['apart']:.1e}; the same segments win at the same steps in "
        + ", ".join(f"{each['same_share']:.2%}" for kind in ("test", "sharp") for each in told[kind].values())
        + ": sums in another order decide ties otherwise.",
        f"Our epoch's peak lies {told['memory']:.0f} MB above that of the features in memory. Nothing of the size "
        f"B x M x K x D is made: that alone would take "
        f"{16 * size['attentions'] * size['segments'] * size['width'] * 4 / 1e6:.0f} MB for 16 videos.",
        "",
        "The peer is vectorised inside a video, and loops over videos, classes and steps; it computes energies and "
        "products with the classifier anew at each step, on what is left. Both sides draw the same batches, and that "
        "counts for both. The goal is 5 times the peer's speed, in training and in testing; a ratio below 1 means that "
        "the peer is faster.",
        "",
    ])  # fmt: skip


def _bound(told):
    """How near training is to what no way of writing it down can do without."""
    ours, peer, products = (statistics.median(told[name]) for name in ("ours", "peer", "products"))
    goal = "reaches" if peer / ours >= 5 else "misses"
    slow = [
        f"{count} classes with {'sharp' if kind == 'sharp' else 'even'} attention"
        for kind in ("test", "sharp")
        for count, test in told[kind].items()
        if statistics.median(test["peer"]) < 5 * statistics.median(test["ours"])
    ]
    but = f" but for {' and '.join(slow)}" if slow else ""
    return (
        f"Testing reaches the goal of 5{but}: a step takes its winners out of the pooled features instead of pooling "
        "what is left, but where winners hold nearly all of the attention the rest must be pooled anew, or digits are "
        f"lost. Training {goal} the goal. An epoch has {told['operations'] / 1e9:.1f} billion operations in four "
        "products of each video's features: energies, pooled features, and the gradients of attention and of its "
        f"weights. They alone take {products:.2f} s ({told['operations'] / products / 1e9:.0f} GFLOP/s), "
        f"{products / ours:.0%} of our epoch and {products / peer:.0%} of the peer's, who computes the same ones: "
        f"even if all else were free, no program could be more than {peer / products:.1f} times as fast as the peer "
        "in float32 on one thread."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--tests", type=int, default=1, help="videos to test on")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default="benchmarks/results/localizer_speed")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    told = {
        **measured(chosen.videos, chosen.repeats, chosen.tests, SIZE),
        "size": SIZE,
        "videos": chosen.videos,
        "steps": settings_of(SIZE["segments"], SIZE["attentions"]).test_steps,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "load": [load, os.getloadavg()[0]],
    }
    page = table(told)
    print(page)
    if chosen.out:
        out = Path(chosen.out)
        write_result(out.parent, out.name, json.loads(json.dumps(told)), page, table="localizer_speed")


if __name__ == "__main__":
    main()
