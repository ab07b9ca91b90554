"""Forward and backward of the head for activities against the literal formula; and what is never built.

    python benchmarks/activity_head.py

writes benchmarks/results/activity_head.json and .md. A few rounds of either, in turn; three minutes of one core.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from provenance import write_result
from whenabouts.nets.activity_heads import ActivityHead

RESULTS = Path(__file__).parent / "results"
SIZES = {"paper": (2, 2048, 196, 157, 64), "small": (4, 512, 98, 20, 64)}
ROUNDS = 9


class Literal(nn.Module):
    """Equations 2 to 12 as they are written: every linear map at every position."""

    def __init__(self, head: ActivityHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, N) -> the logits (B, A) of both outputs."""
        head = self.head
        mapped = [self._everywhere(linear.weight, flat) for linear in (head.alpha, head.beta, head.gamma)]
        alpha, beta, gamma = mapped
        attention = torch.einsum("bkc,bkcn->bkn", beta[..., -1], gamma).softmax(-1)
        observations = torch.einsum("bkn,bkcn->bkc", attention, alpha)
        mixing = (head.queries @ observations.transpose(1, 2)).softmax(-1)
        own = mixing @ observations
        related = head.correlate(own) @ own
        first = (own * head.own_weight).sum(2) + head.own_bias
        return first, (related * head.related_weight).sum(2) + head.related_bias

    @staticmethod
    def _everywhere(weight: Tensor, flat: Tensor) -> Tensor:
        maps, groups, hidden, fan = weight.shape
        parts = flat.reshape(len(flat), groups, fan, -1)
        return torch.einsum("bgin,kgoi->bkgon", parts, weight).reshape(len(flat), maps, groups * hidden, -1)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.most = max(self.most, made.numel())
        return made


def measured(name: str) -> dict[str, object]:
    """Medians, ratios and sizes for one case."""
    batch, width, positions, activities, observations = SIZES[name]
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(activities, activities, generator=generator)
    head = ActivityHead(
        width, activities, observations=observations, co_occurrence=mask, dropout=0.0, generator=generator
    )
    literal, flat = Literal(head), torch.randn(batch, width, positions, generator=generator).relu()

    def ours() -> Tensor:
        outcome = head(flat)
        return torch.stack(outcome.outputs).square().mean()

    def theirs() -> Tensor:
        return torch.stack(literal(flat)).square().mean()

    with torch.no_grad():
        torch.testing.assert_close(torch.stack(head(flat).outputs), torch.stack(literal(flat)), rtol=1e-3, atol=1e-3)
    ratios, times = [], {"ours": [], "literal": []}  # type: ignore[var-annotated]
    for _ in range(ROUNDS):
        for which, run in (("ours", ours), ("literal", theirs)):
            head.zero_grad()
            began = time.perf_counter()
            run().backward()  # type: ignore[no-untyped-call]
            times[which].append(time.perf_counter() - began)
        ratios.append(times["literal"][-1] / times["ours"][-1])
    largest = {}
    for which, run in (("ours", ours), ("literal", theirs)):
        with Largest() as seen:
            run().backward()  # type: ignore[no-untyped-call]
        largest[which] = seen.most
    forbidden = batch * observations * 128 * positions
    return {
        "clips": batch, "channels": width, "positions": positions, "activities": activities,
        "ours_ms": 1000 * statistics.median(times["ours"]), "literal_ms": 1000 * statistics.median(times["literal"]),
        "ratio": statistics.median(ratios), "ratio_least": min(ratios), "ratio_most": max(ratios),
        "largest_ours": largest["ours"], "largest_literal": largest["literal"], "b_k_c_n": forbidden,
        "never_built": largest["ours"] < forbidden,
    }  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)
    began = os.getloadavg()
    rows = {name: measured(name) for name in SIZES}
    told = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread, torch {torch.__version__}",
        "load": [round(began[0], 2), round(os.getloadavg()[0], 2)], "rounds": ROUNDS, "rows": rows,
    }  # fmt: skip
    lines = [
        "# The head for activities against the literal formula", "",
        f"`python benchmarks/activity_head.py`; forward and backward, {ROUNDS} rounds in turn; {told['machine']}; load "
        f"{told['load'][0]} before, {told['load'][1]} after.", "",
        "| case | ours, ms | literal, ms | ratio (least to most) | largest tensor, ours | B x K x C' x THW |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in rows.items():
        spread = f"{row['ratio']:.1f} ({row['ratio_least']:.1f} to {row['ratio_most']:.1f})"
        times = f"{row['ours_ms']:.0f} | {row['literal_ms']:.0f}"
        lines.append(f"| {name} | {times} | {spread} | {row['largest_ours']:,} | {row['b_k_c_n']:,} |")
    write_result(out, "activity_head", told, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
