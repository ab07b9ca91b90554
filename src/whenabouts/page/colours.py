"""Colours for concepts that people with any colour vision can tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

# Nine colours of one family made for colour-blind readers ("muted" of Paul Tol's notes on colour schemes, 2021).
_HUES = ("#88ccee", "#cc6677", "#ddcc77", "#117733", "#aa4499", "#44aa99", "#332288", "#999933", "#882255")
_TEXTURES = ("plain", "striped", "dotted")


@dataclass(frozen=True, slots=True)
class Swatch:
    """How one concept is drawn: fill and ink as `#rrggbb`, and a texture: plain, striped or dotted."""

    fill: str
    ink: str
    texture: str


def swatches(names: Sequence[str]) -> dict[str, Swatch]:
    """One swatch a name, in order; after 9 names the colours come again striped, then dotted, then from the start."""
    return {name: _swatch(number) for number, name in enumerate(names)}


def _swatch(number: int) -> Swatch:
    fill = _HUES[number % len(_HUES)]
    ink = "#000000" if luminance(fill) > 0.18 else "#ffffff"
    return Swatch(fill, ink, _TEXTURES[number // len(_HUES) % len(_TEXTURES)])


def luminance(colour: str) -> float:
    """Relative luminance in [0, 1] of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
