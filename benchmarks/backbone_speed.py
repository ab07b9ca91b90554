"""R(2+1)D-18 as this package runs it, beside torchvision's graph as torch runs it: training steps and inference.

    python benchmarks/backbone_speed.py [--rounds 7] [--steps 50] [--threads 2]

Both have the same weights. "theirs" is the graph of `torchvision_graph.py`, eager, clips in torch's usual order of
memory (NCTHW); "ours" is `nets.conv3d.R2Plus1D` placed as `training.devices.Compute` does for every verb. The four
(float32 and bfloat16 of either) run in turn within each round; the seconds are those that the process computed, so that
with one thread a busy machine bears little on them; medians of the rounds' ratios count. Then each of float32 theirs
and ours, and bfloat16 ours, learns from the same clips for `--steps` steps. Writes results/backbone_speed.json and
backbone_speed.md.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from torchvision_graph import VideoResNet
from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.recognition.backbone import ClipClassifier
from whenabouts.training.devices import Compute, cpu_flags

RESULTS = Path(__file__).parent / "results"
CLASSES, BATCH, CLIP = 400, 1, (8, 112, 112)
LEARNED, LEARN_BATCH, LEARN_CLIP, RATE = 8, 4, (8, 24, 24), 0.001
GOALS = {
    "float32 over float32": ("theirs float32", "ours float32", 1.0),
    "bfloat16 over bfloat16": ("theirs bfloat16", "ours bfloat16", 1.2),
    "ours bfloat16 over theirs float32": ("theirs float32", "ours bfloat16", 2.0),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Runner:
    """One net in one number format: `step` and `infer` on clips in the usual order of memory."""

    def __init__(self, whose, precision, classes):
        torch.manual_seed(0)
        ours = ClipClassifier(R2Plus1D(), classes)
        self.compute = Compute(torch.device("cpu"), DTYPES[precision])
        self.ours = whose == "ours"
        if self.ours:
            self.net = self.compute.place_net(ours)
        else:
            self.net = VideoResNet(classes)
            state = {name.removeprefix("net."): tensor for name, tensor in ours.state_dict().items()}
            self.net.load_state_dict(state)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=RATE)

    def forward(self, clips):
        """Scores of clips, float32."""
        with self.compute.autocast():
            return self.net(self.compute.place(clips) if self.ours else clips).float()

    def step(self, clips, labels):
        """One step of SGD; the loss before it."""
        self.net.train()
        loss = nn.functional.cross_entropy(self.forward(clips), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def infer(self, clips):
        """Scores without gradients, with the running statistics of the batch norms."""
        self.net.eval()
        with torch.inference_mode():
            return self.forward(clips)


def seconds_of(work, *given):
    """Seconds that this process computed: on a machine that others use, too, a clock on the wall tells of them."""
    started = time.process_time()
    work(*given)
    return time.process_time() - started


def timed(rounds):
    """Seconds of each runner's training step and inference, one row a round."""
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(BATCH, 3, *CLIP, generator=generator)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    runners = {f"{whose} {kind}": Runner(whose, kind, CLASSES) for whose in ("theirs", "ours") for kind in DTYPES}
    agreed = (runners["theirs float32"].infer(clips) - runners["ours float32"].infer(clips)).abs().max().item()
    for runner in runners.values():
        runner.step(clips, labels)
        runner.infer(clips)
    rows = {"training step": [], "inference": []}
    for number in range(rounds):
        order = list(runners.items())[:: 1 if number % 2 else -1]
        rows["training step"].append({name: seconds_of(runner.step, clips, labels) for name, runner in order})
        rows["inference"].append({name: seconds_of(runner.infer, clips) for name, runner in order})
    return rows, agreed


def learned(steps):
    """Mean loss of the last 10 of `steps` steps on clips whose brightness over time tells their class."""
    losses = {}
    for name in ("theirs float32", "ours float32", "ours bfloat16"):
        runner, generator = Runner(*name.split(), LEARNED), torch.Generator().manual_seed(2)
        found = []
        for _ in range(steps):
            labels = torch.randint(LEARNED, (LEARN_BATCH,), generator=generator)
            clips = torch.randn(LEARN_BATCH, 3, *LEARN_CLIP, generator=generator)
            for clip, label in zip(clips, labels, strict=True):
                clip[:, label] += 1.0
            found.append(runner.step(clips, labels))
        losses[name] = {"first": found[0], "last 10": statistics.mean(found[-10:]), "all": found}
    return losses


def spread(ratios):
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    load = [os.getloadavg()[0]]
    rows, agreed = timed(given.rounds)
    print(f"timed: {rows}", flush=True)
    load.append(os.getloadavg()[0])
    losses = learned(given.steps)
    load.append(os.getloadavg()[0])
    ratios = {
        work: {
            name: {**spread([row[slow] / row[fast] for row in found]), "goal": goal}
            for name, (slow, fast, goal) in GOALS.items()
        }
        for work, found in rows.items()
    }
    values = {
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "bfloat16 instructions": sorted(cpu_flags() & {"avx512_bf16", "amx_bf16"}),
        "threads": given.threads,
        "load": load,
        "clip": [BATCH, 3, *CLIP],
        "largest difference of scores": agreed,
        "ratios": ratios,
        "seconds": rows,
        "losses": losses,
    }
    RESULTS.joinpath("backbone_speed.json").write_text(json.dumps(values, indent=1) + "\n")
    text = page(values, given)
    RESULTS.joinpath("backbone_speed.md").write_text(text)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(text)


def page(values, given):
    """The results as Markdown."""
    load = ", ".join(f"{value:.1f}" for value in values["load"])
    flags = ", ".join(values["bfloat16 instructions"]) or "no bfloat16 instructions"
    command = f"python benchmarks/backbone_speed.py --rounds {given.rounds} --steps {given.steps}"
    lines = [
        "# R(2+1)D-18 beside torchvision's graph",
        "",
        f"torch {values['torch']}, {values['machine']}, {values['threads']} threads,",
        f"{flags}; load before, between and after: {load}.",
        f"Clips {values['clip']}; {given.rounds} rounds, the four in turn; the same weights, whose scores at float32",
        f"differ by at most {values['largest difference of scores']:.1e}.",
        f"Made by `{command} --threads {given.threads}`.",
        "",
        "Seconds of computing, medians (least to most):",
        "",
        "| work | theirs float32 | ours float32 | theirs bfloat16 | ours bfloat16 |",
        "|---|---:|---:|---:|---:|",
    ]
    for work, rows in values["seconds"].items():
        cells = []
        for name in ("theirs float32", "ours float32", "theirs bfloat16", "ours bfloat16"):
            found = spread([row[name] for row in rows])
            cells.append(f"{found['median']:.2f} ({found['least']:.2f} to {found['most']:.2f})")
        lines.append(f"| {work} | {' | '.join(cells)} |")
    lines += ["", "How many times as fast, medians of the rounds' ratios (least to most):", ""]
    lines += ["| work | ratio | median | least to most | goal | |", "|---|---|---:|---:|---:|---|"]
    for work, ratios in values["ratios"].items():
        for name, row in ratios.items():
            reached = "reached" if row["median"] >= row["goal"] else "missed"
            ends = f"{row['least']:.2f} to {row['most']:.2f}"
            lines.append(f"| {work} | {name} | {row['median']:.2f} | {ends} | {row['goal']:.1f} | {reached} |")
    base = values["losses"]["theirs float32"]["last 10"]
    lines += ["", f"Loss after {given.steps} steps from the same weights on the same clips (mean of the last 10):", ""]
    lines += ["| | first step | last 10 | beside theirs | goal: within 2 % |", "|---|---:|---:|---:|---|"]
    for name, row in values["losses"].items():
        apart = row["last 10"] / base - 1
        told = "within" if abs(apart) <= 0.02 else "missed"
        lines.append(f"| {name} | {row['first']:.4f} | {row['last 10']:.4f} | {apart:+.2%} | {told} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
