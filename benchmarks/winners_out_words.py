"""What came of the paper's claims, how methods compare, and whom winners touch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whenabouts.data.worlds.timelines import Kind
from winners_out_claims import Cells, Judged
from winners_out_figures import Estimate, estimates
from winners_out_rivals import PRESETS, VALIDATION_SEED, WINNERS_OUT, ways_of
from winners_out_rows import Row, use_key

NAMES: Mapping[Kind, str] = {"thumos14": "THUMOS14-like", "activitynet": "ActivityNet-like"}


@dataclass(frozen=True)
class Compared:
    """One method as its validation chose it: figures, and its lead over winners-out (None for itself)."""

    name: str
    way: str
    validated: Mapping[str, float]
    average: Estimate
    half: Estimate
    lead: Estimate | None
    per_seed: Mapping[int, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"method": self.name, "chosen": self.way, "validation": dict(self.validated),
                "average": self.average.to_json(), "half": self.half.to_json(),
                "lead": None if self.lead is None else self.lead.to_json(),
                "lead_per_seed": {str(seed): value for seed, value in self.per_seed.items()}}  # fmt: skip


def compared(kind: Kind, cells: Cells) -> list[Compared]:
    """Winners-out and each rival that was validated and made."""
    names = {"two rounds": WINNERS_OUT} | {name: name for name in PRESETS}
    found, usual = list[Compared](), dict[int, Any]()
    for training, name in names.items():
        tried, made = cells["validation"].get(training, {}), cells.get(training, {})
        if not tried or not made:
            continue
        keys = {way: use_key(Row("", "", training, use)) for way, use in ways_of(training).items()}
        trial = tried[VALIDATION_SEED]["uses"]
        reached = {way: round(float(np.mean(trial[key]["map"])), 5) for way, key in keys.items() if key in trial}
        if not reached:
            continue
        way = max(reached, key=lambda each: reached[each])
        mine = {seed: cell["uses"][keys[way]] for seed, cell in made.items() if keys[way] in cell["uses"]}
        if not mine:
            continue
        lead = estimates(mine, usual)[0] if usual else None
        apart = {seed: round(float(np.mean(use["map"]) - np.mean(usual[seed]["map"])), 5)
                 for seed, use in mine.items() if seed in usual}  # fmt: skip
        usual = usual or mine
        found.append(Compared(name, way, reached, *estimates(mine), lead, apart))
    return found


def methods_page(cells: Mapping[Kind, Cells]) -> Iterator[str]:
    """The methods side by side."""
    yield "## Winners-out and its rivals\n"
    yield (
        f"Each rival had four trials, ways of use, and winners-out five, on a world that no table holds (seed "
        f"{VALIDATION_SEED}, of either kind); each stands here in the way that was best there, and 'All trials' below "
        "has every way. Rivals are presets of the multiple-instance localizer; they have 40 epochs, as many as two "
        "rounds. Our own is used in one way, as it is by default: its settings, and what rivals reach with as many "
        "trials, are in localizer_tuning.md, on worlds that no table holds. `lead` is over winners-out, paired; then "
        "the lead on each world.\n"
    )
    for kind, made in cells.items():
        rows = compared(kind, made)
        if not rows:
            continue
        yield f"{NAMES[kind]}:\n"
        yield "| method | way | validation | mAP 0.1:0.7 | mAP@0.5 | lead | by world |"
        yield "|---|---|---|---|---|---|---|"
        for row in rows:
            lead = "" if row.lead is None else told(row.lead.to_json(), sign=True)
            apart = ", ".join(f"{100 * value:+.1f}" for value in row.per_seed.values())
            yield (f"| {row.name} | {row.way} | {100 * row.validated[row.way]:.1f} | {told(row.average.to_json())} | "
                   f"{told(row.half.to_json())} | {lead} | {apart} |")  # fmt: skip
        yield ""


def verdicts(claims: Sequence[Judged]) -> Iterator[str]:
    """Every claim with its difference."""
    yield "## The paper's claims\n"
    yield (
        "The difference is that of the average mAP, in points; `paper` is what it says of mAP@0.5 on THUMOS14, "
        "ActivityNet 1.3. A claim holds where the whole interval lies above 0.\n"
    )
    yield "| claim | world | difference | at 0.5 | paper | here |"
    yield "|---|---|---|---|---|---|"
    for each in claims:
        yield (f"| {each.claim.text} | {NAMES[each.kind]} | {told(each.average.to_json(), sign=True)} | "
               f"{told(each.half.to_json(), sign=True)} | {each.claim.paper} | {each.verdict} |")  # fmt: skip
    yield ""


def winners_page(winners: Mapping[Kind, Mapping[str, Any]]) -> Iterator[str]:
    """Whom winners touch."""
    yield "## Winner takes all, as a number\n"
    yield "Share of instances that a winner has touched (strong / weak), in percent.\n"
    for kind, shares in winners.items():
        yield f"{NAMES[kind]}, training half, after each removal; and were as many segments removed at random:\n"
        yield "| removal | winners | at random |\n|---|---|---|"
        for number, (mine, random) in enumerate(zip(shares["training"], shares["at_random"], strict=True)):
            yield f"| {number + 1} | {_both(mine)} | {_both(random)} |"
        testing = shares["testing"]
        yield f"\n{NAMES[kind]}, test half, after each test step, by rounds of training:\n"
        yield "| step | " + " | ".join(testing) + " |\n|---" + "|---" * len(testing) + "|"
        for step in range(len(next(iter(testing.values())))):
            yield f"| {step + 1} | " + " | ".join(_both(rows[step]) for rows in testing.values()) + " |"
        yield ""


def told(values: Sequence[float], *, sign: bool = False) -> str:
    """A mean with its interval in percent, differences with their signs."""
    mean, low, high = (100 * value for value in values)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" if sign else f"{mean:.1f} ({max(low, 0.0):.1f} to {high:.1f})"


def _both(row: Mapping[str, float]) -> str:
    return f"{100 * row['strong']:.0f} / {100 * row['weak']:.0f}"
