"""One HTML file with everything: tables, charts, and a timeline for each video."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import write_text
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import FloatArray, clock
from whenabouts.page.charts import Chart, Drawing, drawn
from whenabouts.page.colours import swatches
from whenabouts.page.lanes import Curve, Lane, curves, hits, lane, ranks

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Tile:
    """A number to see first, for example mAP; `note` says what it is measured on."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first column names the row, floats are shown with `decimals`, None as a dash.

    `highlighted` names rows (by their first cell) that are set in bold.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    decimals: int = 1
    highlighted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise InvalidData(f"Table {self.title!r} has {len(self.columns)} columns, but a row has {len(wrong[0])}.")

    @property
    def worded(self) -> frozenset[int]:
        """The columns that hold words and not numbers; the first, which names the rows, is one."""
        return frozenset({0, *(at for row in self.rows for at, cell in enumerate(row) if isinstance(cell, str))})


@dataclass(frozen=True, slots=True)
class ReportVideo:
    """A video in the report: `labels` are what its makers say, `strip` a picture as `data:` address (`filmstrip`)."""

    id: str
    duration_seconds: float
    title: str = ""
    labels: tuple[str, ...] = ()
    strip: str = ""
    scores: ScoreSequence | None = None

    def __post_init__(self) -> None:
        if self.strip and not self.strip.startswith("data:image/"):
            raise InvalidData(f"{self.id}: a strip is a picture as data:image/ address, not {self.strip[:40]!r}.")
        if not (math.isfinite(self.duration_seconds) and self.duration_seconds >= 0):
            raise InvalidData(f"{self.id}: a duration is at least 0 s, but got {self.duration_seconds}.")


@dataclass(frozen=True, slots=True)
class _Panel:
    """One video as drawn."""

    video: ReportVideo
    lanes: tuple[Lane, ...]
    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...]
    hits: int | None
    true_moments: int
    concepts: tuple[str, ...]


def write_report(
    path: Path,
    *,
    title: str,
    videos: Sequence[ReportVideo],
    found: Moments,
    truth: Moments | None = None,
    introduction: str = "",
    tiles: Sequence[Tile] = (),
    tables: Sequence[Table] = (),
    charts: Sequence[Chart] = (),
    tiou: float = 0.5,
) -> Path:
    """Write a page that needs no network: numbers, charts, a legend that filters, and a timeline for each of `videos`.

    With `truth`, each video has a lane of true moments and says how many of them a found moment meets at `tiou`.
    Moments of videos that are not in `videos` are not drawn. Names and titles may hold anything: they are escaped.
    """
    names = _names(found, truth)
    looks = swatches(names)
    page = _environment().get_template("report.html")
    text = page.render(
        title=title,
        introduction=introduction,
        tiles=tiles,
        tables=tables,
        charts=[_drawing(chart) for chart in charts],
        looks=[(name, looks[name], index) for index, name in enumerate(names)],
        numbers={name: index for index, name in enumerate(names)},
        panels=_panels(videos, found, truth, tiou),
        has_truth=truth is not None,
        tiou=tiou,
        script_hash=_hash(_text("report.js")),
    )
    write_text(path, text)
    return path


def _names(found: Moments, truth: Moments | None) -> tuple[str, ...]:
    """Concepts to draw: those of the truth first, then others that were found."""
    parts = [part for part in (truth, found) if part is not None]
    every = (part.vocabulary.names[index] for part in parts for index in np.unique(part.classes).tolist())
    return tuple(dict.fromkeys(every))


def _panels(videos: Sequence[ReportVideo], found: Moments, truth: Moments | None, tiou: float) -> tuple[_Panel, ...]:
    strengths = ranks(found)
    tops = _tops(videos)
    return tuple(_panel(video, found, strengths, truth, tops=tops, tiou=tiou) for video in videos)


def _panel(
    video: ReportVideo,
    found: Moments,
    strengths: FloatArray,
    truth: Moments | None,
    *,
    tops: Mapping[str, float],
    tiou: float,
) -> _Panel:
    rows = found.video_ids == video.id
    mine = found[rows]
    lanes = [lane("found", mine, strengths[rows], video.duration_seconds)]
    met, true_moments = None, 0
    if truth is not None:
        true = truth[truth.video_ids == video.id]
        lanes.insert(0, lane("truth", true, np.ones(len(true)), video.duration_seconds))
        met, true_moments = hits(true, mine, tiou), len(true)
    concepts = tuple(dict.fromkeys(bar.concept for each in lanes for bar in each.bars))
    shown = {name: tops[name] for name in concepts if name in tops}
    drawn_curves = curves(video.scores, shown) if video.scores is not None else ()
    return _Panel(video, tuple(lanes), drawn_curves, _ticks(video.duration_seconds), met, true_moments, concepts)


def _tops(videos: Sequence[ReportVideo]) -> dict[str, float]:
    """The best score of each concept in all videos: curves of one concept share their scale."""
    tops: dict[str, float] = {}
    for scores in (video.scores for video in videos if video.scores is not None and video.scores.grid.steps):
        for name, best in zip(scores.vocabulary.names, scores.scores.max(axis=0).tolist(), strict=True):
            tops[name] = max(best, tops.get(name, 0.0))
    return tops


def _ticks(duration_seconds: float) -> tuple[tuple[float, str], ...]:
    """Four to nine marks at round times: place in percent and the time as text."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
    step = next((step for step in steps if duration_seconds / step <= 8), 14400)
    if duration_seconds <= 0:
        return ()
    times = np.arange(0, duration_seconds * 0.97, step)
    return tuple((float(time / duration_seconds * 100), clock(float(time)).removesuffix(".000")) for time in times)


def _drawing(chart: Chart) -> Drawing:
    return drawn(chart, swatches([line.name for line in chart.lines]))


def _shown(cell: Cell, decimals: int) -> str:
    """A table's cell as text."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "–"
    return f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell)


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What a content security policy names the script by, so that no other script on the page can run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


@cache
def _environment() -> "Environment":
    import jinja2
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined,
                                     trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    environment.globals.update(style=Markup(_text("report.css")), script=Markup(_text("report.js")))
    environment.filters.update(shown=_shown, clock=clock)
    return environment
