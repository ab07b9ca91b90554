"""What the multi-label paper claims, and what came of it: differences over seeds, also where they should fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from multilabel_rows import CHOICES, OUTPUTS, ROWS, T1, T1J, T3A, T3B, T3C, T3D, T3E, Row

Cells = Mapping[tuple[str, str], Mapping[int, Mapping[str, Any]]]
NEAR = 0.01  # mAP within which two rows are called the same


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: list[float]) -> "Estimate":
        """Of one value for each seed; no interval from one."""
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, float("nan"), float("nan"), len(values))
        reach = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
        return cls(mean, mean - reach, mean + reach, len(values))

    def told(self, *, sign: bool = False) -> str:
        """`48.4 (47.1 to 49.7)`, in percent."""
        form = "+.1f" if sign else ".1f"
        interval = "" if np.isnan(self.low) else f" ({100 * self.low:{form}} to {100 * self.high:{form}})"
        return f"{100 * self.mean:{form}}{interval}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        ends = [None if np.isnan(each) else round(each, 4) for each in (self.low, self.high)]
        return {"mean": round(self.mean, 4), "low": ends[0], "high": ends[1], "seeds": self.seeds}


@dataclass(frozen=True)
class Claim:
    """`better` is said to be above `worse` (with `same`: near it); both are (table, row). `swept`: it should fail."""

    text: str
    better: tuple[str, str]
    worse: tuple[str, str]
    paper: str = ""
    same: bool = False
    swept: bool = False


def _world(name: str) -> str:
    return f"World: {name}"


_MEAN, _WIDE, _LSE, _OWN, _WHOLE = "mean", "mean, as many weights", "log-sum-exp", "no correlation", "complete"
_SWEPT = {
    "single": "one activity a video", "shifted": "other things go together in the test",
    "unrelated": "nothing goes together", "always together": "activities are always of one scene",
    "one place": "all is done in one place", "large": "things are large and fill the picture",
    "one tempo": "all is done at one tempo", "nothing else": "nothing else is in the picture",
    "sound": "real sound", "sound, shifted": "real sound, other digits go together in the test",
    "sound, single": "real sound, one digit a stream",
}  # fmt: skip
CLAIMS = (
    Claim("The head beats the mean of the maps (1)", (T1, "ours"), (T1, _MEAN), "+2.8"),
    Claim("... and a pooled net with as many weights", (T1, "ours"), (T1, _WIDE), "no such rival"),
    Claim("... and a linear classifier of each position with log-sum-exp", (T1, "ours"), (T1, _LSE), "no such rival"),
    Claim("... and the same with a hidden layer, as many weights", (T1, "ours"), (T1, "log-sum-exp, as many weights"),
          "no such rival"),
    Claim("... and the plain maximum", (T1, "ours"), (T1, "max"), "no such rival"),
    Claim("... also trained jointly: against the mean", (T1J, "head"), (T1J, _MEAN), "+2.8"),
    Claim("... trained jointly: against as many weights", (T1J, "head"), (T1J, _WIDE), "no such rival"),
    Claim("... trained jointly: against log-sum-exp", (T1J, "head"), (T1J, _LSE), "no such rival"),
    Claim("Sweep: against the mean where things are large and fill the picture", (_world("large"), _WHOLE),
          (_world("large"), _MEAN), swept=True),
    Claim("Sweep: against the mean where nothing else is in the picture", (_world("nothing else"), _WHOLE),
          (_world("nothing else"), _MEAN), swept=True),
    Claim("Sweep: against the mean where all is done in one place", (_world("one place"), _WHOLE),
          (_world("one place"), _MEAN), swept=True),
    Claim("With one activity a video the head gains little (6: +0.5)", (_world("single"), _WHOLE),
          (_world("single"), _MEAN), "+0.5", same=True),
    Claim("Groups to 32 cost nothing (3a)", (T3A, "n = 32"), (T3A, "n = 1"), "+0.5", same=True),
    Claim("Sweep: groups to 32 cost nothing with 16 observations", (T3B, "K = 16"), (T3B, "K = 16, n = 1"), same=True,
          swept=True),
    Claim("64 groups cost something (3a)", (T3A, "n = 32"), (T3A, "n = 64"), "+0.3"),
    Claim("64 observations beat 16 (3b)", (T3B, "K = 64"), (T3B, "K = 16"), "+2.3"),
    Claim("128 observations are no better than 64 (3b)", (T3B, "K = 128"), (T3B, "K = 64"), "0.0", same=True),
    Claim("Sweep: 64 observations beat 16 with one activity a video", (_world("single"), _OWN),
          (_world("single"), "K = 16"), swept=True),
    Claim("Without activity-specific features there is nothing to gain (3c)", (T3C, "no activity-specific"),
          (T3C, _MEAN), "+0.2", same=True),
    Claim("Sweep: nothing to gain without them where activities are always of one scene",
          (_world("always together"), "no activity-specific"), (_world("always together"), _MEAN), same=True,
          swept=True),
    Claim("Correlation helps (3c)", (T3C, _WHOLE), (T3C, _OWN), "+0.8"),
    Claim("Sweep: correlation where activities are always of one scene", (_world("always together"), _WHOLE),
          (_world("always together"), _OWN)),
    Claim("Sweep: correlation where nothing goes together", (_world("unrelated"), _WHOLE),
          (_world("unrelated"), _OWN), swept=True),
    Claim("Sweep: correlation where other things go together in the test", (_world("shifted"), _WHOLE),
          (_world("shifted"), _OWN), swept=True),
    Claim("Correlated features are the better output", (OUTPUTS, "correlated"), (OUTPUTS, "own"), "not shown"),
    Claim("Sweep: correlated features where other things go together in the test", (_world("shifted"), "correlated"),
          (_world("shifted"), "own"), swept=True),
    Claim("The mean of both is the best output", (OUTPUTS, "mean of both"), (OUTPUTS, "correlated"), "not shown"),
    Claim("Three speeds beat one (3d)", (T3D, "2 + 4 + 8"), (T3D, "4 only"), "+1.1"),
    Claim("Three speeds beat two (3d)", (T3D, "2 + 4 + 8"), (T3D, "2 + 4"), "+0.4"),
    Claim("... it is the tuning, not the views alone", (T3D, "2 + 4 + 8"), (T3D, "2 + 4 + 8 in views alone"),
          "no such control"),
    Claim("... the plain mean gains as much", (T3D, "mean: 2 + 4 + 8"), (T3D, "mean: 4 only"), "no such control"),
    Claim("... log-sum-exp too", (T3D, "log-sum-exp: 2 + 4 + 8"), (T3D, "log-sum-exp: 4 only"), "no such control"),
    Claim("Sweep: three speeds where all is done at one tempo", (_world("one tempo"), "2 + 4 + 8"),
          (_world("one tempo"), "4 only"), swept=True),
    Claim("Other attention does not help: temporal (3e)", (T3E, "temporal"), (T3E, _MEAN), "-0.1", same=True),
    Claim("Other attention does not help: non-local (3e)", (T3E, "non-local"), (T3E, _MEAN), "+0.3", same=True),
    Claim("Other attention does not help: decoupled (3e)", (T3E, "decoupled"), (T3E, _MEAN), "0.0", same=True),
    *(Claim(f"Sweep: {name} attention does not help where things are large and fill the picture",
            (_world("large"), name), (_world("large"), _MEAN), same=True)
      for name in ("temporal", "non-local", "decoupled")),
    Claim("The head beats the best of them", (T3E, "ours"), (T3E, "non-local"), "+1.7"),
    Claim("Sweep: the head beats non-local with one activity a video", (_world("single"), _OWN),
          (_world("single"), "non-local"), swept=True),
    Claim("On real sound the head beats the mean", (_world("sound"), _WHOLE), (_world("sound"), _MEAN), "no sound"),
    Claim("... and log-sum-exp", (_world("sound"), _WHOLE), (_world("sound"), _LSE), "no sound"),
    Claim("On real sound correlation helps", (_world("sound"), _WHOLE), (_world("sound"), _OWN), "no sound"),
    Claim("Sweep: sound, correlation where other digits go together in the test", (_world("sound, shifted"), _WHOLE),
          (_world("sound, shifted"), _OWN), swept=True),
    *(Claim(f"Sweep: against log-sum-exp, {told}", (_world(world), _WHOLE), (_world(world), _LSE))
      for world, told in _SWEPT.items()),
    Claim("Observations had better ask from the mean of all positions", (CHOICES, "asked"), (CHOICES, "rows of the c"),
          "not shown"),
    *(Claim(f"... also {told}", (_world(world), "asked"), (_world(world), _WHOLE)) for world, told in _SWEPT.items()),
    Claim("A row of the classifier for each activity is better than one for all", (CHOICES, "rows, no"),
          (CHOICES, "shared, no"), "not shown"),
)  # fmt: skip


def row_named(place: tuple[str, str]) -> Row:
    """The row of a table with that name, else the first whose name begins so."""
    mine = [row for row in ROWS if row.table == place[0]]
    exact = [row for row in mine if row.name == place[1]]
    return (exact or [row for row in mine if row.name.startswith(place[1])])[0]


def maps_of(cells: Cells, row: Row) -> dict[int, float]:
    """mAP by seed, as far as cells were made."""
    made, key = cells.get((row.world, row.model), {}), f"{row.views} {row.output}"
    return {seed: each["read"][key]["map"] for seed, each in made.items() if key in each["read"]}


def difference(cells: Cells, better: Row, worse: Row) -> Estimate | None:
    """Mean paired difference over the seeds that both have."""
    one, other = maps_of(cells, better), maps_of(cells, worse)
    shared = sorted(set(one) & set(other))
    return Estimate.of([one[seed] - other[seed] for seed in shared]) if shared else None


def verdict(claim: Claim, lead: Estimate) -> str:
    """A word for what was found."""
    if np.isnan(lead.low):
        return "open: one seed"
    if claim.same:
        if lead.low > -NEAR and lead.high < NEAR:
            return "holds"
        return "does not hold" if lead.low > 0 or lead.high < 0 else "not told apart"
    return "holds" if lead.low > 0 else "does not hold: the other way round" if lead.high < 0 else "not told apart"
