"""What the tables of winners-out hold: trainings, and rows that use a trained model in one way or another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whenabouts.data.worlds.timelines import Kind
from winners_out_rivals import SETTINGS, WINNERS_OUT, ways_of

Changes = Mapping[str, Any]
SEGMENTS: Mapping[Kind, int] = {"thumos14": 400, "activitynet": 200}
BASE: Changes = {"attentions": 18, "epochs": 20, "rounds": 2, "winners_share": 0.075, "test_steps": 6}
STEPS = 6


@dataclass(frozen=True)
class Training:
    """One model to train: settings laid over those of all, and the world, where it is not the usual one."""

    name: str
    settings: Changes = field(default_factory=dict)
    localizer: str = "winners-out"
    weak: float | None = None
    several: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of a table: a training, used with some settings changed, and the paper's mAP@0.5 in percent by world."""

    table: str
    name: str
    training: str
    use: Changes = field(default_factory=dict)
    paper: Mapping[str, float] = field(default_factory=dict)


def both(thumos14: float, activitynet: float) -> dict[str, float]:
    return {"thumos14": thumos14, "activitynet": activitynet}


ROUNDS = (
    Training("one round", {"rounds": 1}),
    Training("two rounds"),
    Training("three rounds", {"rounds": 3}),
    Training("one round, epochs of two", {"rounds": 1, "epochs": 40}),
    Training("one round, epochs of three", {"rounds": 1, "epochs": 60}),
)
SCORES = (Training("CAM", {"scores": "cam"}), Training("attention", {"scores": "attention"}))
NUMBERS = tuple(Training(f"M = {m}", {"attentions": m}) for m in (1, 5, 10, 16, 20, 22, 24, 30))
LENGTHS = tuple(Training(f"K = {k}", {"segment_count": k}) for k in (100, 200, 400, 800))
OTHERS = (
    Training("shift bias", {"shift_bias": True}),
    Training("begun anew", {"restart": True}),
    Training("bias by position", {"attention_bias": "position"}),
    Training("erased by the mean", {"erasing": "mean"}),
    Training("rounds stop by themselves", {"rounds": 5, "stop_below": 0.9}),
    Training("penalty 0.01", {"penalty": 0.01}),
    Training("penalty 0.1", {"penalty": 0.1}),
    Training("p = 15 of 400", {"winners_share": 0.0375, "test_steps": 2 * STEPS}),
    Training("p = 60 of 400", {"winners_share": 0.15, "test_steps": STEPS // 2}),
)
WEAK = tuple(
    Training(f"{name}, weak {weak:g}", changes, weak=weak)
    for weak in (0.0, 0.8)
    for name, changes in (("two rounds", {}), ("one round, epochs of two", {"rounds": 1, "epochs": 40}))
)
SEVERAL = tuple(
    Training(f"{name}, several {several:g}", changes, several=several)
    for several in (0.0, 1.0)
    for name, changes in (("two rounds", {}), ("attention", {"scores": "attention"}))
)

NUMBER_PAPER = {1: 14.30, 5: 15.26, 10: 16.10, 16: 16.75, 18: 17.02, 20: 16.96, 22: 16.54, 24: 16.51, 30: 16.54}
MAIN: Mapping[Kind, tuple[Training, ...]] = dict.fromkeys(SEGMENTS, (*ROUNDS, *SCORES))
REST: Mapping[Kind, tuple[Training, ...]] = dict.fromkeys(SEGMENTS, (*LENGTHS, *NUMBERS, *OTHERS, *WEAK, *SEVERAL))

III, IV, V, VI, VII, FIG8 = "III", "IV", "V", "VI", "VII", "Fig. 8"
STEPS_TABLE, USE, TRAIN, SWEEP, RIVALS = "Test steps", "Use", "Training", "Sweeps", "Rivals"
RIVAL_TRAININGS = tuple(Training(name, table, "multiple-instance") for name, table in SETTINGS.items())
TITLES = {
    III: "Table III: rounds of training with winners removed between them",
    IV: "Table IV: removal in training, steps in testing",
    V: "Table V and section VI-C: which scores",
    VI: "Table VI: number of attentions M",
    VII: "Table VII: the shift's beta",
    FIG8: "Fig. 8: number of segments K",
    STEPS_TABLE: "Test steps",
    TRAIN: "Other trainings",
    USE: "Other uses of the model of two rounds",
    SWEEP: "Two claims taken to where they should fail",
    RIVALS: "All trials of the rivals",
}
_ONE = {"test_steps": 1}
ROWS = (
    Row(III, "WO-Step1: one round", "one round", paper=both(14.8, 24.3)),
    Row(III, "WO-Step2: two rounds", "two rounds", paper=both(17.0, 27.0)),
    Row(III, "WO-Step3: three rounds", "three rounds", paper=both(15.8, 26.2)),
    Row(III, "control: nothing removed, epochs of two rounds", "one round, epochs of two"),
    Row(III, "control: nothing removed, epochs of three rounds", "one round, epochs of three"),
    Row(IV, "Train + Test", "one round", _ONE, both(14.2, 23.1)),
    Row(IV, "Train + WO Test", "one round", paper=both(14.8, 25.6)),
    Row(IV, "WO Train + Test", "two rounds", _ONE, both(14.4, 24.3)),
    Row(IV, "WO Train + WO Test", "two rounds", paper=both(17.0, 27.0)),
    Row(IV, "control: WO Train, all winners at one step", "two rounds", {"test_steps": 1, "winners_share": 0.45}),
    Row(IV, "control: Train, all winners at one step", "one round", {"test_steps": 1, "winners_share": 0.45}),
    Row(V, "CAM", "CAM", paper={"thumos14": 16.2}),
    Row(V, "class-specific scores", "two rounds", paper={"thumos14": 17.0}),
    Row(V, "attention as the score", "attention", paper={"thumos14": 15.7}),
    *(Row(VI, f"M = {m}", f"M = {m}" if m != 18 else "two rounds", paper={"thumos14": NUMBER_PAPER[m]})
      for m in NUMBER_PAPER),
    Row(VII, "without beta", "two rounds", paper={"thumos14": 17.0}),
    Row(VII, "with beta (shift bias)", "shift bias"),
    *(Row(FIG8, f"K = {k}", f"K = {k}") for k in (100, 200, 400, 800)),
    *(Row(STEPS_TABLE, f"{steps} steps of 7.5 %", "two rounds", {"test_steps": steps}) for steps in (1, 2, 4, 6, 10)),
    Row(TRAIN, "as in the other tables", "two rounds"),
    *(Row(TRAIN, each.name, each.name) for each in OTHERS if each.name != "shift bias"),
    Row(USE, "as in the other tables", "two rounds"),
    Row(USE, "q: always the two best classes (paper)", "two rounds", {"class_threshold": 1.0, "top_classes": 2}),
    Row(USE, "q: always the best class", "two rounds", {"class_threshold": 1.0, "top_classes": 1}),
    *(Row(USE, f"gamma = {g:g}", "two rounds", {"stream_weights": {"flow": float(g)}}) for g in (0, 10)),
    Row(USE, "score of the first step", "two rounds", {"score": "first_step"}),
    Row(USE, "mean score (paper), no credit for length", "two rounds", {"length_credit": 0.0, "score_scale": "none"}),
    Row(USE, "winners of any sign", "two rounds", {"positive_only": False}),
    Row(USE, "class mean left in", "two rounds", {"centred": False}),
    Row(USE, "nested proposals", "two rounds", {"proposals": "nested"}),
    Row(USE, "many thresholds, scored by contrast", "two rounds", {"proposals": "contrast"}),
    *(Row(SWEEP, each.name, each.name) for each in (*WEAK, *SEVERAL)),
    *(Row(RIVALS, f"{WINNERS_OUT}: {way}", "two rounds", use) for way, use in ways_of("two rounds").items()),
    *(Row(RIVALS, f"{rival.name}: {way}", rival.name, use) for rival in RIVAL_TRAININGS
      for way, use in ways_of(rival.name).items()),
)  # fmt: skip


def rows_of(kind: Kind, training: str) -> list[Row]:
    """Different uses of one training: rows of the same use stand once."""
    found: dict[str, Row] = {}
    for row in ROWS:
        if trained(kind, row) == training:
            found.setdefault(use_key(row), row)
    return list(found.values())


def trained(kind: Kind, row: Row) -> str:
    """The training that a row stands on: the usual one where it only says what is usual."""
    return "two rounds" if row.training == f"K = {SEGMENTS[kind]}" else row.training


def use_key(row: Row) -> str:
    """The key of a row's use within its training's cell."""
    return ", ".join(f"{name}={value}" for name, value in sorted(row.use.items())) or "as trained"
