"""Do a localizer's probabilities keep what they promise: a reliability diagram of moments that somebody has checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import segments_of
from whenabouts.evaluation.reliability import Reliability, reliability
from whenabouts.localizers.calibration import Calibration, Ratings, likely, right_moments
from whenabouts.localizers.protocol import Localizer
from whenabouts.page.choosing import features_of
from whenabouts.page.pictures import ATTENTION, FAINT, INK, TRUTH, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ASKED = (0.5, 0.6, 0.7, 0.8, 0.9)
LEAST_OF_CONCEPT = 5  # judged moments, below which a share of them says nothing


@dataclass(frozen=True)
class Kept:
    """Of the moments that an asked precision keeps: how many, how many of these are judged, and how many right."""

    asked: float
    moments: int
    judged: int
    right: int


@dataclass(frozen=True)
class Promises:
    """Judged moments of `videos` videos: probabilities (P,), classes (P,), right (P,), and what cut-offs keep."""

    probabilities: FloatArray
    classes: IntArray
    right: BoolArray
    kept: tuple[Kept, ...]
    videos: int

    @property
    def diagram(self) -> Reliability:
        """All judged moments in bins of their probability."""
        return reliability(self.probabilities, self.right)

    @property
    def of_concepts(self) -> FloatArray:
        """(K, 2): mean probability and share of right ones, of each concept with enough judged moments."""
        numbers, counts = np.unique(self.classes, return_counts=True)
        rows = [self.classes == index for index in numbers[counts >= LEAST_OF_CONCEPT].tolist()]
        points = [(self.probabilities[mine].mean(), self.right[mine].mean()) for mine in rows]
        return np.array(points, np.float64).reshape(-1, 2)

    @property
    def told(self) -> str:
        """In one line, what came of it."""
        cut = next((each for each in self.kept if each.asked == 0.8), self.kept[0])
        share = f"{cut.right / cut.judged:.2f} of {cut.judged} judged right" if cut.judged else "none judged"
        return (f"calibration error {self.diagram.error:.3f} over {len(self.right)} judged moments of {self.videos} "
                f"videos; asked {cut.asked}: {share}, {cut.moments} kept")  # fmt: skip


def promises(
    localizer: Localizer, calibration: Calibration, entries: Iterable[Entry], store: FeatureStore, progress: Progress
) -> Promises:
    """Judge the moments that the localizer finds in `entries`, which it has not learned from, by checked segments.

    A moment is judged by the checked segment of its concept that it overlaps most. InvalidData where none is judged.
    """
    found: list[Moments] = []
    ids: list[str] = []
    spans, classes, present = [np.zeros((0, 2))], [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for entry in [each for each in entries if each.segments]:
        rated, features = segments_of(entry, localizer.vocabulary), features_of(localizer, entry, store)
        if not len(rated) or not features:
            continue
        try:
            found.append(localizer.localize(features))
        except (InvalidData, FeatureMismatch) as error:
            progress.say(f"Left out: {error}")
            continue
        ids += [entry.id] * len(rated)
        spans.append(rated.spans)
        classes.append(rated.classes)
        present.append(rated.present)
    every = Moments.concatenate(found, localizer.vocabulary) if found else Moments.empty(localizer.vocabulary)
    checked = Ratings(np.array(ids, np.str_), np.concatenate(spans), np.concatenate(classes), np.concatenate(present))
    rows, right = right_moments(every.video_ids, every.spans, every.classes, checked)
    if not len(rows):
        raise InvalidData(
            "No found moment overlaps a checked segment in a video of another split than train, so nothing can be "
            "judged. Check some segments there."
        )
    stated = calibration.probabilities(every.scores, every.classes)
    kept = tuple(_kept(likely(every, calibration, asked), rows, right, asked) for asked in ASKED)
    return Promises(stated[rows], every.classes[rows], right, kept, len(set(ids)))


def _kept(chosen: BoolArray, rows: IntArray, right: BoolArray, asked: float) -> Kept:
    mine = chosen[rows]
    return Kept(asked, int(chosen.sum()), int(mine.sum()), int(right[mine].sum()))


def draw_promises(found: Promises, path: Path) -> None:
    """Left the reliability diagram, with a dot for each concept; right what asked precisions keep, and how precise."""
    figure = new_figure(4.6)
    diagram, below = figure.add_axes((0.07, 0.36, 0.4, 0.54)), figure.add_axes((0.07, 0.13, 0.4, 0.17))
    _draw_diagram(diagram, found)
    told = found.diagram
    middles = (np.arange(len(told.counts)) + 0.5) / len(told.counts)
    below.bar(middles, told.counts, width=0.9 / len(told.counts), color=TRUTH)
    _dressed(below, "probability", "moments")
    below.set(xlim=(0, 1))
    cuts = figure.add_axes((0.57, 0.13, 0.4, 0.77))
    _draw_cuts(cuts, found.kept)
    figure.text(0.07, 0.015, found.told, fontsize=7.5, color=INK)
    finish(figure, path, legend=False)


def _draw_diagram(axes: "Axes", found: Promises) -> None:
    told, points = found.diagram, found.of_concepts
    filled = told.counts > 0
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="as promised")
    if len(points):
        label = f"concepts with {LEAST_OF_CONCEPT} or more"
        axes.scatter(points[:, 0], points[:, 1], s=10, color=ATTENTION, alpha=0.6, linewidths=0, label=label)
    axes.plot(told.stated[filled], told.right[filled], color=TRUTH, marker="o", markersize=4, label="all moments")
    _dressed(axes, "", "share of them right")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    axes.set_title("What probabilities are worth", loc="left", fontsize=9, color=INK)
    axes.legend(loc="upper left", fontsize=7, frameon=False, labelcolor=INK)


def _draw_cuts(axes: "Axes", kept: Sequence[Kept]) -> None:
    judged = [each for each in kept if each.judged]
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
    shares: NDArray[np.float64] = np.array([each.right / each.judged for each in judged], np.float64)
    axes.plot([each.asked for each in judged], shares, color=TRUTH, marker="o", markersize=4)
    for each, share in zip(judged, shares.tolist(), strict=True):
        axes.annotate(f"{each.moments} kept,\n{each.judged} judged", (each.asked, share), xytext=(5, -4), fontsize=6.5,
                      textcoords="offset points", va="top", color=INK)  # fmt: skip
    _dressed(axes, "precision that is asked for", "share right of those judged")
    axes.set(xlim=(ASKED[0] - 0.08, 1), ylim=(-0.02, 1.08))
    axes.set_title("find --precision", loc="left", fontsize=9, color=INK)


def _dressed(axes: "Axes", across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=8, color=INK)
    axes.set_ylabel(up, fontsize=8, color=INK)
    axes.tick_params(labelsize=7, colors=INK, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
