"""Pictures of what a localizer sees, after figures 3, 6 and 7 of Zeng et al. (TIP 2019); needs matplotlib."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
WIDTH, MARGIN, GAP, TITLE, LANE, LEGEND = 9.0, 0.2, 0.08, 0.5, 0.9, 0.25  # inches
UNDATED: Mapping[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What keeps the time of day out of files, by format; so the same picture gives the same bytes."""
_TURNS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
TICKS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)


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
    figure = new_figure(1.5 * len(videos) + 0.4, layout="constrained")
    for axes, video in zip(_rows(figure, len(videos)), videos, strict=True):
        _frame(axes, video)
        if video.attention is not None:
            _curve(axes, video.scores.grid, video.attention, ATTENTION, "attention")
        if video.truth is not None:
            _boxes(axes, video.truth, 1.12, TRUTH, "truth")
    finish(figure, path)


def draw_moments(videos: Sequence[Shown], path: Path) -> None:
    """Fig. 7: class-specific score and attention of one concept over time, with its true and its found moments."""
    figure = new_figure(1.9 * len(videos) + 0.4, layout="constrained")
    for axes, video in zip(_rows(figure, len(videos)), videos, strict=True):
        _frame(axes, video, top=1.5)
        _curve(axes, video.scores.grid, video.curve, CURVE, "score of the concept")
        if video.attention is not None:
            _steps(axes, video.scores.grid, video.attention, ATTENTION, "attention")
        if video.truth is not None:
            _boxes(axes, video.truth, 1.3, TRUTH, "truth")
        _boxes(axes, video.found, 1.12, FOUND, "found")
    finish(figure, path)


def draw_winners(rows: Sequence[WinnerRow], path: Path) -> None:
    """Fig. 6: the best winner of each step as a frame, and below where all winners of each step lie, in its colour."""
    steps = max(max(len(row.frames) for row in rows), 4)  # Few frames stay small.
    width = (WIDTH - 2 * MARGIN - (steps - 1) * GAP) / steps
    tall = [width * _proportion(row) for row in rows]
    height = sum(tall) + len(rows) * (TITLE + LANE) + MARGIN + LEGEND
    figure = new_figure(height)
    top = height - MARGIN
    for row, frame_height in zip(rows, tall, strict=True):
        top -= TITLE + frame_height
        title = f"{row.concept}, {row.title}"
        figure.text(
            MARGIN / WIDTH, (top + frame_height + 0.27) / height, title, fontsize=9, color=INK, parse_math=False
        )
        for step in range(len(row.frames)):
            left = MARGIN + step * (width + GAP)
            axes = figure.add_axes((left / WIDTH, top / height, width / WIDTH, frame_height / height))
            _picture(axes, row, step, _shades(steps)[step])
        top -= LANE
        lane = figure.add_axes((MARGIN / WIDTH, (top + 0.32) / height, 1 - 2 * MARGIN / WIDTH, 0.4 / height))
        _winner_lane(lane, row, _shades(steps))
    finish(figure, path)


def _proportion(row: WinnerRow) -> float:
    """Height over width of a row's frames."""
    seen = next((frame for frame in row.frames if frame is not None), None)
    return 0.75 if seen is None else seen.shape[0] / seen.shape[1]


def _shades(steps: int) -> Sequence[Any]:
    """A colour for each step, darker the earlier it is."""
    from matplotlib import colormaps

    return list(colormaps["YlOrBr"](np.linspace(0.9, 0.3, steps)))


def require_matplotlib() -> None:
    """Raise WhenaboutsError with what to install where matplotlib is not there."""
    if find_spec("matplotlib") is None:
        raise WhenaboutsError(
            "Pictures need matplotlib, which is not there. Install it: pip install 'whenabouts[plots]'."
        )


def new_figure(height: float, *, layout: Literal["constrained"] | None = None) -> "Figure":
    """An empty figure of the width of all pictures, `height` inches high."""
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout=layout)


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
    apart = next((step for step in TICKS_SECONDS if duration / step <= 10), 86400)
    ticks = np.arange(0, duration, apart)
    axes.set_xticks(ticks, [clock(float(at)).split(".")[0] for at in ticks])
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


def draw_curve(axes: "Axes", video: Shown, span: tuple[float, float], colour: str, *, ticks: bool = False) -> None:
    """Scores of a concept in its video on one line, with one span of it in a colour, and what is true above."""
    _time(axes, video.scores.grid.duration_seconds)
    axes.set_ylim(0, 1.35)
    if not ticks:
        axes.set_xticks([])
    axes.axvspan(*span, color=colour, alpha=0.3, linewidth=0)
    if video.scores.grid.steps:
        _steps(axes, video.scores.grid, video.curve, CURVE, "")
    if video.truth is not None:
        axes.broken_barh([(start, end - start) for start, end in video.truth.tolist()], (1.15, 0.16), color=TRUTH,
                         linewidth=0)  # fmt: skip


def _boxes(axes: "Axes", spans: FloatArray, height: float, colour: str, name: str) -> None:
    """A lane of boxes, one for each span (N, 2)."""
    widths = [(start, end - start) for start, end in spans.tolist()]
    axes.broken_barh(widths, (height, 0.12), color=colour, label=name, linewidth=0)


def _picture(axes: "Axes", row: WinnerRow, step: int, shade: Any) -> None:
    """The frame of one step, underlined in the step's colour."""
    frame = row.frames[step]
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=shade, linewidth=4)
    if frame is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=8, color=INK, transform=axes.transAxes)
    else:
        axes.imshow(frame, aspect="auto")
    axes.set_title(f"step {step + 1}: {clock(round(row.seconds[step], 1))[:-2]}", fontsize=8, color=INK, pad=3)


def _winner_lane(axes: "Axes", row: WinnerRow, shades: Sequence[Any]) -> None:
    """All winners along the video in the colours of their steps, below the true moments."""
    _time(axes, row.grid.duration_seconds)
    axes.set_ylim(0, 0.4)
    for step, shade in enumerate(shades):
        spans = row.grid.spans(runs_of(row.steps == step))
        axes.broken_barh([(a, b - a) for a, b in spans.tolist()], (0.0, 0.16), color=shade, linewidth=0)
    if row.truth is not None:
        _boxes(axes, row.truth, 0.22, TRUTH, "truth")


def plain(label: str, longest: int = 40) -> str:
    """A name for ticks and texts that read no formulas: in one line, cut where it is too long.

    Marks that turn the direction of writing are left away, for they would turn what stands behind the name, too.
    """
    short = " ".join(_TURNS.sub("", label).split())
    return short if len(short) <= longest else short[: longest - 1] + "…"


def in_legend(label: str) -> str:
    """A name for a legend: matplotlib hides names that begin with a line, and reads formulas between dollars."""
    short = plain(label)
    return (" " + short if short.startswith("_") else short).replace("$", r"\$")


@contextmanager
def any_letters() -> Iterator[None]:
    """Letters that the font lacks are drawn as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def finish(figure: "Figure", path: Path, *, legend: bool = True) -> None:
    """Name each kind of line once, and write the file whole or not at all."""
    named: dict[str, Any] = {}
    for axes in figure.axes if legend else ():
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    if named:
        place: Any = "outside lower right" if figure.get_layout_engine() else "lower right"
        figure.legend(list(named.values()), list(named), loc=place, ncols=len(named), fontsize=8,
                      frameon=False, labelcolor=INK)  # fmt: skip
    from matplotlib import rc_context

    with replacing(path) as part, any_letters(), rc_context({"svg.hashsalt": "whenabouts"}):
        figure.savefig(part, format=path.suffix[1:], dpi=150, metadata=UNDATED.get(path.suffix[1:]))


def _over_largest(values: NDArray[Any]) -> FloatArray:
    scaled: FloatArray = np.asarray(values, np.float64) / max(float(np.max(values, initial=0.0)), 1e-12)
    return scaled
