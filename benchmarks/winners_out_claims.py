"""What the paper claims, and whether planted worlds agree: computed from paired differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whenabouts.data.worlds.timelines import Kind
from winners_out_figures import Estimate, estimates
from winners_out_rows import FIG8, III, IV, ROWS, STEPS_TABLE, SWEEP, TRAIN, USE, VI, VII, Row, V, trained, use_key

Cells = Mapping[str, Any]
SAME = 0.02  # Two rows are called the same when the whole interval of their difference is this near to 0.


@dataclass(frozen=True)
class Claim:
    """`better` is said to lie above `worse` (or, with `same`, beside it); rows by table and beginning of their name."""

    text: str
    better: tuple[str, str]
    worse: tuple[str, str]
    paper: str
    kinds: tuple[Kind, ...] = ("thumos14", "activitynet")
    same: bool = False


TH: tuple[Kind, ...] = ("thumos14",)
AN: tuple[Kind, ...] = ("activitynet",)
CLAIMS = (
    Claim("Removing winners once helps (III)", (III, "WO-Step2"), (III, "WO-Step1"), "+2.2, +2.7"),
    Claim("... and more than as many epochs without removal do", (III, "WO-Step2"),
          (III, "control: nothing removed, epochs of two"), "no such control"),
    Claim("Removing them twice is worse than once (III)", (III, "WO-Step2"), (III, "WO-Step3"), "+1.2, +0.8"),
    Claim("... also where the control has as many epochs as three rounds", (III, "WO-Step3"),
          (III, "control: nothing removed, epochs of three"), "no such control"),
    Claim("Testing in steps helps a model trained without removal (IV)", (IV, "Train + WO Test"), (IV, "Train + Test"),
          "+0.6, +2.5"),
    Claim("... and more than taking as many winners at one step", (IV, "Train + WO Test"),
          (IV, "control: Train, all winners"), "no such control"),
    Claim("Removal in training helps where testing is not in steps (IV)", (IV, "WO Train + Test"), (IV, "Train + Test"),
          "+0.2, +1.2"),
    Claim("Removal in training and steps in testing together are best (IV)", (IV, "WO Train + WO Test"),
          (IV, "Train + WO Test"), "+2.2, +1.4"),
    Claim("Class-specific scores beat CAM (V)", (V, "class-specific"), (V, "CAM"), "+0.8"),
    Claim("Class-specific scores beat attention as the score (VI-C)", (V, "class-specific"), (V, "attention"), "+1.3"),
    Claim("18 attentions beat one (VI)", (VI, "M = 18"), (VI, "M = 1"), "+2.7"),
    Claim("24 attentions are worse than 18 (VI)", (VI, "M = 18"), (VI, "M = 24"), "+0.5"),
    Claim("30 attentions are worse than 18 (VI)", (VI, "M = 18"), (VI, "M = 30"), "+0.5"),
    Claim("The shift's beta changes little (VII)", (VII, "with beta"), (VII, "without beta"), "small", same=True),
    Claim("More segments are better for short instances (Fig. 8)", (FIG8, "K = 800"), (FIG8, "K = 400"), "+3.5", TH),
    Claim("Fewer segments are better for long instances (Fig. 8)", (FIG8, "K = 200"), (FIG8, "K = 400"), "+2.8", AN),
    Claim("p = 30 of 400 beats p = 15, as many in all", (TRAIN, "as in"), (TRAIN, "p = 15"), "said, not shown"),
    Claim("p = 30 of 400 beats p = 60, as many in all", (TRAIN, "as in"), (TRAIN, "p = 60"), "said, not shown"),
    Claim("The penalty at 0.1 works well", (TRAIN, "penalty 0.1"), (TRAIN, "as in"), "said, not shown"),
    Claim("gamma = 10 (the motion stream counts more)", (USE, "gamma = 10"), (USE, "as in"), "said, not shown"),
    Claim("Ten test steps beat six", (STEPS_TABLE, "10 steps"), (STEPS_TABLE, "6 steps"), "ten chosen"),
    Claim("Two classes per video beat those above a probability", (USE, "q: always the two"), (USE, "as in"),
          "two chosen"),
    Claim("Sweep: removal beats equal epochs where no instance is weak (should fail)", (SWEEP, "two rounds, weak 0"),
          (SWEEP, "one round, epochs of two, weak 0"), "should fail"),
    Claim("Sweep: removal beats equal epochs where 80 % are weak", (SWEEP, "two rounds, weak 0.8"),
          (SWEEP, "one round, epochs of two, weak 0.8"), "should hold"),
    Claim("Sweep: class-specific beats attention with one concept per video (should fail)",
          (SWEEP, "two rounds, several 0"), (SWEEP, "attention, several 0"), "should fail"),
    Claim("Sweep: class-specific beats attention with several concepts in every video",
          (SWEEP, "two rounds, several 1"), (SWEEP, "attention, several 1"), "should hold"),
)  # fmt: skip


def row_named(place: tuple[str, str]) -> Row:
    """The first row of a table whose name begins so."""
    return next(row for row in ROWS if row.table == place[0] and row.name.startswith(place[1]))


def uses_of(kind: Kind, cells: Cells, row: Row) -> dict[int, dict[str, Any]]:
    """The row's figures by seed, as far as they were made."""
    key = use_key(row)
    made = cells.get(trained(kind, row), {})
    return {seed: cell["uses"][key] for seed, cell in made.items() if key in cell["uses"]}


@dataclass(frozen=True)
class Judged:
    """A claim on one kind of world: the difference in average mAP and at 0.5, and the word for it."""

    claim: Claim
    kind: Kind
    average: Estimate
    half: Estimate
    worlds: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"claim": self.claim.text, "world": self.kind, "average": self.average.to_json(),
                "half": self.half.to_json(), "paper_half": self.claim.paper, "verdict": self.verdict,
                "worlds": self.worlds}  # fmt: skip

    @property
    def verdict(self) -> str:
        """By the average over tIoU 0.1 to 0.7."""
        low, high = self.average.low, self.average.high
        if self.claim.same:
            return "holds" if low > -SAME and high < SAME else "does not hold" if low > 0 or high < 0 else "open"
        return "holds" if low > 0 else "does not hold: the other way round" if high < 0 else "not told apart"


def judged(cells: Mapping[Kind, Cells]) -> list[Judged]:
    """All claims whose rows were made."""
    found = []
    for claim in CLAIMS:
        for kind in claim.kinds:
            better, worse = (uses_of(kind, cells[kind], row_named(place)) for place in (claim.better, claim.worse))
            if set(better) & set(worse):
                found.append(Judged(claim, kind, *estimates(better, worse), len(set(better) & set(worse))))
    return found
