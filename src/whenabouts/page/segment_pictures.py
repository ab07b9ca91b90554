"""Pictures of single segments: a concept's best by two models, and what moved the score of one.

After figure 4 of Ma et al. (2019); needs matplotlib.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.timing import FloatArray, clock
from whenabouts.page.pictures import FAINT, INK, WIDTH, Shown, draw_curve, finish, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG, UNKNOWN = "#117733", "#cc3311", "#777777"
UP, DOWN = "#4477aa", "#cc6677"
_LEFT, _GAP, _TITLE, _HEAD, _STRIP = 1.25, 0.15, 0.42, 0.42, 0.42  # inches


@dataclass(frozen=True)
class BestSegment:
    """One of a concept's best segments: where, its score, whether it is right (None: nobody knows), one frame or None.

    `shown` are scores of the concept in the whole video, with what is known to be true there.
    """

    span: tuple[float, float]
    score: float
    right: bool | None
    frame: NDArray[np.uint8] | None
    shown: Shown


@dataclass(frozen=True)
class BestOfConcept:
    """The best segments of one concept by each of some models, best first; `source` says among which."""

    concept: str
    source: str
    models: tuple[tuple[str, tuple[BestSegment, ...]], ...]


@dataclass(frozen=True)
class Bar:
    """One reason, and how far it pushes: up where it is above 0."""

    name: str
    push: float


@dataclass(frozen=True)
class WhyShown:
    """Why a span was found: its video, what it got in words, and reasons, the strongest first; `unit` of pushes."""

    shown: Shown
    span: tuple[float, float]
    told: str
    bars: tuple[Bar, ...]
    unit: str


def draw_best_segments(concepts: Sequence[BestOfConcept], path: Path) -> None:
    """Fig. 4: of each concept the best segments by two models, right ones marked as right and wrong ones as wrong."""
    most = max(len(best) for each in concepts for _, best in each.models)
    cell = (WIDTH - _LEFT - 0.2 - _GAP * most) / most
    tall = [_HEAD + _STRIP + cell * _proportion(each) for each in concepts]
    height = 0.3 + sum(_TITLE + len(each.models) * high for each, high in zip(concepts, tall, strict=True))
    figure, top = new_figure(height), height
    for each, high in zip(concepts, tall, strict=True):
        top -= _TITLE
        figure.text(0.2 / WIDTH, (top + 0.1) / height, f"{plain(each.concept)}, the best of {each.source}", fontsize=9,
                    color=INK, parse_math=False)  # fmt: skip
        for model, best in each.models:
            top -= high
            figure.text(0.2 / WIDTH, (top + high / 2) / height, plain(model).replace(".", "\n"), fontsize=8, color=INK,
                        va="center", parse_math=False)  # fmt: skip
            for place, segment in enumerate(best):
                box = (_LEFT + place * (cell + _GAP), top, cell, high)
                _segment(figure, segment, box, height)
    told = "Curves are the localizer's scores of the concept in the whole video; blue above them: checked, and there."
    figure.text(0.2 / WIDTH, 0.12 / height, told, fontsize=7, color=INK)
    finish(figure, path)


def _proportion(concept: BestOfConcept) -> float:
    """Height over width of a concept's frames; 0 without any."""
    frames = [each.frame for _, best in concept.models for each in best if each.frame is not None]
    return frames[0].shape[0] / frames[0].shape[1] if frames else 0.0


def _segment(figure: "Figure", segment: BestSegment, box: tuple[float, float, float, float], height: float) -> None:
    """One segment in a box (left, bottom, width, height) in inches: verdict, frame, and where it lies in its video."""
    left, bottom, wide, high = box
    colour = UNKNOWN if segment.right is None else RIGHT if segment.right else WRONG
    word = "not checked" if segment.right is None else "✓ right" if segment.right else "✗ wrong"
    at, end = (clock(round(second, 1))[:-2] for second in segment.span)
    figure.text(left / WIDTH, (bottom + high - 0.17) / height, f"{word}, {segment.score:.3f}", fontsize=8,
                color=colour, weight="bold")  # fmt: skip
    figure.text(left / WIDTH, (bottom + high - 0.33) / height, f"{plain(segment.shown.title, 24)}, {at} to {end}",
                fontsize=7, color=INK, parse_math=False)  # fmt: skip
    picture = high - _HEAD - _STRIP
    if picture > 0:
        axes = figure.add_axes((left / WIDTH, (bottom + _STRIP) / height, wide / WIDTH, picture / height))
        _frame(axes, segment.frame, colour)
    strip = figure.add_axes((left / WIDTH, (bottom + 0.12) / height, wide / WIDTH, (_STRIP - 0.14) / height))
    draw_curve(strip, segment.shown, segment.span, colour)


def _frame(axes: "Axes", frame: NDArray[np.uint8] | None, colour: str) -> None:
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=colour, linewidth=2)
    if frame is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=8, color=INK, transform=axes.transAxes)
    else:
        axes.imshow(frame, aspect="auto")


def draw_why(why: WhyShown, path: Path) -> None:
    """The video's scores with the span, and below it how far each reason pushed."""
    bars = why.bars
    height = 2.1 + 0.24 * max(len(bars), 2)
    figure = new_figure(height)
    strip = figure.add_axes((0.06, 1 - 0.95 / height, 0.9, 0.5 / height))
    draw_curve(strip, why.shown, why.span, RIGHT, ticks=True)
    at, end = (clock(round(second, 1))[:-2] for second in why.span)
    strip.set_title(f"{plain(why.shown.concept)} in {plain(why.shown.title)}, {at} to {end}: {why.told}", loc="left",
                    fontsize=9, color=INK, parse_math=False)  # fmt: skip
    axes = figure.add_axes((0.5, 0.5 / height, 0.44, 0.24 * max(len(bars), 2) / height))
    pushes, places = np.array([bar.push for bar in bars]), np.arange(len(bars))
    axes.barh(places, pushes, color=[UP if push >= 0 else DOWN for push in pushes.tolist()], height=0.66)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(places, [plain(bar.name, 70) for bar in bars], parse_math=False)
    axes.set(ylim=(len(bars) - 0.5, -0.5), xlabel=why.unit)
    axes.set_xlim(*_around(pushes))
    for place, push in zip(places.tolist(), pushes.tolist(), strict=True):
        axes.annotate(f"{push:+.2f}", (push, place), (3 if push >= 0 else -3, 0), textcoords="offset points",
                      fontsize=7, color=INK, va="center", ha="left" if push >= 0 else "right")  # fmt: skip
    axes.tick_params(labelsize=7.5, colors=INK, length=0)
    axes.xaxis.label.set(size=8, color=INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    finish(figure, path)


def _around(pushes: FloatArray) -> tuple[float, float]:
    """Limits with room for a number at the end of each bar."""
    low, high = min(float(pushes.min(initial=0.0)), 0.0), max(float(pushes.max(initial=0.0)), 0.0)
    room = 0.14 * max(high - low, 1e-9)
    return low - room, high + room
