"""R(2+1)D-18 as this package runs it, beside torchvision's graph as torch runs it: training steps and inference.

    python benchmarks/backbone_speed.py [--rounds 5] [--seeds 6] [--threads 1] [--device auto]
    python benchmarks/backbone_speed.py --parts losses          one part alone; the others stay as they were written

Both have the same weights. "theirs" is the graph of `torchvision_graph.py`, eager, clips in torch's usual order of
memory (NCTHW); "ours" is `nets.conv3d.R2Plus1D` placed as `training.devices.Compute` does for every verb, on a GPU
compiled. Part "speed": the four (float32 and bfloat16 of either) run in turn within each round; on a CPU the seconds
are those that the process computed, so that with one thread a busy machine bears little on them; medians of the
rounds' ratios count. Part "losses": float32 theirs and ours, and bfloat16 ours, learn from the same clips for `--steps`
steps, from each of `--seeds` seeds. Part "families", by default on a GPU alone: `device_rates.py`, with its page.
Writes results/backbone_speed.json and backbone_speed.md.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn

import device_rates
from backbone_speed_page import page
from provenance import write_result
from torchvision_graph import VideoResNet
from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.recognition.backbone import ClipClassifier
from whenabouts.training.devices import Compute, choose_device, compiles, cpu_flags

RESULTS = Path(__file__).parent / "results"
CLASSES, BATCH, CLIP = 400, 1, (8, 112, 112)
LEARNED, LEARN_BATCH, LEARN_CLIP, RATE = 8, 4, (8, 24, 24), 0.001
GOALS = {
    "float32 over float32": ("theirs float32", "ours float32", 1.0),
    "bfloat16 over bfloat16": ("theirs bfloat16", "ours bfloat16", 1.2),
    "ours bfloat16 over theirs float32": ("theirs float32", "ours bfloat16", 2.0),
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LEARNERS = ("theirs float32", "ours float32", "ours bfloat16")


class Runner:
    """One net in one number format: `step` and `infer` on clips in the usual order of memory."""

    def __init__(self, whose, precision, classes, device, seed=0):
        torch.manual_seed(seed)
        ours = ClipClassifier(R2Plus1D(), classes)
        self.ours = whose == "ours"
        self.compute = Compute(device, DTYPES[precision], compiled=self.ours and compiles(device))
        if self.ours:
            self.net = self.compute.place_net(ours)
        else:
            self.net = VideoResNet(classes)
            state = {name.removeprefix("net."): tensor for name, tensor in ours.state_dict().items()}
            self.net.load_state_dict(state)
            self.net.to(device)
        self.quick = self.compute.quick(self.net)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=RATE)

    def forward(self, clips):
        """Scores of clips, float32."""
        with self.compute.autocast():
            return self.quick(self.compute.place(clips) if self.ours else clips.to(self.compute.device)).float()

    def step(self, clips, labels):
        """One step of SGD; the loss before it."""
        self.net.train()
        loss = nn.functional.cross_entropy(self.forward(clips), labels.to(self.compute.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def infer(self, clips):
        """Scores without gradients, with the running statistics of the batch norms."""
        self.net.eval()
        with torch.inference_mode():
            return self.forward(clips)


def seconds_of(device, work, *given):
    """Seconds that this process computed: on a machine that others use, too, a clock on the wall tells of them.

    On a GPU, whose seconds are not the process's, those of the clock until it is done.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    device_rates.waited(device)
    started = clock()
    work(*given)
    device_rates.waited(device)
    return clock() - started


def timed(rounds, device):
    """Seconds of each runner's training step and inference, one row a round."""
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(BATCH, 3, *CLIP, generator=generator)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    names = [(whose, kind) for whose in ("theirs", "ours") for kind in DTYPES]
    runners = {f"{whose} {kind}": Runner(whose, kind, CLASSES, device) for whose, kind in names}
    agreed = (runners["theirs float32"].infer(clips) - runners["ours float32"].infer(clips)).abs().max().item()
    for runner in runners.values():
        runner.step(clips, labels)
        runner.infer(clips)
    rows = {"training step": [], "inference": []}
    for number in range(rounds):
        order = list(runners.items())[:: 1 if number % 2 else -1]
        rows["training step"].append({name: seconds_of(device, runner.step, clips, labels) for name, runner in order})
        rows["inference"].append({name: seconds_of(device, runner.infer, clips) for name, runner in order})
    return rows, agreed


def learned(steps, seed, device):
    """Losses of each learner over `steps` steps on clips whose brightness over time tells their class."""
    losses = {}
    for name in LEARNERS:
        runner, generator = Runner(*name.split(), LEARNED, device, seed), torch.Generator().manual_seed(1000 + seed)
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


def apart(losses, name):
    """By which share a learner's last losses lie above theirs at float32, a number for each seed."""
    return [row[name]["last 10"] / row["theirs float32"]["last 10"] - 1 for row in losses]


def speed_part(given, device, known, keep):
    before = os.getloadavg()[0]
    rows, agreed = timed(given.rounds, device)
    ratios = {
        work: {
            name: {**spread([row[slow] / row[fast] for row in found]), "goal": goal}
            for name, (slow, fast, goal) in GOALS.items()
        }
        for work, found in rows.items()
    }
    return {
        "rounds": given.rounds,
        "load": [before, os.getloadavg()[0]],
        "clip": [BATCH, 3, *CLIP],
        "largest difference of scores": agreed,
        "ratios": ratios,
        "seconds": rows,
        **machine(given, device),
    }


def losses_part(given, device, known, keep):
    """Each seed is kept as soon as it is done: run again, it goes on with the next."""
    same = known.get("steps") == given.steps and known.get("clip") == [LEARN_BATCH, 3, *LEARN_CLIP]
    losses, loads = list(known["losses"]) if same else [], list(known["load"]) if same else [os.getloadavg()[0]]
    for seed in range(len(losses), given.seeds):
        losses.append(learned(given.steps, seed, device))
        told = ", ".join(f"{name} {apart(losses, name)[-1]:+.2%}" for name in LEARNERS[1:])
        print(f"seed {seed}: {told}", flush=True)
        part = losses_of(losses, [loads[0], os.getloadavg()[0]], given, device)
        keep(part)
    return losses_of(losses, [loads[0], os.getloadavg()[0]], given, device)


def losses_of(losses, load, given, device):
    differences = {}
    for name in LEARNERS[1:]:
        found = apart(losses, name)
        deviation = statistics.stdev(found) if len(found) > 1 else 0.0
        differences[name] = {"mean": statistics.mean(found), "deviation": deviation, "each": found}
    return {
        "steps": given.steps,
        "seeds": len(losses),
        "load": load,
        "clip": [LEARN_BATCH, 3, *LEARN_CLIP],
        "losses": losses,
        "beside theirs": differences,
        **machine(given, device),
    }


def families_part(given, device, known, keep):
    values = device_rates.measured(given, given.compute)
    write_result(device_rates.RESULTS, "device_rates", values, device_rates.page(values))
    print(device_rates.page(values))
    return {"device": values["device"]}


PARTS = {"speed": speed_part, "losses": losses_part, "families": families_part}


def machine(given, device):
    card = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return {
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores{card}",
        "bfloat16 instructions": sorted(cpu_flags() & {"avx512_bf16", "amx_bf16"}),
        "threads": given.threads,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS))
    parser.add_argument("--out", default=str(RESULTS))
    device_rates.add_options(parser)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = choose_device(given.device)
    given.compute = device_rates.choose_compute(given.device, "auto", "auto")
    parts = given.parts or (["speed", "losses"] if device.type == "cpu" else list(PARTS))
    path = Path(given.out) / "backbone_speed.json"
    values = json.loads(path.read_text()) if path.exists() else {}

    def keep(name, part):
        values[name] = part
        path.write_text(json.dumps(values, indent=1) + "\n")

    for name in parts:
        keep(name, PARTS[name](given, device, values.get(name, {}), partial(keep, name)))
    text = page(values)
    write_result(path.parent, "backbone_speed", values, text)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
