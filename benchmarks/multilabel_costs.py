"""Table 4: what the head costs at 157 and at 1,024 activities, with and without correlation, at the paper's sizes."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from multilabel_nets import weights_of
from whenabouts.core.files import read_json, write_json
from whenabouts.nets.activity_heads import ActivityHead, Classifier, PooledHead

WIDTH, POSITIONS, OBSERVATIONS, HIDDEN, GROUPS = 2048, 196, 64, 128, 32  # CSN-152, 32 frames of 224 x 224
PAPER = {157: ("1.6 M", "0.32"), 1024: ("1.7 M", "0.33")}
KINDS: tuple[Classifier, ...] = ("shared", "rows")
_TIMED = 15


def costs(work: Path) -> list[dict[str, Any]]:
    """Rows of Table 4, measured once and kept in the work folder."""
    path = work / "costs.json"
    if not path.exists():
        rows = [_head_costs(activities, classifier, correlation)
                for activities in PAPER for classifier in KINDS for correlation in (False, True)]  # fmt: skip
        rows += [_measured(f"mean pooling, {count} activities", PooledHead(WIDTH, count), count) for count in PAPER]
        write_json(path, {"rows": rows, "load": round(os.getloadavg()[0], 1)}, indent=None)
    found: list[dict[str, Any]] = read_json(path)["rows"]
    return found


def _head_costs(activities: int, classifier: Classifier, correlation: bool) -> dict[str, Any]:
    mask = torch.zeros(activities, activities) if correlation else None
    head = ActivityHead(WIDTH, activities, observations=OBSERVATIONS, hidden=HIDDEN, groups=GROUPS,
                        classifier=classifier, co_occurrence=mask)  # fmt: skip
    name = f"{classifier} classifier, {activities} activities, {'with' if correlation else 'without'} correlation"
    row = _measured(name, head, activities)
    row["formula_gmacs"] = round(formula_macs(activities, correlation) / 1e9, 4)
    if classifier == "shared" and not correlation:
        row["paper"] = PAPER[activities]
    return row


def formula_macs(activities: int, correlation: bool) -> int:
    """Multiply-adds of the equations as they are written, in their order."""
    maps = 3 * OBSERVATIONS * WIDTH * HIDDEN // GROUPS * POSITIONS
    attending = 2 * OBSERVATIONS * POSITIONS * HIDDEN
    mixing = 2 * activities * OBSERVATIONS * HIDDEN
    related = 2 * activities * activities * HIDDEN + 2 * activities * HIDDEN * HIDDEN // GROUPS
    return maps + attending + mixing + related * correlation + activities * HIDDEN * (1 + correlation)


@torch.inference_mode()
def _measured(name: str, head: torch.nn.Module, activities: int) -> dict[str, Any]:
    clip = torch.randn(1, WIDTH, POSITIONS)
    head.eval()
    with FlopCounterMode(display=False) as counter:
        head(clip)
    spent = []
    for _ in range(_TIMED):
        began = time.process_time()
        head(clip)
        spent.append(time.process_time() - began)
    macs, spent_ms = round(counter.get_total_flops() / 2e9, 4), round(1000 * float(np.median(spent)), 2)
    return {"name": name, "activities": activities, "weights": weights_of(head), "gmacs": macs, "cpu_ms": spent_ms}
