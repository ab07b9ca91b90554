"""Rows of the multi-label tables: which head, learned and tested how, with the paper's figures beside."""

from dataclasses import dataclass, field, replace
from typing import Any

from multilabel_worlds import WORLDS


@dataclass(frozen=True)
class Model:
    """A head, its options, and how it learns: `tuned` names the rival whose rate and dropout it takes."""

    name: str
    kind: str
    tuned: str
    options: dict[str, Any] = field(default_factory=dict)
    speeds: tuple[int, ...] = ()
    joint: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a table: a model in a world, read through `views` and `output`, and the paper's mAP."""

    table: str
    name: str
    model: str
    world: str = "base"
    views: str = "4"
    output: str = "mean"
    paper: str = ""


HEAD, PLAIN = "head", "head, no correlation"
_ROWS: dict[str, Any] = {"classifier": "rows", "correlation": True}
_OWN: dict[str, Any] = {"classifier": "rows", "correlation": False}
_SHARED: dict[str, Any] = {"classifier": "shared", "correlation": True}
_EXACT: dict[str, Any] = {"classifier": "shared", "correlation": False}

RIVALS = (
    Model("mean", "mean", "mean"),
    Model("max", "max", "max"),
    Model("log-sum-exp", "logsumexp", "log-sum-exp"),
    Model("mean, as many weights", "wide", "mean, as many weights"),
    Model("log-sum-exp, as many weights", "wide-lse", "log-sum-exp, as many weights"),
    Model("temporal attention", "temporal", "temporal attention"),
    Model("non-local", "nonlocal", "non-local"),
    Model("decoupled attention", "decoupled", "decoupled attention"),
    Model("no activity-specific", "tokens", "no activity-specific"),
    Model(HEAD, "head", HEAD, _ROWS),
    Model(PLAIN, "head", PLAIN, _OWN),
    Model("shared classifier", "head", "shared classifier", _SHARED),
    Model("paper exact, no correlation", "head", "paper exact, no correlation", _EXACT),
)  # Each has as many trials in tuning.
BY_NAME = {model.name: model for model in RIVALS}
_SIZES = (
    *(replace(BY_NAME[PLAIN], name=f"n = {n}", options={**_OWN, "groups": n}) for n in (1, 8, 64)),
    *(replace(BY_NAME[PLAIN], name=f"K = {k}", options={**_OWN, "observations": k}) for k in (16, 32, 128)),
    replace(BY_NAME[PLAIN], name="K = 16, n = 1", options={**_OWN, "observations": 16, "groups": 1}),
    replace(BY_NAME[HEAD], name="mean query", options={**_ROWS, "query": "last"}),
    replace(BY_NAME[HEAD], name="scaled", options={**_ROWS, "scaled": True}),
    replace(BY_NAME[HEAD], name="viewpoint", options={**_ROWS, "viewpoint": "mean"}),
    replace(BY_NAME[HEAD], name="row shares", options={**_ROWS, "row_shares": True}),
)
_SPEEDS = (
    replace(BY_NAME[HEAD], name="head, further at 4", speeds=(4,)),
    replace(BY_NAME[HEAD], name="head, tuned 2+4", speeds=(2, 4)),
    replace(BY_NAME[HEAD], name="head, tuned 2+4+8", speeds=(2, 4, 8)),
    replace(BY_NAME["mean"], name="mean, further at 4", speeds=(4,)),
    replace(BY_NAME["mean"], name="mean, tuned 2+4+8", speeds=(2, 4, 8)),
    replace(BY_NAME["log-sum-exp"], name="log-sum-exp, further at 4", speeds=(4,)),
    replace(BY_NAME["log-sum-exp"], name="log-sum-exp, tuned 2+4+8", speeds=(2, 4, 8)),
)
_JOINT = tuple(
    replace(BY_NAME[name], name=f"{name}, jointly", joint=True)
    for name in ("mean", "mean, as many weights", "log-sum-exp", HEAD, PLAIN)
)
MODELS = {model.name: model for model in (*RIVALS, *_SIZES, *_SPEEDS, *_JOINT)}

T1, T1J, T3A, T3B, T3C, T3D, T3E = (
    "Table 1: against the baselines, frozen backbone", "Table 1, trained jointly", "Table 3a: groups",
    "Table 3b: observations", "Table 3c: parts of the model", "Table 3d: speeds", "Table 3e: other attention",
)  # fmt: skip
OUTPUTS, CHOICES, SOUND = "Outputs: F_OA, F_OC, their mean", "Choices that the paper leaves open", "Sound"
_FLOOR = ("mean", "mean, as many weights", "log-sum-exp")  # in every table


def _floors(table: str, world: str = "base", **paper: str) -> tuple[Row, ...]:
    return tuple(Row(table, name, name, world, paper=paper.get(name, "")) for name in _FLOOR)


def _world_table(world: str) -> str:
    return f"World: {world}"


SWEPT = tuple(world for world in WORLDS if world != "base")
ROWS: tuple[Row, ...] = (
    *_floors(T1, mean="46.4"), Row(T1, "max", "max"),
    Row(T1, "log-sum-exp, as many weights", "log-sum-exp, as many weights"),
    Row(T1, "ours", HEAD, paper="49.2"),
    Row(T1, "ours + speed-invariant", "head, tuned 2+4+8", views="2+4+8", paper="50.3"),
    *(Row(T1J, name.removesuffix(", jointly"), name) for name in MODELS if name.endswith(", jointly")),
    *_floors(T3A), Row(T3A, "n = 1", "n = 1", paper="47.9"), Row(T3A, "n = 8", "n = 8", paper="48.3"),
    Row(T3A, "n = 32", PLAIN, paper="48.4"), Row(T3A, "n = 64", "n = 64", paper="48.1"),
    *_floors(T3B), Row(T3B, "K = 16", "K = 16", paper="46.1"), Row(T3B, "K = 16, n = 1", "K = 16, n = 1"),
    Row(T3B, "K = 32", "K = 32", paper="47.5"), Row(T3B, "K = 64", PLAIN, paper="48.4"),
    Row(T3B, "K = 128", "K = 128", paper="48.4"),
    *_floors(T3C, mean="46.4"), Row(T3C, "no activity-specific", "no activity-specific", paper="46.6"),
    Row(T3C, "no correlation", PLAIN, paper="48.4"), Row(T3C, "complete", HEAD, paper="49.2"),
    *_floors(T3D),
    Row(T3D, "4 only", "head, further at 4", paper="49.2"),
    Row(T3D, "2 + 4", "head, tuned 2+4", views="2+4", paper="49.9"),
    Row(T3D, "2 + 4 + 8", "head, tuned 2+4+8", views="2+4+8", paper="50.3"),
    Row(T3D, "2 + 4 + 8 in views alone", "head, further at 4", views="2+4+8"),
    Row(T3D, "2 + 4 + 8 in tuning alone", "head, tuned 2+4+8"),
    Row(T3D, "mean: 4 only", "mean, further at 4"),
    Row(T3D, "mean: 2 + 4 + 8", "mean, tuned 2+4+8", views="2+4+8"),
    Row(T3D, "log-sum-exp: 4 only", "log-sum-exp, further at 4"),
    Row(T3D, "log-sum-exp: 2 + 4 + 8", "log-sum-exp, tuned 2+4+8", views="2+4+8"),
    *_floors(T3E, mean="46.4"), Row(T3E, "temporal self-attention", "temporal attention", paper="46.3"),
    Row(T3E, "non-local block", "non-local", paper="46.7"),
    Row(T3E, "decoupled spatio-temporal attention", "decoupled attention", paper="46.4"),
    Row(T3E, "ours (no correlation)", PLAIN, paper="48.4"),
    *_floors(OUTPUTS), Row(OUTPUTS, "own features (F_OA)", HEAD, output="own"),
    Row(OUTPUTS, "correlated features (F_OC)", HEAD, output="correlated"), Row(OUTPUTS, "mean of both", HEAD),
    *_floors(CHOICES), Row(CHOICES, "rows of the classifier, correlation", HEAD),
    Row(CHOICES, "rows, no correlation", PLAIN), Row(CHOICES, "shared classifier, correlation", "shared classifier"),
    Row(CHOICES, "shared, no correlation (paper exact)", "paper exact, no correlation"),
    Row(CHOICES, "query by the last observation", "mean query"), Row(CHOICES, "scaled energies", "scaled"),
    Row(CHOICES, "asked from the mean of all positions", "viewpoint"),
    Row(CHOICES, "rows of the mask that sum to 1", "row shares"),
    *(row for world in SWEPT for row in (
        *_floors(_world_table(world), world), Row(_world_table(world), "no correlation", PLAIN, world),
        Row(_world_table(world), "complete", HEAD, world),
        Row(_world_table(world), "asked from the mean of all positions", "viewpoint", world))),
    *(Row(_world_table("one tempo"), name, model, "one tempo", views) for name, model, views in (
        ("4 only", "head, further at 4", "4"), ("2 + 4 + 8", "head, tuned 2+4+8", "2+4+8"))),
    *(Row(_world_table("single"), name, name, "single") for name in ("K = 16", "non-local")),
    *(Row(_world_table("large"), name, name, "large") for name in (
        "temporal attention", "non-local", "decoupled attention")),
    Row(_world_table("always together"), "no activity-specific", "no activity-specific", "always together"),
    *(Row(_world_table("shifted"), name, HEAD, "shifted", output=output) for name, output in (
        ("own features (F_OA)", "own"), ("correlated features (F_OC)", "correlated"))),
)  # fmt: skip
TABLES = tuple(dict.fromkeys(row.table for row in ROWS))


def cells_of(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
    """Each (world, model) once, in order."""
    return list(dict.fromkeys((row.world, row.model) for row in rows))
