"""Figures 1, 2 and 4 of the pre-training paper, drawn from the cells of the benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pretraining_rows import AMOUNTS, TARGETS

Cells = Sequence[Mapping[str, Any]]
LOOK = {"all": "-o", "fc": "--s"}
SPACES = ("actions", "verbs", "nouns", "verbs + nouns")


def values(cells: Cells, table: str, row: str, target: str, how: str) -> list[float]:
    """Top-1 in percent of a row, a seed each."""
    own = [cell for cell in cells if (cell["table"], cell["row"]) == (table, row)]
    found = [cell["figures"].get(target, {}).get(how) for cell in own]
    return [100 * one["top1"] for one in found if one is not None]


def draw(cells: Cells, path: Path) -> None:
    """Six panels; marks are means over the seeds, bars reach from the lowest to the highest."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(13, 7), layout="constrained")
    _amounts(panels[0, 0], cells, "near action", "Fig. 1a: near target")
    _amounts(panels[0, 1], cells, "kitchen action", "Fig. 1b: shifted target")
    _samplings(panels[0, 2], cells)
    _spaces(panels[1, 0], cells)
    _labels(panels[1, 1], cells, "Fig. 4a", "pairs", (9, 18, 36))
    _labels(panels[1, 2], cells, "Fig. 4b", "actions", (3, 6, 12))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _line(axes: Any, places: Sequence[float], rows: Sequence[Sequence[float]], look: str, label: str) -> None:
    known = [(place, own) for place, own in zip(places, rows, strict=True) if own]
    if not known:
        return
    means = [float(np.mean(own)) for _, own in known]
    reach = [[mean - min(own), max(own) - mean] for mean, (_, own) in zip(means, known, strict=True)]
    axes.errorbar([place for place, _ in known], means, np.transpose(reach), fmt=look, capsize=3, label=label)


def _amounts(axes: Any, cells: Cells, target: str, title: str) -> None:
    for how, look in LOOK.items():
        rows = [values(cells, "Fig. 1a-b", f"noisy, {count}", target, how) for count in AMOUNTS]
        _line(axes, AMOUNTS, rows, look, f"noisy, {how}")
        for name, colour in (("clean, 144", "tab:green"), ("scratch", "tab:gray")):
            own = values(cells, "Fig. 1a-b", name, target, how)
            if own:
                axes.axhline(np.mean(own), color=colour, linestyle=look[:-1], label=f"{name}, {how}")
    axes.set(title=title, xlabel="noisy posts", ylabel="top-1, %", xscale="log")
    _ticks(axes, AMOUNTS)


def _samplings(axes: Any, cells: Cells) -> None:
    for subset in ("random", "tail"):
        for how, look in LOOK.items():
            rows = [values(cells, "Fig. 1c", f"{subset}, {count}", "near action", how) for count in AMOUNTS[:-1]]
            _line(axes, AMOUNTS[:-1], rows, look, f"{subset}, {how}")
    axes.set(title="Fig. 1c: which posts stay, near target", xlabel="posts", xscale="log")
    _ticks(axes, AMOUNTS[:-1])


def _spaces(axes: Any, cells: Cells) -> None:
    """Fig. 2 is of the classifier alone: four targets, four label spaces each."""
    for number, space in enumerate(SPACES):
        rows = [values(cells, "Fig. 2", space, target, "fc") for target in TARGETS]
        places = np.arange(len(TARGETS)) + 0.2 * (number - 1.5)
        means = [float(np.mean(own)) if own else 0.0 for own in rows]
        axes.bar(places, means, 0.18, label=space)
        for place, own in zip(places, rows, strict=True):
            axes.plot([place] * len(own), own, ".k", markersize=4)
    axes.set(title="Fig. 2: labels of the source, fc", ylabel="top-1, %")
    axes.set_xticks(range(len(TARGETS)), [target.replace(" ", "\n") for target in TARGETS])
    axes.legend(fontsize=8)


def _labels(axes: Any, cells: Cells, table: str, kind: str, counts: Sequence[int]) -> None:
    for how, look in LOOK.items():
        rows = [values(cells, table, f"{count} {kind}", "near action", how) for count in counts]
        _line(axes, counts, rows, look, how)
    axes.set(title=f"{table}: how many labels, near target", xlabel=kind, xscale="log")
    _ticks(axes, counts)


def _ticks(axes: Any, counts: Sequence[int]) -> None:
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
