"""Pictures of what a head for activities looks at, after Fig. 4 of Zhang, Li & Marsic (CVPR 2021); needs matplotlib."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import FloatArray
from whenabouts.page.pictures import INK, finish, new_figure, plain
from whenabouts.recognition.activity_maps import Maps, activated_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#4477aa", "#cc3311", "#228833", "#aa3377", "#cc9900", "#009988")
_WIDTH, _GAP, _LABEL, _TITLE, _WIDEST = 9.0, 0.06, 1.5, 0.34, 1.4  # inches
_LEAST_ROW = 6.0  # points of a heat map's row that can still bear a name


@dataclass(frozen=True)
class ClipPicture:
    """One clip: frames (T, H, W, 3), one for each time of its maps, and maps (T, h, w) in [0, 1] by name.

    `boxed` are the activities whose activated regions are drawn into the frames, `beside` maps that are only shown,
    such as the backbone's. `notes` stand behind names.
    """

    title: str
    frames: NDArray[np.uint8]
    seconds: tuple[float, ...]
    boxed: dict[str, Maps]
    beside: dict[str, Maps]
    notes: dict[str, str]


def draw_activity_maps(clips: Sequence[ClipPicture], path: Path) -> None:
    """Fig. 4a and b: frames with a box around what each activity looks at, its map below, and the backbone's own."""
    rows = [1 + len(clip.boxed) + len(clip.beside) for clip in clips]
    columns = max(len(clip.frames) for clip in clips)
    cell = min((_WIDTH - _LABEL - columns * _GAP) / columns, _WIDEST)
    tall = [cell * clip.frames.shape[1] / clip.frames.shape[2] for clip in clips]
    height = sum(count * (each + _GAP) + _TITLE for count, each in zip(rows, tall, strict=True)) + 0.1
    figure, wide = new_figure(height), _LABEL + columns * (cell + _GAP) + 0.1
    figure.set_figwidth(wide)
    top = height
    for clip, cell_height in zip(clips, tall, strict=True):
        top -= _TITLE
        figure.text(
            0.1 / wide, (top + 0.1) / height, plain(clip.title, int(10 * wide)), fontsize=9, color=INK, parse_math=False
        )
        shown, names = clip.boxed, ["", *clip.boxed, *clip.beside]
        for name in names:
            top -= cell_height + _GAP
            note = clip.notes.get(name, "")
            colour = COLOURS[list(shown).index(name) % len(COLOURS)] if name in shown else INK
            words, middle = f"{plain(name, 22)}\n{note}".strip(), (top + cell_height / 2) / height
            figure.text(0.1 / wide, middle, words, fontsize=7.5, color=colour, va="center", parse_math=False)
            for column in range(len(clip.frames)):
                left = _LABEL + column * (cell + _GAP)
                place = (left / wide, top / height, cell / wide, cell_height / height)
                axes = _bare(figure.add_axes(place))
                if name:
                    axes.imshow((clip.boxed | clip.beside)[name][column], cmap="magma", vmin=0, vmax=1, aspect="auto")
                else:
                    _framed(axes, clip, shown, column)
    finish(figure, path, legend=False)


def draw_correlation(values: FloatArray, names: Sequence[str], path: Path, *, title: str, highest: float = 1.0) -> None:
    """A heat map (A, A) of what goes with what: rows are conditions, columns what comes with them, names at both."""
    count = len(names)
    side = min(max(3.5, 0.3 * count + 2.2), 30.0)
    figure = new_figure(side, layout="constrained")
    figure.set_figwidth(side + 0.6)
    axes = figure.subplots()
    drawn = axes.imshow(values, cmap="Blues", vmin=0, vmax=max(highest, 1e-12))
    told = textwrap.fill(title, int(8 * side))  # Letters of this size that a line of the map's width holds.
    axes.set_title(told, loc="left", fontsize=9, color=INK, parse_math=False)
    row = 72 * (side - 2.2) / count
    if row >= _LEAST_ROW:
        axes.set_xticks(range(count), [plain(name) for name in names], rotation=90, parse_math=False)
        axes.set_yticks(range(count), [plain(name) for name in names], parse_math=False)
    axes.tick_params(labelsize=min(7.0, 0.8 * row), colors=INK, length=0)
    for side_name in ("top", "left", "right", "bottom"):
        axes.spines[side_name].set_visible(False)
    if count <= 20:
        for row, column in np.ndindex(values.shape):
            if values[row, column] >= 0.005:
                dark = values[row, column] > 0.6 * highest
                axes.text(column, row, f"{100 * values[row, column]:.0f}", ha="center", va="center", fontsize=6,
                          color="white" if dark else INK)  # fmt: skip
    bar = figure.colorbar(drawn, ax=axes, shrink=0.6, format=lambda value, _: f"{100 * value:.0f} %")
    bar.ax.tick_params(labelsize=7, colors=INK)
    bar.outline.set_visible(False)
    finish(figure, path, legend=False)


def _bare(axes: "Axes") -> "Axes":
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    return axes


def _framed(axes: "Axes", clip: ClipPicture, shown: dict[str, Maps], column: int) -> None:
    """A frame with the boxes of all activities."""
    from matplotlib.patches import Rectangle

    frame = clip.frames[column]
    height, width = frame.shape[:2]
    axes.imshow(frame, aspect="auto", extent=(0, width, height, 0), interpolation="nearest")
    for number, maps in enumerate(shown.values()):
        colour: Any = COLOURS[number % len(COLOURS)]
        for x0, y0, x1, y1 in activated_boxes(maps[column]).tolist():
            out = 0.015 * number  # Activities that look at the same place have boxes around each other.
            corner = ((x0 - out) * width, (y0 - out) * height)
            size = ((x1 - x0 + 2 * out) * width, (y1 - y0 + 2 * out) * height)
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=1.9))
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=1.3))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if clip.seconds:
        axes.text(0.03, 0.04, f"{clip.seconds[column]:.1f} s", transform=axes.transAxes, fontsize=6.5, color="white",
                  bbox={"facecolor": "black", "alpha": 0.5, "pad": 1, "linewidth": 0})  # fmt: skip
