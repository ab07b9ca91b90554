"""What was measured, by which convention, in words and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import FloatArray


def _nothing() -> FloatArray:
    return np.zeros((0, 0))


@dataclass(frozen=True)
class Report:
    """Metrics by name, per_class (L, C) for classes (L,) and columns (C,), settings, and the convention used.

    Fractions stay fractions (0 to 1); a metric in other units says so in its name. NaN means: not defined here.
    """

    title: str
    convention: str
    metrics: Mapping[str, float]
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    per_class: FloatArray = field(default_factory=_nothing)
    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    rows: str = "class"  # what the rows of the table are, if not classes

    def __post_init__(self) -> None:
        table = np.asarray(self.per_class, np.float64)
        table = table.reshape(len(table), -1) if table.ndim == 1 and len(table) else table
        object.__setattr__(self, "per_class", table)
        if self.classes and table.shape != (len(self.classes), len(self.columns)):
            raise InvalidData(
                f"A report on {len(self.classes)} classes and {len(self.columns)} columns needs a table of that shape, "
                f"but got {table.shape}."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not defined (NaN) becomes null."""
        return {
            "title": self.title,
            "convention": self.convention,
            "metrics": {name: _number(value) for name, value in self.metrics.items()},
            "per_class": {
                name: {column: _number(value) for column, value in zip(self.columns, row.tolist(), strict=True)}
                for name, row in zip(self.classes, self.per_class, strict=False)
            },
            "settings": dict(self.settings),
            "remarks": list(self.remarks),
        }

    def to_table(self) -> str:
        """Aligned text: classes first, then the metrics, so that these stand last on a screen."""
        wide = max((len(name) for name in self.metrics), default=0)
        table = _aligned((self.rows, *self.columns), zip(self.classes, self.per_class, strict=True))
        numbers = [f"{name:<{wide}}  {_shown(value)}" for name, value in self.metrics.items()]
        numbers += [f"{name}: {value}" for name, value in self.settings.items()] + list(self.remarks)
        blocks = [[self.title, f"({self.convention})"], table if self.classes else [], numbers]
        return "\n\n".join("\n".join(block) for block in blocks if block)


def _aligned(header: tuple[str, ...], rows: Any) -> list[str]:
    cells = [header, *((name, *(_shown(value) for value in values)) for name, values in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _shown(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 2 and value == round(value) else f"{value:.4f}"  # counts have no decimals
