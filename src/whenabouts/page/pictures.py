"""Pictures of what a localizer sees, after figures 3, 6 and 7 of Zeng et al. (TIP 2019); needs matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.files import replacing
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, IntArray, TimeGrid, clock, runs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, FOUND, CURVE, ATTENTION, INK, FAINT = "#4477aa", "#228833", "#444444", "#cc6677", "#333333", "#dddddd"
WIDTH = 9.0  # inches


@dataclass(frozen=True)
class Shown:
    """One video and one concept: its scores, true spans (N, 2) in seconds (None: not known), found spans (M, 2)."""

    title: str
    concept: str
    scores: ScoreSequence
    truth: FloatArray | None
    found: FloatArray

    @property
    def curve(self) -> FloatArray:
        """Scores (T,) of the concept over their largest."""
        return _over_largest(self.scores.scores[:, self.scores.vocabulary.index(self.concept)])

    @property
    def attention(self) -> FloatArray | None:
        """Mean attention (T,) over its largest; None where the model has none."""
        return None if self.scores.attention is None else _over_largest(self.scores.attention.mean(axis=0))


@dataclass(frozen=True)
class WinnerRow:
    """One video and one concept: the step (T,) at which each segment won (-1: never), and one frame (H, W, 3) a step.

    A frame is None where it could not be read; `seconds` are the times of the frames.
    """

    title: str
    concept: str
    grid: TimeGrid
    steps: IntArray
    frames: tuple[NDArray[np.uint8] | None, ...]
    seconds: tuple[float, ...]
    truth: FloatArray | None


def draw_attention(videos: Sequence[Shown], path: Path) -> None:
    """Fig. 3: what attention leaves of the instances of a video, the mean of all attentions below the truth."""
    figure = _figure(1.5 * len(videos) + 0.4)
    for axes, video in zip(_rows(figure, len(videos)), videos, strict=True):
        _frame(axes, video)
        if video.attention is not None:
            _curve(axes, video.scores.grid, video.attention, ATTENTION, "attention")
        if video.truth is not None:
            _boxes(axes, video.truth, 1.12, TRUTH, "truth")
    _finish(figure, path)


def draw_moments(videos: Sequence[Shown], path: Path) -> None:
    """Fig. 7: class-specific score and attention of one concept over time, with its true and its found moments."""
    figure = _figure(1.9 * len(videos) + 0.4)
    for axes, video in zip(_rows(figure, len(videos)), videos, strict=True):
        _frame(axes, video, top=1.5)
        _curve(axes, video.scores.grid, video.curve, CURVE, "score of the concept")
        if video.attention is not None:
            _steps(axes, video.scores.grid, video.attention, ATTENTION, "attention")
        if video.truth is not None:
            _boxes(axes, video.truth, 1.3, TRUTH, "truth")
        _boxes(axes, video.found, 1.12, FOUND, "found")
    _finish(figure, path)


def draw_winners(rows: Sequence[WinnerRow], path: Path) -> None:
    """Fig. 6: the best winner of each step as a frame, and below where all winners of each step lie."""
    steps = max(len(row.frames) for row in rows)
    figure = _figure(2.3 * len(rows) + 0.3)
    grid = figure.add_gridspec(2 * len(rows), steps, height_ratios=[3, 1] * len(rows), hspace=0.35, wspace=0.06)
    for number, row in enumerate(rows):
        for step in range(steps):
            axes = figure.add_subplot(grid[2 * number, step])
            axes.axis("off")
            if step < len(row.frames):
                _picture(axes, row, step)
            if step == 0:
                title = f"{row.concept}, {row.title}"
                axes.text(0, 1.22, title, transform=axes.transAxes, fontsize=9, color=INK, parse_math=False)
        _winner_lane(figure.add_subplot(grid[2 * number + 1, :]), row, steps)
    _finish(figure, path)


def require_matplotlib() -> None:
    """Raise WhenaboutsError with what to install where matplotlib is not there."""
    if find_spec("matplotlib") is None:
        raise WhenaboutsError(
            "Pictures need matplotlib, which is not there. Install it: pip install 'whenabouts[plots]'."
        )


def _figure(height: float) -> "Figure":
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _rows(figure: "Figure", count: int) -> list["Axes"]:
    made = figure.subplots(count, 1, squeeze=False)
    return [row[0] for row in made]


def _frame(axes: "Axes", video: Shown, *, top: float = 1.3) -> None:
    """A title, time along the bottom, and nothing else around the curves."""
    axes.set_title(f"{video.concept}, {video.title}", loc="left", fontsize=9, color=INK, parse_math=False)
    axes.set_ylim(0, top)
    _time(axes, video.scores.grid.duration_seconds)


def _time(axes: "Axes", duration: float) -> None:
    axes.set_xlim(0, max(duration, 1e-3))
    ticks = np.linspace(0, duration, 7)
    axes.set_xticks(ticks, [clock(round(float(at), 1)).split(".")[0] for at in ticks])
    axes.set_yticks([])
    axes.tick_params(labelsize=8, colors=INK, length=2)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def _curve(axes: "Axes", grid: TimeGrid, values: FloatArray, colour: str, name: str) -> None:
    axes.stairs(values, grid.edges(), fill=True, color=colour, alpha=0.25, linewidth=0)
    _steps(axes, grid, values, colour, name)


def _steps(axes: "Axes", grid: TimeGrid, values: FloatArray, colour: str, name: str) -> None:
    axes.stairs(values, grid.edges(), color=colour, linewidth=0.9, label=name, baseline=None)


def _boxes(axes: "Axes", spans: FloatArray, height: float, colour: str, name: str) -> None:
    """A lane of boxes, one for each span (N, 2)."""
    widths = [(start, end - start) for start, end in spans.tolist()]
    axes.broken_barh(widths, (height, 0.12), color=colour, label=name, linewidth=0)


def _picture(axes: "Axes", row: WinnerRow, step: int) -> None:
    frame = row.frames[step]
    if frame is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=8, color=INK, transform=axes.transAxes)
    else:
        axes.imshow(frame)
    axes.set_title(f"step {step + 1}: {clock(round(row.seconds[step], 1))[:-2]}", fontsize=8, color=INK, pad=2)


def _winner_lane(axes: "Axes", row: WinnerRow, steps: int) -> None:
    """All winners along the video, darker the earlier they were taken, below the true moments."""
    from matplotlib import colormaps

    shades = colormaps["YlOrBr"](np.linspace(0.9, 0.3, steps))
    _time(axes, row.grid.duration_seconds)
    axes.set_ylim(0, 0.4)
    for step in range(steps):
        spans = row.grid.spans(runs_of(row.steps == step))
        axes.broken_barh([(a, b - a) for a, b in spans.tolist()], (0.0, 0.16), color=shades[step], linewidth=0)
    if row.truth is not None:
        _boxes(axes, row.truth, 0.22, TRUTH, "truth")


def _finish(figure: "Figure", path: Path) -> None:
    """Name each kind of line once, and write the file whole or not at all."""
    named: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    if named:
        figure.legend(named.values(), named.keys(), loc="outside lower right", ncols=len(named), fontsize=8,
                      frameon=False, labelcolor=INK)  # fmt: skip
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix[1:], dpi=150)


def _over_largest(values: NDArray[Any]) -> FloatArray:
    scaled: FloatArray = np.asarray(values, np.float64) / max(float(np.max(values, initial=0.0)), 1e-12)
    return scaled
