"""Pictures of what `evaluate` measures: precision against recall, each class, kinds of error; needs matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whenabouts.evaluation.curves import RECALL, PrecisionRecall
from whenabouts.evaluation.error_kinds import KINDS, ErrorKinds
from whenabouts.evaluation.moments import MomentScores
from whenabouts.page.pictures import FAINT, INK, finish, in_legend, plain, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 9  # So many classes get a colour and a name of their own; of more, only the mean is told apart.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#332288", "#999933")
_KINDS = ("#228833", "#ccbb44", "#ee6677", "#66ccee", "#aa3377", "#bbbbbb")


def draw_precision_recall(curves: PrecisionRecall, path: Path) -> None:
    """A line for each class, and the mean of their envelopes in bold."""
    figure, axes = _figure(7.0, 5.0)
    few = len(curves.labels) <= NAMED
    for number, (label, recall, precision) in enumerate(
        zip(curves.labels, curves.recall, curves.precision, strict=True)
    ):
        look: dict[str, Any] = {"color": _COLOURS[number % len(_COLOURS)], "label": in_legend(label), "marker": "."}
        other: dict[str, Any] = {"color": FAINT, "label": "a class" if number == 0 else None}
        axes.plot(recall, precision, linewidth=1.1, markersize=4, **(look if few else other))
    mean = curves.envelope.mean(axis=0) if len(curves.labels) else np.zeros(len(RECALL))
    axes.plot(RECALL, mean, color=INK, linewidth=2.2, label="mean of all classes")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    _title(axes, f"Precision and recall of {len(curves.labels)} classes at tIoU {curves.tiou:.4g}")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False, labelcolor=INK)
    finish(figure, path, legend=False)


def draw_class_precision(scores: MomentScores, path: Path, *, column: int = 0) -> None:
    """A bar for each class, best first: its average precision at one threshold, and a tick for the mean of all."""
    order = np.argsort(scores.average_precision[:, column], kind="stable")
    values = scores.average_precision[order, column]
    figure, axes = _figure(7.0, 1.2 + 0.24 * max(len(order), 2))
    places, mean = np.arange(len(order)), scores.average_precision[order].mean(axis=1)
    axes.barh(places, values, color="#88aacc", height=0.66, label=f"at tIoU {scores.tiou[column]:.4g}")
    if len(scores.tiou) > 1:
        name = f"mean over tIoU {scores.tiou.min():.4g} to {scores.tiou.max():.4g}"
        axes.plot(mean, places, "|", color=INK, markersize=11, label=name)
    axes.set_yticks(places, [plain(scores.labels[row]) for row in order], parse_math=False)
    axes.set(xlim=(0, 1.0), ylim=(-0.6, len(order) - 0.4), xlabel="average precision")
    _title(axes, f"Average precision of each class; mAP {scores.map[column]:.3f} at tIoU {scores.tiou[column]:.4g}")
    figure.legend(loc="outside lower right", fontsize=8, frameon=False, labelcolor=INK, ncols=2)
    finish(figure, path, legend=False)


def draw_error_kinds(kinds: ErrorKinds, path: Path) -> None:
    """Left, shares of each kind among the k times as many best predictions as instances; right, what each costs."""
    figure, axes = _figure(9.0, 4.0, panels=2)
    steps, below = np.arange(1, len(kinds.shares) + 1), np.zeros(len(kinds.shares))
    for number, name in enumerate(KINDS):
        axes[0].bar(steps, kinds.shares[:, number], bottom=below, color=_KINDS[number], label=name, width=0.85)
        below = below + kinds.shares[:, number]
    axes[0].set(xlabel="best predictions, in times the number of instances", ylabel="share", ylim=(0, 1))
    axes[0].set_xticks(steps, [f"{step}G" for step in steps])
    _title(axes[0], "Kinds of error")
    places = np.arange(len(KINDS) - 1)
    axes[1].barh(places, 100 * kinds.gains[1:], color=_KINDS[1:], height=0.66)
    axes[1].set_yticks(places, KINDS[1:])
    axes[1].invert_yaxis()
    axes[1].axvline(0, color=INK, linewidth=0.8)
    axes[1].set(xlabel="points of normalised average mAP gained without it")
    _title(axes[1], "What each kind costs")
    figure.legend(loc="outside lower left", fontsize=8, frameon=False, labelcolor=INK, ncols=len(KINDS))
    finish(figure, path, legend=False)


def _figure(width: float, height: float, *, panels: int = 1) -> tuple["Figure", Any]:
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    made = figure.subplots(1, panels, squeeze=False)[0]
    for axes in made:
        axes.tick_params(labelsize=8, colors=INK, length=2)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure, made[0] if panels == 1 else made


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=INK)
