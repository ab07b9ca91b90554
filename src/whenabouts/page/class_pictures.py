"""Pictures of classes: a map of their descriptions, how well each is found, which trees keep together.

After figures 2 and 3 of Ma et al. (2019); needs matplotlib.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.localizers.concepts.class_map import ALONE, ClassMap, Clusters
from whenabouts.localizers.concepts.tree_groups import Agreement, Together
from whenabouts.page.colours import Swatch, swatches
from whenabouts.page.pictures import FAINT, INK, any_letters, finish, in_legend, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

NAMED = 300  # classes of a map that get a name, if there is room for it
ROWS = 120  # classes in a picture of precision
LEGEND = 24  # clusters that a legend names
_MARKERS = {"plain": "o", "striped": "s", "dotted": "^"}
_NOBODY = Swatch("#cccccc", "#000000", "plain")
_HATCHES = {"plain": "", "striped": "////", "dotted": "...."}
_SIDES = ((1.0, 0.0, "left", "center"), (-1.0, 0.0, "right", "center"), (0.0, 1.0, "center", "bottom"),
          (0.0, -1.0, "center", "top"), (0.8, 0.8, "left", "bottom"), (0.8, -0.8, "left", "top"),
          (-0.8, 0.8, "right", "bottom"), (-0.8, -0.8, "right", "top"))  # fmt: skip
_BESIDE = [(far * right, far * up, across, along) for far in (5, 14, 24) for right, up, across, along in _SIDES]
_NEAR = 8  # points from which on a thin line leads from a name to its point


@dataclass(frozen=True)
class ClassPrecision:
    """Average precision of classes (K,) by two models, and clusters of all classes; `notes` stand below the picture."""

    names: tuple[str, ...]
    classes: IntArray
    precision: Mapping[str, FloatArray]
    clusters: Clusters
    notes: tuple[str, ...]


def draw_class_map(found: ClassMap, names: Sequence[str], path: Path) -> None:
    """Fig. 2: t-SNE of the words that describe classes, in the colours of their clusters; names where they fit."""
    figure = new_figure(7.6)
    axes = figure.add_axes((0.02, 0.03, 0.74, 0.91))
    looks, clusters = swatches(found.clusters.names), found.clusters
    for number, name in enumerate(clusters.names):
        rows = clusters.members(number)
        axes.scatter(found.places[rows, 0], found.places[rows, 1], s=26, c=looks[name].fill, edgecolors=INK,
                     marker=_MARKERS[looks[name].texture], linewidths=0.5, label=in_legend(name))  # fmt: skip
    axes.set(xticks=[], yticks=[])
    axes.margins(0.08)
    for side in axes.spines.values():
        side.set_color(FAINT)
    unnamed = _name_points(axes, found, names)
    alone = int((clusters.of == ALONE).sum())
    told = [f"{len(names) - alone} concepts by the words that describe them"]
    told += [f"{unnamed} without room for a name"] if unnamed else []
    told += [f"{alone} that share no word with another are left out"] if alone else []
    axes.set_title("; ".join(told), loc="left", fontsize=9, color=INK)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[:LEGEND], labels[:LEGEND], loc="upper left", bbox_to_anchor=(0.765, 0.95), fontsize=8,
                  frameon=False, labelcolor=INK, title="clusters, by telling words", title_fontsize=8,
                  alignment="left")  # fmt: skip
    finish(figure, path, legend=False)


def _name_points(axes: "Axes", found: ClassMap, names: Sequence[str]) -> int:
    """Write names beside points wherever they cover nothing, those nearest to their cluster's middle first."""
    rows = np.flatnonzero(found.clusters.of != ALONE)
    middles = {number: found.places[found.clusters.members(number)].mean(axis=0)
               for number in range(len(found.clusters.names))}  # fmt: skip
    away = [float(np.linalg.norm(found.places[row] - middles[int(found.clusters.of[row])])) for row in rows.tolist()]
    order = rows[np.argsort(away, kind="stable")]
    at = axes.transData.transform(found.places[rows])
    taken: list[Bbox] = [_dot(x, y) for x, y in at.tolist()]
    with any_letters():
        named = sum(
            _named_beside(axes, plain(names[row]), (found.places[row, 0], found.places[row, 1]), taken)
            for row in order[:NAMED].tolist()
        )
    return len(rows) - named


def _dot(x: float, y: float) -> "Bbox":
    from matplotlib.transforms import Bbox

    return Bbox([[x - 3, y - 3], [x + 3, y + 3]])


def _named_beside(axes: "Axes", name: str, place: tuple[float, float], taken: "list[Bbox]") -> bool:
    """Write one name at the first side of its point where it covers nothing; False where there is none."""
    frame = axes.get_window_extent()
    for right, up, across, along in _BESIDE:
        text = axes.annotate(name, place, (right, up), textcoords="offset points", fontsize=6.5, color=INK,
                             ha=across, va=along, annotation_clip=False, parse_math=False)  # fmt: skip
        box = text.get_window_extent()
        inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
        if inside and not box.count_overlaps(taken):
            taken.append(box)
            if max(abs(right), abs(up)) > _NEAR:
                line = {"arrowstyle": "-", "linewidth": 0.4, "color": "#999999", "shrinkA": 0, "shrinkB": 2}
                axes.annotate("", place, (right, up), textcoords="offset points", arrowprops=line)
            return True
        text.remove()
    return False


def draw_precision_by_cluster(found: ClassPrecision, path: Path) -> None:
    """Fig. 3: average precision of each class by two models, class by class within clusters of descriptions."""
    order, left_out = _rows_by_cluster(found)
    figure = new_figure(1.5 + 0.17 * len(order) + 0.17 * len(found.notes), layout="constrained")
    axes = figure.subplots()
    of = found.clusters.of[found.classes[order]]
    places, looks = np.arange(len(order)), swatches(found.clusters.names)
    styles: list[dict[str, Any]] = [
        {"color": "#117733", "marker": "o", "markersize": 4.5},
        {"color": "#cc6677", "marker": "D", "markersize": 4, "markerfacecolor": "white", "linestyle": "--"},
    ]
    for number in np.unique(of).tolist():
        mine = places[of == number]
        name = "no words shared" if number == ALONE else found.clusters.names[number]
        fill = _NOBODY.fill if number == ALONE else looks[name].fill
        axes.axhspan(mine[0] - 0.5, mine[-1] + 0.5, color=fill, alpha=0.16, linewidth=0)
        axes.text(1.03, mine.mean(), plain(name), fontsize=7, color=INK, va="center", clip_on=False, parse_math=False)
        for (model, values), style in zip(found.precision.items(), styles, strict=False):
            axes.plot(values[order][mine], mine, linewidth=1.0, label=in_legend(model), **style)
    axes.set_yticks(places, [plain(found.names[row]) for row in order], parse_math=False)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(order) - 0.5, -0.5), xlabel="average precision")
    axes.tick_params(labelsize=7, colors=INK, length=2)
    axes.xaxis.label.set(size=8, color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    more = f" ({left_out} more classes are left out)" if left_out else ""
    axes.set_title("Average precision by clusters of descriptions" + more, loc="left", fontsize=9, color=INK)
    figure.supxlabel("\n".join(found.notes), x=0.01, ha="left", fontsize=7.5, color=INK)
    handles, labels = axes.get_legend_handles_labels()
    first = dict(zip(labels[::-1], handles[::-1], strict=True))
    figure.legend(list(first.values())[::-1], list(first)[::-1], loc="outside upper right", ncols=2, fontsize=8,
                  frameon=False, labelcolor=INK)  # fmt: skip
    finish(figure, path, legend=False)


def _rows_by_cluster(found: ClassPrecision) -> tuple[list[int], int]:
    """Rows (n,) of `found.classes` cluster by cluster, by name within; of too many the largest clusters."""
    of = found.clusters.of[found.classes]
    numbers, sizes = np.unique(of, return_counts=True)
    kept: list[int] = []
    for number in numbers[np.lexsort((numbers, -sizes, numbers == ALONE))].tolist():
        mine = sorted(np.flatnonzero(of == number).tolist(), key=lambda row: found.names[row])
        kept += mine if len(kept) + len(mine) <= ROWS or not kept else []
    return kept[:ROWS], len(of) - len(kept[:ROWS])


@dataclass(frozen=True)
class Kept:
    """What trees keep together, names (K,) and groups told elsewhere (K,), an order (K,), and how both agree.

    `rest` is the group of classes that are in none.
    """

    together: Together
    names: tuple[str, ...]
    groups: tuple[str, ...]
    order: IntArray
    agreement: Agreement
    kind: str
    rest: str


def draw_together(kept: Kept, path: Path) -> None:
    """How often splits by the class's number leave two classes on one side, in the order of average linkage."""
    figure, count = new_figure(7.5), len(kept.names)
    axes = figure.add_axes((0.2, 0.18, 0.6, 0.6 * 9.0 / 7.5))
    shares = kept.together.shares[np.ix_(kept.order, kept.order)]
    drawn = axes.imshow(shares, cmap="YlGnBu", vmin=float(np.nanmin(shares)), vmax=1.0, interpolation="nearest")
    size = float(np.clip(420 / max(count, 1), 3.5, 8))
    names = [plain(kept.names[row]) for row in kept.order.tolist()] if count <= ROWS else []
    axes.set_xticks(np.arange(len(names)), names, rotation=90, parse_math=False)
    axes.set_yticks(np.arange(len(names)), names, parse_math=False)
    axes.tick_params(labelsize=size, colors=INK, length=0, pad=3)
    axes.tick_params("y", pad=13)
    named = sorted(set(kept.groups) - {kept.rest})
    looks = swatches(named) | {kept.rest: _NOBODY}
    strip = figure.add_axes((0.2 - 0.014, 0.18, 0.011, 0.6 * 9.0 / 7.5))
    for place, row in enumerate(kept.order.tolist()):
        look = looks[kept.groups[row]]
        strip.barh(
            place, 1.0, height=1.0, color=look.fill, hatch=_HATCHES[look.texture], edgecolor="white", linewidth=0
        )
    strip.set(ylim=(count - 0.5, -0.5), xlim=(0, 1))
    strip.set_axis_off()
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.815, 0.65, 0.015, 0.25)))
    bar.ax.tick_params(labelsize=7, colors=INK)
    bar.set_label("share of splits on one side", fontsize=7, color=INK)
    told = [*named[:LEGEND], *([kept.rest] if kept.rest in kept.groups else [])]
    figure.legend([_square(looks[name]) for name in told], [in_legend(name) for name in told], title=kept.kind,
                  loc="upper left", bbox_to_anchor=(0.805, 0.61), fontsize=7, title_fontsize=7, frameon=False,
                  labelcolor=INK, alignment="left")  # fmt: skip
    axes.set_title(
        f"Concepts that trees keep together, by {kept.together.splits} splits.\nAgreement with {kept.kind}: adjusted "
        f"Rand index {kept.agreement.index:.2f} (as much by chance: p = {kept.agreement.chance:.2g})",
        loc="left", fontsize=9, color=INK,
    )  # fmt: skip
    finish(figure, path, legend=False)


def _square(look: Swatch) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=look.fill, hatch=_HATCHES[look.texture], edgecolor="white", linewidth=0)
