"""Learning rates over the steps of a run, as pure functions: nothing to save, nothing to restore."""

import math
from typing import Literal

ScheduleName = Literal["cosine", "step", "constant", "halvings"]


def rate_factor(
    step: int,
    *,
    steps: int,
    schedule: ScheduleName = "cosine",
    warmup: int = 0,
    warmup_from: float = 0.0,
    drops: tuple[int, ...] = (),
    drop_factor: float = 0.1,
    halvings: int = 0,
) -> float:
    """The share of the base learning rate at `step` of `steps` (0-based).

    The first `warmup` steps rise from `warmup_from` in a straight line, the last of them to 1. Then `cosine` falls to
    (almost) 0 at the end, `step` is multiplied by `drop_factor` at each of the steps in `drops`, `halvings` is divided
    by 2 so many times, at equal steps of the whole run (Ghadiyaram et al. 2019, section 3.3), and `constant` stays.
    """
    if step < warmup:
        return warmup_from + (1 - warmup_from) * (step + 1) / warmup
    if schedule == "halvings":
        return float(0.5 ** ((halvings + 1) * step // steps))
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    if schedule == "step":
        return float(drop_factor ** sum(step >= drop for drop in drops))
    return 1.0
