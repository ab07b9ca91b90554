"""Line charts as plain SVG."""

from collections.abc import Mapping
from dataclasses import dataclass

from whenabouts.core.errors import InvalidData
from whenabouts.page.colours import Swatch

WIDTH, HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: `values` (N,), one for each of the chart's `at`."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over shared positions `at` (N,), rising; the vertical axis begins at 0."""

    title: str
    across: str
    up: str
    at: tuple[float, ...]
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if len(self.at) < 2 or list(self.at) != sorted(set(self.at)):
            raise InvalidData(f"Chart {self.title!r} needs two or more rising positions, but got {self.at}.")
        wrong = [line for line in self.lines if len(line.values) != len(self.at)]
        if wrong:
            raise InvalidData(f"Line {wrong[0].name!r} has {len(wrong[0].values)} values for {len(self.at)} positions.")


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line in pixels of the drawing, its colour, dash pattern and last value."""

    name: str
    points: tuple[tuple[float, float], ...]
    swatch: Swatch
    dashes: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in pixels: ticks are (place, text)."""

    chart: Chart
    lines: tuple[DrawnLine, ...]
    across_ticks: tuple[tuple[float, str], ...]
    up_ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def drawn(chart: Chart, looks: Mapping[str, Swatch]) -> Drawing:
    """Place a chart's lines and ticks; lines differ by dash pattern as well as by colour."""
    highest = max((value for line in chart.lines for value in line.values), default=1.0) or 1.0
    step = next((step for step in _STEPS if highest / step <= 5), highest)
    top = step * -(-highest // step)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (x - chart.at[0]) / (chart.at[-1] - chart.at[0])
        across = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(HEIGHT - _BOTTOM - max(y, 0.0) / top * (HEIGHT - _TOP - _BOTTOM), 1)

    dashes = ("", "7 4", "2 3", "9 3 2 3", "1 5", "12 5")
    lines = tuple(
        DrawnLine(line.name, tuple(place(x, y) for x, y in zip(chart.at, line.values, strict=True)), looks[line.name],
                  dashes[number % len(dashes)], line.values)
        for number, line in enumerate(chart.lines)
    )  # fmt: skip
    marks = [index * step for index in range(round(top / step) + 1)]
    return Drawing(
        chart,
        lines,
        tuple((place(x, 0)[0], f"{x:g}") for x in chart.at),
        tuple((place(chart.at[0], mark)[1], f"{mark:g}") for mark in marks),
    )
